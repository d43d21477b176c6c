// Requests per cell of time and latency.
(ctx, m) => {
  const text = translator(m.words);
  const ms = (v) => v < .1 ? (v * 1000).toPrecision(2) + '\u00a0µs' : v < 100 ? Number(v.toPrecision(2)) + '\u00a0ms' : v < 1000 ? v.toFixed(0) + '\u00a0ms' : (v / 1000).toPrecision(2) + '\u00a0s';
  const edge = (row) => 10 ** (row / m.per_decade), took = (row) => `${ms(edge(row))}–${ms(edge(row + 1))}`;
  let most = 1;
  return {
    select() {
      const d = m.cells.data, n = d.count.length; most = 1;
      for (const v of d.count) if (v > most) most = v;
      const columns = {x0: Array.from(d.start, ctx.draw), x1: Array.from(d.end, ctx.draw), y0: Array.from(d.row, edge), y1: Array.from(d.row, (row) => edge(row + 1)),
        level: Array.from(d.count, (v) => most > 1 ? Math.log(v) / Math.log(most) : 1), when: Array.from(d.start, (t) => ctx.clock(t)), took: Array.from(d.row, took), count: Array.from(d.count, (v) => ctx.count(v))};
      m.drawn.data = columns;
    },
    paint() { m.mapper.palette = ctx.ramps[ctx.theme]; },
    move(words) {
      const d = m.cells.data, ramp = ctx.ramps[ctx.theme], stops = [.2, .5, 1].map((q) => ramp[Math.round(q * (ramp.length - 1))]).join(',');
      let best = -1, all = 0;
      for (let k = 0; k < d.count.length; k++) if (d.start[k] <= ctx.t + 1e-9 && d.end[k] > ctx.t - 1e-9) { all += d.count[k]; if (best < 0 || d.count[k] > d.count[best]) best = k; }
      words(`<h3>${text('How many took how long')}</h3><div class="n m">1 <span style="display:inline-block;width:76px;height:10px;border:1px solid ${ctx.colour('rule')};background:linear-gradient(90deg,${stops});vertical-align:-1px"></span> ${text('{count} in one cell', {count: ctx.count(most)})}</div>`
        + (best < 0 ? `<div class=m>${text('no request now')}</div>` : `<div class=n>${text('most at the cursor')}: <b>${took(d.row[best])}</b><br>${text('{part} of {all} requests', {part: ctx.count(d.count[best]), all: ctx.count(all)})}</div>`));
    },
    title: () => text('How many took how long'),
    table() {
      const d = m.cells.data, rows = [];
      for (let k = 0; k < d.count.length; k++) rows.push([ctx.clock(d.start[k]), ctx.clock(d.end[k]), ms(edge(d.row[k])), ms(edge(d.row[k] + 1)), ctx.count(d.count[k])]);
      return {title: text('How many took how long'), columns: [text('from'), text('to'), text('took at least'), text('less than'), text('requests')], rows};
    },
  };
}
