// One Bokeh document inside JupyterLab or Voila; the Python half is bridge.py, archive.js stands above.
//
// browser -> Python: {type: 'open' | 'close' | 'ack' | 'bokehjs' | 'message', view, ...}
// Python -> browser: {type: 'document' | 'patch' | 'bokehjs', view, ...} with buffers; a view heeds its own only

// The model of a widget talks to all its views; ours answer to a name of their own.
let views = 0;
const nameOfView = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}-${++views}`;

const bytesOf = (buffer) => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
const arrayBufferOf = (buffer) => bytesOf(buffer).slice().buffer;

// The next message of one type for this view, or an error in words.
function answer(model, view, type, seconds) {
  return new Promise((resolve, reject) => {
    const stop = () => { clearTimeout(timer); model.off('msg:custom', heed); };
    const heed = (message, buffers) => {
      if (message.type === type && message.view === view) { stop(); resolve(buffers); }
    };
    const timer = setTimeout(() => { stop(); reject(new Error(model.get('words').silent)); }, seconds * 1000);
    model.on('msg:custom', heed);
  });
}

// Another program on the page may have loaded BokehJS without its widgets.
const bokehOfVersion = (version) => {
  const found = window.Bokeh?.[version];
  return found && 'Slider' in found.Models ? found : undefined;
};

// BokehJS comes from the kernel, once per page and version, however many widgets there are.
async function ensureBokeh(model, view) {
  const version = model.get('bokeh_version');
  const loading = (window.compactlab_bokehjs ??= {});
  loading[version] ??= (async () => {
    if (!bokehOfVersion(version)) {
      const script = answer(model, view, 'bokehjs', 60);
      model.send({type: 'bokehjs', view});
      await runBokehJS(bytesOf((await script)[0]));
    }
    return window.Bokeh[version];
  })();
  loading[version].catch(() => delete loading[version]);  // the next view tries again
  return loading[version];
}

function showError(box, text) {
  box.textContent = text;
  box.hidden = !text;
}

function errorBox() {
  const box = document.createElement('pre');
  box.setAttribute('role', 'alert');
  box.className = 'compactlab-error';
  box.style.cssText = 'white-space: pre-wrap; margin: 0 0 8px; padding: 8px 12px; font-size: 14px;'
    + 'color: var(--jp-ui-font-color0, #1b1f24); background: var(--jp-error-color3, #fdeae0);'
    + 'border-left: 6px solid var(--jp-error-color1, #b03a00)';
  box.hidden = true;
  return box;
}

// A root that stretches needs a height to stretch to.
function fit(host, scene) {
  const [root] = scene.roots();
  const stretches = ['stretch_both', 'stretch_height', 'scale_both', 'scale_height'].includes(root.sizing_mode);
  host.style.width = '100%';
  host.style.height = stretches ? `${root.height ?? root.min_height ?? 720}px` : '';
}

async function render({model, el}) {
  const view = nameOfView();
  const host = document.createElement('div');
  const box = errorBox();
  el.append(box, host);
  const words = model.get('words');
  const fail = (error) => { showError(box, `${words.failed}\n${error.message ?? error}`); console.error(error); };
  const tell = () => showError(box, model.get('error'));
  model.on('change:error', tell);
  tell();

  let scene, Bokeh, closed = false;
  const close = () => {
    if (!scene) return;
    scene.compactlab_send = undefined;
    scene.clear();
    const all = Bokeh.documents;
    if (all.includes(scene)) all.splice(all.indexOf(scene), 1);
    host.replaceChildren();
    scene = undefined;
  };
  const show = async (bytes) => {
    close();
    const next = await openArchive(Bokeh, bytes);
    if (closed) return;
    scene = next;
    scene.compactlab_send = (content) => model.send({type: 'message', view, content});
    fit(host, scene);
    await Bokeh.require('embed/standalone').add_document_standalone(scene, host);
  };
  const patch = (message, buffers) => {
    const arrays = new Map(message.buffers.map((id, index) => [id, arrayBufferOf(buffers[index])]));
    scene.apply_json_patch(JSON.parse(message.patch), arrays);
  };
  // Painted, or as good as: a hidden page paints nothing.
  const acknowledge = (n) => {
    const send = () => { if (!sent && !closed) { sent = true; model.send({type: 'ack', view, n}); } };
    let sent = false;
    requestAnimationFrame(() => setTimeout(send));
    setTimeout(send, 250);
  };

  // One after another: a patch waits for the document it belongs to.
  let turn = Promise.resolve();
  const heed = (message, buffers) => {
    if (message.view !== view || !['document', 'patch'].includes(message.type)) return;
    turn = turn.then(async () => {
      if (closed) return;
      if (message.type === 'document') await show(bytesOf(buffers[0]));
      else if (scene) patch(message, buffers);
      acknowledge(message.n);
    }).catch(fail);
  };

  try {
    Bokeh = await ensureBokeh(model, view);
    model.on('msg:custom', heed);
    model.send({type: 'open', view});
  } catch (error) {
    fail(error);
  }
  return () => {
    closed = true;
    model.off('msg:custom', heed);
    model.off('change:error', tell);
    model.send({type: 'close', view});
    close();
  };
}

export default {render};
