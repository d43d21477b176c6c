// Reads what compactlab/player/archive.py packs. Used by the static page and by the notebook bridge.

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Response(stream).arrayBuffer();
}

// Runs BokehJS as one classic script, which defines window.Bokeh.
async function runBokehJS(bytes) {
  const script = document.createElement('script');
  script.textContent = new TextDecoder().decode(await inflate(bytes));
  document.head.append(script);
  script.remove();
}

// A Bokeh document from an archive. Arrays keep their bytes, so that no number is printed and parsed again.
async function openArchive(Bokeh, bytes) {
  const content = await inflate(bytes);
  const length = new DataView(content).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(content, 4, length)));
  const buffers = new Map();
  let offset = 4 + length;
  head.lengths.forEach((size, index) => {
    buffers.set(String(index), content.slice(offset, offset + size));
    offset += size;
  });
  return Bokeh.require('document').Document.from_json(head.document, undefined, buffers);
}
