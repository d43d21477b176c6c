// Pages moved per page scanned.
(ctx, m) => {
  const text = translator(m.words);
  const rate = (v) => v < .5 ? '0' : v >= 1e6 ? (v / 1e6).toFixed(1) + '\u00a0M/s' : v >= 1e3 ? (v / 1e3).toFixed(v < 1e4 ? 1 : 0) + '\u00a0k/s' : v.toFixed(0) + '/s';
  const share = (d, k) => d.scanned[k] > 0 ? d.migrated[k] / d.scanned[k] : NaN;
  const percent = (v) => Number.isNaN(v) ? '–' : (v * 100).toFixed(v < .1 ? 1 : 0) + '\u00a0%';
  return {
    select() {
      const d = m.source.data, n = d.t.length, [x0, x1] = ctx.range(); let most = .02;
      const x = Array.from(d.t, ctx.draw), shares = Array.from({length: n}, (_, k) => share(d, k));
      for (let k = 0; k < n; k++) if (shares[k] > most && x[k] <= x1 && (k + 1 === n || x[k + 1] >= x0)) most = shares[k];
      m.steps.data = {x, zero: new Array(n).fill(0), share: shares.map((v) => Number.isNaN(v) ? 0 : v), when: Array.from(d.t, (t) => ctx.clock(t)),
        share_text: shares.map(percent), rates: shares.map((_, k) => `${rate(d.scanned[k])}, ${rate(d.migrated[k])}`)};
      m.y.end = most * 1.08;
    },
    move(words) {
      const d = m.source.data; let k = d.t.length - 1;
      while (k > 0 && d.t[k] > ctx.t + 1e-9) k--;
      let scanned = 0, moved = 0;
      for (let j = 0; j + 1 < d.t.length; j++) { const width = d.t[j + 1] - d.t[j]; scanned += d.scanned[j] * width; moved += d.migrated[j] * width; }
      const row = (name, value) => `<div class="r n"><span>${name}</span><span>${value}</span></div>`;
      words(`<h3>${text('Scan efficiency')}${m.origin === 'counters' ? ` <span class=m style="font-size:14px;font-weight:400">(${text('from counters')})</span>` : ''}</h3>`
        + row(`<span class=s style="background:${ctx.colour('migrate')}"></span>${text('moved per scanned')}`, `<b>${percent(share(d, k))}</b>`)
        + row(text('scanned'), rate(d.scanned[k])) + row(text('moved'), rate(d.migrated[k]))
        + `<div class="r n m"><span>${m.lacks.includes('free_scanned') ? text('by migrate scanner alone') : text('all that is shown')}</span><span>${percent(scanned > 0 ? moved / scanned : NaN)}</span></div>`);
    },
    title: () => text('Scan efficiency'),
    table() {
      const d = m.source.data, rows = [];
      for (let k = 0; k + 1 < d.t.length; k++) rows.push([ctx.clock(d.t[k]), ctx.clock(d.t[k + 1]), rate(d.scanned[k]), rate(d.migrated[k]), percent(share(d, k))]);
      return {title: text('Scan efficiency'), columns: [text('from'), text('to'), text('scanned (pages)'), text('moved (pages)'), text('moved per scanned')], rows,
        note: m.lacks.includes('free_scanned') ? text('by migrate scanner alone') : ''};
    },
  };
}
