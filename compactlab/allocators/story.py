"""Policies side by side, told step by step: where each puts the requests of one trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ..core import arena
from ..texts import N_, _, count
from .replaying import OUTCOMES, Prepared, compare, labelled, prepare
from .rules import POLICIES
from .traces.form import check, of_object

KINDS = (N_("in use"), N_("wasted by rounding"), N_("free"), N_("kept, not merged"), N_("not obtained"))
"""What a cell may be, in the order in which the kernels paint."""
_COLOURS = ("used", "scan_free", "small2", "small1", "rule")
_MEASURES = {
    "refused": (N_("Refused so far"), ""),
    "search_steps": (N_("Steps of search"), ""),
    "external": (N_("External"), "%"),
    "internal": (N_("Internal"), "%"),
    "footprint": (N_("Footprint"), ""),
}
_UNITS = {"byte": N_("bytes"), "page": N_("pages")}


def story(
    trace: xr.Dataset,
    policies: Iterable[str] = POLICIES,
    size: int | None = None,
    *,
    steps: int = 120,
    cells: int = 160,
    grows: bool = False,
    first: str = "refused",
    **rules: Any,
) -> xr.Dataset:
    """Tell how policies serve one trace, as a story that `cl.show` animates: a row of memory for each.

    Parameters
    ----------
    trace, policies, size, grows, rules
        As for `compare`. Without a size the arena is as large as the policy that needs most of it.
    steps
        Moments that are shown at most, evenly spread over the requests; if there are no more requests than
        that, each is a step.
    cells
        Pieces of equal size that the arena is drawn as at most; each shows what most of it is.
    first
        The measure whose lines are seen before another is chosen.

    Returns
    -------
        A told story (see `compactlab.figures.story`): `kind` (step, row, cell) an index of `KINDS`, `text` (step),
        `mark` (step, row) the cell of the request of this step, and measures (step, row): `refused` and
        `search_steps` summed so far, `external` and `internal` in percent, `footprint`.

    Raises
    ------
    ValueError
        As for `compare`; also if fewer than 2 steps or 1 cell are asked for, or there is no such measure.

    Examples
    --------
    >>> from compactlab.allocators import traces
    >>> told = story(traces.adversarial("best fit"), ["first fit", "best fit"], 432)
    >>> dict(told.sizes)
    {'step': 10, 'row': 2, 'cell': 27}
    """
    if steps < 2 or cells < 1:
        raise ValueError(f"steps, cells: found {steps}, {cells}; expected at least 2 and 1")
    if first not in _MEASURES:
        raise ValueError(f"first: found {first!r}; expected one of {', '.join(_MEASURES)}")
    chosen = [policies] if isinstance(policies, str) else list(policies)
    check(trace)
    if not trace.sizes["request"]:
        raise ValueError(f"trace {trace.attrs['name']!r}: found no requests; expected at least one")
    if size is None:
        compared = compare(trace, chosen, **rules)
        size, grows = int(compared.peak_footprint.max()), True
    requests = trace.sizes["request"]
    moments = np.unique(np.linspace(0, requests, min(steps, requests + 1)).round().astype(np.int64))
    painted = [_painted(trace, policy, size, grows, rules, moments, cells) for policy in chosen]
    kind, mark, replayed = zip(*painted, strict=True)
    told = _Told(trace, chosen, replayed, of_object(trace, trace["size"].values))
    names = [first, *(name for name in _MEASURES if name != first)]
    measures = {name: _measure(name, replayed, moments, trace.attrs["unit"]) for name in names}
    text = [_sentence(told, *pair) for pair in pairwise([-1, *moments])]
    if "problems" in trace.attrs:
        text[-1] += " " + _("Problems of the recording: {problems}.").format(
            problems="; ".join(trace.attrs["problems"])
        )
    return xr.Dataset(
        {
            "kind": (("step", "row", "cell"), np.stack(kind, 1)),
            "mark": (("step", "row"), np.stack(mark, 1)),
            "text": ("step", text),
            "level": ("step", [told.level(*pair) for pair in pairwise([-1, *moments])]),
            **measures,
        },
        coords={"row": [_(name) for name in chosen]},
        attrs={
            "title": trace.attrs["name"],
            "kinds": [_(kind) for kind in KINDS],
            "colours": {_(kind): colour for kind, colour in zip(KINDS, _COLOURS, strict=True)},
            "cell_label": _cell_label(size / kind[0].shape[1], trace.attrs["unit"]),
        },
    )


class _Told(NamedTuple):
    """A trace, and what policies made of it."""

    trace: xr.Dataset
    policies: list[str]
    replayed: Sequence[xr.Dataset]
    asked: np.ndarray
    """What was asked for by the object of each request, freed ones too."""

    def refusing(self, request: int) -> dict[str, list[str]]:
        """Reason to the policies that refuse a request for it."""
        reasons: dict[str, list[str]] = {}
        for policy, one in zip(self.policies, self.replayed, strict=True):
            outcome = int(one.outcome[request])
            if outcome not in (arena.SERVED, arena.UNKNOWN):
                reasons.setdefault(OUTCOMES[outcome], []).append(policy)
        return reasons

    def level(self, before: int, moment: int) -> str:
        """Whether the request of a step is refused by some policy; nothing where a step is several requests."""
        return "bad" if moment > 0 and moment - before == 1 and self.refusing(moment - 1) else ""


def _painted(
    trace: xr.Dataset,
    policy: str,
    size: int,
    grows: bool,
    told: dict[str, Any],
    moments: np.ndarray,
    cells: int,
) -> tuple[np.ndarray, np.ndarray, xr.Dataset]:
    """Kind of each cell at each moment, the cell last touched, and all that `replay` gives."""
    prepared = prepare(trace, policy, size, grows, told)
    out = np.zeros((trace.sizes["request"], arena.COLUMNS), np.int64)
    cells = min(cells, size // prepared.rules.granule)
    kinds = np.empty((moments.size, cells), np.uint8)
    amounts = np.zeros((cells, len(KINDS)), np.int64)
    before = 0
    for step, moment in enumerate(moments):
        _serve(prepared, before, moment, out)
        arena.paint(prepared.heap, prepared.rules.granule, amounts)
        kinds[step] = amounts.argmax(1)
        before = moment
    replayed = labelled(trace, prepared.rules, out)
    return kinds, _marks(replayed.address.values, moments, size, cells), replayed


def _serve(prepared: Prepared, begin: int, end: int, out: np.ndarray) -> None:
    if begin < end:
        op, thing, need, asked = (column[begin:end] for column in prepared.requests)
        arena.replay(prepared.heap, op, thing, need, asked, out[begin:end])


def _marks(address: np.ndarray, moments: np.ndarray, size: int, cells: int) -> np.ndarray:
    last = np.where(moments > 0, address[moments - 1], -1)
    return np.where(last >= 0, last * cells // size, -1).astype(np.int32)


def _measure(name: str, replayed: Sequence[xr.Dataset], moments: np.ndarray, unit: str) -> tuple[Any, ...]:
    long_name, units = _MEASURES[name]
    if name == "refused":
        each = [np.cumsum(_is_refused(one)) for one in replayed]
    elif name == "search_steps":
        each = [np.cumsum(one.search_steps.values) for one in replayed]
    elif name == "footprint":
        each, units = [one.footprint.values for one in replayed], _UNITS[unit]
    else:
        each = [(one[name].values * 100).round(1) for one in replayed]
    values = np.stack([np.r_[each_one[:1] * 0, each_one][moments] for each_one in each], 1)
    return ("step", "row"), values, {"long_name": _(long_name), "units": _(units) if units else ""}


def _is_refused(replayed: xr.Dataset) -> np.ndarray:
    outcome = replayed.outcome.values
    return (outcome != arena.SERVED) & (outcome != arena.UNKNOWN)


def _sentence(told: _Told, before: int, moment: int) -> str:
    if moment == 0:
        return _("Before the first of {requests} requests.").format(
            requests=count(told.trace.sizes["request"])
        )
    if moment - before > 1:
        return _so_far(told, moment)
    request = moment - 1
    numbers = {
        "number": count(moment),
        "size": count(int(told.asked[request])),
        "unit": _(_UNITS[told.trace.attrs["unit"]]),
    }
    if told.trace.op[request] == arena.GIVE_BACK:
        return _("Request {number}: an object of {size} {unit} is freed.").format(**numbers)
    refusing = told.refusing(request)
    if not refusing:
        return _("Request {number}: {size} {unit} are asked for; every policy serves it.").format(**numbers)
    who = "; ".join(
        _("{reason}: {policies}").format(reason=_(reason), policies=", ".join(map(_, policies)))
        for reason, policies in refusing.items()
    )
    return _("Request {number}: {size} {unit} are asked for. Refused for {who}.").format(**numbers, who=who)


def _so_far(told: _Told, moment: int) -> str:
    """Who does best after so many requests."""
    refused = [int(_is_refused(one)[:moment].sum()) for one in told.replayed]
    steps = [int(one.search_steps.values[:moment].sum()) for one in told.replayed]
    least, quickest = int(np.argmin(refused)), int(np.argmin(steps))
    numbers = {
        "done": count(moment),
        "requests": count(told.trace.sizes["request"]),
        "quickest": _(told.policies[quickest]),
        "steps": count(steps[quickest]),
        "least": _(told.policies[least]),
        "refused": count(refused[least]),
        "serving": refused.count(0),
        "policies": len(refused),
    }
    if not any(refused):
        return _(
            "After {done} of {requests} requests: nothing refused; fewest steps of search: {quickest} ({steps})."
        ).format(**numbers)
    if not all(refused):
        return _(
            "After {done} of {requests} requests: {serving} of {policies} policies have served all; fewest steps of "
            "search: {quickest} ({steps})."
        ).format(**numbers)
    return _(
        "After {done} of {requests} requests: fewest refused: {least} ({refused}); fewest steps of search: "
        "{quickest} ({steps})."
    ).format(**numbers)


def _cell_label(amount: float, unit: str) -> str:
    shown = f"{amount:g}" if amount < 100 else count(amount)
    return _("{amount} {unit}").format(amount=shown, unit=_(_UNITS[unit]))
