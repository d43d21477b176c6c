// Unusable index per order over time; the fragmentation index in words.
(ctx, m) => {
  const thousandths = (v) => (v < 0 ? '-' : '') + (Math.abs(v) / 1000).toFixed(3);
  const fragmentation = (f) => f === -1000 ? ctx.text('a block is free') : f === ctx.absent ? '–' : thousandths(f);
  const at = (kind, r, o) => ctx.index(kind, r, ctx.zone, o);
  return {
    select() {
      const n = ctx.rows.n, count = ctx.orders.length, pixels = m.image.data.image[0];
      const [x0, x1] = ctx.range();
      let r = 0;
      for (let c = 0; c < m.columns; c++) {
        const x = x0 + (c + .5) / m.columns * (x1 - x0);
        while (r + 1 < n && ctx.rows.x[r + 1] <= x) r++;
        const seen = n && (n === 1 || (x >= ctx.rows.x[0] && x <= ctx.rows.x[n - 1]));
        for (let o = 0; o < count; o++) {
          const u = seen ? at('unusable', r, o) : ctx.absent;
          pixels[o * m.columns + c] = u === ctx.absent ? m.absent : Math.round(u / 10);
        }
      }
      m.image.data = {image: [pixels], x: [x0], dw: [x1 - x0]};
      m.image.change.emit();                       // written in place, which Bokeh does not notice
      const top = new Float64Array(n), largest = [], index = [], fragment = [], when = [];
      for (let k = 0; k < n; k++) {
        let o = count - 1;
        while (o >= 0 && !ctx.free(k, ctx.zone, o)) o--;
        top[k] = o + .5;
        largest.push(o < 0 ? ctx.text('none') : ctx.size(o)); when.push(ctx.clock(ctx.rows.t[k]));
        const u = at('unusable', k, ctx.order);
        index.push(u === ctx.absent ? '–' : thousandths(u)); fragment.push(fragmentation(at('fragmentation', k, ctx.order)));
      }
      if (n) m.stair.data = {x: ctx.repeatLone(ctx.rows.x), top: ctx.repeatLone(top), when: ctx.repeatLone(when),
        index: ctx.repeatLone(index), fragmentation: ctx.repeatLone(fragment), largest: ctx.repeatLone(largest)};
      m.chosen[0].location = ctx.order - .5; m.chosen[1].location = ctx.order + .5;
    },
    paint() { m.mapper.palette = ctx.ramps[ctx.theme]; },
    move(words) {
      const u = at('unusable', ctx.row, ctx.order), f = at('fragmentation', ctx.row, ctx.order), ramp = ctx.ramps[ctx.theme];
      const stops = [0, .5, 1].map((q) => ramp[Math.round(q * (ramp.length - 1))]).join(',');
      words(`<h3>${ctx.text('Unusable free memory')}</h3><div class=n>${ctx.text('index at {size}', {size: ctx.size(ctx.order)})}: <b>${u === ctx.absent ? '–' : thousandths(u)}</b><br>`
        + `${ctx.text('fragmentation')}: <b>${fragmentation(f)}</b><br>`
        + `<span class=m>0 <span style="display:inline-block;width:56px;height:10px;border:1px solid ${ctx.colour('rule')};background:linear-gradient(90deg,${stops});vertical-align:-1px"></span> 1`
        + ` &ensp;<span class=s style="background:repeating-linear-gradient(135deg,${ctx.colour('bg')} 0 1.5px,#7d3a80 1.5px 4px);border:0;border-bottom:2px solid ${ctx.colour('ink')}"></span>${ctx.text('none free')}</span></div>`);
    },
    title: () => ctx.text('Indices'),
    table() {
      const rows = Array.from(ctx.rows.t, (t, r) => {
        const u = at('unusable', r, ctx.order); let o = ctx.orders.length - 1;
        while (o >= 0 && !ctx.free(r, ctx.zone, o)) o--;
        return [ctx.clock(t), o < 0 ? ctx.text('none') : ctx.size(o), u === ctx.absent ? '–' : thousandths(u), fragmentation(at('fragmentation', r, ctx.order))];
      });
      const columns = [ctx.text('at'), ctx.text('largest free block'), ctx.text('unusable free index'), ctx.text('fragmentation index')];
      return {title: ctx.text('Indices, index at {size}', {size: ctx.size(ctx.order)}), columns, rows};
    },
  };
}
