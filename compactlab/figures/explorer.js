// Ties the views to the controls: one cursor, one time axis, one theme. Runs once per opened document.

const S = settings, scene = slider.document;
const BORDER_RIGHT = 30;               // of every plot, as view.py has it
const viewOf = (model) => scene.views_manager.find_one(model);
const text = numberText = translator(S.words);
const escapeHtml = (s) => String(s).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const writer = (div) => wordsWriter(scene, div);

// ---- time: piecewise linear between edges, as timeline.py draws it
function along(value, from, to) {
  let a = 0, b = from.length - 1;
  while (b - a > 1) { const half = (a + b) >> 1; if (from[half] <= value) a = half; else b = half; }
  const width = from[b] - from[a];
  return width > 0 ? to[a] + (value - from[a]) / width * (to[b] - to[a]) : to[a];
}
const pad = (n) => String(n).padStart(2, '0');
function duration(s, fine = false) {    // fine: to the second however long
  if (s === 0) return '0\u00a0s';
  if (s < .001) return (s * 1e6).toFixed(0) + '\u00a0µs';
  if (s < 1) return (s * 1e3).toFixed(s < .01 ? 1 : 0) + '\u00a0ms';
  if (s < 120) return s.toFixed(s < 10 ? 2 : 1) + '\u00a0s';
  if (s < 7200) return `${Math.floor(s / 60)}\u00a0min ${pad(Math.floor(s % 60))}\u00a0s`;
  const seconds = fine ? ` ${pad(Math.floor(s % 60))}\u00a0s` : '', minutes = ` ${pad(Math.floor(s % 3600 / 60))}\u00a0min`;
  if (s < 172800) return `${Math.floor(s / 3600)}\u00a0h${minutes}${seconds}`;
  return `${Math.floor(s / 86400)}\u00a0d ${Math.floor(s % 86400 / 3600)}\u00a0h${fine ? minutes + seconds : ''}`;
}
const span = S.end - S.start;
// A moment; on an axis, which shows `seen` seconds, as short as tells the ticks apart.
function clock(t, seen = null) {
  if (S.wall === null) {
    if (S.instant) return text('one moment');
    const digits = span < 10 ? 3 : span < 600 ? 2 : 0;
    if (seen !== null) return span < 600 || seen < 10 ? t.toFixed(seen < 1 ? 3 : seen < 10 ? 2 : 1) : duration(t, seen < 600);
    return span >= 7200 ? duration(t, true) : t.toFixed(digits) + '\u00a0s';
  }
  const iso = new Date(S.wall + (S.instant ? S.start : t) * 1000).toISOString();
  if (seen !== null) return seen > 86400 ? `${iso.slice(5, 10)} ${iso.slice(11, 16)}` : iso.slice(11, seen < 1 ? 23 : seen < 60 ? 21 : 19);
  return `${span > 86400 ? iso.slice(5, 11).replace('T', ' ') : ''}${iso.slice(11, span < 60 ? 23 : 19)}\u00a0UTC`;
}

// A moment to the microsecond, where events are told apart.
function moment(t) {
  if (S.wall !== null || S.instant || span >= 7200) return clock(t);
  const [whole, part] = t.toFixed(6).split('.');
  return `${whole}.${part.slice(0, 3)}\u00a0${part.slice(3)}\u00a0s`;
}

// ---- what every view sees
const ctx = {
  text, escape: escapeHtml, clock, moment, duration, absent: S.absent, orders: S.orders, ramps: S.ramps, theme: 'light',
  zone: 0, order: 0, row: 0, t: S.start, who: [], rows: {n: 0, t: [], x: []},
  count: formatCount,
  memory: (pages) => formatMemory(pages, S.page_size),
  size: (order) => formatOrderSize(order, S.page_size),
  sizes(first, last) {
    const [a, b] = [this.size(first), this.size(last)].map((s) => s.split('\u00a0'));
    return first === last ? a.join('\u00a0') : a[1] === b[1] ? `${a[0]}–${b.join('\u00a0')}` : `${a.join('\u00a0')}–${b.join('\u00a0')}`;
  },
  unitOf(pages) {            // of an axis: MiB or GiB, whichever keeps few digits
    if (S.page_size === null) return pages < 1e4 ? {pages: 1, name: text('pages')} : {pages: 1000, name: 'k ' + text('pages')};
    const shift = pages * S.page_size >= 2 ** 30 ? 30 : 20;
    return {pages: 2 ** shift / S.page_size, name: shift === 30 ? 'GiB' : 'MiB'};
  },
  colour: (token) => S.themes[ctx.theme][token],
  draw: (t) => along(t, S.edges, S.positions[axis.value]),
  seconds: (x) => along(x, S.positions[axis.value], S.edges),
  range: () => [x_range.start, x_range.end],
  end: () => S.end,
  around: () => [ctx.t, Math.max(ctx.t, ctx.seconds(slider.value + slider.step))],
  pixels: () => shown().find((part) => part.cursor && part.plot?.frame)?.plot.frame.bbox.width || 880,
  send: (message) => scene.compactlab_send?.(message),
  live: S.live,
  view: viewOf, writer,
  sheet: () => sheet,
  free: (r, z, o) => data.free[(r * S.zones.length + z) * S.orders.length + o],
  index: (kind, r, z, o) => data[kind][(r * S.zones.length + z) * S.orders.length + o],
  column: (name, z, pages) => Float64Array.from(pages, (_, r) => data[name][r * S.zones.length + z]),
  repeatLone: (list) => list.length !== 1 ? list : typeof list[0] === 'number' && list === ctx.rows.x ? [0, S.width] : [list[0], list[0]],
  refresh: () => move(),
};
let data = {};
function readData() {
  data = {};
  for (const [name, [values]] of Object.entries(main.data)) data[name] = values;
}

