"""Exercises, answered as students do: right in several ways, wrong, of the wrong kind, and nonsensically."""

from __future__ import annotations

import ast
import gettext
import json
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from babel.messages.extract import extract_from_file
from hypothesis import given
from hypothesis import strategies as st

import compactlab as cl
from compactlab import texts
from compactlab.simulation.presets import Sysctls
from compactlab.teaching import answers, checking
from compactlab.teaching.answers import (
    Choice,
    FreeBlocks,
    Hour,
    InOrder,
    Made,
    Number,
    Numbers,
    PfnRange,
    Settings,
    Several,
)
from compactlab.teaching.quantities import UNITS, Problem, Quantity, elsewhere, parse
from compactlab.teaching.shown import KINDS

ROOT = Path(__file__).parents[1]
EXERCISES = list(checking.every().values())
NONSENSE = [
    "banana",
    None,
    [],
    {},
    float("nan"),
    float("inf"),
    object(),
    "",
    "  ",
    print,
    1j,
    b"5",
    [None],
    {"a": 1},
]
PROBLEMS = set(KINDS) - {"right", "wrong_value", "not_answered"}

each = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)


@pytest.fixture(autouse=True)
def forgotten():
    """Every test begins with no wrong answers."""
    cl.teaching.reset()


# --- every exercise -------------------------------------------------------------------------------------------


def test_exercises__cover_the_notebooks():
    assert len(EXERCISES) >= 12
    assert {exercise.notebook[:2] for exercise in EXERCISES} >= {
        "01",
        "02",
        "06",
        "13",
        "14",
        "15",
        "18",
        "19",
    }


