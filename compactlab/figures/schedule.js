// A day of one policy beside a day without: one cursor over load, who compacts and stalls, which add up as it moves.

const S = settings, scene = slider.document, HOURS = 24, GAP = '\u00a0';
const viewOf = (model) => scene.views_manager.find_one(model);
const text = numberText = translator(S.words);
const escapeHtml = (s) => String(s).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const clock = (k) => `${(S.begin + k) % HOURS}:00`;
const sum = (list, until) => list.reduce((all, each, k) => all + each * Math.min(Math.max(until - k, 0), 1), 0);
const number = (v) => v >= 10 || v === 0 ? formatCount(v) : formatSignificant(v);
const ms = (ns) => ns === 0 ? '0' + GAP + 'ms' : formatSignificant(ns / 1e6) + GAP + 'ms';
let worn = 'light', drawn = -1;
const tokens = () => S.themes[worn];
const never = S.policies.find((p) => p.kind === 'never') ?? S.policies[0];
const mine = () => S.policies[Number(policy.value)];
const part = Object.fromEntries(panels.map((p) => [p.key, {
  key: p.key, figure: p.figure, cursor: p.cursor, sources: p.sources, plot: viewOf(p.figure), write: wordsWriter(scene, p.words),
}]));

// ---- drawing: what lies behind the cursor is full, what is yet to come faint
function draw() {
  const now = slider.value, whole = Math.floor(now + 1e-9);
  if (whole === drawn) return;
  drawn = whole;
  const alpha = Array.from({length: HOURS}, (_, k) => k < now - 1e-9 ? 1 : .18), one = mine();
  for (const [name, of] of [['never', never], ['policy', one]]) {
    const offset = part.stalls.sources[`${name} offset`];
    const hidden = name === 'policy' && of === never;
    part.stalls.sources[name].data = {
      x: alpha.map((_, k) => k + offset), top: hidden ? alpha.map(() => 0) : of.stalls, alpha: alpha,
      text: of.stalls.map((v, k) => text('{policy}, {hour}: {stalls} stalls an hour, {failures} huge pages not got', {policy: of.name, hour: clock(k), stalls: number(v), failures: number(of.failures[k])})),
    };
  }
  for (const [name, of] of [['never', never], ['policy', one]]) {
    const shown = name === 'never' || of !== never ? [...of.index, of.index[HOURS - 1]] : [];
    part.index.sources[name].data = {x: shown.map((_, k) => k), y: shown, text: shown.map((v, k) => `${of.name}, ${clock(k)}: ${formatFixed(v, 2)}`)};
  }
  Object.keys(S.lanes).forEach((who, lane) => {
    const work = one.work[who], at = work.map((ns, k) => [ns, k]).filter(([ns]) => ns > 0);
    part.who.sources[who].data = {
      x: at.map(([, k]) => k + .5), y: at.map(() => lane), size: at.map(([ns]) => Math.min(20, 9 + 2.4 * Math.log10(1 + ns / 1e6) * 1.6)),
      text: at.map(([ns, k]) => `${clock(k)}, ${S.lanes[who]}: ${ms(ns)}`),
    };
  });
}

