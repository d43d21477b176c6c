"""The quiz by keyboard alone: as a page with no network, in a frame of a notebook, and live in JupyterLab."""

from __future__ import annotations

import itertools
import json
import random
import re

import pytest
from harness import ROOT, SMALL, Eyes, assert_clean
from nbconvert import HTMLExporter
from test_accessibility import violations

import compactlab as cl
from compactlab import texts
from compactlab.teaching.quiz import BY_ID, QUESTIONS, Number, Sequence, judge
from compactlab.teaching.quiz.page import SCRIPT

OF_EACH_KIND = ["holes", "size-of-order-9", "marks", "frees-memory"]
PAGE = "({scrollWidth: document.documentElement.scrollWidth, scrollHeight: document.documentElement.scrollHeight})"


@pytest.fixture
def quiz_page(new_page, tmp_path):
    """Open a quiz as a page: ``quiz_page(quiz, scheme="light")``; nothing may be asked of a network."""
    pages = []

    def open_(quiz, scheme="light", width=1280, height=720):
        page = new_page(offline=True, width=width, height=height, color_scheme=scheme)
        pages.append(page)
        page.goto(cl.render(quiz, tmp_path / "quiz.html").as_uri())
        page.get_by_role("button", name="Overview").or_(page.locator(".foot button").nth(2)).first.wait_for()
        return page

    yield open_
    for page in pages:
        assert page.watch.outward() == []
        assert_clean(page)


def right_text(question) -> str:
    return f"{question.answer:g} {question.unit}".strip()


def answer_by_keyboard(page, question) -> None:
    """Answer the question on screen rightly, without a mouse; the focus is on its first control."""
    keyboard = page.keyboard
    if isinstance(question, Number):
        keyboard.type(right_text(question))
        keyboard.press("Enter")
    elif isinstance(question, Sequence):
        for place, key in enumerate(question.answer):
            for _ in range(len(question.answer)):
                order = page.locator("ol [data-key]").evaluate_all("(all) => all.map((e) => e.dataset.key)")
                if order[place] == key:
                    break
                page.locator(f"[data-key='{key}'] button:enabled").first.focus()
                keyboard.press("Alt+ArrowUp")
        page.get_by_role("button", name="Check my answer").focus()
        keyboard.press("Enter")
    else:
        keyboard.press("Space")
        for _ in question.options:
            if page.locator(".cl-quiz input:checked").get_attribute("value") != question.answer:
                keyboard.press("ArrowDown")
        keyboard.press("Enter")


def told(page) -> str:
    return page.locator(".told").inner_text()


def score(page) -> str:
    return page.locator(".cl-quiz .top .m").inner_text()


# ------------------------------------------------------------------ judging


def _answers_for(question) -> list:
    """Answers right, wrong, and of every other kind."""
    if isinstance(question, Number):
        numbers = [
            "0",
            "1",
            "2",
            "-0.5",
            "−0,5",
            ".5",
            "1 000",
            "1,000",
            "2,0",
            "2**9",
            "1/2",
            "1/0",
            "2^70",
            "1e3",
            "２",
            f"{question.answer:g}",
        ]
        units = [
            "",
            "MiB",
            " mib",
            "kB",
            " pages",
            "page",
            " %",
            "‰",
            " us",
            " μs",
            "µs",
            " ms",
            " min",
            " order",
            " blocks",
            " GiB of memory",
            " x",
            " furlongs",
            " huge pages",
        ]
        written = [number + unit for number, unit in itertools.product(numbers, units)]
        odd = [
            "",
            "  ",
            "two",
            "order 3",
            "≈ 2 MiB",
            "2 or 3",
            "nan",
            "1" * 40,
            "9" * 120,
            "a" * 60,
            "2 MiB!",
            "12 a very long unit that goes on for ever and ever",
            None,
        ]
        return [*written, *odd, right_text(question), *(f"{slip.value:g}" for slip in question.slips)]
    if isinstance(question, Sequence):
        orders = itertools.islice(itertools.permutations(question.answer), 40)
        return [*map(list, orders), [], list(question.answer)[:-1]]
    return [*(option.key for option in question.options), "", None, "no such thing"]  # fmt: skip


@pytest.mark.parametrize("language", texts.languages())
def test_judging__equals_python(page, capsys, language):
    cases = [(question, answer) for question in QUESTIONS for answer in _answers_for(question)]
    random.Random(0).shuffle(cases)
    sheet = cl.Quiz(language=language).sheet
    code = f"""([sheet, cases]) => {{ {SCRIPT}
      const judge = judgeOf(sheet), byId = Object.fromEntries(sheet.questions.map((question) => [question.id, question]));
      return cases.map(([id, answer]) => judge(byId[id], answer)); }}"""
    browser = page.evaluate(code, [sheet, [(question.id, answer) for question, answer in cases]])
    before = texts.language()
    try:
        texts.language(language)
        for (question, answer), found in zip(cases, browser, strict=True):
            wanted = judge(question, answer)
            assert (found["kind"], found["text"]) == tuple(wanted), (question.id, answer)
    finally:
        texts.language(before)
    with capsys.disabled():
        print(f"\n  {len(cases):,} answers judged alike in Chromium and Python ({language})")


