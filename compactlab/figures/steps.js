// A story told step by step: strips of cells drawn on canvases of a table, numbers beside them, lines below.

const S = settings, scene = slider.document, GAP = '\u00a0';
const [STEPS, ROWS, CELLS] = S.shape;
const HIGHEST = 76, WIDEST = S.width < 5 ? 260 : 96;                // of a drawn cell, in pixels
const viewOf = (model) => scene.views_manager.find_one(model);
const text = numberText = translator(S.words);
const escapeHtml = (s) => String(s).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
let worn = 'light', drawn = -1, size = '';
const tokens = () => S.themes[worn];

// ---- data: what changed from step to step becomes what is
function whole(changes) {
  const all = changes.slice(), each = ROWS * CELLS;
  for (let i = each; i < all.length; i++) all[i] ^= all[i - each];
  return all;
}
const kinds = whole(data.data.kind[0]), labels = data.data.label ? whole(data.data.label[0]) : null;
const occurring = new Set(kinds), marks = data.data.mark[0], numbers = data.data.numbers[0];
let offset = 0;
const measures = S.measures.map((m) => { const from = offset, rows = m.by_row ? ROWS : 1; offset += STEPS * rows; return {...m, rows, at: (step, row) => numbers[from + step * rows + (m.by_row ? row : 0)]}; });
const columns = measures.filter((m) => m.by_row).slice(0, 6), alone = measures.filter((m) => !m.by_row);
const stepNow = () => Math.min(STEPS - 1, Math.floor(slider.value + 1e-9));
const kindAt = (step, row, cell) => kinds[(step * ROWS + row) * CELLS + cell];
const labelAt = (step, row, cell) => labels ? S.labels[labels[(step * ROWS + row) * CELLS + cell]] : '';

function told(m, value) {
  if (!Number.isFinite(value)) return '–';
  const v = Math.abs(value), sign = value < 0 ? '−' : '';
  return sign + (m.whole || v >= 999.5 ? formatCount(v) : v > 0 && v < .01 ? v.toPrecision(2) : formatSignificant(v));
}
for (const m of measures) {
  m.digits = 1; m.least = 0; m.most = 0;
  for (let step = 0; step < STEPS; step++) for (let row = 0; row < m.rows; row++) {
    const v = m.at(step, row);
    m.digits = Math.max(m.digits, told(m, v).length);
    if (Number.isFinite(v)) { m.least = Math.min(m.least, v); m.most = Math.max(m.most, v); }
  }
}

