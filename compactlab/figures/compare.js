// Runs side by side: one cursor over all panels, values beside them, numbers and a table on demand.

const S = settings, scene = slider.document, n = S.bins, sides = S.names.length;
const viewOf = (model) => scene.views_manager.find_one(model);
const text = numberText = translator(S.words);
const escapeHtml = (s) => String(s).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const GAP = '\u00a0';
const CROWDED = sides > 4;      // then names stand in the legend alone, and values in two columns
let worn = 'light', perSecond = false, differ = 0, k = 0;
const tokens = () => S.themes[worn];

function seconds(s, digits = null) {
  if (s < 0) return '−' + seconds(-s, digits);
  if (s === 0) return '0' + GAP + 's';
  if (s < 1e-3) return formatFixed(s * 1e6, 0) + GAP + 'µs';
  if (s < 1) return formatFixed(s * 1e3, s < .01 ? 1 : 0) + GAP + 'ms';
  if (s < 7200) return formatFixed(s, digits ?? (s < 10 ? 2 : s < 600 ? 1 : 0)) + GAP + 's';
  return `${Math.floor(s / 3600)}${GAP}h ${String(Math.floor(s % 3600 / 60)).padStart(2, '0')}${GAP}min`;
}

// ---- data: arrays of one quantity, side and band on the chosen axis; for one zone and order where they have them
let data = {};
function readData() { data = {}; for (const name in main.data) data[name] = main.data[name][0]; }
const perOrder = {index: true, usable: true}, perZone = {free: true};
function values(quantity, side, band = 'mid') {
  const all = data[`${axis.value} ${quantity} ${side} ${band}`];
  if (!all) return null;
  const z = Number(zone.value) || 0, o = Number(order.value);
  const from = perOrder[quantity] ? (z * S.orders.length + o) * n : perZone[quantity] ? z * n : 0;
  return new Float32Array(all.buffer, all.byteOffset + 4 * from, n);   // Bokeh's own arrays cannot be cut
}
const last = (list, at) => list === null || at >= n || Number.isNaN(list[at]) ? null : list[at];
function rate(side, list) {                    // per second, over a hundredth of the axis
  const t = values('t', side), w = Math.max(1, Math.round(n / 100));
  return Float64Array.from(list, (v, i) => { const a = Math.max(0, i - w), dt = t[i] - t[a]; return dt > 0 ? (v - list[a]) / dt : i === 0 ? 0 : NaN; });
}
const QUANTITIES = ['index', 'usable', 'moved'].filter((q) => S.names.some((_, s) => Object.keys(main.data).includes(`elapsed ${q} ${s} mid`)));

function lineOf(key, side) {                   // {y, low, high} of one side in one panel, or null
  if (key === 'difference') {
    const quantity = QUANTITIES[differ], mine = values(quantity, side), first = values(quantity, 0);
    return mine && first && side ? {y: Float64Array.from(mine, (v, i) => v - first[i])} : null;
  }
  const quantity = {index: 'index', free: 'usable', moved: 'moved'}[key], y = values(quantity, side);
  if (!y) return null;
  if (key === 'moved' && perSecond) return {y: rate(side, y)};
  return {y, low: values(quantity, side, 'low'), high: values(quantity, side, 'high')};
}

// ---- units
function unitOf(kind, most) {
  if (kind === 'pages') { const [scale, name] = most >= 9.5e5 ? [1e6, 'M'] : most >= 1e3 ? [1e3, 'k'] : [1, '']; return {scale, name: GAP + name}; }
  if (S.page_size === null) return most >= 1e4 ? {scale: 1000, name: GAP + 'k ' + text('pages')} : {scale: 1, name: ''};
  const shift = most * S.page_size >= 2 ** 30 ? 30 : 20;
  return {scale: 2 ** shift / S.page_size, name: GAP + (shift === 30 ? 'GiB' : 'MiB')};
}
const kindOf = (key) => key === 'difference' ? kindOf({index: 'index', usable: 'free', moved: 'moved'}[QUANTITIES[differ]]) : {index: 'index', free: 'memory', moved: 'pages'}[key];
const rounded = (v) => v < 1e4 ? formatCount(v) : v < 1e6 ? formatSignificant(v / 1e3) + GAP + 'k' : formatFixed(v / 1e6, 2) + GAP + 'M';
function shown(kind, v, signed = false) {
  const sign = v < 0 ? '−' : signed && v > 0 ? '+' : '', size = Math.abs(v);
  if (kind === 'index') return sign + formatFixed(size, 3);
  return sign + (kind === 'memory' ? formatMemory(size, S.page_size) : formatCount(size));
}

