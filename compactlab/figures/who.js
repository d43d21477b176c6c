// Who compacts, lane by lane.
(ctx, m) => {
  const signs = {diamond: ['◆', 'woken'], x: ['✕', 'deferred'], circle_x: ['⊗', 'given up']};
  const legend = [...new Set(m.marks.data.marker)].filter((kind) => signs[kind]).map((kind) => `${signs[kind][0]}\u00a0${ctx.text(signs[kind][1])}`).join(' &ensp;');
  return {
  select() {
    const d = m.source.data, starts = Array.from(d.start), ends = Array.from(d.end);
    m.source.data = {...d, x0: starts.map((t) => ctx.draw(t)), x1: ends.map((t) => ctx.draw(t)), from: starts.map((t) => ctx.clock(t)),
      span: starts.map((t, k) => ctx.duration(ends[k] - t) + (d.joined[k] > 1 ? ` (${ctx.text('{count} runs', {count: d.joined[k]})})` : ''))};
    const e = m.marks.data;
    m.marks.data = {...e, x: e.t.map((t) => ctx.draw(t)), when: e.t.map((t) => ctx.clock(t))};
  },
  move(words) {
    const d = m.source.data, [from, to] = ctx.around(), now = new Set();
    for (let k = 0; k < d.who.length; k++) if (d.start[k] <= to && d.end[k] >= from) now.add(d.who[k]);
    ctx.who = [...now];
    const names = ctx.who.map((name) => m.lanes[name]).join(' + ');
    words(`<h3>${ctx.text('Who compacts')}</h3><span class=m>${names ? `${ctx.text('now')}: <b style="color:${ctx.colour('ink')}">${names}</b>` : ctx.text('nobody now')}`
      + `<br>${m.origin === 'counters' ? ctx.text('from counters, to the sample') : legend}</span>`);
  },
  title: () => ctx.text('Who compacts'),
  table() {
    const d = m.source.data, rows = [];
    for (let k = 0; k < d.who.length; k++) rows.push([m.lanes[d.who[k]], ctx.clock(d.start[k]), ctx.duration(d.end[k] - d.start[k]), d.status[k] || '–', d.zone[k] || '–', ctx.count(d.joined[k])]);
    return {title: ctx.text('Who compacts'), columns: ['who', 'from', 'for', 'result', 'zone', 'runs'].map((name) => ctx.text(name)), rows, note: m.origin === 'counters' ? ctx.text('from counters, to the sample') : ''};
  },
  };
}
