// The mean time of a request, by what it was spent on.
(ctx, m) => {
  const text = translator(m.words);
  const ms = (v) => v === 0 ? '0' : v < .1 ? (v * 1000).toFixed(v < .001 ? 2 : v < .01 ? 1 : 0) + '\u00a0µs' : v < 1 ? v.toFixed(2) + '\u00a0ms' : v < 1000 ? v.toFixed(1) + '\u00a0ms' : (v / 1000).toFixed(1) + '\u00a0s';
  const percent = (v) => v > 0 && v < .005 ? `<\u00a01\u00a0%` : `${(v * 100).toFixed(0)}\u00a0%`;
  const sum = (d, k) => m.parts.reduce((all, [name]) => all + d[name][k], 0);
  const share = (d, name, k) => { const all = sum(d, k); return all > 0 ? d[name][k] / all : 0; };
  const hatches = {right_diagonal_line: '135deg', dot: '45deg', horizontal_line: '0deg'};
  const swatch = ([, , token, hatch]) => `<span class=s style="background:${hatch ? `repeating-linear-gradient(${hatches[hatch]},${ctx.colour(token)} 0 3px,${ctx.colour('bg')} 3px 4.5px)` : ctx.colour(token)}"></span>`;
  return {
    select() {
      const d = m.told.data, n = d.start.length, [x0, x1] = ctx.range(), parts = m.parts.length;
      const columns = {x: [], when: []}; let most = 1e-4;
      for (let j = 0; j <= parts; j++) columns['y' + j] = [];
      for (let j = 0; j < parts; j++) columns['text' + j] = [];
      const put = (t, k) => {            // k < 0: no requests
        let y = 0;
        columns.x.push(ctx.draw(t)); columns.when.push(ctx.clock(t)); columns.y0.push(0);
        m.parts.forEach(([name], j) => { y += k < 0 ? 0 : d[name][k]; columns['y' + (j + 1)].push(y); columns['text' + j].push(k < 0 ? '–' : `${ms(d[name][k])}, ${percent(share(d, name, k))}`); });
      };
      for (let k = 0; k < n; k++) {
        put(d.start[k], k);
        if (k + 1 === n || d.start[k + 1] > d.end[k] + 1e-9) put(d.end[k], -1);
        const left = ctx.draw(d.start[k]), right = ctx.draw(d.end[k]);
        if (right >= x0 && left <= x1) most = Math.max(most, sum(d, k));
      }
      if (!n) { put(ctx.seconds(x0), -1); put(ctx.seconds(x1), -1); }   // never none, see steps() in view.py
      m.steps.data = columns; m.y.end = most * 1.06;
    },
    move(words) {
      const d = m.told.data; let k = d.start.length - 1;
      while (k >= 0 && d.start[k] > ctx.t + 1e-9) k--;
      const here = k >= 0 && d.end[k] >= ctx.t - 1e-9;
      const rows = m.parts.toReversed().map((part) => `<div class="r n"><span>${swatch(part)}${ctx.escape(part[1])}</span><span>${here ? `${ms(d[part[0]][k])} <b style="display:inline-block;width:44px;text-align:right">${percent(share(d, part[0], k))}</b>` : '–'}</span></div>`).join('');
      words(`<h3 style="white-space:nowrap">${text('Mean time of a request')}${m.traced ? ` <span class=m style="font-size:14px;font-weight:400">${text('traced')}</span>` : ''}</h3>${rows}`
        + `<div class="n m">${here ? text('{count} requests, mean {time}', {count: ctx.count(d.requests[k]), time: `<b style="color:${ctx.colour('ink')}">${ms(sum(d, k))}</b>`}) : text('no request now')}</div>`);
    },
    title: () => text('What requests spend their time on'),
    table() {
      const d = m.told.data, rows = [];
      for (let k = 0; k < d.start.length; k++) rows.push([ctx.clock(d.start[k]), ctx.clock(d.end[k]), ctx.count(d.requests[k]), ms(sum(d, k)), ...m.parts.map(([name]) => `${ms(d[name][k])}, ${percent(share(d, name, k))}`)]);
      return {title: text('What requests spend their time on'), columns: [text('from'), text('to'), text('requests'), text('Mean time of a request'), ...m.parts.map(([, name]) => name)], rows, note: m.traced ? text('traced') : ''};
    },
  };
}