@each
def test_exercise__stands_in_its_notebook_not_answered(exercise):
    notebook = json.loads((ROOT / "notebooks" / f"{exercise.notebook}.ipynb").read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    standing = [
        at for at, source in enumerate(sources) if f'cl.teaching.check("{exercise.name}", ...)' in source
    ]
    assert len(standing) == 1
    heads = [at for at, source in enumerate(sources) if "## Your turn" in source]
    assert heads
    assert heads[0] < standing[0] < len(sources) - 1


@each
def test_exercise__right_answers_are_right_and_say_what_came_out(exercise):
    for answer in exercise.right:
        outcome = cl.teaching.check(exercise.name, answer)
        assert (outcome.right, outcome.kind, bool(outcome)) == (True, "right", True), (answer, outcome)
        assert outcome.text
        assert outcome.code == exercise.code


@each
def test_exercise__wrong_answers_are_wrong_and_say_why(exercise):
    told = set()
    for answer in exercise.wrong:
        cl.teaching.reset()
        outcome = cl.teaching.check(exercise.name, answer)
        assert (outcome.right, outcome.kind, bool(outcome)) == (False, "wrong_value", False), (
            answer,
            outcome,
        )
        assert outcome.text.endswith((".", "?"))
        assert outcome.hint == exercise.hints[0]
        told.add(outcome.text)
    assert len(told) >= min(2, len(exercise.wrong))


@each
def test_exercise__mistakes_are_recognised_and_are_not_the_truth(exercise):
    if exercise.truth is None:
        return
    truth = exercise.truth()
    assert exercise.answer.same(truth, truth)
    for mistake in exercise.mistakes:
        value = mistake.value(truth)
        assert not exercise.answer.same(value, truth), mistake.why
    told = {cl.teaching.check(exercise.name, answer).text for answer in exercise.wrong}
    assert told & {mistake.why for mistake in exercise.mistakes} or not exercise.mistakes


@each
@pytest.mark.parametrize("answer", NONSENSE, ids=lambda answer: type(answer).__name__ + repr(answer)[:8])
def test_exercise__nonsense_is_told_apart_from_wrong_answers(exercise, answer):
    outcome = cl.teaching.check(exercise.name, answer)
    assert outcome.right is None
    assert outcome.kind in PROBLEMS
    assert outcome.text.endswith((".", "?"))
    assert str(outcome).splitlines()[0].startswith("! ")
    assert cl.teaching.check(exercise.name, exercise.wrong[0]).hint == exercise.hints[0]  # it did not count


def _other_type(exercise):
    """Answers of a type that is not asked for, by what is asked for."""
    one_number = ([1, 2], (3,), {"value": 5}, np.array([1, 2]), True, np.True_, "banana")
    return {
        Number: one_number,
        Hour: one_number,
        Choice: (5, ["direct"], 2.5),
        Several: (5, 2.5, np.array(5)),
        InOrder: (5, {"direct"}, 2.5),
        FreeBlocks: (5, True, np.ones((2, 2)), ["banana"], [[1]], [True]),
        Numbers: (5, np.ones((2, 2)), ["banana"], [[1]], [True]),
        Settings: (
            [1],
            object(),
            {exercise.answer.names[0]: []} if hasattr(exercise.answer, "names") else [],
        ),
        PfnRange: (5, "banana", [[1], [2]], {"start": 1}),
        Made: (5, "banana", [1], *getattr(exercise.answer, "types", ())),
    }[type(exercise.answer)]


@each
def test_exercise__wrong_type_is_told_apart_from_a_wrong_value(exercise):
    for answer in _other_type(exercise):
        outcome = cl.teaching.check(exercise.name, answer)
        assert (outcome.right, outcome.kind) == (None, "wrong_type"), (answer, outcome)
        assert outcome.asked == exercise.answer.asked


@each
def test_exercise__wrong_unit_is_told_apart_from_a_wrong_value(exercise):
    kind = exercise.answer
    if isinstance(kind, Number):
        other = "5 pages" if UNITS[kind.unit][0] == "time" else "5 ms"
        wrong = [other, "5 furlongs", np.timedelta64(5, "ms") if other == "5 ms" else "order 5"]
    elif isinstance(kind, FreeBlocks):
        wrong = [["5 MiB"], {0: "5 ms"}]
    elif isinstance(kind, Numbers):
        wrong = [["5 ms" if UNITS[kind.unit][0] != "time" else "5 pages"] * kind.fewest]
    elif isinstance(kind, PfnRange):
        wrong = [("1 ms", "2 ms")]
    elif isinstance(kind, Hour):
        wrong = ["5 ms", "5 pages"]
    else:
        return
    for answer in wrong:
        outcome = cl.teaching.check(exercise.name, answer)
        assert (outcome.right, outcome.kind) == (None, "wrong_unit"), (answer, outcome)


@each
def test_exercise__a_number_may_be_in_any_unit_of_its_kind_and_of_any_numeric_type(exercise):
    kind = exercise.answer
    if not isinstance(kind, Number) or exercise.truth is None:
        return
    truth = exercise.truth()
    given = [
        np.float64(truth),
        np.array(truth),
        xr.DataArray(truth),
        Decimal(str(float(truth))),
        f" {truth} ",
    ]
    for unit, (measure, factor) in UNITS.items():
        if measure == UNITS[kind.unit][0] and unit:
            size = Fraction(kind.page_size) if unit == "pages" else factor
            mine = Fraction(kind.page_size) if kind.unit == "pages" else UNITS[kind.unit][1]
            value = Fraction(truth) * mine / size
            given.append(f"{float(value)!r} {unit}")
    for answer in given:
        outcome = cl.teaching.check(exercise.name, answer)
        assert outcome.right, (answer, outcome)


@each
@pytest.mark.parametrize("answer", [-1, "-5", -1e12, 10**40, "1e300", "1e999", "9" * 5000])
def test_exercise__impossible_numbers_are_not_called_wrong(exercise, answer):
    if isinstance(exercise.answer, Number) and (answer == 10**40 or exercise.answer.least >= 0):
        outcome = cl.teaching.check(exercise.name, answer)
        assert (outcome.right, outcome.kind) in [(None, "out_of_range"), (None, "wrong_type")], outcome


@each
def test_exercise__not_answered_shows_the_task_and_the_first_hint_however_often(exercise):
    for _again in range(3):
        outcome = cl.teaching.check(exercise.name, ...)
        assert (outcome.right, outcome.kind) == (None, "not_answered")
        assert (outcome.text, outcome.hint) == (exercise.task, exercise.hints[0])
        assert not outcome
        assert not outcome.code


@each
def test_exercise__each_wrong_answer_gives_the_next_hint_and_then_the_code(exercise):
    hints = [cl.teaching.check(exercise.name, exercise.wrong[0]) for _again in range(len(exercise.hints) + 1)]
    assert [outcome.hint for outcome in hints] == [*exercise.hints, exercise.hints[-1]]
    assert [bool(outcome.code) for outcome in hints] == [False] * len(exercise.hints) + [True]
    asked_for = cl.teaching.check(exercise.name, ..., hint=len(exercise.hints))
    assert asked_for.hint == exercise.hints[-1]


@each
def test_exercise__code_to_see_for_oneself_runs(exercise):
    scope = {"cl": cl}
    tree = ast.parse(exercise.code)
    assert isinstance(tree.body[-1], ast.Expr | ast.For)
    exec(compile(tree, exercise.name, "exec"), scope)  # noqa: S102 - our own


@each
def test_exercise__same_answer_is_judged_the_same(exercise):
    answers_of = [*exercise.right, *exercise.wrong]
    first, again = (
        [cl.teaching.check(exercise.name, answer).text for answer in answers_of] for _ in range(2)
    )
    assert first == again


@each
def test_exercise__texts_are_marked_for_translation(exercise):
    source = ROOT / "compactlab" / "teaching" / "exercises"
    marked = {
        message
        for path in source.glob("*.py")
        for _line, message, _comments, _context in extract_from_file("python", path, {"_": None, "N_": None})
    }
    own = [exercise.task, *exercise.hints, *(mistake.why for mistake in exercise.mistakes)]
    assert [text for text in [*own, exercise.told] if text and text not in marked] == []


class _Bracketed(gettext.NullTranslations):
    """A language in which every text stands in brackets."""

    def gettext(self, message):
        return f"«{message}»"


@each
def test_exercise__is_shown_in_the_language_chosen(exercise, monkeypatch):
    monkeypatch.setattr(texts, "_current", ("xx", _Bracketed()))
    shown = cl.teaching.exercise(exercise.name)
    assert shown.task == f"«{exercise.task}»"
    for answer in (*exercise.right, *exercise.wrong, None, "banana", ...):
        outcome = cl.teaching.check(exercise.name, answer)
        assert outcome.text.startswith("«"), outcome.text
        assert outcome.text.endswith("»"), outcome.text
        assert outcome.heading.startswith("«")


# --- asking, listing, hints -----------------------------------------------------------------------------------


def test_check__names_the_nearest_exercises_where_there_is_none():
    with pytest.raises(KeyError, match="no exercise is called 'hole'; did you mean 'holes'"):
        cl.teaching.check("hole", 5)
    with pytest.raises(KeyError, match="did you mean"):
        cl.teaching.exercise(7)


@pytest.mark.parametrize("hint", [0, 99, -1])
def test_check__refuses_a_hint_there_is_not(hint):
    with pytest.raises(ValueError, match="expected 1 to 2"):
        cl.teaching.check("holes", ..., hint=hint)


def test_list__has_every_exercise_with_its_notebook():
    shown = cl.teaching.list()
    assert [task.name for task in shown] == [exercise.name for exercise in EXERCISES]
    assert "holes" in repr(shown)
    assert "<table>" in shown._repr_html_()
    assert [task.notebook for task in shown] == sorted(task.notebook for task in shown)


def test_exercise__shows_task_kind_of_answer_and_folded_hints():
    shown = cl.teaching.exercise("index-to-measure")
    assert shown._repr_html_().count("<details>") == 3
    assert 'cl.teaching.check("index-to-measure", ...)' in repr(shown)
    assert max(map(len, repr(shown).splitlines())) <= 100


def test_outcome__escapes_what_was_answered():
    outcome = cl.teaching.check("holes", "<script>alert(1)</script>")
    assert "<script>" not in outcome._repr_html_()
    assert "&lt;script&gt;" in outcome._repr_html_()


def test_reset__of_one_exercise_leaves_the_others():
    cl.teaching.check("holes", 1)
    cl.teaching.check("where-it-starts", 1)
    cl.teaching.reset("holes")
    assert cl.teaching.check("holes", 2).hint == checking.find("holes").hints[0]
    assert cl.teaching.check("where-it-starts", 2).hint == checking.find("where-it-starts").hints[1]


def test_check__says_what_the_model_refuses(monkeypatch):
    def refusing(_value):
        raise ValueError("zone 0/Normal: no such order")

    holes = checking.find("index-to-measure")
    changed = cl.teaching.Exercise(**{**vars(holes), "name": "refused", "judge": refusing})
    monkeypatch.setitem(checking.every(), "refused", changed)
    outcome = cl.teaching.check("refused", [1])
    assert (outcome.kind, outcome.right) == ("out_of_range", None)
    assert "no such order" in outcome.text


@pytest.mark.parametrize("field", ["hints", "right", "wrong", "code"])
def test_exercise__is_refused_incomplete(field):
    holes = vars(checking.find("holes"))
    with pytest.raises(ValueError, match=f"{field} is empty"):
        cl.teaching.Exercise(**{**holes, field: ()})


def test_exercise__has_either_a_truth_or_a_judge():
    holes = vars(checking.find("holes"))
    with pytest.raises(ValueError, match="either truth or judge"):
        cl.teaching.Exercise(**{**holes, "truth": None})


# --- quantities -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "unit", "value"),
    [
        ("2 MiB", "pages", 512),
        ("2MB", "B", 2 << 20),
        ("1 GiB", "MiB", 1024),
        ("0,5 KiB", "B", 512),
        ("1,234", "blocks", 1234),
        ("1 234 pages", "pages", 1234),
        ("1\u00a0234", "pages", 1234),
        ("1_000_000", "pages", 1_000_000),
        ("3 ms", "µs", 3000),
        ("2 us", "ns", 2000),
        ("1.5 h", "min", 90),
        ("25 %", "", 0.25),
        ("715 thousandths", "", 0.715),
        ("−500‰", "", -0.5),
        ("2**9", "pages", 512),
        ("2^9 pages", "pages", 512),
        ("1/4", "", 0.25),
        ("order 9", "order", 9),
        ("５ 页", "pages", 5),
        ("3 毫秒", "ms", 3),
        (np.uint8(200), "pages", 200),
        (np.float32(0.5), "", 0.5),
        (Decimal("0.1"), "", 0.1),
        (np.timedelta64(3, "ms"), "ms", 3),
    ],
)
def test_parse__reads_what_people_write(answer, unit, value):
    assert parse(answer, unit).value == value


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("banana", "wrong_type"),
        ("5 pages or so", "wrong_unit"),
        ("5 furlongs", "wrong_unit"),
        ("5 ms", "wrong_unit"),
        ("5 blocks", "wrong_unit"),
        ("order 5", "wrong_unit"),
        ("", "nonsense"),
        ("1/0", "nonsense"),
        ("2**999", "nonsense"),
        (float("nan"), "nonsense"),
        (np.float32("inf"), "nonsense"),
        (np.timedelta64("NaT"), "nonsense"),
        (None, "nonsense"),
        (True, "wrong_type"),
        (np.False_, "wrong_type"),
        (1j, "wrong_type"),
        ([5], "wrong_type"),
        (np.arange(2), "wrong_type"),
        (np.array("x"), "wrong_type"),
        (10**31, "out_of_range"),
        ("1e999", "out_of_range"),
    ],
)
def test_parse__tells_apart_why_there_is_no_quantity(answer, kind):
    found = parse(answer, "pages")
    assert isinstance(found, Problem)
    assert found.kind == kind
    assert found.text.endswith(".")


