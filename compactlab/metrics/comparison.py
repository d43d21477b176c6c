"""Two or more runs, or series of runs, against each other: how large a difference is, and how sure."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from .. import texts
from ..texts import _
from .fidelity import score
from .source import find_zone, huge_page_order
from .summary import QUANTITIES, summary

Runs = xr.DataTree | Sequence[xr.DataTree]
"""One run, or several that repeat one experiment with other seeds."""

RESAMPLES = 2000
FEW = 5
"""Runs on a side below which an interval is only a rough guess."""

JUDGEMENTS = ("not_told", "equal", "unsure", "too_few", "single", "lower", "higher")
"""`judgement`: a side does not tell it; all values equal; the interval holds 0; it does not, but so few runs
fall apart by chance that often; one run on each side, so no interval, but another value; lower than the first
side, the interval without 0; likewise higher."""

_IMPORTANT = (
    "oom_kills", "failures", "latency_p99", "latency_p50", "unusable_last", "usable_last", "migrated",
    "compaction_time", "cpu_direct", "cpu_kcompactd", "cpu_kswapd", "compact_fail", "allocstall",
    "migrate_scanned", "extfrag_events", "unusable_mean", "latency_total", "compact_stall",
)  # fmt: skip
_ERRORS = ("migrated_error", "migrate_scanned_error", "free_scanned_error", "duration_error", "free_pages_distance", "unusable_error")  # fmt: skip
_NEAR = 0.1  # a prediction off by less
_MEMORY = ("free_last", "usable_last")
_SHARES = ("success_share",)
_COUNTS = ("requests", "runs", "events", "kills")  # units that the label names already
_TOLD = 3  # differences in one sentence; of each side fewer where there are many


class Side(NamedTuple):
    """One side of a comparison."""

    name: str
    runs: list[xr.DataTree]


def sides_of(*sides: Runs | Mapping[str, Runs], names: Iterable[str] | None = None) -> list[Side]:
    """Name the sides of a comparison.

    Parameters
    ----------
    sides
        Runs, lists of runs, or mappings from a name to one of these.
    names
        One for each side; else those of the mappings, else the runs' own.

    Raises
    ------
    ValueError
        If there are fewer than two sides, one is empty or has another's name, or names and sides differ in
        number.
    TypeError
        If a side is none of the above.
    """
    found: list[Side] = []
    for side in sides:
        if isinstance(side, Mapping) and not isinstance(side, xr.DataTree):
            found += [Side(str(name), _runs(runs)) for name, runs in side.items()]
        else:
            runs = _runs(side)
            found.append(Side(str(runs[0].attrs.get("name", "")) or _("run"), runs))
    if len(found) < 2:
        raise ValueError(
            f"compare: found {len(found)} side; expected two or more runs, such as compare(a, b)"
        )
    if names is not None:
        given = [names] if isinstance(names, str) else [str(name) for name in names]
        if len(given) != len(found):
            raise ValueError(f"names: found {len(given)} for {len(found)} sides; expected one for each")
        found = [Side(name, side.runs) for name, side in zip(given, found, strict=True)]
        if len(set(given)) < len(given):
            raise ValueError(f"names: found {', '.join(given)}; expected different ones")
        return found
    return _told_apart(found)


def _runs(side: Any) -> list[xr.DataTree]:
    runs = [side] if isinstance(side, xr.DataTree) else list(side) if isinstance(side, list | tuple) else None
    if runs is None or not all(isinstance(run, xr.DataTree) for run in runs):
        raise TypeError(f"compare: found {type(side).__name__}; expected a run, a list of runs, or a mapping of names to these")  # fmt: skip
    if not runs:
        raise ValueError("compare: found an empty list; expected one run or more on each side")
    return runs


def _told_apart(sides: list[Side]) -> list[Side]:
    """Sides of one name are told apart by where they come from, else by number."""
    words = {"recording": _("recorded"), "simulation": _("simulated")}
    origins = [side.runs[0].attrs["source"] for side in sides]
    names = [side.name for side in sides]
    several = {
        name for name in names
        if len({origin for origin, other in zip(origins, names, strict=True) if other == name}) > 1
    }  # fmt: skip
    names = [
        f"{name}, {words.get(origin, origin)}" if name in several else name
        for name, origin in zip(names, origins, strict=True)
    ]
    numbers = [names[:at].count(name) + 1 for at, name in enumerate(names)]
    return [
        Side(f"{name} {number}" if names.count(name) > 1 else name, side.runs)
        for side, name, number in zip(sides, names, numbers, strict=True)
    ]


def compare(
    *sides: Runs | Mapping[str, Runs],
    names: Iterable[str] | None = None,
    zone: str | None = None,
    order: int | None = None,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Lay runs beside each other: medians, differences to the first side, and how sure they are.

    Each side is one run, or a list of runs of one experiment with different seeds. Intervals are bootstrapped
    (2000 resamples, BCa; percentile where BCa is not defined, as for values that are nearly all equal). A side
    of one run has no interval; against several runs it is taken as given, and the interval of the difference
    is theirs alone. With fewer than 5 runs an interval is only a rough guess: it cannot reach beyond the
    values that were seen. So a difference counts as told only if that many runs would fall into two groups
    that do not overlap (or all on one side of a value taken as given) by chance less often than 1 -
    confidence: at 95 % from 4 runs against 4, or 6 against one. At 95 % one quantity in twenty still seems
    to differ by chance.

    Parameters
    ----------
    sides
        Runs, lists of runs, or mappings from a name to one of these; at least two. Recordings and simulations
        may be mixed. The first side is what the others are measured against.
    names
        One for each side; else the runs' own.
    zone
        Zone such as "Normal" or "0/Normal"; the first run's largest if not given. A run without that one is
        then told by its own largest zone.
    order
        Requested order; that of a huge page if not given.
    confidence
        Of the intervals, between 0 and 1.

    Returns
    -------
        Dims quantity (names as in `summary`), side, bound (low, high) and run. `values` (quantity, side, run);
        `n`: runs that tell the quantity; `median` and `interval` of each side; `difference` of the medians to
        the first side's, its `difference_interval` and `relative` difference; `superiority`: probability that
        a run of the side has a higher value than one of the first side, ties counted half (Mann-Whitney U
        over the number of pairs; 2 * superiority - 1 is Cliff's delta); `judgement`: number in `JUDGEMENTS`;
        `verdict`: "better", "worse" or "" of those that differ (latencies have none where the sides serve
        different shares of their requests: a refusal is quick); `method` of the difference's interval.
        Coordinates of quantity: `label`, `unit`, `better`, `meaning`. Where both sides tell the outcome of one
        compaction, `score` (side, error) has the median errors of `metrics.score`, unusable_error at the
        order. NaN: not told. `attrs["text"]`: the most important differences in one sentence;
        `attrs["caution"]`: what to keep in mind, in sentences; `attrs["level"]`: "ok" where what matters is
        equal, nearly as predicted (within 10 %) or better, "bad" where it is worse, else "warn".

    Raises
    ------
    ValueError
        If there are fewer than two sides, names and sides differ in number, there is no such zone or order,
        or confidence is out of range.
    TypeError
        If a side is neither a run nor a list or mapping of runs.

    References
    ----------
    Efron, Better Bootstrap Confidence Intervals, 1987. Vargha and Delaney, A Critique and Improvement of the
    CL Common Language Effect Size Statistics, 2000.

    Examples
    --------
    >>> import compactlab as cl
    >>> run = cl.datasets.load("direct-compaction")
    >>> compare(run, run, names=["once", "again"]).attrs["text"]
    'again and once are identical.'
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: found {confidence}; expected a number between 0 and 1, such as 0.95")
    told = sides_of(*sides, names=names)
    first = told[0].runs[0]
    order = huge_page_order(first) if order is None else order
    zones = [[_zone_in(run, first, zone) for run in side.runs] for side in told]
    found = [
        [summary(run, where, order) for run, where in zip(side.runs, labels, strict=True)]
        for side, labels in zip(told, zones, strict=True)
    ]
    quantities = [name for name in QUANTITIES if any(name in one for side in found for one in side)]
    values = _values(found, quantities)
    compared = xr.Dataset(
        _statistics(values, confidence), _coordinates(told, quantities), _attributes(first, zones, order, confidence)
    )  # fmt: skip
    compared = _judged(compared).assign(_scores(told, zones, order))
    identical = [_identical(told[0].runs, side.runs) for side in told]
    return compared.assign_attrs(
        text=_text(compared, identical),
        caution=_caution(compared, identical),
        identical=identical,
        level=_level(compared, identical),
    )


def _zone_in(run: xr.DataTree, first: xr.DataTree, zone: str | None) -> str | None:
    if "zones" not in run.children:
        return None
    if zone is not None or "zones" not in first.children:
        return find_zone(run, zone)
    wanted = find_zone(first, None)
    return wanted if wanted in run["zones"].zone.values else find_zone(run, None)


def _values(found: list[list[xr.Dataset]], quantities: list[str]) -> np.ndarray:
    """Numbers (quantity, side, run), NaN where a run does not tell or a side has fewer runs."""
    out = np.full((len(quantities), len(found), max(len(side) for side in found)), np.nan)
    for row, name in enumerate(quantities):
        for column, side in enumerate(found):
            for at, one in enumerate(side):
                if name in one:
                    out[row, column, at] = float(one[name])
    return out


def _coordinates(sides: list[Side], quantities: list[str]) -> dict[str, Any]:
    meant = [QUANTITIES[name].translated() for name in quantities]
    described = {
        field: ("quantity", np.array([getattr(one, field) for one in meant], object))
        for field in ("label", "unit", "better", "meaning")
    }
    return {
        "quantity": np.array(quantities, object),
        "side": np.array([side.name for side in sides], object),
        "source": ("side", np.array([side.runs[0].attrs["source"] for side in sides], object)),
        "bound": np.array(["low", "high"], object),
        **described,
    }


def _attributes(
    first: xr.DataTree, zones: list[list[str | None]], order: int, confidence: float
) -> dict[str, Any]:
    return {
        "zones": sorted({label for side in zones for label in side if label}),
        "order": order,
        "confidence": confidence,
        "page_size": first.attrs["page_size"],
        "effect": "superiority: P(side > first) + P(side = first) / 2; 2 * superiority - 1 is Cliff's delta",
        "judgements": list(JUDGEMENTS),
    }


def _statistics(values: np.ndarray, confidence: float) -> dict[str, Any]:
    shape = values.shape[:2]
    interval, between = np.full((*shape, 2), np.nan), np.full((*shape, 2), np.nan)
    superiority, method = np.full(shape, np.nan), np.full(shape, "", object)
    middle = np.full(shape, np.nan)
    for row in range(shape[0]):
        samples = [side[~np.isnan(side)] for side in values[row]]
        for column, sample in enumerate(samples):
            if sample.size:
                middle[row, column] = np.median(sample)
            interval[row, column] = bootstrap([sample], confidence)[0]
            if column and sample.size and samples[0].size:
                between[row, column], method[row, column] = bootstrap([sample, samples[0]], confidence)
                superiority[row, column] = _superiority(sample, samples[0])
    difference = middle - middle[:, :1]
    difference[:, 0] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(middle[:, :1] != 0, difference / abs(middle[:, :1]), np.nan)
    pair = ("quantity", "side")
    return {
        "values": ((*pair, "run"), values),
        "n": (pair, (~np.isnan(values)).sum(-1)),
        "median": (pair, middle),
        "interval": ((*pair, "bound"), interval),
        "difference": (pair, difference),
        "difference_interval": ((*pair, "bound"), between),
        "relative": (pair, relative),
        "superiority": (pair, superiority),
        "method": (pair, method),
    }


def bootstrap(samples: list[np.ndarray], confidence: float) -> tuple[tuple[float, float], str]:
    """Interval of a median, or of the difference of the first sample's median to the second's.

    Parameters
    ----------
    samples
        One sample, or two, of any sizes.
    confidence
        Between 0 and 1.

    Returns
    -------
        The interval, and how it was found: "BCa" or "percentile", with ", one side given" where the other
        sample is one value; "all equal", an interval of no width, where no sample varies; else "", and NaN,
        where no sample has two values.

    Examples
    --------
    >>> bootstrap([np.array([2.0, 2.0, 2.0])], 0.95)
    ((2.0, 2.0), 'all equal')
    """
    from scipy import stats  # loads in a second; only comparisons need it

    varied = [sample for sample in samples if sample.size > 1]
    if not varied:
        return (np.nan, np.nan), ""
    sign = np.array([1.0, -1.0])
    if all(np.ptp(sample) == 0 for sample in varied):
        value = float(sum(side * np.median(sample) for side, sample in zip(sign, samples, strict=False)))
        return (value, value), "all equal"
    given = "" if len(varied) == len(samples) else ", one side given"
    shift = sum(side * sample[0] for side, sample in zip(sign, samples, strict=False) if sample.size == 1)
    signs = [side for side, sample in zip(sign, samples, strict=False) if sample.size > 1]

    def statistic(*parts: np.ndarray, axis: int = -1) -> np.ndarray:
        return sum(side * np.median(part, axis=axis) for side, part in zip(signs, parts, strict=True))

    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # tells by NaN that BCa is not defined for these values
            result = stats.bootstrap(
                varied, statistic, n_resamples=RESAMPLES, vectorized=True, confidence_level=confidence,
                method=method, rng=np.random.default_rng(0),
            )  # fmt: skip
        low, high = (float(bound) + shift for bound in result.confidence_interval)
        if not (math.isnan(low) or math.isnan(high)):
            break
    return (low, high), method + given


def _superiority(sample: np.ndarray, first: np.ndarray) -> float:
    from scipy import stats

    ranked = stats.mannwhitneyu(sample, first, method="asymptotic")
    return float(ranked.statistic) / (sample.size * first.size)


def _judged(compared: xr.Dataset) -> xr.Dataset:
    """What can be said of each difference, and whether it is for the better."""
    low, high = compared.difference_interval.sel(bound="low"), compared.difference_interval.sel(bound="high")
    values, difference = compared["values"].values, compared.difference.values
    spread = np.nanmax(values, 2, initial=-np.inf, where=~np.isnan(values)) - np.nanmin(
        values, 2, initial=np.inf, where=~np.isnan(values)
    )
    equal = (difference == 0) & (spread == 0) & (spread[:, :1] == 0)
    untold = (compared.n.values == 0) | (compared.n.values[:, :1] == 0)
    varied = ~np.char.startswith(compared.method.values.astype(str), "all equal")
    few = varied & (_by_chance(compared.n.values) > 1 - compared.attrs["confidence"])
    holds = (low.values <= 0) & (high.values >= 0)
    tests = [untold, equal, np.isnan(low.values), holds, few, high.values < 0]
    codes = [JUDGEMENTS.index(name) for name in ("not_told", "equal", "single", "unsure", "too_few", "lower")]
    judgement = np.select(tests, codes, JUDGEMENTS.index("higher"))
    judgement[:, 0] = np.where(untold[:, 0], JUDGEMENTS.index("not_told"), JUDGEMENTS.index("equal"))
    differs = np.isin(judgement, [JUDGEMENTS.index(name) for name in ("single", "lower", "higher")])
    way = np.where(difference < 0, "lower", "higher")
    better = compared.better.values[:, None]
    verdict = np.select(
        [~differs | (better == ""), way == better], ["", "better"], "worse"
    ).astype(object)  # fmt: skip
    verdict[_of_latency(compared) & _serves_other(compared)] = ""
    pair = ("quantity", "side")
    flags = {"flag_values": list(range(len(JUDGEMENTS))), "flag_meanings": " ".join(JUDGEMENTS)}
    return compared.assign(judgement=(pair, judgement.astype(np.uint8), flags), verdict=(pair, verdict))


def _of_latency(compared: xr.Dataset) -> np.ndarray:
    """Which quantities tell how long requests took, (quantity, 1)."""
    return np.array([str(name).startswith("latency") for name in compared["quantity"].values], bool)[:, None]


def _serves_other(compared: xr.Dataset) -> np.ndarray:
    """Which sides serve another share of the requests than the first: a refusal is quick, but no good."""
    if "success_share" not in compared["quantity"].values:
        return np.zeros(compared.sizes["side"], bool)
    share = compared["median"].sel(quantity="success_share").values
    return share != share[0]


def _by_chance(n: np.ndarray) -> np.ndarray:
    """How often runs that do not differ fall apart as far as they can, by their numbers (quantity, side).

    Two sides: all orders of the runs are as likely. One side given: each run lies above or below it.
    """
    out = np.ones(n.shape)
    for place in np.ndindex(n.shape):
        side, first = int(n[place]), int(n[place[0], 0])
        if min(side, first) > 1:
            out[place] = 2 / math.comb(side + first, first)
        elif min(side, first) == 1:
            out[place] = 2 / 2 ** max(side, first)
    return out


def _scores(sides: list[Side], zones: list[list[str | None]], order: int) -> dict[str, Any]:
    """Median errors of each side against the first run, where both tell the outcome of one compaction."""
    first, zone = sides[0].runs[0], zones[0][0]
    table = np.full((len(sides), len(_ERRORS)), np.nan)
    for row, side in enumerate(sides[1:], 1):
        errors = [found for run in side.runs if (found := _score(run, first, zone, order)) is not None]
        if errors:
            table[row] = np.median(errors, axis=0)
    if np.isnan(table).all():
        return {}
    return {"score": (("side", "error"), table), "error": np.array(_ERRORS, object)}


def _score(run: xr.DataTree, first: xr.DataTree, zone: str | None, order: int) -> list[float] | None:
    sources = run.attrs["source"], first.attrs["source"]
    pair = (first, run) if sources == ("recording", "simulation") else (run, first)
    try:
        told = score(*pair, zone)
    except ValueError:  # no compaction in one of them, or no such zone: nothing to score
        return None
    return [
        float(told[name].isel(order=order) if name == "unusable_error" else told[name]) for name in _ERRORS
    ]


def _identical(first: list[xr.DataTree], runs: list[xr.DataTree]) -> bool:
    return len(first) == len(runs) and all(
        one is other or one.equals(other) for one, other in zip(first, runs, strict=True)
    )


# ---- in words


def quantity(name: str, value: float, page_size: int | str = "unknown") -> str:
    """Print a value of a quantity with its unit.

    >>> [quantity(n, v, 4096).replace(texts.NO_BREAK, " ") for n, v in (("latency_p50", 96462), ("success_share", 0.9995), ("migrated", 861947), ("unusable_last", 0.0751), ("free_last", 512))]
    ['96.5 µs', '99.95 %', '861 947 pages', '0.075', '2 MiB']
    """
    if math.isnan(value):
        return "–"
    unit = QUANTITIES[name].unit
    sign, size = ("−" if value < 0 else ""), abs(value)
    if unit == "ns":
        return texts.duration(value)
    if name in _MEMORY:
        return sign + texts.memory(size, None if page_size == "unknown" else int(page_size))
    if name in _SHARES:
        return f"{sign}{size * 100:.4g}{texts.NO_BREAK}%"
    if unit == "1":
        return f"{sign}{size:.3f}"
    if unit == "percent":
        return f"{sign}{size:g}{texts.NO_BREAK}%"
    number = texts.count(size) if float(size).is_integer() else f"{size:,.1f}".replace(",", texts.NO_BREAK)
    return sign + number if unit in _COUNTS else f"{sign}{number}{texts.NO_BREAK}{_(unit)}"


def without_unit(value: str, other: str) -> str:
    """Leave a unit away that the other value has, too.

    >>> without_unit(f"1{texts.NO_BREAK}ms", f"20{texts.NO_BREAK}ms"), without_unit("1", f"1{texts.NO_BREAK}000")
    ('1', '1')
    """
    unit = other.rpartition(texts.NO_BREAK)[2]
    return (
        value if unit.isdigit() or texts.NO_BREAK not in other else value.removesuffix(texts.NO_BREAK + unit)
    )


def relative(change: float) -> str:
    """Print a relative difference.

    >>> [relative(c).replace(texts.NO_BREAK, " ") for c in (0.1234, -0.0042, 0, 3.5, 199, -1e-9)]
    ['+12 %', '−0.42 %', '±0 %', '4.5 times', '200 times', '−< 0.01 %']
    """
    if math.isnan(change):
        return ""
    if change >= 2:
        return (
            f"{texts.significant(change + 1) if change < 999 else texts.count(change + 1)}{texts.NO_BREAK}"
            + _("times")
        )
    sign, size = "±" if change == 0 else "+" if change > 0 else "−", abs(change) * 100
    if 0 < size < 0.005:
        return f"{sign}<{texts.NO_BREAK}0.01{texts.NO_BREAK}%"
    digits = 0 if size >= 9.95 or not size else 1 if size >= 0.995 else 2
    return f"{sign}{size:.{digits}f}{texts.NO_BREAK}%"


def _text(compared: xr.Dataset, identical: list[bool]) -> str:
    """Most important differences of each side, in one sentence."""
    told = [_side_text(compared, at, identical[at]) for at in range(1, compared.sizes["side"])]
    text = _("{differences}.").format(differences=_("; ").join(told))
    if (compared.judgement.values == JUDGEMENTS.index("single")).any() and (compared.n.values <= 1).all():
        text += " " + _("One run on each side: chance is not ruled out.")
    return text


def _side_text(compared: xr.Dataset, at: int, identical: bool) -> str:
    first, side = (str(compared.side.values[k]) for k in (0, at))
    if identical:
        return _("{side} and {first} are identical").format(side=side, first=first)
    here = compared.isel(side=at)
    judged = np.array(JUDGEMENTS, object)[here.judgement.values]
    names = compared["quantity"].values.tolist()
    differ = [name for name, code in zip(names, judged, strict=True) if code in ("single", "lower", "higher")]
    unsure = int(np.isin(judged, ("unsure", "too_few")).sum())
    equal = int((judged == "equal").sum())
    runs = _n_words(compared, at)
    most = min(_TOLD, max(1, 3 // (compared.sizes["side"] - 1)))
    chosen = [name for name in _IMPORTANT if name in differ][:most]
    if not chosen:
        if not unsure and not equal:
            return _("{side} and {first} tell nothing that both have").format(side=side, first=first)
        if not unsure:
            return _("{side} equals {first} in all that matters ({count} quantities are equal)").format(
                side=side, first=first, count=equal
            )
        return _("{side} against {first}: no difference can be told from {runs}").format(
            side=side, first=first, runs=runs
        )
    phrases = [_difference_text(compared, at, name) for name in chosen]
    text = _("{side} against {first}: {differences}").format(
        side=side, first=first, differences=_(", ").join(phrases)
    )
    if unsure:
        text += _(" (in {count} of {all} quantities no difference can be told from {runs})").format(
            count=unsure, all=int((judged != "not_told").sum()), runs=runs
        )
    return text


def _level(compared: xr.Dataset, identical: list[bool]) -> str:
    """Good, bad, or neither, judged by the quantities that matter."""
    if all(identical):
        return "ok"
    matter = compared.isel(quantity=np.isin(compared["quantity"].values.astype(str), _IMPORTANT))
    if all(is_prediction(compared, side) for side in range(1, compared.sizes["side"])):
        errors = np.abs(compared.score.values[:, :4])
        return "ok" if (errors[~np.isnan(errors)] < _NEAR).all() else "warn"
    ways = set(matter.verdict.values[:, 1:].ravel().tolist()) - {""}
    if len(ways) == 1:
        return "ok" if ways == {"better"} else "bad"
    return "ok" if (matter.judgement.values[:, 1:] == JUDGEMENTS.index("equal")).all() else "warn"


def is_prediction(compared: xr.Dataset, side: int) -> bool:
    """Whether a side stands beside the first as a prediction beside a recording, or the other way."""
    mixed = compared.source.values[side] != compared.source.values[0]
    return bool(mixed) and "score" in compared and not compared.score[side].isnull().all()


def _n_words(compared: xr.Dataset, at: int) -> str:
    first, side = int(compared.n.values[:, 0].max()), int(compared.n.values[:, at].max())
    if first == side:
        return _("one run on each side") if side == 1 else _("{n} runs on each side").format(n=side)
    return _("{side} and {first} runs").format(side=side, first=first)


def _difference_text(compared: xr.Dataset, at: int, name: str) -> str:
    one = compared.sel(quantity=name)
    size = compared.attrs["page_size"]
    side, first = (quantity(name, float(one["median"].values[k]), size) for k in (at, 0))
    change = relative(float(one.relative.values[at]))
    judged = {"better": _("better"), "worse": _("worse")}.get(str(one.verdict.values[at]), "")
    if is_prediction(compared, at):
        judged = ""  # a prediction beside what it predicts is nearer or farther, not better
    inside = ", ".join(filter(None, (change, judged)))
    told = _("{label} {side} instead of {first}").format(
        label=_(QUANTITIES[name].label), side=without_unit(side, first), first=first
    )
    return f"{told} ({inside})" if inside else told


def _caution(compared: xr.Dataset, identical: list[bool]) -> str:
    """What to keep in mind when reading the numbers, in sentences."""
    if all(identical):
        return ""
    n = compared.n.values.max(0)
    told = []
    lone = [str(name) for name, runs in zip(compared.side.values, n, strict=True) if runs == 1]
    few = [f"{name} ({runs})" for name, runs in zip(compared.side.values, n, strict=True) if 1 < runs < FEW]
    if len(lone) == n.size:
        told.append(_("One run on each side, so no intervals: chance is not ruled out."))
    elif lone:
        told.append(_("{sides}: one run, taken as given, without an interval.").format(sides=", ".join(lone)))
    if few:
        told.append(
            _("Very few runs of {sides}: intervals are rough and too narrow.").format(sides=", ".join(few))
        )
    if (n > 1).any():
        told.append(
            _("At {percent:g} % one quantity in {chance:.0f} seems to differ by chance.").format(
                percent=100 * compared.attrs["confidence"], chance=1 / (1 - compared.attrs["confidence"])
            )
        )
    if len(compared.attrs["zones"]) > 1:
        told.append(_("Zones differ: {zones}.").format(zones=", ".join(compared.attrs["zones"])))
    return " ".join(told)