// ---- drawing
const positions = Float64Array.from({length: n}, (_, i) => i / (n - 1) * S.width);
function momentAt(i) {
  const here = S.axes[axis.value];
  if (here.seconds) return seconds(here.seconds[i]);
  if (here.edges.length) { let name = ''; for (const [x, phase] of here.edges) if (x <= positions[i] + 1e-6) name = phase; return name.replaceAll('_', ' '); }
  return formatFixed(positions[i] / S.width * 100, 1) + GAP + '%';
}
function draw() {
  const moments = Array.from(positions, (_, i) => momentAt(i));
  for (const panel of panels) {
    const kind = kindOf(panel.key), found = S.names.map((_, side) => lineOf(panel.key, side));
    let most = 0, least = 0;
    for (const line of found) if (line) for (const list of [line.y, line.low, line.high]) if (list) for (const v of list) { if (v > most) most = v; if (v < least) least = v; }
    if (panel.key === 'free') for (let s = 0; s < sides; s++) for (const v of values('free', s) ?? []) if (v > most) most = v;
    const unit = kind === 'index' ? {scale: 1, name: ''} : unitOf(kind, Math.max(most, -least));
    found.forEach((line, side) => {
      const none = {x: [], y: [], low: [], high: [], when: [], text: []};
      panel.marks[side].data = {x: [], y: []};
      if (!line) { panel.lines[side].data = none; return; }
      const y = Array.from(line.y, (v) => v / unit.scale);
      const band = (list) => list ? Array.from(list, (v) => v / unit.scale) : new Array(n).fill(NaN);
      panel.lines[side].data = {x: positions, y, low: band(line.low), high: band(line.high), when: moments,
        text: Array.from(line.y, (v) => Number.isNaN(v) ? '' : `${S.names[side]}: ${shown(kind, v, panel.key === 'difference')}${panel.key === 'moved' && perSecond ? '/s' : ''}`)};
      const every = Math.round(n / 7), at = [];
      for (let i = Math.round(every * (.4 + side / sides)) % every; i < n; i += every) if (!Number.isNaN(y[i])) at.push(i);
      panel.marks[side].data = {x: at.map((i) => positions[i]), y: at.map((i) => y[i])};
    });
    if (panel.key === 'index') panel.more.forEach((source, side) => { source.data = noneFree(side); });
    else {
      panel.more.forEach((source, side) => { const all = values('free', side); source.data = all ? {x: positions, y: Array.from(all, (v) => v / unit.scale)} : {x: [], y: []}; });
      const room = (most - least) * .08 || unit.scale;
      if (panel.key === 'difference') { const reach = Math.max(most, -least) / unit.scale * 1.15 || 1; panel.y.setv({start: -reach, end: reach}); }
      else panel.y.setv({start: 0, end: most > 0 ? (most + room) / unit.scale : kind === 'pages' ? 10 : 1});
      panel.y.tags = [unit.name.trim() ? unit.name : ''];
      panel.figure.left[0].change.emit();
    }
  }
  if (panels.length) labels();
}
function noneFree(side) {                      // stretches in which no block of the order is free
  const usable = values('usable', side), out = {x0: [], x1: [], y: []}, y = 1.14 + .12 * (sides - 1 - side);
  if (!usable) return out;
  const half = S.width / (n - 1) / 2;
  for (let i = 0; i < n; i++) {
    if (usable[i] !== 0) continue;
    const begin = i;
    while (i + 1 < n && usable[i + 1] === 0) i++;
    out.x0.push(Math.max(0, positions[begin] - half)); out.x1.push(Math.min(S.width, positions[i] + half)); out.y.push(y);
  }
  return out;
}
function labels() {
  const here = S.axes[axis.value], found = {}, ticks = [];
  const pixels = viewOf(panels[0].figure)?.frame?.bbox?.width || 860;
  if (here.edges.length) for (const [x, name] of here.edges) ticks.push([x, name.startsWith('after_') ? '' : name.replaceAll('_', ' ')]);
  else if (here.seconds) {
    const whole = here.seconds[n - 1], rough = whole / 6, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    for (let t = 0; t <= whole * (1 + 1e-9); t += step) ticks.push([t / whole * S.width, whole >= 7200 || whole < 1 ? seconds(t) : formatFixed(t, digits) + GAP + 's']);
  } else for (let p = 0; p <= 100; p += 20) ticks.push([p / 100 * S.width, p + GAP + '%']);
  let free = -Infinity;
  for (const [x, name] of ticks) {
    const px = x / S.width * pixels, half = name.length * 3.9 + 4;
    found[x] = px - half < free || px + half > pixels + 30 ? '' : name;
    if (found[x]) free = px + half;
  }
  time_axis.ticks = ticks.map(([x]) => x);
  panels[0].figure.x_range.tags = [found];
  panels.at(-1).figure.below[0].change.emit();
}

