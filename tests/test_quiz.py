"""The quiz: every answer is what the model gives, every cell it points to is there, every answer is judged."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from babel.messages.extract import extract_from_dir

import compactlab as cl
from compactlab import texts
from compactlab.teaching.quiz import (
    BY_ID,
    QUESTIONS,
    TOPICS,
    Choice,
    Misconception,
    Number,
    Option,
    Pointer,
    Quiz,
    Sequence,
    judge,
)
from compactlab.teaching.quiz.sheet import answer_text

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def by_id(questions):
    return [pytest.param(question, id=question.id) for question in questions]


# ------------------------------------------------------------------ questions


@pytest.mark.parametrize("question", by_id(QUESTIONS))
def test_answer__is_what_the_model_gives(question):
    assert question.is_true(), f"the model gives {question.truth()!r}, the quiz says {question.answer!r}"


def test_is_true__notices_a_wrong_answer():
    like = {"rows": ("S1",), "text": "?", "explanation": "", "shown_in": Pointer("", ""), "truth": lambda: 3}
    assert Number(id="a", answer=3, unit="pages", **like).is_true()
    assert Number(id="a", answer=4, unit="pages", tolerance=1, **like).is_true()
    assert not Number(id="a", answer=4, unit="pages", tolerance=0.5, **like).is_true()
    assert not Choice(id="a", answer="x", options=(Option("x", "?"),), **like).is_true()


def test_questions__at_least_forty_of_every_kind_over_the_whole_course():
    assert len(QUESTIONS) == len(BY_ID) >= 40
    kinds = Counter(question.kind for question in QUESTIONS)
    assert set(kinds) == {"choice", "number", "sequence", "misconception"}
    assert min(kinds.values()) >= 5
    rows = {row for question in QUESTIONS for row in question.rows}
    assert rows == {f"S{number}" for number in range(1, 19)} - {"S17"}  # S17 is the quiz
    assert {question.level for question in QUESTIONS} == {"basic", "advanced"}


@pytest.mark.parametrize("question", by_id(QUESTIONS))
def test_pointer__leads_to_a_cell(question):
    notebook, cell = question.shown_in
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8"))["cells"]
    assert cell in [each["id"] for each in cells]


@pytest.mark.parametrize("question", by_id(q for q in QUESTIONS if isinstance(q, Choice)))
def test_choice__each_wrong_option_says_why(question):
    assert len(question.options) >= 3
    for option in question.options:
        judged = judge(question, option.key)
        assert judged.kind == ("right" if option.key == question.answer else "wrong_value")
        assert bool(judged.text) == (option.key != question.answer)


def test_choice__without_a_reason_is_refused():
    like = {"rows": (), "text": "?", "explanation": "", "shown_in": Pointer("", ""), "truth": lambda: "a"}
    with pytest.raises(ValueError, match="a reason for each other one"):
        Choice(id="q", answer="a", options=(Option("a", "A"), Option("b", "B")), **like)
    with pytest.raises(ValueError, match="the answer among them"):
        Misconception(id="q", answer="c", options=(Option("a", "A", "no"), Option("b", "B", "no")), **like)
    with pytest.raises(ValueError, match="the same keys, each once"):
        Sequence(id="q", answer=("a", "c"), items=(Option("a", "A"), Option("b", "B")), **like)


def test_texts__are_found_by_those_who_translate():
    """Babel finds each text of each question whole: what it extracts is what is shown."""
    folder = Path(cl.__file__).parent / "teaching" / "quiz"
    found = {text for _file, _line, text, *_ in extract_from_dir(folder, [("**.py", "python")])}
    for question in QUESTIONS:
        parts = [*getattr(question, "options", ()), *getattr(question, "items", ())]
        texts_of = {question.text, question.explanation, *(part.text for part in parts)}
        texts_of |= {part.why for part in (*parts, *getattr(question, "slips", ())) if part.why}
        assert texts_of <= found, texts_of - found
    script = (folder / "quiz.js").read_text("utf-8") + (folder / "judging.js").read_text("utf-8")
    said = set(re.findall(r"say\('((?:[^'])*)'", script))
    assert said <= set(Quiz().sheet["words"]), said - set(Quiz().sheet["words"])


# ------------------------------------------------------------------ answers


@pytest.mark.parametrize(
    ("name", "answer", "kind"),
    [
        *[("size-of-order-9", text, "right") for text in ("2 MiB", "2MiB", "2,0", "2048 KiB", "512 pages", "2**21 B", "２ MiB")],
        ("size-of-order-9", 2, "right"),
        ("size-of-order-9", np.float64(2), "right"),
        ("size-of-order-9", "3 MiB", "wrong_value"),
        ("size-of-order-9", "512", "wrong_unit"),  # right in pages
        ("size-of-order-9", "2 KiB", "wrong_unit"),  # right in MiB
        ("size-of-order-9", "2 ms", "wrong_unit"),  # a time
        ("size-of-order-9", "2 furlongs", "wrong_unit"),
        ("size-of-order-9", "two", "wrong_type"),
        ("size-of-order-9", "2 or 3 MiB", "wrong_unit"),
        ("size-of-order-9", [2], "wrong_type"),
        ("size-of-order-9", True, "wrong_type"),
        ("size-of-order-9", "", "not_answered"),
        ("size-of-order-9", None, "not_answered"),
        ("size-of-order-9", float("nan"), "nonsense"),
        ("unusable-pair", "50 %", "right"),
        ("unusable-pair", "1/2", "right"),
        ("unusable-pair", "500", "wrong_unit"),  # right in thousandths
        ("index-below-zero", "−0.5", "right"),
        ("index-below-zero", "0.5", "wrong_value"),
        ("costly", "order 3", "right"),
        ("costly", "4", "wrong_value"),
        ("a-pin-in-each", "0", "right"),
        ("a-pin-in-each", "0 pages", "wrong_unit"),
        ("holes", "from_5", "right"),
        ("holes", "no", "wrong_value"),
        ("holes", "maybe", "wrong_type"),
        ("holes", "", "not_answered"),
        ("marks", ["min", "low", "high"], "right"),
        ("marks", ["min", "high", "low"], "wrong_value"),
        ("marks", ["min", "low"], "wrong_type"),
        ("marks", ["min", "min", "high"], "wrong_type"),
        ("marks", "min", "wrong_type"),
        ("marks", 7, "wrong_type"),
    ],
)  # fmt: skip
def test_judge__tells_value_unit_and_type_apart(name, answer, kind):
    judged = judge(BY_ID[name], answer)
    assert judged.kind == kind
    assert bool(judged.text) == (kind != "right")


def test_judge__says_what_went_wrong():
    order_9, marks = BY_ID["size-of-order-9"], BY_ID["marks"]
    assert "512 would be right in the unit “pages”" in judge(order_9, "512").text
    assert "you wrote “KiB”" in judge(order_9, "2 KiB").text
    assert judge(order_9, "4 MiB").text == "That is order 10, which is the largest block on x86."
    assert judge(order_9, "3 MiB").text == "The right value is smaller."
    assert judge(marks, ["min", "high", "low"]).text.startswith("The first 1 are in their places")


@pytest.mark.parametrize("question", by_id(q for q in QUESTIONS if isinstance(q, Number)))
def test_number__its_own_answer_is_right_and_its_slips_are_not(question):
    assert judge(question, answer_text(question)).kind == "right"
    assert judge(question, question.answer).kind == "right"
    for slip in question.slips:
        assert judge(question, slip.value) == ("wrong_value", slip.why)


# ------------------------------------------------------------------ quiz


def test_quiz__counts_what_is_right_and_what_was_at_first():
    quiz = cl.Quiz(topic="watermarks")
    assert quiz.score == (0, 0, 0, len(TOPICS["watermarks"][1]))
    quiz.answers = {"boost": ["oom", "mixed"], "kswapd-wakes": ["low"], "costly": ["9"]}
    assert quiz.score == (2, 1, 3, len(TOPICS["watermarks"][1]))
    quiz.answers = {}
    assert quiz.score.answered == 0


def test_quiz__a_seed_gives_its_own_order_each_time():
    def order(seed):
        return [
            (question["id"], [option["key"] for option in question.get("options", question.get("items", []))])
            for question in Quiz(seed=seed).sheet["questions"]
        ]

    assert order(None) == order(None)
    assert [name for name, _ in order(None)] == list(BY_ID)
    assert order(1) == order(1) != order(2)
    assert sorted(name for name, _ in order(1)) == sorted(BY_ID)


def test_quiz__the_right_option_is_not_always_at_the_same_place():
    places = Counter(
        [option["key"] for option in question["options"]].index(question["answer"])
        for question in Quiz().sheet["questions"]
        if question["kind"] == "choice"
    )
    assert len(places) == 4
    assert max(places.values()) < 0.5 * sum(places.values())
    for question in Quiz().sheet["questions"]:
        if question["kind"] == "sequence":
            assert [item["key"] for item in question["items"]] != question["answer"]


def test_quiz__chooses_by_topic_or_by_name():
    assert [each.id for each in Quiz(questions=["marks", "holes"]).questions] == ["marks", "holes"]
    assert Quiz("pages").sheet["topics"] == [["pages", "Page tables and compressed pages"]]
    with pytest.raises(ValueError, match="did you mean 'triggers'"):
        Quiz("triggres")
    with pytest.raises(ValueError, match="did you mean 'holes'"):
        Quiz(questions=["holse"])
    with pytest.raises(ValueError, match="expected ids of questions"):
        Quiz(questions=[])


def test_quiz__language_is_its_own():
    with pytest.raises(ValueError, match="no catalogue for 'xx'"):
        Quiz(language="xx")
    before = texts.language()
    for language in texts.languages():
        quiz = Quiz("pages", language=language)
        assert quiz.sheet["language"] == language
        assert texts.language() == before


def test_page__needs_nothing_and_carries_no_markup_of_texts():
    page = Quiz().page()
    assert "http" not in page.replace("http-equiv", "")
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)[1]
    assert "<" not in data
    assert json.loads(data) == json.loads(json.dumps(Quiz().sheet))
    assert Quiz().page() == page  # the same bytes each time
    assert len(page.encode()) < 250_000
    script = (Path(cl.__file__).parent / "teaching/quiz/quiz.js").read_text("utf-8")
    assert not re.search("innerHTML|outerHTML|insertAdjacentHTML|document.write|eval", script)


def test_render__writes_the_page(tmp_path, capsys):
    path = cl.render(Quiz("buddies"), tmp_path / "quiz.html", theme="dark")
    assert path.read_text("utf-8") == Quiz("buddies").page("dark")
    assert "8 questions" in capsys.readouterr().out


def test_show__publishes_a_frame(monkeypatch):
    published = []
    monkeypatch.setattr(cl.player.notebook, "publish_display_data", lambda data, *_: published.append(data))
    cl.show(Quiz("buddies"))
    (data,) = published
    assert data["text/plain"] == "Quiz: Blocks and buddies: 8 questions"
    assert data["text/html"].startswith('<iframe title="Quiz: Blocks and buddies"')