@given(
    st.text() | st.integers() | st.floats() | st.lists(st.integers()) | st.none() | st.booleans(),
    st.sampled_from(list(UNITS)),
)
def test_parse__never_raises(answer, unit):
    assert isinstance(parse(answer, unit), Quantity | Problem)


@given(st.integers(0, 10**12), st.sampled_from(["B", "KiB", "MiB", "GiB", "pages"]))
def test_parse__the_same_amount_in_another_unit_is_the_same(count, unit):
    of_bytes = parse(f"{count} {unit}", "B").value
    assert parse(f"{of_bytes} bytes", unit).value == count


def test_parse__knows_other_page_sizes():
    assert parse("64 KiB", "pages", 65536).value == 1
    assert elsewhere(65536, 1, "pages", 65536) == "B"


def test_parse__refuses_a_unit_that_no_exercise_can_ask_for():
    with pytest.raises(ValueError, match="furlongs"):
        parse(1, "furlongs")


# --- kinds of answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "answer", "problem"),
    [
        (Number("pages", most=10), 11, "out_of_range"),
        (Number("pages", whole=True), 1.5, "out_of_range"),
        (Hour(), "24:00", "out_of_range"),
        (Hour(), "12:60", "out_of_range"),
        (Hour(), -1, "out_of_range"),
        (InOrder(("a", "b")), ["a"], "out_of_range"),
        (InOrder(("a", "b")), ["a", "b", "a"], "out_of_range"),
        (FreeBlocks(2), [1, 2, 3], "out_of_range"),
        (FreeBlocks(2), {5: 1}, "out_of_range"),
        (FreeBlocks(2), [-1], "out_of_range"),
        (Numbers("pages", fewest=2, many=3), [1], "out_of_range"),
        (Numbers("pages", most=5), [9], "out_of_range"),
        (Settings(("swappiness",)), 999, "out_of_range"),
        (Settings(("swappiness",)), Sysctls(compaction_proactiveness=1), "out_of_range"),
        (Settings(("swappiness",)), {"swap": True}, "nonsense"),
        (Settings(("swap",)), {"swap": "yes"}, "wrong_type"),
        (Settings(("transparent_hugepage_defrag",)), {"transparent_hugepage_defrag": "sometimes"}, "out_of_range"),
        (PfnRange(0, 100), (50, 40), "out_of_range"),
        (PfnRange(0, 100), (0, 101), "out_of_range"),
        (PfnRange(0, 100), (1, 2, 3), "out_of_range"),
        (PfnRange(0, 100), range(0, 10, 2), "out_of_range"),
    ],
)  # fmt: skip
def test_answer__that_cannot_be_is_told_so(kind, answer, problem):
    found = kind.read(answer)
    assert isinstance(found, Problem)
    assert found.kind == problem