// ---- words
const line = (key, value) => `<div class="r n"><span style="overflow:hidden;text-overflow:ellipsis">${key}</span><span style="padding-left:8px">${value}</span></div>`;
const swatch = (token, hatch) => `<span class=s style="background:${hatch ? `repeating-linear-gradient(135deg, ${tokens()[token]} 0 4px, ${tokens().bg} 4px 6px)` : tokens()[token]}"></span>`;
function wordsOf(k) {
  const one = mine(), until = slider.value;
  const lanes = Object.keys(S.lanes).map((who, lane) => {
    const spent = sum(one.work[who], until), colour = tokens()[who === 'direct' ? 'scan_free' : 'migrate'];
    return line(`<span style="color:${colour};display:inline-block;width:18px">${S.lane_signs[lane]}</span>${escapeHtml(S.lanes[who])}`, spent ? `<b>${ms(spent)}</b>` : `<span class=m>–</span>`);
  });
  const both = [[never, 'fallback', true], ...(one === never ? [] : [[one, 'accent', false]])];
  const dash = (token, dashed) => `<span style="display:inline-block;width:22px;margin-right:7px;vertical-align:4px;border-top:3px ${dashed ? 'dashed' : 'solid'} ${tokens()[token]}"></span>`;
  const index = both.map(([p, token, dashed]) => line(`${dash(token, dashed)}${escapeHtml(p.name)}`, `<b>${formatFixed(p.index[k], 2)}</b>`));
  const stalls = both.map(([p, token, hatch]) =>
    line(`${swatch(token, hatch)}${escapeHtml(p.name)}`, `${number(p.stalls[k])} &ensp; <b>${number(sum(p.stalls, until))}</b>`));
  return {
    load: `<h3>${text('Load')}</h3>${line(`<b>${clock(k)}</b>`, `<b>${formatShare(S.load[k])}</b>`)}<span class=m>${text('of the largest')}</span>`,
    who: `<h3>${text('Who compacts')} <span class=m style="font-size:14px;font-weight:400">${text('so far')}</span></h3>${lanes.join('')}`,
    stalls: `<h3>${text('Stalls an hour')}</h3>${line('<span class=m>&nbsp;</span>', `<span class=m>${text('this hour')}, <b>${text('so far')}</b></span>`)}${stalls.join('')}<span class=m>${text(S.days === 1 ? 'mean of {count} day' : 'mean of {count} days', {count: S.days})}</span>`,
    index: `<h3>${text('Unusable free memory')}</h3>${index.join('')}<span class=m>${text('for huge pages, 0 to 1')}</span>`,
  };
}
function bar() {
  const level = S.level;
  return `<div role="status" style="box-sizing:border-box;height:50px;padding:0 14px;background:${tokens()[level + '_bg']};border-left:6px solid ${tokens()[level]};border-radius:4px;display:flex;align-items:center;gap:12px;font-size:16px;line-height:20px">`
    + `<span aria-hidden="true" style="font-size:20px;font-weight:700;color:${tokens()[level]};width:20px;text-align:center">${S.icon}</span>`
    + `<span title="${escapeHtml(S.text)}" style="display:-webkit-box;-webkit-line-clamp:2;-webkit-box-orient:vertical;overflow:hidden">${escapeHtml(S.text)}</span></div>`;
}
const writeVerdict = wordsWriter(scene, verdict);

function move() {
  const k = Math.min(HOURS - 1, Math.max(0, Math.ceil(slider.value - 1e-9) - 1));
  draw();
  const told = wordsOf(k);
  for (const key in part) { part[key].plot ??= viewOf(part[key].figure); paintCursorOf(part[key], slider.value); part[key].write(told[key]); }
  writeVerdict(bar());
}
function again() { drawn = -1; move(); }

function dress() {
  const host = viewOf(root)?.el;
  if (!host) return;
  const wanted = themeWanted(S.theme);
  wear(host, wanted, S.themes[wanted]);
  if (wanted !== worn) { worn = wanted; repaint(bindings, tokens()); }
  again();
}

// ---- wiring
const host = viewOf(root).el;
const on = (model, attribute, work) => model.properties[attribute].change.connect(work);
const player = makePlayer({slider, play, back, forward, speed, move, host,
  next: (direction) => nextStop(Array.from({length: HOURS + 1}, (_, k) => k), slider.value, direction),
  labels: {play: text('Play'), pause: text('Pause')}, keys: {Escape: () => { show_table.active = false; }}});
on(policy, 'value', again);
on(show_table, 'active', () => {
  table.visible = show_table.active; grid.visible = !table.visible;
  setTimeout(() => {
    const e = viewOf(table)?.el;
    if (e) { e.tabIndex = 0; e.setAttribute('role', 'region'); e.setAttribute('aria-label', text('Table')); }
    again();
  }, 30);
});
for (const key in part) part[key].figure.on_event('tap', (event) => { if (Number.isFinite(event.x)) player.goTo(event.x); });
for (const [model, name] of [[policy, 'Policy'], [speed, 'Speed'], [back, 'Step back'], [forward, 'Step on'], [slider, 'Hour']])
  for (const e of viewOf(model)?.shadow_el.querySelectorAll('select,button,[role=slider]') ?? []) e.setAttribute('aria-label', text(name));
for (const {canvas_view} of scene.views_manager.query((view) => view.canvas_view)) { canvas_view.events_el.tabIndex = -1; canvas_view.events_el.style.outline = 'none'; }
whenThemeChanges(dress);
dress();