# ------------------------------------------------------------------ page


def test_page__every_question_is_answered_by_keyboard(quiz_page):
    page = quiz_page(cl.Quiz(seed=3))
    page.keyboard.press("o")
    page.keyboard.press("o")  # back, and the focus is on the first control
    for number, question in enumerate(cl.Quiz(seed=3).questions, 1):
        assert f"Question {number} of {len(QUESTIONS)}" in page.locator(".top").inner_text()
        answer_by_keyboard(page, question)
        assert "✓ Right." in told(page), question.id
        assert question.explanation.replace("`", "")[:60] in told(page)
        assert f"{question.shown_in.notebook}, cell {question.shown_in.cell}" in told(page)
        page.keyboard.press("Enter")  # the focus is on Next
    everything = len(QUESTIONS)
    assert score(page) == f"{everything} right of {everything} answered, {everything} at first try"
    assert page.locator(".grid button.ok").count() == everything


def test_page__wrong_answers_say_why_and_come_again(quiz_page, artefact):
    page = quiz_page(cl.Quiz(questions=OF_EACH_KIND))
    page.get_by_label("No: memory is fragmented").check()
    page.keyboard.press("Enter")
    assert "✕ Not right." in told(page)
    assert "with pieces of 2, 3 and 3 kb the request would fail" in told(page).lower()
    assert "from the piece of 5 KB" not in told(page)
    page.get_by_text("Show the answer and why").click()
    assert "The answer: Yes, from the piece of 5 KB" in told(page)
    artefact(page, "quiz-wrong-light")
    page.keyboard.press("Tab")
    page.keyboard.press("n")
    for text, heading in (("2 ms", "Mind the unit."), ("512", "Mind the unit."), ("two", "no answer of the kind"), ("", "Not answered yet.")):  # fmt: skip
        page.locator("input[type=text]").fill(text)
        page.keyboard.press("Enter")
        assert heading in told(page)
        assert "not counted" in told(page)
    assert score(page) == "0 right of 1 answered, 0 at first try"
    artefact(page, "quiz-unit-light")
    page.locator("input[type=text]").fill("4 MiB")
    page.keyboard.press("Enter")
    assert "order 10" in told(page)
    page.get_by_role("button", name="Overview").click()
    assert page.locator(".grid button.bad").count() == 2
    artefact(page, "quiz-overview-light")
    page.get_by_role("button", name="Review those not right (2)").click()
    assert "Question 1 of 2" in page.locator(".top").inner_text()
    page.get_by_label("Yes, from the piece of 5 KB").check()
    page.keyboard.press("Enter")
    assert "✓ Right." in told(page)
    assert score(page) == "1 right of 2 answered, 0 at first try"
    page.keyboard.press("o")
    page.get_by_role("button", name="Start again").click()
    assert score(page) == "0 right of 0 answered, 0 at first try"
    assert "Question 1 of 4" in page.locator(".top").inner_text()


def test_page__letters_in_an_answer_are_no_commands(quiz_page):
    page = quiz_page(cl.Quiz(questions=["first-batch", "holes"]))
    page.get_by_role("textbox").focus()
    page.keyboard.type("32 pages on")
    assert page.get_by_role("textbox").input_value() == "32 pages on"
    assert "Question 1 of 2" in page.locator(".top").inner_text()


def test_page__things_are_dragged_too(quiz_page):
    page = quiz_page(cl.Quiz(questions=["marks"]))
    for key in reversed(BY_ID["marks"].answer):
        page.locator(f"[data-key='{key}'] .place").drag_to(page.locator("ol [data-key]").first)
    page.get_by_role("button", name="Check my answer").click()
    assert "✓ Right." in told(page)


def test_page__a_topic_is_chosen(quiz_page):
    page = quiz_page(cl.Quiz())
    page.get_by_label("Topic").select_option(label="Moving pages")
    assert "Question 1 of 7" in page.locator(".top").inner_text()
    assert "Moving pages" in page.locator(".kind").inner_text()


