// Latency over time, or its distribution.
(ctx, m) => {
  const ms = (v) => v < .1 ? (v * 1000).toFixed(v < .001 ? 2 : v < .01 ? 1 : 0) + '\u00a0µs' : v < 1 ? v.toFixed(2) + '\u00a0ms' : v < 1000 ? v.toFixed(1) + '\u00a0ms' : (v / 1000).toFixed(1) + '\u00a0s';
  const border = {solid: 'solid', dashed: 'dashed', dotted: 'dotted', dotdash: 'double'};
  return {
    toggle() { const over = !m.over_time.visible; m.over_time.visible = over; m.ecdf.visible = !over; ctx.refresh(); },
    select() {
      const p = m.percentiles.data, d = m.points.data;
      m.band.data = {x0: Array.from(p.start, (t) => ctx.draw(t)), x1: Array.from(p.end, (t) => ctx.draw(t)), p50: p.p50, p99: p.p99};
      for (const [source, got] of [[m.got, 1], [m.fell, 0]]) {
        const chosen = []; for (let k = 0; k < d.t.length; k++) if (d.got[k] === got) chosen.push(k);
        source.data = {x: chosen.map((k) => ctx.draw(d.t[k])), ms: chosen.map((k) => d.ms[k]),
          when: chosen.map((k) => ctx.clock(d.t[k])), text: chosen.map((k) => got ? ms(d.ms[k]) : ctx.text('{time}, fell back', {time: ms(d.ms[k])}))};
      }
    },
    move(words) {
      const p = m.percentiles.data, over = m.over_time.visible; let k = p.start.length - 1;
      while (k >= 0 && p.start[k] > ctx.t + 1e-9) k--;
      const here = k >= 0 && p.end[k] >= ctx.t - 1e-9;
      const what = m.request < 0 ? ctx.text('Time per allocation') : ctx.text('Time to get {size}', {size: ctx.size(m.request)});
      const link = `<button type=button data-act=toggle>${over ? ctx.text('distribution') : ctx.text('over time')}</button>`;
      const key = over
        ? `<div class="r"><span><span style="color:${ctx.colour('huge')}">●</span> ${ctx.text('got it')}</span><span><span style="color:${ctx.colour('fallback')};font-weight:700">✕</span> ${ctx.text('fell back')}</span></div>`
          + (here ? `<div class=n>${ctx.text('{count} requests, {failed} fell back', {count: ctx.count(p.requests[k]), failed: ctx.count(p.failed[k])})}<br>p50 <b>${ms(p.p50[k])}</b>, p99 <b>${ms(p.p99[k])}</b></div>` : `<span class=m>${ctx.text('no request now')}</span><br>`)
        : m.lines.map((line) => `<div class="r n"><span><span style="display:inline-block;width:22px;border-top:3px ${border[line.dash]} ${ctx.colour('huge')};vertical-align:4px;margin-right:7px"></span>${ctx.escape(line.name)}</span><span>${line.got === line.count ? ctx.count(line.count) : ctx.text('{part} of {all}', {part: ctx.count(line.got), all: ctx.count(line.count)})}</span></div>`).join('');
      words(`<h3>${what}</h3>${key}${link}`);
    },
    title: () => ctx.text('Requests'),
    table() {
      const d = m.points.data, rows = [];
      for (let k = 0; k < d.t.length; k++) rows.push([ctx.clock(d.t[k]), ms(d.ms[k]), ctx.text(d.got[k] ? 'got it' : 'fell back')]);
      return {title: ctx.text('Requests'), columns: [ctx.text('at'), ctx.text('took'), ctx.text('result')], rows};
    },
  };
}
