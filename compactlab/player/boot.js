// Starts a packed page: BokehJS, then the document, both from the page itself.

const words = $words;

function packed(id) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function boot() {
  if (typeof DecompressionStream === 'undefined') throw new Error(words.old_browser);
  await runBokehJS(packed('bokehjs'));
  const scene = await openArchive(window.Bokeh, packed('archive'));
  await window.Bokeh.require('embed/standalone')
    .add_document_standalone(scene, document.getElementById('compactlab'));
  document.getElementById('message').remove();
}

boot().catch((error) => {
  const message = document.getElementById('message');
  message.setAttribute('role', 'alert');
  message.textContent = words.failed + '\n' + error.message;
  console.error(error);
});