const parts = views.map((view) => ({...view, plot: view.figure && viewOf(view.figure), write: writer(view.words), script: SCRIPTS[view.key](ctx, view.models)}));
const writeVerdict = writer(verdict), writeTable = writer(table);
let sheet = Object.keys(sheets)[0];
const shown = () => parts.filter((part) => part.sheet === sheet);

// ---- drawing
function select() {
  ctx.zone = Number(zone.value); ctx.order = Number(order.value);
  const t = data.t ?? [];
  ctx.rows = {n: t.length, t, x: Float64Array.from(t, ctx.draw)};
  x_range.tags = [S.orders.map((o) => ctx.size(o)), labels()];
  for (const part of shown()) part.script.select?.();
  if (sheet === 'table') tabulate();
}

function labels() {
  const [x0, x1] = ctx.range(), pixels = ctx.pixels(), scale = pixels / (x1 - x0), found = {};
  if (S.instant) { for (const axis of time_axes) axis.ticks = []; return found; }
  const at = [];
  if (axis.value === 'phase') for (const t of [S.start, ...S.phase_starts.slice(1), S.end]) at.push([ctx.draw(t), t]);
  const seen = at.filter(([x]) => x >= x0 - 1e-6 && x <= x1 + 1e-6);
  if (seen.length < 3) {
    const t0 = ctx.seconds(x0), t1 = ctx.seconds(x1), rough = (t1 - t0) / 7 || 1;
    const nice = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = rough >= 1 ? nice.find((s) => s >= rough) ?? Math.ceil(rough / 86400) * 86400 : [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough);
    const zero = S.wall === null ? 0 : -(S.wall / 1000) % step;
    for (let k = Math.ceil((t0 - zero) / step); zero + k * step <= t1 + step * 1e-9; k++) seen.push([ctx.draw(zero + k * step), zero + k * step]);
    seen.sort((a, b) => a[0] - b[0]);
  }
  const shownSeconds = ctx.seconds(x1) - ctx.seconds(x0);
  let free = -Infinity, before = '';
  for (const [x, t] of seen) {
    const label = clock(t, shownSeconds), half = label.length * 3.9 + 4, px = (x - x0) * scale;
    if (label === before || px - half < free || px + half > pixels + BORDER_RIGHT) { found[x] = ''; continue; }
    found[x] = before = label; free = px + half;
  }
  const ticks = Object.keys(found).map(Number);
  const last = Math.max(...ticks.filter((x) => found[x]));
  if (Number.isFinite(last) && S.wall === null && span < 600) found[last] += '\u00a0s';
  for (const axis of time_axes) axis.ticks = ticks;
  return found;
}

function rowAt(x) {                    // last drawn snapshot at or before a position
  const xs = ctx.rows.x; let a = 0, b = xs.length;
  while (a < b) { const half = (a + b) >> 1; if (xs[half] <= x + 1e-6) a = half + 1; else b = half; }
  return Math.max(a - 1, 0);
}

function move() {
  const x = slider.value;
  ctx.t = ctx.seconds(x); ctx.row = rowAt(x);
  if (opening) return;
  for (const part of shown()) if (part.cursor) paintCursorOf(part, x);
  for (const part of parts) {
    if (part.key === 'who' && part.sheet !== sheet) part.script.move(() => {});      // the verdict tells who compacts
    else if (part.sheet === sheet && (ctx.rows.n || !['contiguity', 'indices'].includes(part.key))) part.script.move(part.write);
  }
  writeVerdict(verdictBar());
}

