// The verdict in words: metrics/sentences.py once more, from the same templates and numbers.
// A test holds the two equal. Needs format.js in front of it.

// One cell of a verdict: {level: 'ok'|'warn'|'bad', icon, subject, outcome, why, text}.
// numbers: the variables of `browser_numbers`, and `constants` with `zone`; who: who compacts now, or null.
function verdictSentence(numbers, templates, who = null) {
  const reason = templates[`reason.${numbers.reason}`];
  const outcome = templates[`outcome_of.${reason}`];
  const level = templates[`level.${outcome}`];
  const fields = verdictFields(numbers, templates, who);
  const parts = {
    level,
    icon: templates[`icon.${level}`],
    subject: fillTemplate(templates.subject, fields),
    outcome: templates[`outcome.${outcome}`],
    why: verdictPhrases(numbers, reason, who).map(key => fillTemplate(templates[key], fields)).join(templates.between),
  };
  return {...parts, text: fillTemplate(templates.text, parts)};
}

function verdictPhrases(numbers, reason, who) {
  const succeeds = ['room', 'room_all', 'few_blocks', 'near_watermark'].includes(reason);
  const fails = ['watermark', 'barred_types', 'fragmentation', 'fragmentation_and_shortage', 'shortage'].includes(reason);
  const noWatermarks = numbers.lacks & 1, noTypes = numbers.lacks & 2, censored = numbers.lacks & 4;
  const phrases = [`why.${reason}`];
  if (who && reason !== 'fragmentation') phrases.push('running');
  if (succeeds) {
    if (noWatermarks) phrases.push(noTypes ? 'neither' : 'no_watermarks');
    else if (noTypes) phrases.push('no_types');
    if (censored) phrases.push('types_censored');
  } else if (reason === 'fragmentation' && noWatermarks) phrases.push('no_watermarks');
  if (fails && numbers.pcp_pages >= 2 ** numbers.order) phrases.push('on_pcp');
  if (numbers.barred_types && (succeeds || reason === 'barred_types')) {
    if (numbers.types_age_ms >= 100) phrases.push('types_before');
    else if (numbers.types_age_ms <= -100) phrases.push('types_after');
  }
  return phrases;
}

// What stands in the braces of a template, made when it is asked for.
function verdictFields(numbers, templates, who) {
  const block = 2 ** numbers.order, size = numbers.page_size;
  const nrUsable = numbers.nr_usable < 0 ? numbers.nr_suitable : numbers.nr_usable;
  const blocks = (number, one, many) => fillTemplate(templates[number === 1 ? one : many], {count: formatCount(number)});
  const nameOfWho = templates[`who.${who}`] ?? who;
  return {
    get size() { return formatOrderSize(numbers.order, size); },
    get zone() { return numbers.zone; },
    get free() { return formatMemory(numbers.free_pages, size); },
    get usable() { return formatMemory(nrUsable * block, size); },
    get smaller() { return formatShare((numbers.free_pages - numbers.nr_suitable * block) / numbers.free_pages); },
    get spare() { return formatMemory(numbers.spare_pages, size); },
    get short() { return formatMemory(numbers.short_pages, size); },
    get mark() { return formatMemory(numbers.watermark_min, size); },
    get pcp() { return formatMemory(numbers.pcp_pages, size); },
    get largest() { return formatOrderSize(numbers.largest_order, size); },
    get such_blocks() { return blocks(nrUsable, 'such_block', 'such_blocks'); },
    get blocks() { return blocks(nrUsable, 'block', 'blocks'); },
    get blocks_found() { return blocks(numbers.nr_suitable, 'block', 'blocks'); },
    get types() { return [0, 1, 2].filter(bit => numbers.barred_types >> bit & 1).map(bit => templates[`type.${bit}`]).join(templates.among); },
    get age() { return formatSignificant(Math.abs(numbers.types_age_ms) / 1000); },
    get help() { return who ? fillTemplate(templates.at_work, {who: nameOfWho}) : templates.compaction_helps; },
    get who() { return nameOfWho; },
  };
}
