// Latency percentiles per interval, over the requests themselves.
(ctx, m) => {
  const text = translator(m.words);
  const ms = (v) => v < .1 ? (v * 1000).toFixed(v < .001 ? 2 : v < .01 ? 1 : 0) + '\u00a0µs' : v < 1 ? v.toFixed(2) + '\u00a0ms' : v < 1000 ? v.toFixed(1) + '\u00a0ms' : (v / 1000).toFixed(1) + '\u00a0s';
  const names = {p50: 'median', p90: 'p90', p99: 'p99', p100: 'slowest'};
  const what = () => m.request < 0 ? text('Time per allocation') : text('Time to get {size}', {size: ctx.size(m.request)});
  return {
    select() {
      const p = m.found.data, d = m.points.data;
      m.lines.data = {x0: Array.from(p.start, ctx.draw), x1: Array.from(p.end, ctx.draw), ...Object.fromEntries(Object.keys(names).map((name) => [name, p[name]]))};
      for (const [source, got] of [[m.got, 1], [m.fell, 0]]) {
        const chosen = []; for (let k = 0; k < d.t.length; k++) if (d.got[k] === got) chosen.push(k);
        source.data = {x: chosen.map((k) => ctx.draw(d.t[k])), ms: chosen.map((k) => d.ms[k]), when: chosen.map((k) => ctx.clock(d.t[k])), text: chosen.map((k) => got ? ms(d.ms[k]) : text('{time}, fell back', {time: ms(d.ms[k])}))};
      }
    },
    move(words) {
      const p = m.found.data; let k = p.start.length - 1;
      while (k >= 0 && p.start[k] > ctx.t + 1e-9) k--;
      const here = k >= 0 && p.end[k] >= ctx.t - 1e-9;
      const line = (dash) => `<span style="display:inline-block;width:22px;border-top:3px ${dash === 'dotdash' ? 'double' : dash} ${ctx.colour('ink')};vertical-align:4px;margin-right:7px"></span>`;
      const rows = Object.entries(names).map(([name, label]) => `<div class="r n"><span>${line(m.dashes[name])}${text(label)}</span><b>${here ? ms(p[name][k]) : '–'}</b></div>`).join('');
      words(`<h3>${what()}</h3>${rows}<div class="r"><span><span style="color:${ctx.colour('huge')}">●</span> ${text('got it')}</span><span><span style="color:${ctx.colour('fallback')};font-weight:700">✕</span> ${text('fell back')}</span></div>`
        + `<div class="n m">${here ? text('{count} requests, {failed} fell back', {count: ctx.count(p.requests[k]), failed: ctx.count(p.failed[k])}) : text('no request now')}</div>`);
    },
    title: () => text('Latency percentiles'),
    table() {
      const p = m.found.data, rows = [];
      for (let k = 0; k < p.start.length; k++) rows.push([ctx.clock(p.start[k]), ctx.clock(p.end[k]), ctx.count(p.requests[k]), ctx.count(p.failed[k]), ...Object.keys(names).map((name) => ms(p[name][k]))]);
      return {title: `${text('Latency percentiles')}: ${what()}`, columns: [text('from'), text('to'), text('requests'), text('fell back'), ...Object.values(names).map((name) => text(name))], rows};
    },
  };
}
