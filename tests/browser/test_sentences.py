"""The browser says every number and every verdict exactly as Python does."""

import itertools
import json
from pathlib import Path

import pytest

import compactlab
from compactlab import metrics, texts
from compactlab.metrics.codes import REASONS

FIGURES = Path(compactlab.__file__).parent / "figures"
CODE = "\n".join((FIGURES / name).read_text("utf-8") for name in ("format.js", "verdict.js"))
PAGE_SIZES = (None, 4096, 16384, 65536)


@pytest.fixture(params=["en", "zh"])
def language(request):
    """Each language in turn."""
    compactlab.language(request.param)
    yield request.param
    compactlab.language("en")


def _in_browser(page, expression, cases):
    """Value of a JavaScript expression of `it` for each case, in the language chosen."""
    words = json.dumps(texts.translated(texts.NUMBER_WORDS))
    body = f"{CODE}; numberText = translator({words}); return JSON.stringify(JSON.parse(text).map(it => {expression}));"
    return json.loads(page.evaluate(f"text => {{ {body} }}", json.dumps(cases)))


def _amounts():
    """Whole numbers of every size, and those beside a change of digits, unit or rounding."""
    exact = [
        0,
        1,
        2,
        3,
        7,
        9,
        10,
        99,
        100,
        995,
        999,
        1000,
        1005,
        12_345,
        1_300_000,
        987_654_321,
        2**31,
        2**40,
    ]
    edges = [
        2**power * tenths // 10 + step
        for power in range(34)
        for tenths in (10, 15, 99, 995)
        for step in (-1, 0, 1)
    ]
    return sorted({amount for amount in exact + edges if amount >= 0})


@pytest.mark.usefixtures("language")
def test_format__equals_python(page, capsys):
    amounts = _amounts()
    parts = (1, 3, 200, 1000, 4096, 10**6)
    fractions = [part / whole for whole in parts for part in range(0, whole + 1, max(whole // 200, 1))]
    fractions += [0.004999, 0.005, 0.0050001, 0.994999, 0.995, 0.995001, 0.5, 0.125, 1e-12, 1 - 1e-12]
    small = [amount / 1000 for amount in range(0, 20_000, 7)] + [0.005, 0.995, 9.95, 9.949, 0.125, 9.5, 99.5]
    checks = [
        ("formatCount(it)", amounts + small, texts.count),
        ("formatSignificant(it)", small + amounts, texts.significant),
        ("formatShare(it)", fractions, texts.share),
    ]
    count = 0
    for expression, cases, python in checks:
        assert _in_browser(page, expression, cases) == [python(case) for case in cases]
        count += len(cases)
    sized = [list(case) for case in itertools.product(amounts, PAGE_SIZES)]
    assert _in_browser(page, "formatMemory(...it)", sized) == [texts.memory(*case) for case in sized]
    orders = [list(case) for case in itertools.product(range(31), PAGE_SIZES)]
    assert _in_browser(page, "formatOrderSize(...it)", orders) == [texts.order_size(*case) for case in orders]
    with capsys.disabled():
        print(f"\n  {count + len(sized) + len(orders):,} formatted numbers equal in Chromium and Python")


def _cells():
    """Cells of verdicts: every reason with many circumstances, likely or not."""
    free = (1, 511, 1_300_000, 123_456_789)
    usable = ((0, -1), (1, -1), (5, 1), (64, 63), (2000, 2000))
    known = (
        (0, 0, 0),
        (1, 0, 0),
        (2, 0, 0),
        (3, 0, 0),
        (4, 5, 99),
        (0, 7, 100),
        (6, 2, -99),
        (0, 1, -30_400),
    )
    machine = itertools.product((0, 3, 9), (None, 4096, 65536))
    grid = itertools.product(range(len(REASONS)), machine, free, usable, known)
    return [
        {
            "reason": reason,
            "order": order,
            "page_size": page_size,
            "zone": "Normal (node 1)",
            "free_pages": pages,
            "nr_suitable": suitable,
            "nr_usable": of_these,
            "watermark_min": pages // 7,
            "spare_pages": pages // 3,
            "short_pages": pages // 5,
            "pcp_pages": (-1, 511, 512, 242_846)[pages % 4],
            "largest_order": 10,
            "lacks": lacks,
            "barred_types": barred,
            "types_age_ms": age,
        }
        for reason, (order, page_size), pages, (suitable, of_these), (lacks, barred, age) in grid
    ]


def _compare(page, cells, who):
    js = _in_browser(
        page, f"verdictSentence(it, {json.dumps(metrics.templates())}, {json.dumps(who)})", cells
    )
    python = [metrics.sentence(cell, who=who) for cell in cells]
    different = [pair for pair in zip(js, python, strict=True) if pair[0] != pair[1]]
    assert not different, different[0]
    return len(cells)


@pytest.mark.usefixtures("language")
def test_sentence__equals_python_for_every_reason(page, capsys):
    cells = _cells()
    assert {cell["reason"] for cell in cells} == set(range(len(REASONS)))
    count = _compare(page, cells, None)
    for who in (*metrics.WHO, "direct + manual"):
        count += _compare(page, cells[::7], who)
    with capsys.disabled():
        print(f"\n  {count:,} sentences equal in Chromium and Python")


def test_sentence__equals_python_over_a_recording(page, capsys):
    run = compactlab.datasets.load("manual-compaction")
    count, reasons = 0, set()
    for order in run["zones/order"].values.tolist():
        verdict = metrics.verdict(run, order)
        numbers = metrics.browser_numbers(verdict)
        for column, zone in enumerate(metrics.zone_names(verdict)):
            shared = metrics.constants(verdict) | {"zone": zone}
            rows = zip(*(values[:, column].tolist() for values in numbers.values()), strict=True)
            cells = [shared | dict(zip(numbers, row, strict=True)) for row in rows]
            count += _compare(page, cells, None)
            assert [metrics.sentence(cell)["text"] for cell in cells] == verdict.text.values[
                :, column
            ].tolist()
            reasons |= {REASONS[cell["reason"]] for cell in cells}
    assert len(reasons) >= 3
    with capsys.disabled():
        print(f"\n  {count:,} sentences of a recording equal; reasons: {', '.join(sorted(reasons))}")
