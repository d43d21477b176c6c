// The fragmentation score of the node and of the zone, between the marks of proactive compaction.
(ctx, m) => {
  const text = translator(m.words), M = m.marks, never = !M.exists || M.proactiveness === 0;
  let d = {};
  const load = () => { for (const [name, [values]] of Object.entries(m.told.data)) d[name] = values; };
  const node = (k) => d.node[k * m.nodes + m.node_of[ctx.zone]];
  const zone = (k) => d.zone[k * m.zones + ctx.zone], term = (k) => d.term[k * m.zones + ctx.zone];
  const told = (v) => v < 0 ? '–' : String(v);
  const starts = (k) => !never && node(k) > M.high;
  const rowOf = (t) => { let k = d.t.length - 1; while (k > 0 && d.t[k] > t + 1e-9) k--; return k; };
  return {
    select() {
      load();
      const n = d.t.length, extended = (list) => [...list, list[n - 1]];
      const values = (of) => Array.from({length: n}, (_, k) => of(k));
      const line = (of) => extended(values(of).map((v) => v < 0 ? NaN : v));
      m.steps.data = {x: [...Array.from(d.t, ctx.draw), ctx.draw(ctx.end())], node: line(node), zone: line(zone), over: extended(values((k) => starts(k) ? node(k) : M.high)),
        mark: new Array(n + 1).fill(M.high), when: extended(Array.from(d.t, (t) => ctx.clock(t))), node_text: extended(values((k) => told(node(k)))), zone_text: extended(values((k) => told(zone(k))))};
    },
    move(words) {
      const k = rowOf(ctx.t), dash = (style, token) => `<span style="display:inline-block;width:22px;border-top:3px ${style} ${ctx.colour(token)};vertical-align:4px;margin-right:7px"></span>`;
      const known = node(k) >= 0, first = known ? Array.from(d.t).findIndex((_, j) => starts(j)) : -1;
      const now = !M.exists ? text('this kernel has none') : M.proactiveness === 0 ? text('never starts') : !known ? text('sizes of the zones not recorded')
        : starts(k) ? `<b style="color:${ctx.colour('migrate')}">■ ${text('would start now')}</b>` : first < 0 ? text('never above it in this run') : text('first above it at {time}', {time: ctx.clock(d.t[first])});
      words(`<h3>${text('Proactive score')} <span class=m style="font-size:14px;font-weight:400">0–100</span></h3><div class="r n"><span>${dash('solid', 'ink')}${text('node')}</span><b>${told(node(k))}</b></div>`
        + `<div class="r n"><span>${dash('dashed', 'scan_free')}${known ? text('this zone, adds {points}', {points: told(term(k))}) : text('this zone')}</span><span>${told(zone(k))}</span></div>`
        + (never ? '' : `<div class="n" style="white-space:nowrap">${text('starts above {high}, stops at {low}', {high: `<b>${M.high}</b>`, low: `<b>${M.low}</b>`})}</div>`)
        + `<div class="n m" style="white-space:nowrap">${text('proactiveness {value}', {value: M.proactiveness})}${M.assumed ? ` (${text('assumed')})` : ''}</div><div class=n style="white-space:nowrap">${now}</div>`);
    },
    title: () => text('Proactive score'),
    table() {
      load();
      const rows = Array.from(d.t, (t, k) => [ctx.clock(t), told(node(k)), told(zone(k)), told(term(k)), node(k) < 0 ? text('not known') : text(starts(k) ? 'yes' : 'no')]);
      const note = `${text('starts above {high}, stops at {low}', {high: M.high, low: M.low})}; ${text('proactiveness {value}', {value: M.proactiveness})}${M.assumed ? ` (${text("assumed: the kernel's default")})` : ''}`;
      return {title: text('Proactive score'), columns: [text('at'), text('node score'), text('zone score'), text('it adds to the node'), text('would start now')], rows, note: never ? text('never starts') : note};
    },
  };
}
