// Every pageblock as a cell. The film is one picture and, for each step, the bits that flip in it: it runs both ways.
(ctx, m) => {
  const text = translator(m.words), A = m.about;
  const F = Object.fromEntries(Object.entries(m.film.data).map(([name, [values]]) => [name, values]));
  const P = Object.fromEntries(Object.entries(m.pages.data).map(([name, [values]]) => [name, values]));
  // A part of one of Bokeh's own arrays would begin at its first value: a plain view of the same bytes does not.
  for (const name of ['near', 'sampled']) P[name] = new Uint8Array(P[name].buffer, P[name].byteOffset, P[name].length);
  const steps = F.t.length, state = F.initial.slice(), FILL = m.parts.fill.begin;
  const EMPTIED = FILL + A.fills.length, FILLED = EMPTIED + 1, ISOLATED = EMPTIED + 2, absent = A.fills.indexOf('absent');
  const lookup = new Uint8Array(65536);
  let at = -1, zone = -1, cells = 0, offset = 0, across = 1, down = 1, pixels = new Uint8Array(1), mode = 'fill', pinned = null, before = -1;
  const writers = Object.fromEntries(Object.keys(m.blocks).map((name) => [name, ctx.writer(m.blocks[name])]));

  // ---- colours: what of the 16 bits is shown
  const bits = {
    fill: (s) => s & 15, type: (s) => (s & 15) === absent ? 7 : Math.min(s >> A.type_bits & 7, 6),
    order: (s) => s >> A.order_bits & 15, cannot: (s) => s >> A.cannot_bits & 15, skip: (s) => s >> A.skip_bit & 1,
  };
  function colourBy(name) {
    mode = name;
    const {begin, names} = m.parts[name];
    for (let s = 0; s < 65536; s++) lookup[s] = (s & 15) === absent && name !== 'type' ? FILL + absent : begin + Math.min(bits[name](s), names.length - 1);
  }
  colourBy('fill');

  // ---- the film
  function stepAt(t) {                   // last step at or before a moment
    let a = 0, b = steps;
    while (a < b) { const half = (a + b) >> 1; if (F.t[half] <= t + 2e-9) a = half + 1; else b = half; }
    return a - 1;
  }
  function flip(from, to) { for (let j = F.first[from]; j < F.first[to]; j++) state[F.cell[j]] ^= F.flip[j]; }
  function wind(to) {
    if (to > at) flip(at + 1, to + 1); else if (to < at) flip(to + 1, at + 1);
    at = to;
  }
  // Changes by moves that are shown as happening: of the last steps, and of those since the last picture.
  function happening() {
    const few = Math.max(6, Math.round(steps / 200)), played = before < at && at - before <= few ? before : at;   // after a jump only the last ones
    const found = [], least = Math.max(Math.min(played, at - 6), 0);
    for (let k = at; k >= least && found.length < 400; k--) {
      if (F.what[k] === A.frame) continue;
      for (let j = F.first[k]; j < F.first[k + 1]; j++) if (F.role[j] === 1 || F.role[j] === 2) if (inside(F.cell[j])) found.push([k, F.cell[j] - offset, F.role[j]]);
    }
    return found;
  }
  const inside = (cell) => cell >= offset && cell < offset + cells;
  const middle = (cell) => [cell % across + .5, Math.floor(cell / across) + .5];

  // ---- one zone
  function arrange() {
    const found = A.zone_of.length ? A.zone_of[ctx.zone] : 0;
    if (found === zone) return;
    zone = found; pinned = null;
    cells = zone < 0 ? 0 : A.bounds[zone + 1] - A.bounds[zone]; offset = zone < 0 ? 0 : A.bounds[zone];
    across = Math.max(1, 2 ** Math.round(Math.log2(Math.sqrt(cells || 1)))); down = Math.max(1, Math.ceil(cells / across));
    const Pixels = m.picture.data.image[0].constructor;      // Bokeh's own array of two dimensions
    pixels = new Pixels(new Uint8Array(across * down).fill(FILL + absent), [down, across]);
    m.picture.data = {image: [pixels], dw: [across], dh: [down]};
    m.across.setv({start: 0, end: across}); m.down.setv({start: down + down * .012, end: -down * .012});
    addresses(); tools();
  }
  function pagesAt(cell) { return A.start_pfn[offset + cell]; }
  function addresses() {
    const names = {}, ticks = [];
    if (cells) {
      const first = pagesAt(0), size = A.cell_pages[zone], last = first + cells * size;
      const unit = A.page_size === null ? 1 : 2 ** 30 / A.page_size, span = (last - first) / unit, small = A.page_size !== null && span < 2;
      const each = small ? unit / 1024 : unit, label = A.page_size === null ? ' ' + text('pages') : small ? '\u00a0MiB' : '\u00a0GiB';
      const rough = (last - first) / each / 6, nice = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].find((s) => s >= rough) ?? Math.ceil(rough);
      for (let k = Math.ceil(first / each / nice); k * nice * each < last; k++) {
        const y = (k * nice * each - first) / size / across; ticks.push(y); names[y] = `${k * nice}${label}`;
      }
    }
    m.down.tags = [names]; m.axis.ticker.ticks = ticks;
  }
  const rowOf = (pfn) => Math.min(Math.max((pfn - pagesAt(0)) / A.cell_pages[zone] / across, 0), down);

  // ---- drawing
  function paintMap(moving) {
    for (let k = 0; k < cells; k++) pixels[k] = lookup[state[offset + k]];
    if (mode === 'fill') for (const [, cell, role] of moving) if (role) pixels[cell] = role === 1 ? EMPTIED : FILLED;
    if (mode === 'fill' && at >= 0 && F.zone[at] === zone && F.number[at] && [1, 2].includes(F.what[at])) {
      const cell = Math.floor(((F.what[at] === 1 ? F.migrate_pfn[at] - 1 : F.free_pfn[at]) - pagesAt(0)) / A.cell_pages[zone]);
      if (cell >= 0 && cell < cells) pixels[cell] = ISOLATED;
    }
    m.picture.change.emit();
  }
  function paintArrows(moving) {
    const lines = {x0: [], y0: [], x1: [], y1: []}, byStep = new Map();
    for (const [k, cell, role] of moving) { if (!byStep.has(k)) byStep.set(k, [null, [], []]); byStep.get(k)[role].push(cell); }
    for (const [, sources, targets] of byStep.values()) {
      if (lines.x0.length >= A.arrows) break;
      if (!sources.length) continue;
      const [x0, y0] = middle(sources[0]);
      for (const target of targets) { const [x1, y1] = middle(target); lines.x0.push(x0); lines.y0.push(y0); lines.x1.push(x1); lines.y1.push(y1); }
    }
    if (lines.x0.length || m.arrows.data.x0.length) m.arrows.data = lines;
  }
  function scanners() {
    const shown = at >= 0 && zone >= 0 && F.zone[at] === zone;
    return [F.migrate_pfn, F.free_pfn].map((pfns) => shown && pfns[at] >= 0 ? pfns[at] : null);
  }
  function paintScanners() {
    const [migrate, free] = scanners(), places = [migrate, free].map((pfn) => pfn === null ? null : rowOf(pfn));
    m.scanners.forEach((spans, k) => { for (const span of spans) span.setv({location: places[k] ?? 0, visible: places[k] !== null}); });
    const close = down * .045;
    let [y0, y1] = [places[0] ?? 0, places[1] ?? down];
    if (places[0] !== null && places[1] !== null && Math.abs(y1 - y0) < close) { y0 -= (close - Math.abs(y1 - y0)) / 2; y1 += (close - Math.abs(y1 - y0)) / 2; }
    const colours = [ctx.colour('migrate'), ctx.colour('scan_free')];
    m.marks.data = {x: [.6, .6], y: [y0, y1], name: [places[0] === null ? '' : `▼ ${text('migrate scanner')}`, places[1] === null ? '' : `▲ ${text('free scanner')}`],
      colour: colours.map((colour, k) => places[k] === null ? '#00000000' : colour)};
    const regions = {y: [], name: []};
    if (places[0] !== null && places[1] !== null && F.what[at] !== A.frame)
      for (const [a, b, name] of [[0, places[0], 'emptied'], [places[0], places[1], 'not visited yet'], [places[1], down, 'filled']])
        if (b - a > down * .13) { regions.y.push((a + b) / 2); regions.name.push(text(name)); }
    m.regions.data = regions;
  }
  function paintKey() {
    const {begin, names} = m.parts[mode], counts = new Array(names.length + 2).fill(0);
    for (let k = 0; k < cells; k++) counts[pixels[k] - begin] = (counts[pixels[k] - begin] ?? 0) + 1;
    const palette = m.palette[ctx.theme];
    const entries = names.map((name, k) => [name, counts[k] ?? 0, palette[begin + k]]).filter(([name, count], k) => count > 0 || (mode === 'fill' && k > 4 && k !== 9));
    writers.key(`<div class=n style="display:flex;flex-wrap:wrap;gap:1px 14px;line-height:19px">${entries.map(([name, count, colour]) => `<span style="white-space:nowrap"><span class=s style="background:${colour}"></span>${ctx.escape(name)} <b>${ctx.count(count)}</b></span>`).join('')}<span class=m style="white-space:nowrap">${cells ? told() : ''}</span></div>`);
  }
  function told() {                      // what a cell is
    const together = A.cell_pages[zone] / A.block_pages;
    return `${text(together > 1 ? 'one cell is {count} pageblocks: {size}' : 'one cell is 1 pageblock of {size}', {count: ctx.count(together), size: ctx.memory(A.cell_pages[zone])})}${A.origin === 'trace' ? ` · * ${text('inferred')}` : ''}`;
  }
  function paintBars() {
    const n = ctx.orders.length;
    if (!ctx.rows.n) return;
    const now = [], was = [], texts = [], begin = began(); let most = 1, from = 0;
    while (from + 1 < ctx.rows.n && ctx.rows.t[from + 1] <= F.t[0]) from++;
    for (let o = 0; o < n; o++) {
      const blocks = ctx.free(ctx.row, ctx.zone, o), first = ctx.free(begin, ctx.zone, o);
      now.push(blocks * 2 ** ctx.orders[o]); was.push(first * 2 ** ctx.orders[o]); texts.push(ctx.count(blocks));
      most = Math.max(most, now[o], was[o]);
      for (let r = from; r < ctx.rows.n && ctx.rows.t[r] <= F.t[steps - 1]; r += Math.max(1, Math.ceil(ctx.rows.n / 200))) most = Math.max(most, ctx.free(r, ctx.zone, o) * 2 ** ctx.orders[o]);
    }
    const unit = ctx.unitOf(most);
    m.bar_range.setv({start: 0, end: most / unit.pages * 1.28, tags: ['\u00a0' + unit.name]});
    m.bars.data = {...m.bars.data, now: now.map((v) => v / unit.pages), before: was.map((v) => v / unit.pages)};
    const height = ctx.view(m.bars_figure)?.frame?.bbox?.height || 200, every = Math.max(1, Math.ceil(n * 12.5 / height));   // lines of text that fit
    m.bar_axis.ticker.ticks = now.map((_, o) => o).filter((o) => (n - 1 - o) % every === 0);
    m.bar_names.data = {...m.bar_names.data, x: now.map((v, o) => Math.max(v, was[o]) / unit.pages), text: texts.map((told, o) => (n - 1 - o) % every ? '' : told)};
  }
  function said(k) {                     // what a step is, in words
    if (k < 0) return '';
    const said = ['compaction begins', 'migrate scanner: isolated {count}', 'free scanner: isolated {count}', 'fast search: isolated {count}', F.failed[k] ? 'moved pages: {count}, failed {failed}' : 'moved pages: {count}', 'compaction ends', 'all pageblocks counted', 'a request got a block'][F.what[k]];
    return text(said, {count: ctx.count(F.number[k]), failed: ctx.count(F.failed[k])});
  }
  function room(row, order) {            // blocks of an order that free memory has room for
    let found = 0;
    for (let o = order; o < ctx.orders.length; o++) found += ctx.free(row, ctx.zone, o) * 2 ** (ctx.orders[o] - ctx.orders[order]);
    return found;
  }
  function began() {                     // snapshot to compare with: when this compaction, or what is known, began
    let k = at;
    while (k > 0 && !(F.what[k] === 0 && F.zone[k] === zone)) k--;
    const t = k >= 0 ? F.t[k] : F.t[0];
    let r = 0;
    while (r + 1 < ctx.rows.n && ctx.rows.t[r + 1] <= t) r++;
    return r;
  }
  function paintFacts() {
    const o = ctx.order, free = ctx.rows.n ? room(ctx.row, o) : null, moved = at >= 0 ? F.moved[at] : 0;
    const big = (value, what) => `<div style="flex:auto"><b style="font-size:19px;line-height:24px">${value}</b><br><span class=m>${what}</span></div>`;
    writers.facts(`<div class=n style="display:flex;gap:14px;white-space:nowrap">${big(ctx.moment(ctx.t), text('step {at} of {steps}', {at: ctx.count(at + 1), steps: ctx.count(steps)}))}`
      + big(ctx.count(moved), `${text('pages moved')}${A.origin === 'trace' ? ' *' : ''} · ${ctx.memory(moved)}`) + (free === null ? '' : big(ctx.count(free), text('{size} blocks', {size: ctx.size(o)}))) + '</div>');
  }

  // ---- close up
  let askedAt = 0, waiting;
  function ask(wanted) {                 // not more often than answers come; the last question is always asked
    if (!ctx.live || !wanted.length) return;
    clearTimeout(waiting);
    const wait = askedAt + 150 - performance.now();
    if (wait > 0) { waiting = setTimeout(() => ask(wanted), wait); return; }
    askedAt = performance.now();
    ctx.send({type: 'pages', start_pfn: wanted, elapsed: Math.round(ctx.t * 1e9)});
  }
  function closeCells() {                // pageblocks to show: the pinned one, or where pages left and arrived last
    if (pinned !== null) return [pinned];
    const found = [null, null];
    for (let k = at; k >= 0 && k > at - 2000 && (found[0] === null || found[1] === null); k--)
      for (let j = F.first[k + 1] - 1; j >= F.first[k]; j--) { const r = F.role[j] - 1; if ((r === 0 || r === 1) && found[r] === null && inside(F.cell[j])) found[r] = A.start_pfn[F.cell[j]]; }
    return found;
  }
  function statesOf(pfn, side) {         // pages of a pageblock, and of when
    const size = A.block_pages, k = A.moments.findLastIndex((step) => step <= at);
    const i = m.asked.data.start_pfn.indexOf(pfn);
    if (ctx.live && i >= 0) return [m.asked.data.states[i], m.asked.data.since[i], pfn];
    if (k < 0) return null;
    const sample = A.samples.indexOf(pfn);
    if (sample >= 0) { const from = (sample * A.moments.length + k) * size; return [P.sampled.subarray(from, from + size), null, pfn]; }
    if (pinned !== null) return null;
    const kept = P.close[2 * k + side];
    if (kept < 0) return null;
    const from = (2 * k + side) * size;
    return [P.near.subarray(from, from + size), null, kept];
  }
  function paintClose() {
    const wanted = closeCells();
    ask(wanted.filter((pfn) => pfn !== null));
    const marks = {x: [], y: []};
    ['left', 'right'].forEach((name, side) => {
      const pfn = wanted[side] ?? null, inset = m.insets[side], image = inset.source.data.image[0], page = m.parts.page;
      const found = pfn === null ? null : statesOf(pfn, side);
      const heading = pinned !== null ? (side ? '' : text('Pageblock {number}', {number: ctx.count(pinned / A.block_pages)})) : side ? `<span style="color:${ctx.colour('scan_free')}">▲</span> ${text('Pages arrive')}` : `<span style="color:${ctx.colour('migrate')}">▼</span> ${text('Pages leave')}`;
      if (!found) {
        image.fill(page.begin);
        const held = Array.from(A.samples, (s) => ctx.count(s / A.block_pages)).join(', ');
        const why = pfn === null ? (side && pinned !== null ? '' : text(at >= 0 && F.moved[at] > 0 ? 'which pages moved was not kept' : 'no page has moved yet'))
          : ctx.live ? text('asking …') : text('pages not kept here; kept: {numbers}', {numbers: held});
        writers[name](`<h3>${heading}</h3><span class=m style="white-space:normal">${why}</span>`);
      } else {
        const [states, since, of] = found, counts = new Array(page.names.length).fill(0);
        for (let i = 0; i < states.length && i < image.length; i++) { image[i] = page.begin + states[i]; counts[states[i]]++; }
        const palette = m.palette[ctx.theme];
        const told = counts.map((count, k) => [count, k]).filter(([count]) => count).sort((a, b) => (b[1] > 6) - (a[1] > 6) || b[0] - a[0]).slice(0, pinned === null ? 2 : 4)
          .map(([count, k]) => `<span style="white-space:nowrap"><span class=s style="background:${palette[page.begin + k]}"></span><b>${count}</b> ${page.names[k]}</span>`).join(' ');
        writers[name](`<h3>${heading}${pinned === null ? ` <span class=m style="font-weight:400;font-size:14px">${ctx.count(of / A.block_pages)}</span>` : ''}</h3><span class=n style="display:block;white-space:nowrap;overflow:hidden" title="${since === null ? '' : text('as of the page map at {time} with what was moved since', {time: ctx.clock(since)})}">${told}</span>`);
        if (of >= pagesAt(0) && cells) { const [x, y] = middle(Math.floor((of - pagesAt(0)) / A.cell_pages[zone])); marks.x.push(x); marks.y.push(y); }
      }
      const key = `${found?.[2]} ${found?.[0].byteOffset} ${found?.[1]} ${ctx.theme} ${!found}`;
      if (key !== inset.drawn || ctx.live) inset.source.change.emit();
      inset.drawn = key;
    });
    m.chosen.data = pinned !== null && cells ? {x: [middle(Math.floor((pinned - pagesAt(0)) / A.cell_pages[zone]))[0]], y: [middle(Math.floor((pinned - pagesAt(0)) / A.cell_pages[zone]))[1]]} : {x: [], y: []};
  }
  function tools() {
    const ways = {fill: 'what is in it', type: 'migratetype', order: 'largest free block', cannot: 'pages that cannot move', skip: 'skip bit'};
    const options = Object.entries(ways).map(([key, name]) => `<option value=${key}${key === mode ? ' selected' : ''}>${text(name)}</option>`).join('');
    const first = cells ? pagesAt(0) / A.block_pages : 0, last = cells ? (pagesAt(cells - 1) + A.cell_pages[zone]) / A.block_pages - 1 : 0;
    writers.tools(`<div style="white-space:nowrap;line-height:30px"><label>${text('Colour')} <select data-change=colour>${options}</select></label>&ensp;`
      + `<label>${text('Pageblock')} <input type=number data-change=block min=${first} max=${last} list=kept value="${pinned === null ? '' : pinned / A.block_pages}" style="width:100px"></label><datalist id=kept>${Array.from(A.samples, (s) => `<option value=${s / A.block_pages}>`).join('')}</datalist>`
      + `<span class=m>&ensp;${zone < 0 ? text('no page map of this zone') : ''}</span></div>`);
  }
  function pin(pfn) { pinned = pfn; tools(); follow(); }

  function follow() {
    wind(stepAt(ctx.t));
    if (zone >= 0) {
      const moving = at >= 0 && F.what[at] !== A.frame ? happening() : [];
      paintMap(moving); paintArrows(moving); paintScanners();
    }
    paintFacts(); paintKey(); paintClose();
    const index = ctx.rows.n ? ctx.index('unusable', ctx.row, ctx.zone, ctx.order) : null;
    writers.index(`<h3>${text('Unusable index at {size}', {size: ctx.size(ctx.order)})} <span style="font-weight:400">${index === null || index === ctx.absent ? '' : text('now {value}', {value: `<b>${(index / 1000).toFixed(3)}</b>`})}</span></h3>`);
    writers.said(at < 0 ? `<span class=m>${text('before the first page map')}</span>` : `<span class=m style="display:block;line-height:17px;padding-left:8px">${ctx.escape(said(at))}</span>`);
    before = at;
  }
  let drawnRow = -1;
  m.map.on_event('tap', (event) => {
    const cell = Math.floor(event.y) * across + Math.floor(event.x);
    if (event.x < 0 || event.x >= across || cell < 0 || cell >= cells) return;
    const pfn = pagesAt(cell); pin(pinned === pfn ? null : pfn);
  });
  m.asked.properties.data.change.connect(() => { if (ctx.sheet() === 'pagemap') paintClose(); });
  return {
    select() {
      arrange();
      writers.bars(`<h3>${text('Free memory by block size')} <span class=m style="font-weight:400;font-size:14px">· - - ${text('before')}</span></h3>`);
      drawnRow = -1;
      const n = ctx.rows.n;
      if (n) {
        const y = Array.from({length: n}, (_, r) => { const u = ctx.index('unusable', r, ctx.zone, ctx.order); return u === ctx.absent ? NaN : u / 1000; });
        m.line.data = {x: ctx.repeatLone(ctx.rows.x), y: ctx.repeatLone(y), none: ctx.repeatLone(y.map((v) => v >= 1 ? v : NaN))};
      }
    },
    paint() { m.mapper.palette = m.palette[ctx.theme]; for (const inset of m.insets) inset.mapper.palette = m.palette[ctx.theme]; },
    move() { if (ctx.row !== drawnRow) { paintBars(); drawnRow = ctx.row; } follow(); },
    steps: () => F.t,
    colour(value) { colourBy(value); follow(); },
    block(value) {
      const pfn = value === '' ? null : Number(value) * A.block_pages;
      if (pfn === null || (Number.isFinite(pfn) && cells && pfn >= pagesAt(0) && pfn < pagesAt(cells - 1) + A.cell_pages[zone])) { pinned = pfn; follow(); }
    },
    title: () => text('Pageblocks'),
    table() {
      arrange(); wind(stepAt(ctx.t));
      const rows = [];
      for (let k = 0; k < cells; k++) {
        const s = state[offset + k], pfn = pagesAt(k), name = (way) => m.parts[way].names[Math.min(bits[way](s), m.parts[way].names.length - 1)];
        rows.push([ctx.count(pfn / A.block_pages), `0x${pfn.toString(16)}`, name('fill'), name('type'), name('order'), name('cannot'), name('skip')]);
      }
      const columns = [text('Pageblock'), text('first page'), text('what is in it'), text('migratetype'), text('largest free block'), text('pages that cannot move'), text('skip bit')];
      return {title: `${text('Pageblocks')} · ${ctx.clock(ctx.t)}`, columns, rows};
    },
  };
}