// ---- sheets
const tabNames = Object.keys(S.sheets).filter((key) => sheets[key]);
function makeTabs() {
  const bar = viewOf(tabs)?.markup_el;
  if (!bar) return;
  bar.innerHTML = `<div role=tablist aria-label="${text('Sheets')}">` + tabNames.map((key) => `<button type=button role=tab data-sheet="${key}">${escapeHtml(S.sheets[key])}</button>`).join('') + '</div>';
  markTab();
}
function markTab() {
  for (const tab of viewOf(tabs)?.markup_el.querySelectorAll('[role=tab]') ?? []) {
    tab.setAttribute('aria-selected', String(tab.dataset.sheet === sheet)); tab.tabIndex = tab.dataset.sheet === sheet ? 0 : -1;
  }
}
let opening = false;           // a sheet is shown whose views have drawn nothing yet
function open(key, focus = false) {
  if (!sheets[key] || key === sheet) return;
  sheet = key;
  for (const name of tabNames) sheets[name].visible = name === key;
  below.visible = key === 'overview';
  markTab();
  if (focus) viewOf(tabs)?.markup_el.querySelector(`[data-sheet="${key}"]`)?.focus();
  opening = true;
  requestAnimationFrame(() => { opening = false; select(); for (const part of shown()) part.script.paint?.(); move(); });   // once there is room to draw in
}