// ---- drawing
function ink(colour) {                          // what can be read on a colour
  const [r, g, b] = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
  return .299 * r + .587 * g + .114 * b > 140 ? '#000000' : '#ffffff';
}
const patterns = {};
function hatch(kind) {                          // pattern that lies over the colour of a kind
  const key = `${worn} ${kind}`, sign = S.hatches[kind];
  if (!sign || patterns[key]) return patterns[key];
  const tile = Object.assign(document.createElement('canvas'), {width: 16, height: 16}), c = tile.getContext('2d');
  c.strokeStyle = c.fillStyle = ink(S.colours[worn][kind]); c.globalAlpha = .32; c.lineWidth = 2.5;
  const line = (...points) => { c.beginPath(); for (let k = 0; k < points.length; k += 4) { c.moveTo(points[k], points[k + 1]); c.lineTo(points[k + 2], points[k + 3]); } c.stroke(); };
  const up = [-4, 20, 20, -4, -4, 4, 4, -4, 12, 20, 20, 12], down = [-4, -4, 20, 20, 12, -4, 20, 4, -4, 12, 4, 20];
  const round = (x, y, r) => { c.beginPath(); c.arc(x, y, r, 0, 7); c.fill(); };
  ({'/': () => line(...up), '\\': () => line(...down), x: () => line(...up, ...down), '-': () => line(0, 4, 16, 4, 0, 12, 16, 12), '|': () => line(4, 0, 4, 16, 12, 0, 12, 16),
    '.': () => { round(4, 4, 2); round(12, 12, 2); }, o: () => { c.beginPath(); c.arc(8, 8, 4, 0, 7); c.stroke(); }})[sign]();
  const pattern = patterns[key] = c.createPattern(tile, 'repeat');
  pattern.setTransform(new DOMMatrix().scale(.5));
  return pattern;
}
function swatch(c, kind, x, y, w, h) {
  c.fillStyle = S.colours[worn][kind]; c.fillRect(x, y, w, h);
  const pattern = hatch(kind);
  if (pattern) { c.fillStyle = pattern; c.fillRect(x, y, w, h); }
}
function sized(canvas, w, h) {                  // context in CSS pixels of a cleared canvas
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) Object.assign(canvas, {width: Math.round(w * ratio), height: Math.round(h * ratio)});
  Object.assign(canvas.style, {width: `${w}px`, height: `${h}px`});
  const c = canvas.getContext('2d');
  c.setTransform(ratio, 0, 0, ratio, 0, 0); c.clearRect(0, 0, w, h);
  return c;
}
function geometry(row) {                        // where the cells of a strip lie
  const {w, h} = strips[row], above = S.marked ? Math.min(10, h * .28) : 2, below = Math.min(8, h * .25), high = Math.max(2, Math.min(HIGHEST, h - above - below));
  return {unit: Math.min(WIDEST, w / S.width) * S.span[row], top: above + (h - above - below - high) / 2, high, above, thick: Math.min(3, below / 2)};
}
function runs(end, same, work) {                // maximal runs of cells that are alike
  for (let from = 0, to = 1; from < end; from = to, to++) { while (to < end && same(from, to)) to++; work(from, to); }
}
function paintStrip(row, step) {
  const {canvas, w, h} = strips[row], {unit, top, high, above, thick} = geometry(row), c = sized(canvas, w, h), base = (step * ROWS + row) * CELLS, before = base - ROWS * CELLS;
  const counts = new Map();
  runs(CELLS, (a, b) => kinds[base + a] === kinds[base + b], (from, to) => {
    const kind = kinds[base + from];
    if (kind === S.no_cell) { c.clearRect(from * unit, 0, w, h); return; }
    counts.set(kind, (counts.get(kind) ?? 0) + to - from);
    swatch(c, kind, from * unit, top, (to - from) * unit + (unit < 4 ? 1 : 0), high);
  });
  if (unit >= 4) {                              // cells stand apart
    c.fillStyle = tokens().bg;
    for (let cell = 1; cell < CELLS; cell++) if (kinds[base + cell] !== S.no_cell || kinds[base + cell - 1] !== S.no_cell) c.fillRect(cell * unit - (unit > 24 ? 1 : .5), top, unit > 24 ? 2 : 1, high);
  }
  if (step > 0) {                               // underlined: changed in this step
    c.fillStyle = tokens().ink;
    runs(CELLS, (a, b) => (kinds[base + a] !== kinds[before + a]) === (kinds[base + b] !== kinds[before + b]), (from, to) => {
      if (kinds[base + from] !== kinds[before + from]) c.fillRect(from * unit, top + high + 1.5, Math.max(2, (to - from) * unit - 1), thick);
    });
  }
  if (labels && high >= 15) {
    c.font = "14px 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif"; c.textAlign = 'center'; c.textBaseline = 'middle';
    runs(CELLS, (a, b) => kinds[base + a] === kinds[base + b] && labelAt(step, row, b) === '', (from, to) => {
      const label = labelAt(step, row, from), kind = kinds[base + from];
      if (!label || kind === S.no_cell || c.measureText(label).width > (to - from) * unit - 4) return;
      const wide = Math.min(c.measureText(label).width + 6, (to - from) * unit - 3), middle = (from + to) / 2 * unit, colour = S.colours[worn][kind];
      if (S.hatches[kind]) { c.fillStyle = colour; c.fillRect(middle - wide / 2, top + high / 2 - 9, wide, 18); }
      c.fillStyle = ink(colour); c.fillText(label, middle, top + high / 2 + 1);
    });
  }
  const mark = marks[step * ROWS + row];
  if (mark >= 0) {
    const x = mark * unit, middle = Math.min(w - above, Math.max(above, x + unit / 2)), wide = above * .75;
    c.strokeStyle = c.fillStyle = tokens().ink; c.lineWidth = unit > 12 ? 3 : 1.5;
    if (unit > 3) c.strokeRect(x + c.lineWidth / 2, top + c.lineWidth / 2, unit - c.lineWidth, high - c.lineWidth); else c.fillRect(x, top, Math.max(1.5, unit), high);
    c.beginPath(); c.moveTo(middle - wide, top - above); c.lineTo(middle + wide, top - above); c.lineTo(middle, top - 1); c.fill();
  }
  canvas.setAttribute('aria-label', `${S.rows[row]}: ${[...counts].map(([kind, n]) => `${formatCount(n)} ${S.kinds[kind]}`).join(', ') || '–'}`);
}

