// Which share of the requests was served within a time.
(ctx, m) => {
  const text = translator(m.words);
  const ms = (v) => v === null ? text('not that many') : v < .1 ? (v * 1000).toFixed(v < .001 ? 2 : v < .01 ? 1 : 0) + '\u00a0µs' : v < 1 ? v.toFixed(2) + '\u00a0ms' : v < 1000 ? v.toFixed(1) + '\u00a0ms' : (v / 1000).toFixed(1) + '\u00a0s';
  const percent = (v) => Number((v * 100).toPrecision(4)) + '\u00a0%', border = {solid: 'solid', dashed: 'dashed', dotted: 'dotted', dotdash: 'double'};
  return {
    move(words) {
      const lines = m.lines.length < 2 ? '' : m.lines.map((line) => `<span style="white-space:nowrap"><span style="display:inline-block;width:22px;border-top:3px ${border[line.dash]} ${ctx.colour('huge')};vertical-align:4px;margin-right:5px"></span>${ctx.escape(line.name)}</span>`).join(' ');
      words(`<h3>${text('Served within')} <span class=m style="font-size:14px;font-weight:400">${text('whole run')}</span></h3><div class="r n"><span>${text('served')}</span><span>${text('{part} of {all}', {part: ctx.count(m.served), all: ctx.count(m.requests)})}</span></div>`
        + m.within.map(([share, v]) => `<div class="r n"><span>${text('{share} of them', {share: percent(share)})}</span><b>${ms(v)}</b></div>`).join('') + lines);
    },
    title: () => text('Distribution of latencies'),
    table() {
      const rows = [];
      for (const line of m.lines) for (let k = 0; k < line.source.data.ms.length; k++) rows.push([line.name || '–', ms(line.source.data.ms[k]), percent(line.source.data.share[k])]);
      return {title: text('Distribution of latencies'), columns: [text('source'), text('within'), text('share')], rows};
    },
  };
}
