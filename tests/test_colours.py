"""Colours that must be told apart are apart, to all eyes and in both themes; texts can be read."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from colours import EYES, contrast, distance

from compactlab.figures.compare import DASHES, MARKERS, MOST_SIDES
from compactlab.figures.cpu import LANES
from compactlab.figures.look import LARGE, RAMPS, SMALL, THEMES, ramp
from compactlab.figures.pagemap import _FILLS, _PAGES
from compactlab.figures.spent import _LOOKS, PARTS
from compactlab.figures.watermarks import MARKS

APART = 8.0
"""CIEDE2000 distance of colours that must not be mistaken: far above the 1 that can just be noticed, and the 2 to 3
that is seen at a glance."""

TEXTS = [
    *(("ink", ground) for ground in ("bg", "panel", "control", "ok_bg", "warn_bg", "bad_bg")),
    *(("ink2", ground) for ground in ("bg", "panel")),
    *((level, f"{level}_bg") for level in ("ok", "warn", "bad")),
    *((token, "bg") for token in ("accent", "ok", "migrate", "scan_free")),
    ("on_accent", "accent"),
]
"""Tokens of text, and what it stands on; the scanners are named in their colours."""

MARKED = [
    *("huge", "fallback", "warn", "bad", "isolate", "reclaimable", "unmovable", "isolated"),
    *(f"side{k}" for k in range(MOST_SIDES)),
]
"""Tokens of lines and marks on the plain ground."""

# ---- what stands in one view: names to tokens or colours

WAYS = {
    "migratetypes": {name: name for name in ("unmovable", "movable", "reclaimable", "highatomic", "cma", "isolate", "other")},
    "fills of pageblocks": {name: colour for name, (_word, colour) in _FILLS.items()},
    "states of pages": {name: colour for name, (_word, colour) in _PAGES.items()},
    "largest free block": {"none": "used", **{f"size {k}": colour for k, colour in enumerate(SMALL + LARGE)}},
    "sides of a comparison": {f"side{k}": f"side{k}" for k in range(MOST_SIDES)},
    "outcomes of requests": {name: name for name in ("huge", "fallback")},
    "compaction work": {name: name for name in ("used", "migrate")},
    "scanners": {name: name for name in ("migrate", "scan_free")},
    "with and without a plan": {name: name for name in ("accent", "fallback")},
    "skip bit": {"not skipped": "used", "skipped": "warn"},
    "what requests spend time on, simulated": {name: _LOOKS[name][1] for name in PARTS},
    "what requests spend time on, traced": {name: _LOOKS[name][1] for name in ("rest", "reclaim_ns", "compaction")},
    "CPU time, simulated": {name: LANES[name][1] for name in ("requests", "direct", "kswapd", "kcompactd")},
    "CPU time, traced": {name: LANES[name][1] for name in ("compaction", "reclaim", "kswapd", "kcompactd", "manual")},
    "watermarks": {name: token for name, (token, _dash) in MARKS.items()},
    "verdicts": {name: name for name in ("ok", "warn", "bad")},
}  # fmt: skip

SECOND_CUES = {
    ("what requests spend time on, simulated", "reclaim_ns", "wait_ns"): ("hatch", _LOOKS["reclaim_ns"][2], _LOOKS["wait_ns"][2]),
    ("CPU time, traced", "kswapd", "manual"): ("dash", LANES["kswapd"][2], LANES["manual"][2]),
    ("watermarks", "low", "min"): ("dash", MARKS["low"][1], MARKS["min"][1]),
    ("verdicts", "warn", "bad"): ("sign", "!", "✕"),
}  # fmt: skip
"""Pairs whose colours some eyes mistake, and what else tells them apart: the cue, and its two forms."""


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("text", "ground"), TEXTS)
def test_texts__can_be_read(theme, text, ground):
    assert contrast(THEMES[theme][text], THEMES[theme][ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("token", MARKED)
def test_marks__stand_out_from_the_ground(theme, token):
    assert contrast(THEMES[theme][token], THEMES[theme]["bg"]) >= 3


def nearest(theme: str, eyes: str, one: str, other: str) -> float:
    tokens = THEMES[theme]
    return distance(tokens.get(one, one), tokens.get(other, other), eyes)


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("view", WAYS)
def test_pairs__in_one_view_differ_to_all_eyes(view, theme, eyes):
    close = {
        (view, one, other): nearest(theme, eyes, WAYS[view][one], WAYS[view][other])
        for one, other in combinations(WAYS[view], 2)
    }
    assert {pair: found for pair, found in close.items() if found < APART and pair not in SECOND_CUES} == {}


@pytest.mark.parametrize("pair", SECOND_CUES)
def test_pairs__that_are_close_have_a_second_cue_and_need_it(pair):
    view, one, other = pair
    _cue, first, second = SECOND_CUES[pair]
    assert first != second
    assert (
        min(nearest(theme, eyes, WAYS[view][one], WAYS[view][other]) for theme in THEMES for eyes in EYES)
        < APART
    )


def test_sides__have_dashes_and_markers_of_their_own():
    assert len({tuple(dash) for dash in DASHES[:MOST_SIDES]}) == len(set(MARKERS[:MOST_SIDES])) == MOST_SIDES


@pytest.mark.parametrize("eyes", EYES)
def test_sizes__neighbours_in_the_stack_differ_to_all_eyes(eyes):
    for one, other in pairwise(SMALL + LARGE):
        assert distance(one, other, eyes) >= APART, (one, other)


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("theme", RAMPS)
def test_ramp__rises_evenly_to_all_eyes(theme, eyes):
    steps = [distance(one, other, eyes) for one, other in pairwise(ramp(theme, 9))]
    assert max(steps) < 2.5 * min(steps)