// ---- the board: a table whose strips are canvases, made once for each element it stands in
let strips = [], cellsOf = [], swatches = [], tip;
const boardElement = () => viewOf(board)?.markup_el;
const hasNumbers = (row) => columns.some((m) => { for (let step = 0; step < STEPS; step++) if (Number.isFinite(m.at(step, row))) return true; return false; });
const dash = (row) => { const [token, pattern] = S.looks[row]; return `<svg class=line width=24 height=6 aria-hidden=true style="margin-right:8px;vertical-align:3px"><line x1=0 x2=24 y1=3 y2=3 stroke="var(--cl-${token})" stroke-width=3 stroke-dasharray="${pattern.join(' ')}"/></svg>`; };
function build() {
  const element = boardElement();
  if (!element || (strips[0]?.canvas.isConnected && element.contains(strips[0].canvas))) return;
  element.style.width = '100%';
  const heads = columns.map((m) => `<th scope=col>${escapeHtml(m.label)}</th>`).join('');
  const rows = S.rows.map((name, k) => `<tr><th scope=row title="${escapeHtml(name)}">${hasNumbers(k) ? dash(k) : ''}${escapeHtml(name)}</th><td class=strip><canvas role=img></canvas></td>`
    + columns.map((m) => `<td class=n style="min-width:${m.digits}ch"></td>`).join('') + '</tr>').join('');
  element.innerHTML = `<table aria-label="${escapeHtml(text('Cells and numbers of this step'))}">${columns.length ? `<thead><tr><td></td><td></td>${heads}</tr></thead>` : ''}<tbody>${rows}</tbody></table><div class=tip></div>`;
  strips = [...element.querySelectorAll('canvas')].map((canvas) => ({canvas, td: canvas.parentElement, w: 0, h: 0}));
  cellsOf = [...element.querySelectorAll('tbody tr')].map((tr) => [...tr.querySelectorAll('td.n')]);
  swatches = [...element.querySelectorAll('svg.line')];
  tip = element.querySelector('.tip');
  new ResizeObserver(again).observe(element);
  element.addEventListener('mousemove', point);
  element.addEventListener('mouseleave', () => { tip.style.display = 'none'; });
}
function measureStrips() {
  for (const strip of strips) { strip.w = strip.td.clientWidth; strip.h = strip.td.clientHeight; }
}
function point(event) {                         // what lies under the mouse
  const row = strips.findIndex(({canvas}) => event.composedPath()[0] === canvas);
  const cell = row < 0 ? -1 : Math.floor(event.offsetX / geometry(row).unit), step = stepNow();
  const kind = cell >= 0 && cell < CELLS ? kindAt(step, row, cell) : S.no_cell;
  tip.style.display = kind === S.no_cell ? 'none' : 'block';
  if (kind === S.no_cell) return;
  tip.textContent = `${S.rows[row]}, ${text('cell')} ${formatCount(cell)}${labelAt(step, row, cell) ? ` (${labelAt(step, row, cell)})` : ''}: ${S.kinds[kind]}`;
  const box = boardElement().getBoundingClientRect(), left = event.clientX - box.left + 14;
  Object.assign(tip.style, {left: `${Math.min(left, box.width - tip.offsetWidth - 4)}px`, top: `${Math.min(event.clientY - box.top + 16, box.height - 30)}px`});
}

