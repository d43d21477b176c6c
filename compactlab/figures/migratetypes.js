// Free memory by migratetype.
(ctx, m) => {
  const types = m.types.length, orders = m.orders;
  let t, blocks, censored, total;
  const cell = (r, k) => (r * m.zones + m.zone_of[ctx.zone]) * types + k;
  const pages = (r, k, from) => {
    let sum = 0;
    for (let o = from; o < orders; o++) sum += blocks[cell(r, k) * orders + o] * 2 ** o;
    return sum;
  };
  const everFree = (k) => { for (let r = 0; r < t.length; r++) if (pages(r, k, 0)) return true; return false; };
  let shown = [], uncounted = [];
  const load = () => { t = m.rows.data.t[0]; blocks = m.rows.data.blocks[0]; censored = m.rows.data.censored[0]; total = m.rows.data.total[0]; };
  return {
    select() {
      load();
      const n = m.zone_of[ctx.zone] < 0 ? 0 : t.length, columns = {};
      const sums = Array.from({length: types + 1}, () => new Float64Array(n));
      uncounted = new Float64Array(n);
      let most = 0;
      for (let r = 0; r < n; r++) {
        for (let k = 0; k < types; k++) sums[k + 1][r] = sums[k][r] + pages(r, k, 0);
        uncounted[r] = m.types.some((_, k) => censored[cell(r, k)]) ? Math.max(total[r * m.zones + m.zone_of[ctx.zone]] - sums[types][r], 0) : 0;
        most = Math.max(most, sums[types][r] + uncounted[r]);
      }
      shown = n ? m.types.map((name, k) => [name, k]).filter(([, k]) => everFree(k)) : [];
      const unit = ctx.unitOf(most);
      most ||= unit.pages;
      const last = n && ctx.end();                 // a state holds until the next look at it
      const extended = (list, tail) => n ? [...list, tail] : [0, 0];   // never none, see steps() in view.py
      columns.x = extended(Array.from(t.slice(0, n), (s) => ctx.draw(s)), ctx.draw(last || 0));
      sums.forEach((column, k) => { columns['y' + k] = extended(Array.from(column, (v) => v / unit.pages), n ? column[n - 1] / unit.pages : 0); });
      columns.total = extended(Array.from(uncounted, (v, r) => (v + sums[types][r]) / unit.pages), n ? (uncounted[n - 1] + sums[types][n - 1]) / unit.pages : 0);
      const when = Array.from(t.slice(0, n), (s) => ctx.clock(s)); columns.when = extended(when, when[n - 1]);
      for (let k = 0; k < types; k++) {
        const text = Array.from({length: n}, (_, r) => (censored[cell(r, k)] ? '≥ ' : '') + ctx.memory(pages(r, k, 0)));
        columns['text' + k] = extended(text, text[n - 1]);
      }
      m.source.data = columns; m.y.tags = ['\u00a0' + unit.name]; m.y.end = most / unit.pages * 1.04; m.axis.change.emit();
    },
    move(words) {
      const head = `<h3>${ctx.text('Free memory by migratetype')}</h3>`;
      if (m.zone_of[ctx.zone] < 0) return words(`${head}<span class=m>${ctx.text('not recorded for this zone')}</span>`);
      let r = t.length - 1;
      while (r > 0 && t[r] > ctx.t + 1e-9) r--;
      const rows = shown.map(([name, k]) => {
        const free = pages(r, k, 0);
        return `<div class="r n"><span><span class=s style="background:${ctx.colour(m.tokens[k])}"></span>${ctx.escape(name)}</span><span>${free ? (censored[cell(r, k)] ? '≥\u00a0' : '') + ctx.memory(free) : '–'}</span></div>`;
      });
      const more = uncounted[r] > 0 ? `<div class="r n m"><span><span class=s style="background:repeating-linear-gradient(135deg,${ctx.colour('ink2')} 0 1px,transparent 1px 4px)"></span>${ctx.text('beyond the count')}</span><span>${ctx.memory(uncounted[r])}</span></div>` : '';
      words(head + rows.join('') + more);
    },
    title: () => ctx.text('Free memory by migratetype'),
    table() {
      load();
      const seen = m.zone_of[ctx.zone] < 0 ? [] : Array.from(t);
      const rows = seen.map((s, r) => [ctx.clock(s), ...m.types.map((_, k) => (censored[cell(r, k)] ? '≥\u00a0' : '') + ctx.memory(pages(r, k, 0)))]);
      return {title: ctx.text('Free memory by migratetype'), columns: [ctx.text('at'), ...m.types], rows, note: seen.length ? '' : ctx.text('not recorded for this zone')};
    },
  };
}
