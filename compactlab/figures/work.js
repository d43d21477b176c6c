// Pages scanned and moved per second.
(ctx, m) => {
  const rate = (v) => v < .5 ? '0' : v >= 1e6 ? (v / 1e6).toFixed(1) + '\u00a0M/s' : v >= 1e3 ? (v / 1e3).toFixed(v < 1e4 ? 1 : 0) + '\u00a0k/s' : v.toFixed(0) + '/s';
  return {
    select() {
      const d = m.source.data, n = d.t.length, [x0, x1] = ctx.range(); let most = 1000;
      const x = Array.from(d.t, (t) => ctx.draw(t)), scanned = Array.from(d.scanned), migrated = Array.from(d.migrated);
      for (let k = 0; k < n; k++) if (x[k] <= x1 && (k + 1 === n || x[k + 1] >= x0)) most = Math.max(most, scanned[k], migrated[k]);
      m.steps.data = {x, zero: new Array(n).fill(0), scanned, migrated, when: Array.from(d.t, (t) => ctx.clock(t)),
        scanned_text: scanned.map((v) => rate(v)), migrated_text: migrated.map((v) => rate(v))};
      m.y.end = most * 1.08;
    },
    move(words) {
      const d = m.source.data; let k = d.t.length - 1;
      while (k > 0 && d.t[k] > ctx.t + 1e-9) k--;
      const row = (token, name, v) => `<div class="r n"><span><span class=s style="background:${ctx.colour(token)}"></span>${name}</span><span>${v === null ? ctx.text('not traced') : rate(v)}</span></div>`;
      words(`<h3>${ctx.text('Compaction work')}${m.origin === 'counters' ? ` <span class=m style="font-size:14px;font-weight:400">(${ctx.text('counters')})</span>` : ''}</h3>`
        + row('used', ctx.text(m.lacks.length === 1 ? 'by migrate scanner' : 'pages scanned'), m.lacks.includes('scanned') ? null : d.scanned[k]) + row('migrate', ctx.text('pages moved'), d.migrated[k]));
    },
    title: () => ctx.text('Compaction work'),
    table() {
      const d = m.source.data, rows = [];
      for (let k = 0; k + 1 < d.t.length; k++) rows.push([ctx.clock(d.t[k]), ctx.clock(d.t[k + 1]), m.lacks.includes('scanned') ? ctx.text('not traced') : rate(d.scanned[k]), rate(d.migrated[k])]);
      const scanned = ctx.text(m.lacks.length === 1 ? 'by migrate scanner' : 'pages scanned');
      return {title: ctx.text('Compaction work'), columns: [ctx.text('from'), ctx.text('to'), scanned, ctx.text('pages moved')], rows, note: m.origin === 'counters' ? ctx.text('from counters, to the sample') : ''};
    },
  };
}
