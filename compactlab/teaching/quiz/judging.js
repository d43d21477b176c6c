// What an answer is worth, word for word as judging.py has it. `data` holds the questions, units and texts of a quiz.

const fill = (template, fields) => template.replace(/\{(\w+)\}/g, (whole, name) => name in fields ? String(fields[name]) : whole);

function judgeOf(data) {
  const say = (text, fields = {}) => fill(data.words[text] ?? text, fields);
  const {units, aliases, kinds, pattern, longest, largest} = data.quantities;
  const written = new RegExp(`^(?:${pattern})$`, 'i');
  const size = (unit) => units[unit][1] / units[unit][2];
  const name = (unit) => say(unit) || '1';
  const short = (text) => { const one = text.trim().split(/\s+/).join(' '), signs = [...one]; return signs.length <= 40 ? one : signs.slice(0, 39).join('') + '…'; };
  const near = (value, wanted, tolerance) => Math.abs(value - wanted) <= tolerance + 1e-9 * Math.abs(wanted);
  const unitText = (unit) => unit === '' ? say('a share from 0 to 1') : say(unit);

  function known(text) {
    const given = text.trim().replace(/\.+$/, '').replace(/ of memory$/, '').trim().replaceAll('μ', 'µ');
    if (given in units) return given;
    const lower = given.toLowerCase();
    return aliases[lower] ?? Object.keys(units).find((unit) => unit && unit.toLowerCase() === lower) ?? null;
  }

  function measured(unit) {
    const kind = kinds[units[unit][0]] ? say(kinds[units[unit][0]]) : say('a count');
    return unit === '' || unit === 'order' ? kind : say('{kind} ({unit})', {kind, unit: say(unit)});
  }

  function number(first, operator, second) {
    const digits = first.replace(/[ _]/g, '');
    const grouped = /^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$/.test(digits);
    const value = Number(digits.replaceAll(',', grouped ? '' : '.').replace(/\.$/, ''));
    if (!operator) return value;
    if (operator === '/') return Number(second) ? value / Number(second) : null;
    return Number(second) <= 64 ? value ** Number(second) : null;
  }

  // {value, given} in the unit asked for, or {kind, text}: why there is none.
  function parse(answer, unit) {
    const text = answer.normalize('NFKC').replaceAll('−', '-').trim();
    const match = [...text].length <= longest ? written.exec(text) : null;
    if (!match) {
      const example = unit === 'order' ? '9' : `12 ${say(unit)}`.trim();
      return {kind: 'wrong_type', text: say('A number is asked for, such as {example}; “{answer}” is none.', {example, answer: short(answer)})};
    }
    const {before, number: first, operator, second, unit: named} = match.groups;
    const value = number(first, operator, second);
    if (value === null) return {kind: 'nonsense', text: say('“{answer}” cannot be computed.', {answer: short(answer)})};
    const other = named || ((before ?? '').trim().toLowerCase() === 'order' ? 'order' : null);
    const given = other === null ? null : known(other);
    if (other !== null && given === null) return {kind: 'wrong_unit', text: say('“{unit}” is a unit nobody here knows; asked for is {expected}.', {unit: short(other), expected: unitText(unit)})};
    if (Math.abs(value) > largest) return {kind: 'out_of_range', text: say('The answer is larger than anything in a computer.')};
    if (given === null) return {value, given};
    if (units[given][0] !== units[unit][0]) return {kind: 'wrong_unit', text: say('The answer is {given}; asked for is {expected}.', {given: measured(given), expected: measured(unit)})};
    return {value: value * size(given) / size(unit), given};
  }

  function rightIn(question, found) {
    const one = found.given ?? question.unit, value = found.value * size(question.unit) / size(one);
    return Object.keys(units).find((unit) => units[unit][0] === units[question.unit][0] && unit !== one
      && near(value * size(unit) / size(question.unit), question.answer, question.tolerance));
  }

  const judges = {
    choice(question, answer) {
      if (answer === null || answer === '') return {kind: 'not_answered', text: say('Choose one of the options.')};
      if (answer === question.answer) return {kind: 'right', text: ''};
      const option = question.options.find(({key}) => key === answer);
      return option ? {kind: 'wrong_value', text: option.why} : {kind: 'wrong_type', text: say('“{answer}” is none of the options.', {answer})};
    },
    sequence(question, answer) {
      const sorted = (keys) => JSON.stringify([...keys].sort());
      if (!Array.isArray(answer) || sorted(answer) !== sorted(question.answer)) return {kind: 'wrong_type', text: say('Each of the {count} things has to stand in one place.', {count: question.answer.length})};
      const count = answer.findIndex((key, place) => key !== question.answer[place]);
      if (count < 0) return {kind: 'right', text: ''};
      return {kind: 'wrong_value', text: count ? say('The first {count} are in their places, the next one is not.', {count}) : say('The first one is not in its place.')};
    },
    number(question, answer) {
      if (answer === null || !answer.trim()) return {kind: 'not_answered', text: say('Write a number, and its unit if it has one.')};
      const found = parse(answer, question.unit);
      if (found.kind) return found;
      if (near(found.value, question.answer, question.tolerance)) return {kind: 'right', text: ''};
      const slip = question.slips.find(({value}) => near(found.value, value, 0));
      if (slip) return {kind: 'wrong_value', text: slip.why};
      const right = rightIn(question, found), expected = name(question.unit);
      if (right !== undefined) {
        return {kind: 'wrong_unit', text: found.given === null
          ? say('{number} would be right in the unit “{right}”; without a unit it is read as “{expected}”.', {number: answer.trim(), right: name(right), expected})
          : say('The number would be right in the unit “{right}”; you wrote “{given}”.', {right: name(right), given: name(found.given)})};
      }
      return {kind: 'wrong_value', text: question.answer > found.value ? say('The right value is larger.') : say('The right value is smaller.')};
    },
  };
  judges.misconception = judges.choice;
  return (question, answer) => judges[question.kind](question, answer);
}
