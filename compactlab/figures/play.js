// One cursor: playing, stepping and keys, and words and lines that follow it.
// Plain functions, so that a document can carry this file in front of its own code.

// Element of a words block; written only when it changes, for Bokeh lays out anew whenever a model does.
function wordsWriter(scene, div) {
  let last, element;
  return (html) => {
    if (!element?.isConnected) { element = scene.views_manager.find_one(div)?.markup_el; last = undefined; }
    if (!element || html === last) return;
    element.innerHTML = html; element.style.width = '100%'; last = html;
  };
}

// At once, so that all panels and words move in one picture; Bokeh would paint each when its turn comes.
function paintCursorOf({cursor, plot}, x) {
  if (!plot || plot.is_paused) { cursor.location = x; return; }
  cursor.setv({location: x}, {silent: true});
  plot.invalidate_painters(cursor);
  plot.paint();
}

function deepFocused() {
  let a = document.activeElement;
  while (a?.shadowRoot?.activeElement) a = a.shadowRoot.activeElement;
  return a;
}

// Position of the stop before or after another, in rising positions.
const nextStop = (stops, now, direction) => direction > 0 ? stops.find((x) => x > now + 1e-6) : stops.filter((x) => x < now - 1e-6).at(-1);

// Ties slider, buttons and keys together. `next(direction)`: position to step to, if any; `move()` follows the cursor;
// `labels`: {play, pause}; `keys`: more keys. Position follows the time that passed, however long a picture takes.
function makePlayer({slider, play, back, forward, speed, next, move, labels, host, keys = {}}) {
  const scene = slider.document, viewOf = (model) => scene.views_manager.find_one(model);
  let playing = false, from = 0, began = 0, placed;
  function step(now) {
    if (!playing) return;
    if (!slider.document) { playing = false; return; }      // the output was closed
    if (placed !== undefined && slider.value !== placed) { from = slider.value; began = now; }   // somebody dragged it meanwhile
    const at = from + (now - began) / 1000 / Number(speed.value) * (slider.end - slider.start);
    slider.value = placed = Math.min(slider.end, at);
    if (at >= slider.end) play.active = false; else requestAnimationFrame(step);
  }
  function startOrStop() {
    const focus = deepFocused();
    if (play.active && !playing) {
      if (slider.value >= slider.end) slider.value = slider.start;
      playing = true; from = slider.value; placed = undefined;
      requestAnimationFrame((now) => { began = now; step(now); });
    } else if (!play.active) playing = false;
    play.label = playing ? `❚❚ ${labels.pause}` : `▶ ${labels.play}`;
    move();
    if (focus?.tagName === 'BUTTON') setTimeout(() => viewOf(play)?.shadow_el.querySelector('button')?.focus(), 40);   // a new label makes a new button
  }
  function goTo(x) { play.active = false; slider.value = Math.min(Math.max(x, slider.start), slider.end); }
  function stepBy(direction) {
    const to = next(direction);
    if (to === undefined) play.active = false; else goTo(to);
  }
  slider.properties.value.change.connect(move);
  play.properties.active.change.connect(startOrStop);
  speed.properties.value.change.connect(() => { from = slider.value; began = performance.now(); });
  back.on_click(() => stepBy(-1)); forward.on_click(() => stepBy(1));
  // A page that is nothing but this figure listens everywhere; in a notebook keys count inside the figure.
  (document.getElementById('compactlab') ? document : host).addEventListener('keydown', (event) => {
    const target = event.composedPath()[0], tag = target.tagName, role = target.getAttribute?.('role');
    if (tag === 'SELECT' || tag === 'INPUT' || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {' ': () => { if (tag !== 'BUTTON') play.active = !play.active; else return false; }, ',': () => stepBy(-1), '.': () => stepBy(1),
      ArrowLeft: () => role === 'slider' ? false : stepBy(-1), ArrowRight: () => role === 'slider' ? false : stepBy(1),
      Home: () => role === 'slider' ? false : goTo(slider.start), End: () => role === 'slider' ? false : goTo(slider.end), ...keys}[event.key];
    if (act && act() !== false) { event.preventDefault(); event.stopPropagation(); }
  });
  return {goTo, stepBy, playing: () => playing};
}