// ---- words
function keyOf(side) {
  const colour = tokens()['side' + side], dash = S.dashes[side].join(' ');
  const width = CROWDED ? 24 : 34;
  return `<svg width="${width}" height="12" aria-hidden="true" style="flex:none;margin-right:6px;overflow:visible"><line x1="0" y1="6" x2="${width}" y2="6" stroke="${colour}" stroke-width="2.5" stroke-dasharray="${dash}"/>`
    + `<text x="${width / 2}" y="10.5" text-anchor="middle" font-size="13" fill="${colour}">${S.signs[side]}</text></svg>`;
}
const line = (side, value) => CROWDED
  ? `<div class="n" title="${escapeHtml(S.names[side])}" style="display:inline-flex;width:50%;white-space:nowrap;overflow:hidden">${keyOf(side)}<span>${value}</span></div>`
  : `<div class="r n"><span style="display:flex;align-items:center;min-width:0">${keyOf(side)}<span style="overflow:hidden;text-overflow:ellipsis">${escapeHtml(S.names[side])}</span></span><span style="padding-left:8px">${value}</span></div>`;
const link = (act, words) => `<button type=button data-act=${act}>${words}</button>`;
function absent(quantity, side) { return `<span class=m>${text(values(quantity, side)?.some((v) => !Number.isNaN(v)) ? 'has ended' : 'not told')}</span>`; }