@pytest.mark.parametrize(
    ("kind", "answer", "value"),
    [
        (Choice(("partial_skipped", "complete")), "Partial skipped", "partial_skipped"),
        (Choice(("yes", "no")), np.False_, "no"),
        (Choice(("direct", "manual")), np.array("direct"), "direct"),
        (Several(("a", "b")), {"b", "a"}, frozenset("ab")),
        (InOrder(("a", "b")), "b -> a", ("b", "a")),
        (Numbers("pages"), np.array([1, 2]), (1, 2)),
        (Settings(("swap",)), {"swap": True}, Sysctls(swap=True)),
        (Settings(("swappiness",)), {"vm.swappiness": "10"}, Sysctls(swappiness=10)),
        (PfnRange(0, 100), slice(3, 9), (3, 9)),
    ],
)
def test_answer__is_read_in_several_ways(kind, answer, value):
    assert kind.read(answer) == value


def test_answer__a_word_nearly_right_is_named():
    assert "Did you mean kcompactd?" in Choice(("direct", "kcompactd")).read("kcompatcd").text


@pytest.mark.parametrize("kind", [Several(("a", "b", "c")), InOrder(("a", "b", "c"))])
def test_answer__says_how_far_a_wrong_one_is_right(kind):
    truth = kind.read(["a", "b", "c"])
    told = {
        kind.why(value, truth)
        for value in (kind.read(["c", "b", "a"]), kind.read(["a", "c", "b"]))
        if value != truth
    }
    assert all(text.endswith(".") for text in told)
    if isinstance(kind, Several):
        assert kind.why(frozenset("a"), truth) == "These belong there, but not all: 2 missing."
        assert (
            kind.why(frozenset("abc"), frozenset("ab"))
            == "All that belong there are there, but not these: c."
        )
        assert kind.why(frozenset("c"), frozenset("ab")) == "Not these: c. And 2 missing."
    else:
        assert told == {"c does not come first.", "Right so far: a. c does not come next."}


