// Free pages against the watermarks; the axis is logarithmic: positions are log2 of pages.
(ctx, m) => {
  const text = translator(m.words);
  const names = Object.keys(m.marks), log = (pages) => Math.log2(Math.max(pages, 1));
  let told = {}, total = [];
  function load() {
    for (const [name, [values]] of Object.entries(m.told.data)) told[name] = values;
    const orders = ctx.orders.length;
    total = Float64Array.from({length: ctx.rows.n}, (_, r) => { let sum = 0; for (let o = 0; o < orders; o++) sum += ctx.free(r, ctx.zone, o) * 2 ** ctx.orders[o]; return sum; });
  }
  const rowOf = (t) => { let k = told.t.length - 1; while (k > 0 && told.t[k] > t + 1e-9) k--; return k; };
  const value = (name, k) => told[name][k * m.zones + ctx.zone];
  const known = (k) => names.some((name) => value(name, k) >= 0);
  const mark = (name, k) => value(name, k) < 0 ? NaN : value(name, k) + value('boost', k);   // the kernel adds the boost to each
  const name = (pages) => { const unit = ctx.unitOf(pages); return unit.name.endsWith('B') ? ctx.memory(pages) : `${Math.round(pages / unit.pages)}\u00a0${unit.name}`; };   // of a tick
  const size = (pages) => Number.isNaN(pages) ? '–' : ctx.memory(pages);
  return {
    select() {
      load();
      const {t, x, n} = ctx.rows, k = told.t.length;
      const low = ctx.column('low', ctx.zone, total), high = ctx.column('high', ctx.zone, total);
      let least = Infinity, most = 1;
      for (let r = 0; r < n; r++) { least = Math.min(least, low[r] || Infinity); most = Math.max(most, high[r]); }
      const columns = {x: [...Array.from(told.t, ctx.draw), ctx.draw(ctx.end())]};
      for (const name of names) {
        const values = Array.from({length: k}, (_, j) => mark(name, j));
        for (const v of values) if (v > 0) { least = Math.min(least, v); most = Math.max(most, v); }
        const drawn = values.map((v) => Number.isNaN(v) ? NaN : log(v));
        columns[name] = [...drawn, drawn[k - 1]];
      }
      m.lines.data = columns;
      if (!Number.isFinite(least)) least = 1;
      const floor = Math.floor(log(least) - .3), top = log(most) + .4;
      const clipped = (values) => ctx.repeatLone(Array.from(values, (v) => Math.max(log(v), floor)));
      const at = Array.from(t, rowOf);
      m.free.data = {x: ctx.repeatLone(x), free: clipped(total), least: clipped(low), most: clipped(high), when: ctx.repeatLone(Array.from(t, (s) => ctx.clock(s))),
        text: ctx.repeatLone(Array.from(total, (v) => ctx.memory(v))), marks: ctx.repeatLone(at.map((j) => names.map((name) => size(mark(name, j))).join(', ')))};
      const ticks = {}, every = Math.max(1, Math.ceil((top - floor) / 4));
      for (let e = Math.ceil(floor); e <= top; e += every) ticks[e] = name(2 ** e);
      m.y.tags = [ticks]; m.y.setv({start: floor, end: top});
      m.axis.ticker.ticks = Object.keys(ticks).map(Number); m.axis.change.emit();
    },
    move(words) {
      const head = `<h3>${text('Free pages and watermarks')}</h3>`, k = rowOf(ctx.t);
      if (!ctx.rows.n || !known(k)) return words(`${head}<span class=m>${text('marks not recorded for this zone')}</span>`);
      const free = total[ctx.row], pcp = value('pcp', k), boost = value('boost', k);
      const line = (name) => { const [token, dash] = m.marks[name]; return `<span style="display:inline-block;width:22px;border-top:3px ${dash} ${ctx.colour(token)};vertical-align:4px;margin-right:7px"></span>`; };
      const rows = names.map((name) => `<div class="r n"><span>${line(name)}${text(name)}</span><span>${size(mark(name, k))}</span></div>`).join('');
      const said = free > mark('high', k) ? 'above high: kswapd rests' : free > mark('low', k) ? 'below high: kswapd works if awake' : free > mark('min', k) ? 'below low: requests wake kswapd' : 'below min: requests must reclaim';
      const early = ctx.t < told.t[0] - 1e-9 ? text('marks first read at {time}', {time: ctx.clock(told.t[0])}) : text(said);
      words(`${head}<div class="r n"><span><span class=ruler style="width:22px"></span>${text('free')}</span><b>${ctx.memory(free)}</b></div>${rows}`
        + `<div class="m" style="white-space:nowrap">${early}${boost > 0 ? `<br>${text('boosted by {size}', {size: ctx.memory(boost)})}` : ''}</div>`
        + (pcp < 0 ? '' : `<div class="r n m"><span>${text('per-CPU, not in buddyinfo')}</span><span>${ctx.memory(pcp)}</span></div>`));
    },
    title: () => text('Free pages and watermarks'),
    table() {
      load();
      const rows = Array.from(ctx.rows.t, (t, r) => {
        const k = rowOf(t), pcp = value('pcp', k);
        return [ctx.clock(t), ctx.memory(total[r]), ...names.map((name) => size(mark(name, k))), ctx.memory(value('boost', k)), pcp < 0 ? '–' : ctx.memory(pcp)];
      });
      const columns = [text('at'), text('free'), ...names.map((name) => text('watermark {name}', {name: text(name)})), text('boosted by'), text('per-CPU lists (not in buddyinfo)')];
      return {title: text('Free pages and watermarks'), columns, rows};
    },
  };
}