// ---- words
const write = {verdict: wordsWriter(scene, verdict), facts: wordsWriter(scene, facts), key: wordsWriter(scene, key)};
const ICONS = {ok: '✓', warn: '!', bad: '✕'};
function sentence(step) {
  const level = S.levels[step], [edge, ground] = level ? [level, `${level}_bg`] : ['accent', 'panel'];
  const icon = level ? `<span aria-hidden=true style="font-size:20px;font-weight:700;color:${tokens()[level]}">${ICONS[level]}</span>` : '';
  return `<div role=status style="box-sizing:border-box;height:50px;padding:0 14px;background:${tokens()[ground]};border-left:6px solid ${tokens()[edge]};border-radius:4px;display:flex;align-items:center;gap:14px">`
    + `<h3 class="m n" style="white-space:nowrap;min-width:${String(STEPS).length * 18 + 72}px">${text('step {step} of {steps}', {step: formatCount(step + 1), steps: formatCount(STEPS)})}</h3>${icon}`
    + `<span title="${escapeHtml(S.texts[step])}" style="font-size:17px;line-height:21px;display:-webkit-box;-webkit-line-clamp:2;-webkit-box-orient:vertical;overflow:hidden">${escapeHtml(S.texts[step])}</span></div>`;
}
function keyWords() {
  const shown = S.kinds.map((name, k) => !occurring.has(k) ? '' : `<span><canvas class=k data-kind=${k} style="vertical-align:-2px;margin-right:6px" aria-hidden=true></canvas>${escapeHtml(name)}</span>`);
  if (S.marked) shown.push(`<span><span aria-hidden=true>▼</span> ${text('looked at now')}</span>`);
  shown.push(`<span><span aria-hidden=true style="display:inline-block;width:14px;height:3px;margin-right:6px;vertical-align:2px;background:${tokens().ink}"></span>${text('changed in this step')}</span>`);
  if (S.cell_label) shown.push(`<span class=m>${text('one cell is {what}', {what: escapeHtml(S.cell_label)})}</span>`);
  return `<div style="display:flex;flex-wrap:wrap;gap:0 18px;white-space:nowrap;line-height:22px;min-height:22px">${shown.join('')}</div>`;
}
function factsWords(step) {
  const now = measures[measure ? Number(measure.value) : 0], value = (m) => `<b class=n>${told(m, m.at(step, 0))}</b>`;
  const heading = measures.length === 1 ? `<h3 style="padding-bottom:4px">${escapeHtml(now.label)}</h3>` : '';
  return heading + alone.map((m) => `<div class=r style="white-space:normal;line-height:18px;padding-top:4px"><span>${m === now ? dash(0) : ''}${measures.length === 1 ? '' : escapeHtml(m.label)}</span><span style="padding-left:8px;white-space:nowrap">${value(m)}</span></div>`).join('');
}

// ---- lines
function drawLines() {
  if (!lines) return;
  const m = measures[Number(measure.value)], room = (m.most - m.least || 1) * .06;
  lines.sources.forEach((source, row) => {
    const shown = row < m.rows;
    source.data = {x: shown ? Array.from({length: STEPS + 1}, (_, k) => k) : [0, 0], y: shown ? Array.from({length: STEPS + 1}, (_, k) => m.at(Math.min(k, STEPS - 1), row)) : [NaN, NaN]};
  });
  lines.y_range.setv({start: m.least < 0 ? m.least - room : 0, end: (m.most || (m.least < 0 ? 0 : 1)) + room});
  for (const line of swatches) line.style.display = m.by_row ? '' : 'none';
}

// ---- following the cursor
function move() {
  const step = stepNow();
  if (step === drawn) return;
  drawn = step;
  build();
  write.verdict(sentence(step));
  if (lines) { lines.band.setv({left: step, right: step + 1}); write.facts(factsWords(step)); }
  for (let row = 0; row < strips.length; row++) {
    paintStrip(row, step);
    columns.forEach((m, k) => { cellsOf[row][k].textContent = told(m, m.at(step, row)); });
  }
}
function again() {
  build(); measureStrips(); drawn = -1;
  write.key(keyWords());
  for (const canvas of viewOf(key)?.markup_el?.querySelectorAll('canvas') ?? []) swatch(sized(canvas, 20, 14), Number(canvas.dataset.kind), 0, 0, 20, 14);
  move();
}
function dress() {
  const host = viewOf(root)?.el;
  if (!host) return;
  const wanted = themeWanted(S.theme);
  wear(host, wanted, S.themes[wanted]);
  if (wanted !== worn) { worn = wanted; repaint(bindings, tokens()); }
  again();
}

// ---- wiring
const player = makePlayer({slider, play, back, forward, speed, move, host: viewOf(root).el,
  next: (direction) => { const to = stepNow() + direction; return to >= 0 && to < STEPS ? to : undefined; },
  labels: {play: text('Play'), pause: text('Pause')}});
if (lines) {
  measure.properties.value.change.connect(() => { drawLines(); again(); });
  lines.figure.on_event('tap', (event) => { if (Number.isFinite(event.x)) player.goTo(Math.floor(event.x)); });
}
for (const [model, name] of [[speed, 'Speed'], [measure, 'Measure'], [back, 'Step back'], [forward, 'Step on'], [slider, 'Step']])
  for (const e of (model && viewOf(model))?.shadow_el.querySelectorAll('select,button,[role=slider]') ?? []) e.setAttribute('aria-label', text(name));
for (const {canvas_view} of scene.views_manager.query((view) => view.canvas_view)) { canvas_view.events_el.tabIndex = -1; canvas_view.events_el.style.outline = 'none'; }
whenThemeChanges(dress);
dress();
drawLines();