const PANELS = {
  index() {
    const rows = S.names.map((_, side) => {
      const v = last(values('index', side), k);
      return line(side, v === null ? absent('index', side) : last(values('usable', side), k) === 0 ? `<b>${text('none free')}</b>` : shown('index', v));
    });
    return `<h3>${text('Unusable index, {size}', {size: formatOrderSize(Number(order.value), S.page_size)})}</h3>${rows.join('')}`;
  },
  free() {
    const rows = S.names.map((_, side) => {
      const usable = last(values('usable', side), k), all = last(values('free', side), k);
      return line(side, usable === null ? absent('usable', side) : CROWDED ? `<b>${formatMemory(usable, S.page_size)}</b>` : text('{part} of {all}', {part: `<b>${formatMemory(usable, S.page_size)}</b>`, all: formatMemory(all, S.page_size)}));
    });
    return `<h3>${text('Free memory')}</h3><span class=m>${text('thick: usable for {size}, thin: all free', {size: formatOrderSize(Number(order.value), S.page_size)})}</span>${rows.join('')}`;
  },
  moved() {
    const rows = S.names.map((_, side) => {
      const found = lineOf('moved', side), v = found ? last(found.y, k) : null;
      return line(side, v === null ? absent('moved', side) : perSecond ? rounded(v) + '/s' : formatCount(v));
    });
    return `<h3>${text(perSecond ? 'Pages moved per second' : 'Pages moved')} ${link('rate', text(perSecond ? 'in all' : 'per second'))}</h3>${rows.join('')}`;
  },
  difference() {
    const rows = S.names.map((_, side) => {
      if (!side) return '';
      const found = lineOf('difference', side), v = found ? last(found.y, k) : null;
      return line(side, v === null ? absent(QUANTITIES[differ], side) : v === 0 ? text('same') : shown(kindOf('difference'), v, true));
    });
    const name = {index: 'unusable index', usable: 'usable memory', moved: 'pages moved'}[QUANTITIES[differ]];
    return `<h3 style="white-space:nowrap;overflow:hidden;text-overflow:ellipsis">${text('Difference to {first}', {first: escapeHtml(S.names[0])})}</h3><div>${text(name)} ${QUANTITIES.length > 1 ? link('differ', text('next quantity')) : ''}</div>${rows.join('')}`;
  },
};
function ecdfWords() {
  const ms = (v) => seconds(v / 1e9);
  const rows = S.latencies.map((found, side) => line(side, found.requests ? `${ms(found.p50)}, ${ms(found.p99)}` : `<span class=m>${text(CROWDED ? 'none' : 'no such requests')}</span>`));
  return `<h3>${text('Time to get {size}', {size: formatOrderSize(S.requested, S.page_size)})} <span class=m style="font-size:14px;font-weight:400">${text('p50, p99')}</span></h3>${rows.join('')}`;
}
function legendWords() {
  const here = S.axes[axis.value];
  const now = here.seconds ? `${momentAt(k)} <span class=m>${text('since the start')}</span>` : here.edges.length ? `${momentAt(k)}` : `${momentAt(k)} <span class=m>${text('of each run')}</span>`;
  const keys = S.names.map((name, side) => {
    const t = here.seconds ? '' : `, ${seconds(values('t', side)[k])}`;
    return `<span style="display:inline-flex;align-items:center;margin-right:26px">${keyOf(side)}${escapeHtml(name)}<span class=m>&ensp;${text(S.runs[side] > 1 ? '{count} runs' : '{count} run', {count: S.runs[side]})}${t}</span></span>`;
  });
  const band = S.runs.some((r) => r > 1) ? `<span class=m>${text('seeds: line is their median, band from least to most')}</span>` : '';
  return `<div class=n style="display:flex;white-space:nowrap;overflow:hidden;line-height:${CROWDED ? 19 : 22}px"><span style="flex:none;width:${CROWDED ? 250 : 366}px"><b>${now}</b></span><span style="overflow:hidden;text-overflow:ellipsis;${CROWDED ? 'white-space:normal' : ''}">${keys.join('')}${band}</span></div>`;
}
function bar() {
  const d = told.data, level = d.level[0];
  return `<div role="status" style="box-sizing:border-box;height:46px;padding:0 14px;background:${tokens()[level + '_bg']};border-left:6px solid ${tokens()[level]};border-radius:4px;display:flex;align-items:center;gap:12px;font-size:16px;line-height:20px">`
    + `<span aria-hidden="true" style="font-size:20px;font-weight:700;color:${tokens()[level]};width:20px;text-align:center">${d.icon[0]}</span>`
    + `<span title="${escapeHtml(d.text[0])}" style="display:-webkit-box;-webkit-line-clamp:2;-webkit-box-orient:vertical;overflow:hidden">${escapeHtml(d.text[0])}</span></div>`;
}
const STEP = Math.max(1, Math.floor(n / 50));
function tableWords() {
  const here = Math.round(k / STEP) * STEP, columns = [];
  const told = (v, kind) => v === null ? '–' : shown(kind, v);
  for (const [quantity, name] of [['index', 'unusable index'], ['usable', 'usable memory'], ['moved', 'pages moved']])
    S.names.forEach((side, s) => {
      const list = values(quantity, s), usable = values('usable', s), free = values('free', s);
      if (!list) return;
      columns.push({name, side, at: {
        index: (i) => last(list, i) !== null && usable[i] === 0 ? text('none free') : told(last(list, i), 'index'),
        usable: (i) => last(list, i) === null ? '–' : text('{part} of {all}', {part: told(list[i], 'memory'), all: told(free[i], 'memory')}),
        moved: (i) => told(last(list, i), 'pages'),
      }[quantity]});
    });
  const cell = 'padding:2px 16px 2px 0;text-align:right;border-bottom:1px solid var(--cl-grid);font-weight:400';
  const head = columns.map((c) => `<th scope=col style="${cell};font-weight:650;vertical-align:bottom">${text(c.name)}<br>${escapeHtml(c.side)}</th>`).join('');
  let rows = '';
  for (let i = 0; i < n; i += STEP)
    rows += `<tr${i === here ? ' aria-current="true"' : ''}><th scope=row style="${cell};text-align:left">${i === here ? '▶ ' : ''}${momentAt(i)}</th>${columns.map((c) => `<td style="${cell}">${c.at(i)}</td>`).join('')}</tr>`;
  return `<h3>${text('Values over time, every {step} of {count} moments', {step: STEP, count: n})}</h3><table class=n style="border-spacing:0;line-height:18px"><thead><tr><th scope=col style="${cell};text-align:left;font-weight:650;vertical-align:bottom">${text('Moment')}</th>${head}</tr></thead><tbody>${rows}</tbody></table>`;
}

