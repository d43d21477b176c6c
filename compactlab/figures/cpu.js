// Shares of one CPU, thread by thread.
(ctx, m) => {
  const text = translator(m.words), names = Object.keys(m.lanes);
  const percent = (v) => v <= 0 ? '–' : v < .001 ? `<\u00a00.1\u00a0%` : `${(v * 100).toFixed(v < .1 ? 1 : 0)}\u00a0%`;
  const title = () => `${text(m.simulated ? 'CPU time' : 'Busy time')} <span class=m style="font-size:14px;font-weight:400">${text(m.simulated ? 'of one CPU' : 'of one CPU, traced')}</span>`;
  return {
    select() {
      const d = m.told.data, n = d.t.length, [x0, x1] = ctx.range(); let most = .01;
      const x = Array.from(d.t, ctx.draw), columns = {x, zero: new Array(n).fill(0), when: Array.from(d.t, (t) => ctx.clock(t))};
      for (const name of names) {
        columns[name] = Array.from(d[name]); columns[name + '_text'] = columns[name].map((v) => percent(v));
        for (let k = 0; k < n; k++) if (x[k] <= x1 && (k + 1 === n || x[k + 1] >= x0)) most = Math.max(most, d[name][k]);
      }
      m.steps.data = columns; m.y.end = most * 1.08;
    },
    move(words) {
      const d = m.told.data; let k = d.t.length - 1;
      while (k > 0 && d.t[k] > ctx.t + 1e-9) k--;
      const rows = names.map((name) => {
        const [label, token, dash] = m.lanes[name];
        const sign = name === 'requests' ? `<span class=s style="background:${ctx.colour(token)};width:22px"></span>` : `<span style="display:inline-block;width:22px;border-top:3px ${dash === 'dotdash' ? 'double' : dash} ${ctx.colour(token)};vertical-align:4px;margin-right:7px"></span>`;
        return `<div class="r n"><span>${sign}${ctx.escape(label)}</span><span>${percent(d[name][k])}</span></div>`;
      });
      words(`<h3 style="white-space:nowrap">${title()}</h3>${rows.join('')}`);
    },
    title: () => text(m.simulated ? 'CPU time' : 'Busy time'),
    table() {
      const d = m.told.data, rows = [];
      for (let k = 0; k + 1 < d.t.length; k++) rows.push([ctx.clock(d.t[k]), ctx.clock(d.t[k + 1]), ...names.map((name) => percent(d[name][k]))]);
      return {title: text(m.simulated ? 'CPU time, of one CPU' : 'Busy time, of one CPU'), columns: [text('from'), text('to'), ...names.map((name) => m.lanes[name][0])], rows};
    },
  };
}