// ---- what is drawn, as tables
let tabled = 0;
const TABLE_ROWS = 200;
function tabulate() {
  const tables = parts.filter((part) => part.script.table).map((part) => part.script);
  if (!tables.length) return;
  const titles = tables.map((script) => script.title?.() ?? script.table().title);
  tabled = Math.min(tabled, tables.length - 1);
  const {title, columns, rows, note} = tables[tabled].table();
  const every = Math.max(1, Math.ceil(rows.length / TABLE_ROWS)), kept = rows.filter((_row, k) => k % every === 0 || k === rows.length - 1);
  const options = titles.map((name, k) => `<option value=${k}${k === tabled ? ' selected' : ''}>${escapeHtml(name)}</option>`).join('');
  const told = every > 1 ? text('{part} of {all} rows', {part: ctx.count(kept.length), all: ctx.count(rows.length)}) : '';
  writeTable(`<div style="display:flex;flex-direction:column;height:100%"><div style="padding:2px 0 8px"><label>${text('Table of')} <select data-change=table>${options}</select></label> <span class=m>${[told, note].filter(Boolean).map(escapeHtml).join(' · ')}</span></div>`
    + `<div tabindex=0 role=region aria-label="${escapeHtml(title)}" style="overflow:auto;flex:1"><table class=n><caption>${escapeHtml(title)}</caption><thead><tr>${columns.map((name) => `<th scope=col>${escapeHtml(name)}</th>`).join('')}</tr></thead>`
    + `<tbody>${kept.map((row) => `<tr><th scope=row>${escapeHtml(row[0])}</th>${row.slice(1).map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`).join('')}</tbody></table></div></div>`);
}

function numbersAt(r, z, o) {
  const found = {order: S.orders[o], page_size: S.page_size, zone: S.zones[z]};
  const cells = ctx.rows.n * S.zones.length, cell = r * S.zones.length + z;
  for (const name in data) if (name.startsWith('verdict_')) {
    const values = data[name]; found[name.slice(8)] = values[values.length === cells ? cell : o * cells + cell];
  }
  return found;
}

function verdictBar() {
  const bar = (level, inner) => `<div role="status" aria-live="${player?.playing() ? 'off' : 'polite'}" style="box-sizing:border-box;height:46px;padding:0 14px;background:${ctx.colour(level + '_bg')};border-left:6px solid ${ctx.colour(level)};border-radius:4px;display:flex;align-items:center;gap:12px;font-size:17px;line-height:20px">${inner}</div>`;
  if (!ctx.rows.n) return bar('warn', `<span>${text('no free lists in this recording, so no verdict')}</span>`);
  const told = verdictSentence(numbersAt(ctx.row, ctx.zone, ctx.order), S.templates, ctx.who[0] ?? null);
  return bar(told.level, `<span aria-hidden="true" style="font-size:20px;font-weight:700;color:${ctx.colour(told.level)};width:20px;text-align:center">${told.icon}</span>`
    + `<span style="display:-webkit-box;-webkit-line-clamp:2;-webkit-box-orient:vertical;overflow:hidden">${fillTemplate(escapeHtml(S.templates.bar), {headline: `<b style="color:${ctx.colour(told.level)}">${escapeHtml(fillTemplate(S.templates.headline, told))}</b>`, why: escapeHtml(told.why)})}</span>`);
}

// ---- theme
function dress() {
  const host = viewOf(root)?.el;
  if (!host) return;
  const wanted = themeWanted(S.theme), tokens = S.themes[wanted];
  wear(host, wanted, tokens);
  if (wanted !== ctx.theme) { ctx.theme = wanted; repaint(bindings, tokens); }
  for (const part of parts) part.script.paint?.();
  move();
}

// ---- stepping
const steps = () => shown().find((part) => part.script.steps)?.script.steps();
function next(direction) {             // position of the next snapshot, or event where a sheet shows events
  const times = steps();
  if (times?.length) {
    let a = 0, b = times.length;         // the first one later than now
    while (a < b) { const half = (a + b) >> 1; if (times[half] <= ctx.t + 2e-9) a = half + 1; else b = half; }
    const to = direction > 0 ? a : a - 1 >= 0 && times[a - 1] >= ctx.t - 2e-9 ? a - 2 : a - 1;
    return to >= 0 && to < times.length ? ctx.draw(times[to]) : undefined;
  }
  const xs = ctx.rows.x, r = rowAt(slider.value);
  const to = direction > 0 ? xs.findIndex((x) => x > slider.value + 1e-6) : slider.value > (xs[r] ?? 0) + 1e-6 ? r : r - 1;
  return to >= 0 ? xs[to] : undefined;
}
function nextCompaction() {            // to where the next one begins; after the last, to the first
  const begun = parts.find((part) => part.key === 'who')?.models.source.data.start;
  if (!begun?.length) return;
  const all = Array.from(begun).sort((a, b) => a - b);
  player.goTo(ctx.draw(all.find((t) => t > ctx.t + 2e-9) ?? all[0]));
}

// ---- wiring
let asked;
function zoomed() {
  const [x0, x1] = ctx.range();
  slider.setv({start: x0, end: x1, step: (x1 - x0) / S.width, value: Math.min(Math.max(slider.value, x0), x1)});
  select(); move();
  if (S.live) {
    clearTimeout(asked);
    asked = setTimeout(() => ctx.send({type: 'zoom', first: x0, last: x1, axis: axis.value}), 150);
  }
}
let waiting = false;
const later = (work) => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; work(); }); } };
const whole = () => x_range.setv({start: 0, end: S.width});
const on = (model, attributes, work) => { for (const a of attributes) model.properties[a].change.connect(work); };
on(zone, ['value'], () => { select(); move(); });
on(order, ['value'], () => { select(); move(); });
on(axis, ['value'], () => { const t = ctx.t; whole(); select(); slider.value = Math.round(ctx.draw(t)); move(); });
on(main, ['data'], () => later(() => { readData(); select(); move(); }));
on(x_range, ['start', 'end'], () => later(zoomed));
jump.on_click(nextCompaction);
for (const view of views) if (view.cursor) {
  view.figure.on_event('tap', (event) => { if (Number.isFinite(event.x)) { play.active = false; slider.value = Math.min(Math.max(event.x, slider.start), slider.end); } });
  view.figure.on_event('doubletap', whole);
}
const host = viewOf(root).el;
host.addEventListener('click', (event) => {
  const chosen = event.composedPath().find((e) => e.dataset?.sheet)?.dataset.sheet;
  if (chosen) open(chosen);
  const act = event.composedPath().find((e) => e.dataset?.act)?.dataset.act;
  for (const part of parts) part.script[act]?.(event);
});
host.addEventListener('input', (event) => {     // "change" does not leave the shadow of a words block
  const e = event.composedPath()[0];
  if (e.dataset?.change === 'table') { tabled = Number(e.value); tabulate(); viewOf(table)?.markup_el.querySelector('select')?.focus(); }
  for (const part of shown()) part.script[e.dataset?.change]?.(e.value);
});
const player = makePlayer({slider, play, back, forward, speed, next, move, host, labels: {play: text('Play'), pause: text('Pause')}, keys: {n: nextCompaction, Escape: whole}});
// Names for those who hear the page, and no Tab stop on a figure.
for (const [model, name] of [[zone, 'Zone'], [order, 'Order'], [axis, 'Time axis'], [speed, 'Speed'], [back, 'Step back'], [forward, 'Step on'], [jump, 'Next compaction'], [slider, 'Time']])
  for (const e of viewOf(model)?.shadow_el.querySelectorAll('select,button,[role=slider]') ?? []) e.setAttribute('aria-label', text(name));
makeTabs();
viewOf(tabs).markup_el.addEventListener('keydown', (event) => {
  const at = tabNames.indexOf(sheet), n = tabNames.length;
  const to = {ArrowLeft: (at + n - 1) % n, ArrowRight: (at + 1) % n, Home: 0, End: n - 1}[event.key];
  if (to !== undefined) { open(tabNames[to], true); event.preventDefault(); event.stopPropagation(); }
});
for (const {canvas_view} of scene.views_manager.query((view) => view.canvas_view)) { canvas_view.events_el.tabIndex = -1; canvas_view.events_el.style.outline = 'none'; }
whenThemeChanges(dress);
new ResizeObserver(() => later(() => { if (host.isConnected) { select(); move(); } })).observe(host);   // also when it is taken off the page

readData(); select(); dress();
