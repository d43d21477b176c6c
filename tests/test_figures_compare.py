"""Runs side by side: colours that any eye tells apart, values on common axes, tables; without a browser."""

from itertools import combinations

import pytest
from colours import EYES, contrast, distance

from compactlab.figures.look import THEMES


@pytest.mark.parametrize("theme", THEMES)
def test_sides__are_told_apart_by_any_eye(theme):
    colours = [THEMES[theme][f"side{k}"] for k in range(6)]
    assert min(contrast(colour, THEMES[theme]["bg"]) for colour in colours) > 4.4
    for eyes in EYES.values():
        assert min(distance(one, other, eyes) for one, other in combinations(colours, 2)) > 10