const parts = panels.map((panel) => ({...panel, plot: viewOf(panel.figure), write: wordsWriter(scene, panel.words)}));
const writeVerdict = wordsWriter(scene, verdict), writeLegend = wordsWriter(scene, legend), writeEcdf = wordsWriter(scene, ecdf_words), writeTable = wordsWriter(scene, table);

function move() {
  k = Math.min(n - 1, Math.floor(slider.value / S.width * (n - 1) + 1e-6));
  for (const part of parts) { part.plot ??= viewOf(part.figure); paintCursorOf(part, slider.value); part.write(PANELS[part.key]()); }
  writeLegend(legendWords()); writeVerdict(bar());
  if (ecdf) writeEcdf(ecdfWords());
  if (table.visible) writeTable(tableWords());
}

// ---- sheets: pictures, numbers or the table
function show(toggle, other) {
  if (toggle.active) other.active = false;
  numbers.visible = show_numbers.active; table.visible = show_table.active;
  grid.visible = !numbers.visible && !table.visible;
  setTimeout(() => {
    for (const sheet of [numbers, table]) { const e = viewOf(sheet)?.el; if (e) { e.tabIndex = 0; e.setAttribute('role', 'region'); e.setAttribute('aria-label', text(sheet === numbers ? 'Numbers' : 'Table')); } }
    if (grid.visible) draw();
    move();
    if (table.visible) { const sheet = viewOf(table)?.el, row = viewOf(table)?.markup_el?.querySelector('[aria-current]'); if (row) sheet.scrollTop = row.offsetTop - 100; }
  }, 30);
}
function dress() {
  const host = viewOf(root)?.el;
  if (!host) return;
  const wanted = themeWanted(S.theme);
  wear(host, wanted, S.themes[wanted]);
  if (wanted !== worn) { worn = wanted; repaint(bindings, tokens()); }
  move();
}

// ---- wiring
let waiting = false, asked;
const later = (work) => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; work(); }); } };
const on = (model, attribute, work) => model.properties[attribute].change.connect(work);
const host = viewOf(root).el;
const stop = () => { show_numbers.active = show_table.active = false; };
const player = makePlayer({slider, play, back, forward, speed, move, host, next: (direction) => nextStop(Array.from(positions), slider.value, direction), labels: {play: text('Play'), pause: text('Pause')}, keys: {Escape: stop}});
function chosen() {
  draw(); move();
  if (S.live) {
    clearTimeout(asked);
    asked = setTimeout(() => scene.compactlab_send?.({type: 'numbers', zone: S.zones[Number(zone.value)] ?? null, order: Number(order.value)}), 150);
  }
}
on(zone, 'value', chosen); on(order, 'value', chosen);
on(axis, 'value', () => { draw(); move(); });
on(main, 'data', () => later(() => { readData(); draw(); move(); }));
on(told, 'data', () => later(move));
on(show_numbers, 'active', () => show(show_numbers, show_table));
on(show_table, 'active', () => show(show_table, show_numbers));
for (const panel of panels) panel.figure.on_event('tap', (event) => { if (Number.isFinite(event.x)) player.goTo(event.x); });
host.addEventListener('click', (event) => {
  const act = event.composedPath().find((e) => e.dataset?.act)?.dataset.act;
  if (act === 'rate') perSecond = !perSecond;
  if (act === 'differ') differ = (differ + 1) % QUANTITIES.length;
  if (act) { draw(); move(); }
});
for (const [model, name] of [[zone, 'Zone'], [order, 'Order'], [axis, 'Line up by'], [speed, 'Speed'], [back, 'Step back'], [forward, 'Step on'], [slider, 'Time']])
  for (const e of viewOf(model)?.shadow_el.querySelectorAll('select,button,[role=slider]') ?? []) e.setAttribute('aria-label', text(name));
for (const {canvas_view} of scene.views_manager.query((view) => view.canvas_view)) { canvas_view.events_el.tabIndex = -1; canvas_view.events_el.style.outline = 'none'; }
whenThemeChanges(dress);
new ResizeObserver(() => later(() => { if (host.isConnected && grid.visible) labelsAgain(); })).observe(host);
function labelsAgain() { if (panels.length) labels(); }

readData(); draw(); dress();