@pytest.mark.parametrize("language", texts.languages())
def test_page__every_question_fits_with_its_answer(quiz_page, language):
    quiz = cl.Quiz(language=language)
    page = quiz_page(quiz)
    assert page.evaluate("document.documentElement.lang") == language
    for question in quiz.sheet["questions"]:
        if question["kind"] == "number":
            page.locator("input[type=text]").fill(f"{question['answer'] * 1.5 + 1:.3f}")
        elif question["kind"] != "sequence":
            wrong = next(each for each in question["options"] if each["key"] != question["answer"])
            page.locator(f"input[value='{wrong['key']}']").check()
        page.locator("button.main").click()
        page.locator("summary").click()
        assert page.evaluate(PAGE) == {"scrollWidth": 1280, "scrollHeight": 720}, question["id"]
        assert Eyes(page)(SMALL.replace("size < 14", "size < 16")) == [], question["id"]
        page.locator(".foot button").nth(1).click()
    assert page.locator(".grid button").count() == len(QUESTIONS)
    assert page.evaluate(PAGE) == {"scrollWidth": 1280, "scrollHeight": 720}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page__axe_finds_nothing(quiz_page, artefact, scheme):
    page = quiz_page(cl.Quiz(questions=OF_EACH_KIND), scheme)
    for name in OF_EACH_KIND:
        assert violations(page) == []
        if name == "size-of-order-9":
            page.get_by_role("textbox").fill("3")
        page.locator("button.main").click()
        assert violations(page) == []
        artefact(page, f"quiz-{name}-{scheme}")
        page.locator(".foot button").nth(1).click()
    assert violations(page) == []
    artefact(page, f"quiz-overview-{scheme}")


def test_page__texts_are_never_markup(new_page):
    page = new_page(offline=True)
    sheet = json.loads(json.dumps(cl.Quiz(questions=["holes"]).sheet))
    evil = "<img src=x onerror='window.hurt = 1'>"
    question = sheet["questions"][0]
    sheet["title"] = question["text"] = question["explanation"] = f"{evil} `{evil}`"
    for option in question["options"]:
        option["text"] = option["why"] = evil
    page.set_content("<main id=host class=cl-quiz></main>")
    page.evaluate(
        f"(sheet) => {{ {SCRIPT}\n drawQuiz(document.getElementById('host'), sheet, {{}}, () => {{}}); }}",
        sheet,
    )
    page.locator("input").first.check()
    page.keyboard.press("Enter")
    assert page.locator("img").count() == 0
    assert page.evaluate("window.hurt") is None
    assert page.locator("code").first.inner_text() == evil
    assert_clean(page)


def test_page__in_a_frame_of_a_notebook_that_nobody_runs(new_page, tmp_path, artefact):
    page = new_page(offline=True, width=1280, height=900)
    html, _ = HTMLExporter(template_name="lab").from_filename(str(ROOT / "notebooks" / "21-quiz.ipynb"))
    (tmp_path / "notebook.html").write_text(html, encoding="utf-8")
    page.goto((tmp_path / "notebook.html").as_uri())
    page.wait_for_selector("iframe[title='Quiz']")
    element = page.query_selector_all("iframe[title='Quiz']")[-1]
    element.scroll_into_view_if_needed()
    frame = element.content_frame()
    frame.get_by_label("External fragmentation").check()
    page.keyboard.press("Enter")
    assert "✓ Right." in frame.locator(".told").inner_text()
    assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")
    artefact(page, "quiz-in-notebook")


# ------------------------------------------------------------------ live


NOTEBOOK = f"""
import compactlab as cl
quiz = cl.Quiz(questions={OF_EACH_KIND})
quiz
"""


def dark(page, on: bool) -> None:
    name = "Dark" if on else "Light"
    page.evaluate(
        f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {name}'}})"
    )
    page.wait_for_function(f"document.body.dataset.jpThemeLight === '{'false' if on else 'true'}'")
    page.wait_for_timeout(600)


def test_live__answers_by_keyboard_reach_python(lab, page, artefact):
    page.set_viewport_size({"width": 1280, "height": 720})
    lab.write("quiz.ipynb", NOTEBOOK)
    lab.open(page, "quiz.ipynb", run=False)
    if page.locator(".jp-FileBrowser").is_visible():
        page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    lab.run_all(page)
    page.locator(".cl-quiz legend").first.wait_for()
    sizes = page.locator(".cl-quiz *").evaluate_all(
        "(all) => all.filter((e) => e.checkVisibility()).map((e) => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 16
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    page.get_by_label("No: memory is fragmented").check()
    page.keyboard.press("Enter")
    assert "✕ Not right." in told(page)
    page.locator("input:checked").focus()
    for question in map(BY_ID.get, OF_EACH_KIND):
        answer_by_keyboard(page, question)
        assert "✓ Right." in told(page), question.id
        artefact(page, f"quiz-live-{question.id}-light")
        page.keyboard.press("n")  # in JupyterLab's own key map letters are commands
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    lab.run_code(page, "assert quiz.score == (4, 3, 4, 4), quiz.score")
    lab.run_code(page, "assert quiz.answers['holes'] == ['no', 'from_5'], quiz.answers")
    dark(page, True)
    try:
        page.get_by_role("button", name="Question 2: right").click()
        artefact(page, "quiz-live-dark")
        background = page.locator(".cl-quiz").first.evaluate("(e) => getComputedStyle(e).backgroundColor")
        assert background == "rgb(17, 17, 17)"
    finally:
        dark(page, False)
    page.locator(".jp-Notebook").click(position={"x": 5, "y": 5})  # the focus leaves the quiz
    lab.run_code(page, "quiz.answers = {}")
    page.get_by_text(re.compile("0 right of 0 answered")).wait_for()
