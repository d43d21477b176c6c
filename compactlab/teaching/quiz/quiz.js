// One quiz, a question at a time. `answers` holds the answers that counted, by question; `changed(answers)` hears of new ones.
// Texts are set as text, never as markup; code between back-quotes becomes an element of its own.

const MARKS = {right: ['ok', '✓'], wrong_value: ['bad', '✕']}, REFUSED = ['warn', '!'];

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const rich = (text) => text.split('`').map((part, place) => place % 2 ? element('code', {}, part) : part);

function drawQuiz(host, data, answers, changed) {
  const judge = judgeOf(data), say = (text, fields = {}) => fill(data.words[text] ?? text, fields);
  const name = `quiz-${Math.random().toString(36).slice(2)}`;      // radio buttons of two quizzes on a page are strangers
  const last = ({id}) => answers[id]?.at(-1), counted = ({id}) => (answers[id] ?? []).length > 0;
  const isRight = (question) => counted(question) && judge(question, last(question)).kind === 'right';
  let topic = '', only = null, at = 0, draft, overview = false;
  const chosen = () => data.questions.filter((question) => (!topic || question.topic === topic) && (!only || only.has(question.id)));

  const select = element('select', {'aria-label': say('Topic'), onchange: () => { topic = select.value; only = null; go(0); }},
    element('option', {value: ''}, say('All topics')), ...data.topics.map(([key, title]) => element('option', {value: key}, title)));
  const progress = element('span', {class: 'n'}), score = element('span', {class: 'n m'});
  const body = element('div', {class: 'body'}), heard = element('div', {class: 'unseen', 'aria-live': 'polite'});
  const back = element('button', {type: 'button', onclick: () => go(at - 1)}, say('Previous'));
  const next = element('button', {type: 'button', onclick: () => go(at + 1)}, say('Next'));
  const all = element('button', {type: 'button', onclick: () => show(!overview)}, say('Overview'));
  const keys = element('span', {class: 'm'}, element('kbd', {}, 'Enter'), ` ${say('check')} · `, element('kbd', {}, 'n'), ` ${say('next')} · `,
    element('kbd', {}, 'p'), ` ${say('previous')} · `, element('kbd', {}, 'o'), ` ${say('overview')}`);
  host.replaceChildren(
    element('div', {class: 'top'}, element('h2', {}, data.title), ...(data.topics.length > 1 ? [select] : []), progress, score),
    body, heard, element('div', {class: 'foot'}, back, next, all, keys));

  function count() {
    const tried = data.questions.filter(counted), right = tried.filter(isRight);
    const first = tried.filter((question) => judge(question, answers[question.id][0]).kind === 'right');
    score.textContent = say('{right} right of {answered} answered, {first} at first try', {right: right.length, answered: tried.length, first: first.length});
  }

  function go(place) {
    const questions = chosen();
    at = Math.min(Math.max(place, 0), questions.length - 1); draft = undefined;
    show(place >= questions.length);
  }

  function show(asOverview, focus = true) {
    const questions = chosen();
    overview = asOverview; count();
    progress.textContent = overview ? say('Overview') : say('Question {number} of {count}', {number: at + 1, count: questions.length});
    back.disabled = overview || at === 0; next.disabled = overview;
    all.setAttribute('aria-pressed', overview);
    if (overview) drawOverview(questions); else drawQuestion(questions[at]);
    if (focus) body.querySelector('input:enabled, ol button:enabled, .main, button')?.focus();
  }

  function drawOverview(questions) {
    const wrong = questions.filter((question) => counted(question) && !isRight(question));
    const state = (question) => !counted(question) ? ['', '–', say('not answered')] : isRight(question) ? ['ok', '✓', say('right')] : ['bad', '✕', say('not right')];
    const cell = (question, place) => {
      const [colour, mark, word] = state(question);
      return element('li', {}, element('button', {type: 'button', class: colour, 'aria-label': say('Question {number}: {state}', {number: place + 1, state: word}), onclick: () => go(place)}, `${place + 1} ${mark}`));
    };
    const review = element('button', {type: 'button', class: 'main', disabled: !wrong.length, onclick: () => { only = new Set(wrong.map(({id}) => id)); go(0); }},
      say('Review those not right ({count})', {count: wrong.length}));
    const again = element('button', {type: 'button', onclick: () => { for (const {id} of data.questions) delete answers[id]; only = null; changed(answers); go(0); }}, say('Start again'));
    const everything = element('button', {type: 'button', onclick: () => { only = null; go(0); }}, say('All questions'));
    body.replaceChildren(element('div', {style: 'grid-column: 1 / -1'},
      element('ol', {class: 'grid'}, ...questions.map(cell)), element('div', {class: 'acts'}, review, ...(only ? [everything] : []), again)));
  }

  function drawQuestion(question) {
    const done = isRight(question), told = element('div', {class: 'told', role: 'status'});
    const [controls, read] = {number: drawNumber, sequence: drawSequence}[question.kind]?.(question, done) ?? drawChoice(question, done);
    const submit = () => { if (!isRight(question)) give(question, read(), told, answer, form); };
    const answer = element('button', {type: 'button', class: 'main', disabled: done, onclick: submit}, say('Check my answer'));
    // Not a form: where a notebook shows the quiz in a frame, forms may not be sent.
    const form = element('div', {onkeydown: (event) => { if (event.key === 'Enter' && event.target.tagName === 'INPUT' && !event.isComposing) { event.preventDefault(); submit(); } }},
      element('p', {class: 'kind'}, `${say(question.asks)} · ${question.topicTitle}${question.level === 'advanced' ? ` · ${say('advanced')}` : ''}`), controls, element('div', {class: 'acts'}, answer));
    body.replaceChildren(form, told);
    if (counted(question) && draft === undefined) tell(question, last(question), told);
  }

  function give(question, given, told, answer, form) {
    const judged = judge(question, given);
    if (judged.kind === 'right' || judged.kind === 'wrong_value') {
      answers[question.id] = [...(answers[question.id] ?? []), given];
      changed(answers); count();
    }
    tell(question, given, told);
    if (judged.kind === 'right') {
      answer.disabled = true;
      form.querySelectorAll('fieldset').forEach((each) => { each.disabled = true; });
      next.focus();
    }
  }

  function tell(question, given, told) {
    const judged = judge(question, given), [colour, mark] = MARKS[judged.kind] ?? REFUSED;
    const why = [element('p', {}, ...rich(question.explanation)),
      element('p', {class: 'm'}, ...rich(say('See it happen: notebook `{notebook}`, cell `{cell}`', {notebook: question.pointer[0], cell: question.pointer[1]})))];
    const right = element('p', {}, ...rich(say('The answer: {answer}', {answer: question.answerText})));
    told.className = `told ${colour}`;
    told.replaceChildren(element('p', {class: 'verdict'}, `${mark} ${say(data.verdicts[judged.kind])}`), ...(judged.text ? [element('p', {}, ...rich(judged.text))] : []),
      ...(judged.kind === 'right' ? why : judged.kind === 'wrong_value' ? [element('details', {}, element('summary', {}, say('Show the answer and why')), right, ...why)] : [element('p', {class: 'm'}, say('This was not counted: answer again.'))]));
  }

  function drawChoice(question, done) {
    const before = draft ?? last(question);
    const option = ({key, text}) => element('label', {class: 'option'}, element('input', {type: 'radio', name, value: key, checked: key === before}), element('span', {}, ...rich(text)));
    const group = element('fieldset', {disabled: done}, element('legend', {}, ...rich(question.text)), ...question.options.map(option));
    return [group, () => group.querySelector(':checked')?.value ?? ''];
  }

  function drawNumber(question, done) {
    const id = `${name}-number`, input = element('input', {type: 'text', id, autocomplete: 'off', 'aria-describedby': `${id}-unit`, value: draft ?? last(question) ?? ''});
    const hint = question.unit === '' ? say('a number; “%” works too') : say('a number, or a number with a unit; without one it is read as “{unit}”', {unit: question.unitText});
    const group = element('fieldset', {disabled: done}, element('label', {class: 'asked', for: id}, ...rich(question.text)), element('div', {class: 'acts', style: 'margin-bottom: 10px'}, input, element('span', {class: 'm', id: `${id}-unit`}, hint)));
    return [group, () => input.value];
  }

  function drawSequence(question, done) {
    const texts = Object.fromEntries(question.items.map(({key, text}) => [key, text]));
    const plain = (key) => texts[key].replaceAll('`', '');
    let order = [...(draft ?? last(question) ?? question.items.map(({key}) => key))], dragged;
    const list = element('ol', {}), group = element('fieldset', {disabled: done}, element('legend', {}, ...rich(question.text)), list,
      element('p', {class: 'm'}, say('Move with the arrow buttons, with Alt and the arrow keys, or by dragging.')));
    function move(key, to, direction) {
      if (done || isRight(question) || to < 0 || to >= order.length) return;
      order = order.filter((each) => each !== key); order.splice(to, 0, key); draft = order;
      draw();
      const buttons = list.querySelector(`[data-key="${CSS.escape(key)}"]`).querySelectorAll('button');
      ((direction < 0 ? buttons[0] : buttons[1]).disabled ? buttons[direction < 0 ? 1 : 0] : buttons[direction < 0 ? 0 : 1]).focus();
      heard.textContent = say('{thing}: place {number} of {count}', {thing: plain(key), number: to + 1, count: order.length});
    }
    function item(key, place) {
      const arrow = (direction, sign, text) => element('button', {type: 'button', disabled: place + direction < 0 || place + direction >= order.length, 'aria-label': say(text, {thing: plain(key)}), onclick: () => move(key, place + direction, direction)}, sign);
      const made = element('li', {class: 'option', 'data-key': key, draggable: !done}, element('span', {class: 'place n'}, `${place + 1}`), element('span', {}, ...rich(texts[key])),
        arrow(-1, '↑', 'Move up: {thing}'), arrow(1, '↓', 'Move down: {thing}'));
      made.draggable = !done;
      made.addEventListener('keydown', (event) => {
        const direction = {ArrowUp: -1, ArrowDown: 1}[event.key];
        if (!event.altKey || !direction) return;
        event.preventDefault(); event.stopPropagation(); move(key, place + direction, direction);
      });
      made.addEventListener('dragstart', (event) => { dragged = key; event.dataTransfer.effectAllowed = 'move'; event.dataTransfer.setData('text/plain', plain(key)); });
      made.addEventListener('dragover', (event) => { if (dragged) { event.preventDefault(); made.classList.add('over'); } });
      made.addEventListener('dragleave', () => made.classList.remove('over'));
      made.addEventListener('drop', (event) => { event.preventDefault(); if (dragged) move(dragged, place, 1); dragged = undefined; });
      return made;
    }
    function draw() { list.replaceChildren(...order.map(item)); }
    draw();
    return [group, () => order];
  }

  // What is typed in the quiz is for the quiz: in JupyterLab letters and arrow keys are commands too.
  const listener = (event) => {
    const target = event.composedPath()[0];
    if (event.ctrlKey || event.metaKey) return;
    event.stopPropagation();
    if (event.altKey || target.tagName === 'SELECT' || target.type === 'text') return;
    const act = {n: () => { if (!overview) go(at + 1); }, p: () => { if (!overview) go(at - 1); }, o: () => show(!overview)}[event.key];
    if (act) { act(); event.preventDefault(); }
  };
  const area = document.getElementById('compactlab-quiz') ? document : host;   // a page that is nothing but this quiz listens everywhere
  area.addEventListener('keydown', listener);
  show(false, false);
  return {redraw: (kept) => { answers = kept; show(overview, false); }, close: () => area.removeEventListener('keydown', listener)};
}
