// The strip of phases, and the time at the cursor.
(ctx, m) => {
  const fitted = (name, width) => {
    const letters = Math.floor((width - 8) / 6.8);
    return letters >= name.length ? name : letters > 3 ? name.slice(0, letters - 1).trimEnd() + '…' : '';
  };
  const table = () => {
    const d = m.source.data;
    return {title: ctx.text('Phases'), columns: ['phase', 'from', 'to', 'for'].map((name) => ctx.text(name)), rows: d.start.map((t, k) => [d.full[k], ctx.clock(t), ctx.clock(d.end[k]), ctx.duration(d.end[k] - t)])};
  };
  return {
  select() {
    const d = m.source.data, [x0, x1] = ctx.range(), scale = ctx.pixels() / (x1 - x0);
    const left = d.start.map((t) => ctx.draw(t)), right = d.end.map((t) => ctx.draw(t));
    const seen = left.map((v, k) => [Math.max(v, x0), Math.min(right[k], x1)]);
    m.source.data = {...d, left, right, middle: seen.map(([a, b]) => (a + b) / 2),
      shown: d.name.map((name, k) => fitted(name, (seen[k][1] - seen[k][0]) * scale)),
      colour: d.fill.map((token) => ctx.colour(token))};
  },
  paint() { this.select(); },
  move(words) {
    const k = m.source.data.start.findLastIndex((t) => t <= ctx.t + 1e-9);
    words(`<div class=n style="line-height:26px;white-space:nowrap;font-size:15px"><b>${ctx.clock(ctx.t)}</b>${k < 0 ? '' : ` <span class=m>· ${ctx.escape(m.source.data.full[k])}</span>`}</div>`);
  },
  ...m.source.data.start.length ? {title: () => ctx.text('Phases'), table} : {},
  };
}
