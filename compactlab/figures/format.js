// Numbers as a person reads them: the functions of texts.py once more, with the same rounding.
// A test holds the two equal. Plain functions, so that a document can carry this file in front of its own code.

// Texts in the reader's language, from a table that Python translated; what stands in braces is filled in.
function translator(words) {
  return (text, fields = {}) => fillTemplate(words[text] ?? text, fields);
}

function fillTemplate(template, fields) {
  return template.replace(/\{(\w+)\}/g, (whole, name) => fields[name] ?? whole);
}

let numberText = (text) => text;    // the few words among numbers: a document sets its own translator

const NO_BREAK = '\u00a0';

function formatCount(value) {
  return String(Math.floor(value + 0.5)).replace(/\B(?=(\d{3})+$)/g, NO_BREAK);
}

function formatFixed(value, digits) {
  return (Math.floor(value * 10 ** digits + 0.5) / 10 ** digits).toFixed(digits);
}

function formatSignificant(value) {
  if (value === 0) return '0';
  if (value < 1) return formatFixed(value, 2);
  return value < 9.95 ? formatFixed(value, 1).replace(/\.0$/, '') : formatFixed(value, 0);
}

function formatMemory(pages, pageSize) {
  if (pageSize === null) return formatCount(pages) + NO_BREAK + numberText(pages === 1 ? 'page' : 'pages');
  const size = pages * pageSize;
  for (const [unit, shift] of [['GiB', 30], ['MiB', 20], ['KiB', 10]]) {
    if (size >= 2 ** shift) return formatSignificant(size / 2 ** shift) + NO_BREAK + unit;
  }
  return size ? formatCount(size) + NO_BREAK + 'B' : '0' + NO_BREAK + 'MiB';
}

function formatShare(fraction) {
  if (fraction > 0 && fraction < 0.005) return numberText('under 1 %').replaceAll(' ', NO_BREAK);
  if (fraction > 0.995 && fraction < 1) return numberText('over 99 %').replaceAll(' ', NO_BREAK);
  return formatFixed(fraction * 100, 0) + NO_BREAK + '%';
}

function formatOrderSize(order, pageSize) {
  return formatMemory(2 ** order, pageSize);
}
