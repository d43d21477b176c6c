// One migration close up. A batch moves many pages; the picture follows one of them through five steps.
(ctx, m) => {
  const text = translator(m.words), C = m.costs, D = m.told.data, R = m.refused.data;
  const write = Object.fromEntries(Object.entries(m.blocks).map(([name, block]) => [name, ctx.writer(block)]));
  const count = D.t.length, SHOWN = 6;         // mappings drawn one by one
  let step = 0, timer = null, at = -1;
  const ns = (v) => v <= 0 ? '0' : v < 999.5 ? v.toFixed(v < 10 ? 1 : 0) + '\u00a0ns' : v < 999500 ? (v / 1e3).toFixed(v < 9950 ? 2 : v < 99500 ? 1 : 0) + '\u00a0µs' : v < 999.5e6 ? (v / 1e6).toFixed(v < 9.95e6 ? 2 : 1) + '\u00a0ms' : (v / 1e9).toFixed(2) + '\u00a0s';
  const batchAt = (t) => { let a = 0, b = count; while (a < b) { const half = (a + b) >> 1; if (D.t[half] <= t + 2e-9) a = half + 1; else b = half; } return a - 1; };
  const mappings = (k) => D.mapcount[k] < 0 ? 1 : D.mapcount[k];
  const further = (n) => Math.max(n - 1, 0) * C.migrate_mapping;
  const stepCosts = (k) => [C.isolate, C.free_isolate, C.migrate_page, further(mappings(k)), null].map((v) => v === null ? null : v * 2 ** Math.max(D.order[k], 0));
  const onePage = (n) => C.isolate + C.free_isolate + C.migrate_page + further(n);
  const share = (k) => C.migrate_batch / Math.max(D.moved[k] + D.failed[k], 1);
  const byCosts = (k) => C.migrate_batch + C.migrate_page * D.moved[k] + C.migrate_mapping * Math.max(D.further_mappings[k], 0) + C.migrate_fail * D.failed[k]
    + C.free_scan * Math.max(D.free_scanned[k] - D.searches[k], 0) + C.free_isolate * Math.max(D.targets[k], 0) + C.fast_isolate * D.searches[k];
  const who = (k) => text(m.roles[D.role[k]]), zone = (k) => m.names[D.zone[k]];

  // ---- the picture
  function frame(x, name, pfn, state, colour) {
    const ink = ctx.colour('ink'), fill = {free: 'none', held: ctx.colour('panel'), data: ctx.colour(colour), copying: ctx.colour(colour)}[state];
    const dash = state === 'free' ? ' stroke-dasharray="6 5"' : '';
    let lines = '';
    if (state === 'data' || state === 'copying') for (let j = 0; j < (state === 'copying' ? 2 : 4); j++) lines += `<rect x="${x + 20}" y="${226 + j * 18}" width="${[118, 92, 128, 70][j]}" height="8" fill="${ctx.colour('bg')}" opacity=".85"/>`;
    const label = state === 'free' ? `<text x="${x + 84}" y="265" text-anchor="middle" fill="${ctx.colour('ink2')}">${text('free')}</text>` : '';
    return `<rect x="${x}" y="212" width="168" height="92" rx="6" fill="${fill}" stroke="${ink}" stroke-width="2"${dash}/>${lines}${label}`
      + `<text x="${x + 84}" y="328" text-anchor="middle" font-weight="650" fill="${ink}">${name}</text><text x="${x + 84}" y="348" text-anchor="middle" fill="${ctx.colour('ink2')}">${pfn < 0 ? '' : `${text('PFN')} ${ctx.count(pfn)}`}</text>`;
  }
  function picture(k) {
    const n = mappings(k), drawn = Math.min(n, SHOWN), open = n > SHOWN, boxes = drawn + (open ? 1 : 0);
    const moving = timer !== null ? ' class="flow"' : '', width = Math.min(96, 640 / Math.max(boxes, 1) - 12), from = 350 - (boxes * (width + 12) - 12) / 2;
    const old = step < 4 ? 'data' : 'free', fresh = step < 1 ? 'free' : step === 1 ? 'held' : step === 2 ? 'copying' : 'data';
    const OLD = [40, 124], NEW = [492, 576];
    let parts = '';
    for (let j = 0; j < boxes; j++) {
      const x = from + j * (width + 12), middle = x + width / 2, rest = open && j === boxes - 1;
      const fresh_ = step > 3 || (step === 3 && j < Math.ceil(boxes / 2)), broken = step === 2 || (step === 3 && !fresh_);
      const target = fresh_ ? NEW[1] : OLD[1], colour = fresh_ ? 'scan_free' : 'migrate';
      parts += `<rect x="${x}" y="46" width="${width}" height="42" rx="4" fill="${ctx.colour('panel')}" stroke="${ctx.colour(broken ? 'rule' : colour)}" stroke-width="2"/>`
        + `<text x="${middle}" y="72" text-anchor="middle" fill="${ctx.colour('ink')}">${rest ? `+${ctx.count(n - SHOWN)}` : j + 1}</text>`
        + `<path d="M${middle} 90 C ${middle} 150, ${target} 140, ${target} 204" fill="none" stroke="${ctx.colour(broken ? 'ink2' : colour)}" stroke-width="2"${broken ? ' stroke-dasharray="3 6"' : ''} marker-end="url(#${broken ? 'grey' : fresh_ ? 'new' : 'old'})"/>`;
    }
    const title = n === 0 ? text('no mapping: a cached page') : text(D.mapcount[k] === 255 ? '{count} or more mappings' : n === 1 ? '{count} mapping' : '{count} mappings', {count: ctx.count(n)});
    const copy = step !== 2 ? '' : `<path${moving} d="M216 258 H480" stroke="${ctx.colour('accent')}" stroke-width="5" stroke-dasharray="14 8" marker-end="url(#copy)"/><text x="348" y="240" text-anchor="middle" fill="${ctx.colour('ink')}">${text('who touches it waits')}</text>`;
    const head = (id, token) => `<marker id="${id}" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="${ctx.colour(token)}"/></marker>`;
    return `<svg viewBox="0 0 700 356" role="img" aria-label="${ctx.escape(m.steps[step][0])}" style="flex:1;min-height:0;width:100%;font-size:15px"><style>.flow{animation:flow .7s linear infinite}@keyframes flow{to{stroke-dashoffset:-22}}@media (prefers-reduced-motion:reduce){.flow{animation:none}}</style>`
      + `<defs>${head('old', 'migrate')}${head('new', 'scan_free')}${head('grey', 'ink2')}${head('copy', 'accent').replace('markerWidth="7" markerHeight="7"', 'markerWidth="4" markerHeight="4"')}</defs>`
      + `<text x="350" y="30" text-anchor="middle" font-weight="650" fill="${ctx.colour('ink')}">${title}</text>${parts}${copy}`
      + frame(OLD[0], text('old frame'), D.source_pfn[k], old, 'migrate') + frame(NEW[0], text('new frame'), D.target_pfn[k], fresh, 'scan_free') + '</svg>';
  }
  function paintPicture(k) {
    const early = ctx.t < D.t[k] - 2e-9, order = D.order[k];
    const what = early ? text('no batch yet; the first ends at {time}', {time: ctx.clock(D.t[k])}) : `${text('Batch {at} of {all}', {at: ctx.count(k + 1), all: ctx.count(count)})} · ${zone(k) ? text('{who} in {zone}', {who: who(k), zone: ctx.escape(zone(k))}) : who(k)} · ${ctx.clock(D.t[k])}`;
    const size = order > 0 ? ` · ${text('folio of {count} pages', {count: ctx.count(2 ** order)})}` : '';
    const mapped = text(D.mapcount[k] < 0 ? 'its mappings are not recorded: taken as one' : 'its mappings as of the page map before');
    const source = D.source_pfn[k] < 0 ? `${text('which page it was is not recorded')}, ${mapped}` : (m.inferred ? `${text('which page it was is inferred from trace and page map')}; ` : `${text('the page with most mappings')}; `) + mapped;
    write.picture(`<div style="display:flex;flex-direction:column;height:100%"><h3>${what}${size}</h3><div class=m>${source}</div>${picture(k)}</div>`);
  }
  function paintTools(k) {
    const costs = stepCosts(k), n = mappings(k);
    const cost = (j) => j === 4 ? text('in the copy') : j === 3 ? n < 2 ? text('in the copy') : `${ctx.count(n - 1)} × ${ns(C.migrate_mapping)}` : ns(costs[j]);
    const buttons = m.steps.map(([name], j) => `<button type=button data-act=migrationStep data-step=${j} aria-pressed=${j === step} style="flex:1;border-top:4px solid ${ctx.colour(j === step ? 'accent' : 'rule')};padding:3px 2px;text-decoration:none;color:${ctx.colour('ink')};line-height:18px"><b>${j + 1}. ${name}</b><br><span class="n m">${cost(j)}</span></button>`).join('');
    write.tools(`<div style="display:flex;gap:8px;white-space:nowrap">${buttons}</div><div style="display:flex;gap:14px;padding-top:6px;line-height:19px"><button type=button data-act=migrationPlay aria-pressed=${timer !== null} style="white-space:nowrap">${timer === null ? `▶ ${text('Play the steps')}` : `❚❚ ${text('Pause the steps')}`}</button><span>${m.steps[step][1]}</span></div>`);
  }
  function paintSide(k) {
    const row = (name, value) => `<div class="r n"><span>${name}</span><span>${value}</span></div>`;
    const traced = D.taken[k] >= 0, took = D.took[k];
    const range = traced ? `${text('PFN')} ${ctx.count(D.start_pfn[k])} – ${ctx.count(D.end_pfn[k])}` : text('not traced');
    const any = D.targets.some((v) => v >= 0);
    let html = `<h3>${text('This batch')}</h3>` + row(text('isolated'), traced ? text('{count} pages', {count: `<b>${ctx.count(D.taken[k])}</b>`}) : text('not traced')) + row(text('from'), range)
      + row(text('pages looked at for them'), traced ? ctx.count(D.scanned[k]) : text('not traced')) + row(text('targets found'), D.targets[k] >= 0 ? ctx.count(D.targets[k]) : text(any ? 'held from before' : 'not traced'))
      + row(text('moved'), `<b>${ctx.count(D.moved[k])}</b>`) + row(text('could not be moved'), `<b>${ctx.count(D.failed[k])}</b>`)
      + row(text('took'), took < 0 ? text('not traced') : text('{time}, {each} per page', {time: `<b>${ns(took)}</b>`, each: ns(took / Math.max(D.moved[k] + D.failed[k], 1))})) + row(text('by the costs, on average'), ns(byCosts(k)));
    const n = mappings(k), list = [...new Set([1, 2, 4, 8, 16, 32, Math.max(n, 1)])].sort((a, b) => a - b).filter((v) => v <= 32 || v === n), most = onePage(list.at(-1)) + share(k);
    html += `<h3 style="padding-top:9px">${text('Cost of one page by its mappings')}</h3><table class=n style="line-height:18px;width:calc(100% - 14px)"><tbody>` + list.map((v) => {
      const cost = onePage(v) + share(k), here = v === n;
      return `<tr${here ? ` style="background:${ctx.colour('panel')};font-weight:650"` : ''}><th scope=row style="width:44px;padding:0 8px 0 4px">${ctx.count(v)}</th><td style="width:66px">${ns(cost)}</td><td style="text-align:left;padding:0"><span style="display:inline-block;height:10px;width:${(cost / most * 100).toFixed(1)}%;background:${ctx.colour(here ? 'migrate' : 'used')};vertical-align:0"></span></td></tr>`;
    }).join('') + `</tbody></table><div class=m style="padding-top:2px">${text('{costs}; with {time} of its batch.', {costs: text({default: 'Costs fitted to recordings of a virtual machine (the default)', run: "This run's own costs", fitted: "This run's own costs, fitted"}[m.origin]), time: ns(share(k))})}</div>`;
    const so = new Array(m.codes.length).fill(0);
    for (let j = 0; j < R.t.length && R.t[j] <= ctx.t + 2e-9; j++) so[R.reason[j]] += R.pages[j];
    const told = so.map((pages, code) => [pages, m.codes[code]]).filter(([pages]) => pages).sort((a, b) => b[0] - a[0]);
    html += `<h3 style="padding-top:9px">${text('Refused so far')}</h3>` + (told.length ? told.slice(0, 5).map(([pages, code]) => row(m.reasons[code], `<b>${ctx.count(pages)}</b>`)).join('') : `<span class=m>${text('none so far')}</span>`);
    write.side(html);
  }
  function paint() { const k = Math.max(batchAt(ctx.t), 0); at = k; paintPicture(k); paintTools(k); paintSide(k); }
  const focus = (selector) => ctx.view(m.blocks.tools)?.markup_el.querySelector(selector)?.focus();
  function stop() { clearInterval(timer); timer = null; }
  return {
    migrationStep(event) {
      stop(); step = Number(event.composedPath().find((e) => e.dataset?.step)?.dataset.step ?? 0);
      paint(); focus(`[data-step="${step}"]`);
    },
    migrationPlay() {
      if (timer !== null) stop();
      else timer = setInterval(() => {
        if (ctx.sheet() !== 'migration' || !ctx.view(m.blocks.tools)) { stop(); return; }
        const held = ctx.view(m.blocks.tools).markup_el.getRootNode().activeElement?.dataset.act === 'migrationPlay';
        step = (step + 1) % m.steps.length; paint();
        if (held) focus('[data-act=migrationPlay]');
      }, 1500);
      paint(); focus('[data-act=migrationPlay]');
    },
    select: paint, move: paint, paint,
    steps: () => D.t,
    title: () => text('Migration batches'),
    table() {
      const some = (v, f = ctx.count) => v < 0 ? '–' : f(v), rows = [];
      for (let k = 0; k < count; k++) rows.push([ctx.clock(D.t[k]), who(k), zone(k) || '–', D.taken[k] < 0 ? '–' : `${D.start_pfn[k]}–${D.end_pfn[k]}`, some(D.taken[k]), some(D.targets[k]), ctx.count(D.moved[k]), ctx.count(D.failed[k]), some(D.took[k], ns), ns(byCosts(k)), some(D.source_pfn[k], String), some(D.mapcount[k])]);
      const columns = [text('at'), text('who'), text('zone'), text('from PFN'), text('isolated'), text('targets found'), text('moved'), text('could not be moved'), text('took'), text('by the costs, on average'), text('page with most mappings'), text('mappings')];
      return {title: text('Migration batches'), columns, rows, note: m.every > 1 ? text('every {count}. batch is shown', {count: m.every}) : ''};
    },
  };
}
