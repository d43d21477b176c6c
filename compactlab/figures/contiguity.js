// Free memory by block size.
(ctx, m) => {
  const edges = m.groups.length + 1;
  return {
    select() {
      const n = ctx.rows.n, z = ctx.zone, orders = ctx.orders.length;
      const columns = {x: ctx.repeatLone(ctx.rows.x)};
      const sums = Array.from({length: edges}, () => new Float64Array(n)), usable = new Float64Array(n);
      for (let r = 0; r < n; r++) {
        for (let k = m.groups.length - 1; k >= 0; k--) {
          sums[k][r] = sums[k + 1][r];
          for (let o = m.groups[k][0]; o <= m.groups[k][1]; o++) sums[k][r] += ctx.free(r, z, o) * 2 ** o;
        }
        for (let o = ctx.order; o < orders; o++) usable[r] += ctx.free(r, z, o) * 2 ** o;
      }
      const low = ctx.column('low', z, sums[0]), high = ctx.column('high', z, sums[0]);
      let most = 0;
      for (const v of high) if (v > most) most = v;
      const unit = ctx.unitOf(most);
      most ||= unit.pages;
      const scaled = (pages) => ctx.repeatLone(Float64Array.from(pages, (v) => v / unit.pages));
      for (let k = 0; k < edges; k++) columns['y' + k] = scaled(sums[k]);
      columns.usable = scaled(usable); columns.low = scaled(low); columns.high = scaled(high);
      columns.when = ctx.repeatLone(Array.from(ctx.rows.t, (t) => ctx.clock(t)));
      columns.free_text = ctx.repeatLone(Array.from(sums[0], (v) => ctx.memory(v)));
      columns.usable_text = ctx.repeatLone(Array.from(usable, (v) => ctx.memory(v)));
      m.source.data = columns;
      m.y.tags = ['\u00a0' + unit.name]; m.y.end = most / unit.pages * 1.04; m.axis.change.emit();
    },
    move(words) {
      const r = ctx.row, z = ctx.zone; let rows = '', usable = 0;
      m.groups.forEach(([first, last, colour]) => {
        let pages = 0;
        for (let o = first; o <= last; o++) pages += ctx.free(r, z, o) * 2 ** o;
        rows += `<div class="r n"><span><span class=s style="background:${colour}"></span>${ctx.sizes(first, last)}</span><span>${pages ? ctx.memory(pages) : '–'}</span></div>`;
      });
      for (let o = ctx.order; o < ctx.orders.length; o++) usable += ctx.free(r, z, o) * 2 ** o;
      words(`<h3>${ctx.text('Free memory by block size')}</h3>${rows}<div class="r n"><span><span class=ruler></span>${ctx.text('usable for {size}', {size: ctx.size(ctx.order)})}</span><b>${usable ? ctx.memory(usable) : ctx.text('none')}</b></div>`);
    },
    title: () => ctx.text('Free memory by block size'),
    table() {
      const pages = (r, first, last) => { let sum = 0; for (let o = first; o <= last; o++) sum += ctx.free(r, ctx.zone, o) * 2 ** o; return sum; };
      const top = ctx.orders.length - 1;
      const rows = Array.from(ctx.rows.t, (t, r) => [ctx.clock(t), ctx.memory(pages(r, 0, top)), ctx.memory(pages(r, ctx.order, top)), ...m.groups.map(([first, last]) => ctx.memory(pages(r, first, last)))]);
      const columns = [ctx.text('at'), ctx.text('free'), ctx.text('usable for {size}', {size: ctx.size(ctx.order)}), ...m.groups.map(([first, last]) => ctx.text('in blocks of {size}', {size: ctx.sizes(first, last)}))];
      return {title: ctx.text('Free memory by block size'), columns, rows};
    },
  };
}
