"""Policies side by side, told step by step: where each puts the requests of one trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..texts import N_, _, count
from . import kernels
from .replaying import OUTCOMES, Prepared, compare, labelled, prepare
from .rules import POLICIES

KINDS = (N_("in use"), N_("wasted by rounding"), N_("free"), N_("kept, not merged"), N_("not obtained"))
"""What a cell may be, in the order in which the kernels paint."""
_COLOURS = ("used", "scan_free", "small2", "small1", "rule")
_MEASURES = {
    "refused": (N_("Requests refused so far"), N_("requests")),
    "search_steps": (N_("Steps of search so far"), N_("steps")),
    "external": (N_("External fragmentation"), "%"),
    "internal": (N_("Internal fragmentation"), "%"),
    "footprint": (N_("Footprint"), ""),
}


def story(
    trace: xr.Dataset,
    policies: Iterable[str] = POLICIES,
    size: int | None = None,
    *,
    steps: int = 120,
    cells: int = 160,
    grows: bool = False,
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

    Returns
    -------
        A told story (see `compactlab.figures.story`): `kind` (step, row, cell) an index of `KINDS`, `text` (step),
        `mark` (step, row) the cell of the request of this step, and measures (step, row): `refused` and
        `search_steps` summed so far, `external` and `internal` in percent, `footprint`.

    Raises
    ------
    ValueError
        As for `compare`; also if fewer than 2 steps or 1 cell are asked for.

    Examples
    --------
    >>> from compactlab.allocators import traces
    >>> told = story(traces.adversarial("best fit"), ["first fit", "best fit"], 432)
    >>> dict(told.sizes)
    {'step': 10, 'row': 2, 'cell': 27}
    """
    if steps < 2 or cells < 1:
        raise ValueError(f"steps, cells: found {steps}, {cells}; expected at least 2 and 1")
    chosen = [policies] if isinstance(policies, str) else list(policies)
    if size is None:
        told = compare(trace, chosen, grows=grows, **rules)
        granule = told.attrs["granule"]
        size, grows = -(-int(told.peak_footprint.max()) // granule) * granule, True
    requests = trace.sizes["request"]
    moments = np.unique(np.linspace(0, requests, min(steps, requests + 1)).round().astype(np.int64))
    painted = [_painted(trace, policy, size, grows, rules, moments, cells) for policy in chosen]
    kind, mark, replayed = zip(*painted, strict=True)
    measures = {name: _measure(name, replayed, moments, trace.attrs["unit"]) for name in _MEASURES}
    return xr.Dataset(
        {
            "kind": (("step", "row", "cell"), np.stack(kind, 1)),
            "mark": (("step", "row"), np.stack(mark, 1)),
            "text": ("step", [_sentence(trace, replayed, chosen, at) for at in moments]),
            "level": ("step", [_level(replayed, chosen, at) for at in moments]),
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
    out = np.zeros((trace.sizes["request"], kernels.COLUMNS), np.int64)
    cells = min(cells, size // prepared.rules.granule)
    kinds = np.empty((moments.size, cells), np.uint8)
    amounts = np.zeros((cells, len(KINDS)), np.int64)
    before = 0
    for step, moment in enumerate(moments):
        _serve(prepared, before, moment, out)
        kernels.paint(prepared.heap, prepared.rules.granule, amounts)
        kinds[step] = amounts.argmax(1)
        before = moment
    replayed = labelled(trace, prepared.rules, out)
    return kinds, _marks(replayed.address.values, moments, size, cells), replayed


def _serve(prepared: Prepared, begin: int, end: int, out: np.ndarray) -> None:
    if begin < end:
        op, thing, need, asked = (column[begin:end] for column in prepared.requests)
        kernels.replay(prepared.heap, op, thing, need, asked, out[begin:end])


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
        each, units = [one.footprint.values for one in replayed], unit
    else:
        each = [(one[name].values * 100).round(1) for one in replayed]
    values = np.stack([np.r_[each_one[:1] * 0, each_one][moments] for each_one in each], 1)
    return ("step", "row"), values, {"long_name": _(long_name), "units": _(units) if units else ""}


def _is_refused(replayed: xr.Dataset) -> np.ndarray:
    outcome = replayed.outcome.values
    return (outcome != kernels.SERVED) & (outcome != kernels.UNKNOWN)


def _refusing(replayed: Sequence[xr.Dataset], chosen: list[str], request: int) -> list[str]:
    """Who refuses a request, and why."""
    return [
        _("{policy} refuses ({reason})").format(
            policy=_(policy), reason=_(OUTCOMES[int(one.outcome[request])])
        )
        for policy, one in zip(chosen, replayed, strict=True)
        if _is_refused(one.isel(request=[request]))[0]
    ]


def _sentence(trace: xr.Dataset, replayed: Sequence[xr.Dataset], chosen: list[str], moment: int) -> str:
    if moment == 0:
        return _("Before the first of {requests} requests.").format(requests=count(trace.sizes["request"]))
    request = moment - 1
    numbers = {
        "number": count(moment),
        "size": count(int(trace["size"][request])),
        "unit": _(trace.attrs["unit"] + "s"),
    }
    if trace.op[request] == kernels.GIVE_BACK:
        return _("Request {number}: an object is freed.").format(**numbers)
    refusing = _refusing(replayed, chosen, request)
    if not refusing:
        return _("Request {number}: {size} {unit} are asked for; every policy serves it.").format(**numbers)
    return _("Request {number}: {size} {unit} are asked for; {who}.").format(
        **numbers, who="; ".join(refusing)
    )


def _level(replayed: Sequence[xr.Dataset], chosen: list[str], moment: int) -> str:
    return "bad" if moment > 0 and _refusing(replayed, chosen, moment - 1) else ""


def _cell_label(amount: float, unit: str) -> str:
    return _("{amount} {unit}").format(
        amount=f"{amount:,.10g}" if amount < 100 else count(round(amount)), unit=_(unit + "s")
    )


_UNITS = (N_("bytes"), N_("pages"), N_("byte"), N_("page"))
_REASONS = tuple(N_(reason) for reason in ("shortage", "fragmentation", "unmerged"))