def test_answers__say_what_they_ask_for():
    for name in (
        "Number",
        "Hour",
        "Choice",
        "Several",
        "InOrder",
        "FreeBlocks",
        "Numbers",
        "Settings",
        "PfnRange",
        "Made",
    ):
        assert getattr(answers, name).asked.__doc__
    assert [Number(unit).asked for unit in ("", "order", "%", "pages")] == [
        "A share from 0 to 1, such as 0.25 or “25 %”.",
        "An order: a whole number.",
        "A percentage: a number from 0 to 100.",
        "A number of pages, or text with a unit.",
    ]


# --- the instructor's guide -----------------------------------------------------------------------------------

GUIDE = (ROOT / "docs" / "instructors-guide.md").read_text(encoding="utf-8")


def test_guide__names_cells_that_are_there():
    named = re.findall(r"\b(\d\d) ((?:`[\w-]+`(?:, | and | to |, then |: )?)+)", GUIDE)
    assert len(named) > 40
    for number, cells in named:
        path = next((ROOT / "notebooks").glob(f"{number}-*.ipynb"))
        ids = [cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
        assert set(re.findall(r"`([\w-]+)`", cells)) <= set(ids), (path.name, cells)


def test_guide__names_exercises_that_are_there():
    lab = GUIDE[GUIDE.index("## A lab to take home") : GUIDE.index("**Part 3")]
    named = set(re.findall(r"`([a-z]+(?:-[a-z0-9]+)+)`", lab)) | set(
        re.findall(r"exercise `([\w-]+)`", GUIDE)
    )
    assert len(named) > 15
    assert named <= set(checking.every())


def test_guide__snippet_marks_what_was_handed_in(tmp_path, monkeypatch, capsys):
    snippet = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1]
    for student, answers_of in {
        "ada": {"largest-order": 8, "holes": "20 KiB", "first": {"holes": 4}},
        "bob": {"largest-order": 9, "holes": 20480, "make-it-start": None},
    }.items():
        (tmp_path / student).mkdir()
        (tmp_path / student / "answers.json").write_text(json.dumps(answers_of), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(snippet, {})  # noqa: S102 - our own
    assert capsys.readouterr().out.splitlines() == [
        "ada 2 of 2",
        "bob 0 of 3 largest-order (wrong_value) holes (wrong_unit) make-it-start (nonsense)",
    ]


@pytest.mark.parametrize(
    ("name", "answer", "kind"),
    [
        ("many-mappings", "52 ms", "wrong_unit"),
        ("many-mappings", "52 µs", "right"),
        ("buddy-of", "48 KiB", "wrong_unit"),
        ("holes", "5 MiB", "wrong_unit"),
        ("holes", "20 KiB", "right"),
        ("holes", "20 MiB", "wrong_value"),
    ],
)
def test_check__right_number_with_a_wrong_unit_behind_it(name, answer, kind):
    outcome = cl.teaching.check(name, answer)
    assert outcome.kind == kind, outcome
