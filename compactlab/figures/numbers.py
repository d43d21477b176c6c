"""The numbers of a comparison as a table: medians, intervals, differences, and what they mean in words."""

from __future__ import annotations

import html

import numpy as np
import xarray as xr

from .. import texts
from ..metrics import JUDGEMENTS
from ..metrics.comparison import is_prediction, quantity, relative, without_unit
from ..texts import N_, _

_JUDGED = {
    "not_told": N_("not told"),
    "equal": N_("equal"),
    "unsure": N_("no difference can be told"),
    "too_few": N_("too few runs to tell"),
    "single": N_("one run each"),
}
_WAYS = {"better": N_("better"), "worse": N_("worse")}
_ERRORS = {
    "migrated_error": N_("pages moved"),
    "migrate_scanned_error": N_("migrate scanner"),
    "free_scanned_error": N_("free scanner"),
    "duration_error": N_("duration"),
    "free_pages_distance": N_("free memory in blocks of another size"),
    "unusable_error": N_("unusable index, absolute"),
}
_CELL = "padding:2px 12px 2px 0;border-bottom:1px solid var(--cl-grid);text-align:right;font-weight:400"
_HEAD = "padding:2px 12px 2px 0;border-bottom:2px solid var(--cl-rule);text-align:right;font-weight:650"


def numbers_table(compared: xr.Dataset) -> str:
    """HTML of what `metrics.compare` found: a row per quantity and side; what is equal everywhere in a line.

    Parameters
    ----------
    compared
        What `metrics.compare` returns.
    """
    names = compared["quantity"].values.tolist()
    judged = np.array(JUDGEMENTS, object)[compared.judgement.values]
    equal = [name for name, row in zip(names, judged, strict=True) if (row[1:] == "equal").all()]
    shown = [name for name in names if name not in equal]
    percent = f"{100 * compared.attrs['confidence']:g}{texts.NO_BREAK}%"
    first = html.escape(str(compared.side.values[0]))
    heads = [
        _("Quantity"), _("Side"), _("Runs"), _("Median"), _("{percent} interval").format(percent=percent),
        _("Difference to {first}").format(first=first), _("{percent} interval").format(percent=percent),
        _("P(higher)"), _("In words"),
    ]  # fmt: skip
    head = "".join(f'<th scope="col" style="{_HEAD}{_left(k)}">{text}</th>' for k, text in enumerate(heads))
    body = "".join(_rows(compared, name) for name in shown)
    parts = [
        f"<h3>{_caption(compared)}</h3>",
        f'<div class="m" style="margin:2px 0 6px">{html.escape(str(compared.attrs["caution"]))}</div>',
        *_score_lines(compared),
        f'<table class="n" style="border-spacing:0;line-height:19px;white-space:nowrap"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>',
    ]
    if equal:
        told = ", ".join(html.escape(_value(compared, name, 0, labelled=True)) for name in equal)
        head = _("Equal on all sides")
        parts.append(f'<div style="margin-top:8px;line-height:19px"><b>{head}:</b> {told}.</div>')
    told = _("P(higher): probability that a run of the side has a higher value than one of {first}, ties counted half (Mann-Whitney). Intervals: bootstrap, BCa where defined, else percentile.")  # fmt: skip
    parts.append(f'<div class="m" style="margin-top:8px;line-height:18px">{told.format(first=first)}</div>')
    return "".join(parts)


def _left(column: int) -> str:
    return ";text-align:left" if column in (0, 1, 8) else ""


def _caption(compared: xr.Dataset) -> str:
    size = compared.attrs["page_size"]
    block = texts.order_size(compared.attrs["order"], None if size == "unknown" else int(size))
    told = _("order {order} ({size})").format(order=compared.attrs["order"], size=block)
    zones = ", ".join(compared.attrs["zones"])
    return html.escape(_("Numbers for {what}").format(what=", ".join(filter(None, (zones, told)))))


def _value(compared: xr.Dataset, name: str, side: int, labelled: bool = False) -> str:
    one = compared.sel(quantity=name)
    text = quantity(name, float(one["median"].values[side]), compared.attrs["page_size"])
    return f"{one.label.item()} {text}" if labelled else text


def _rows(compared: xr.Dataset, name: str) -> str:
    one = compared.sel(quantity=name)
    size = compared.attrs["page_size"]
    rows = []
    for at, side in enumerate(compared.side.values):
        cells = [
            html.escape(str(side)),
            str(int(one.n.values[at])),
            quantity(name, float(one["median"].values[at]), size),
            _interval(name, one.interval.values[at], size),
        ]
        cells += [""] * 4 if at == 0 else [
            _change(one, name, at, size),
            _interval(name, one.difference_interval.values[at], size),
            "" if np.isnan(one.superiority.values[at]) else f"{float(one.superiority.values[at]):.2f}",
            _in_words(one, at, is_prediction(compared, at)),
        ]  # fmt: skip
        label = (
            f'<th scope="rowgroup" rowspan="{compared.sizes["side"]}" title="{html.escape(one.meaning.item())}" '
            f'style="{_CELL};text-align:left;vertical-align:top;white-space:normal;max-width:190px">{html.escape(one.label.item())}</th>'
            if at == 0
            else ""
        )
        told = "".join(f'<td style="{_CELL}{_left(k + 1)}">{cell}</td>' for k, cell in enumerate(cells))
        rows.append(f"<tr>{label}{told}</tr>")
    return "".join(rows)


def _interval(name: str, bounds: np.ndarray, size: int | str) -> str:
    """Two bounds, with their unit once if it is the same."""
    if np.isnan(bounds).any():
        return "–"
    if bounds[0] == bounds[1]:
        return _("no spread")
    low, high = (quantity(name, float(bound), size) for bound in bounds)
    return f"{without_unit(low, high)} … {high}"


def _change(one: xr.Dataset, name: str, at: int, size: int | str) -> str:
    """Difference with its sign, and relative to the first side."""
    difference = float(one.difference.values[at])
    told = ("+" if difference > 0 else "") + quantity(name, difference, size)
    if told.endswith("%"):
        return _("{value} points").format(value=told.removesuffix(f"{texts.NO_BREAK}%"))
    change = relative(float(one.relative.values[at])) if difference else ""
    return f"{told} ({change})" if change else told


def _in_words(one: xr.Dataset, at: int, prediction: bool) -> str:
    judged = JUDGEMENTS[int(one.judgement.values[at])]
    if judged in ("not_told", "equal", "unsure", "too_few"):
        return _(_JUDGED[judged])
    lower = float(one.difference.values[at]) < 0
    way = "" if prediction else _(_WAYS.get(str(one.verdict.values[at]), ""))
    told = "▼ " + _("lower") if lower else "▲ " + _("higher")
    bold = f"{told}, <b>{way}</b>" if way else told
    return f"{bold} ({_(_JUDGED['single'])})" if judged == "single" else bold


def _score_lines(compared: xr.Dataset) -> list[str]:
    """Errors of predictions, one line for each side that has them."""
    if "score" not in compared:
        return []
    lines = []
    for at, side in enumerate(compared.side.values):
        if not at or not is_prediction(compared, at):
            continue
        errors = compared.score.sel(side=side)
        told = [
            f"{_(label)} {_error(name, float(errors.sel(error=name)))}"
            for name, label in _ERRORS.items()
            if not np.isnan(errors.sel(error=name))
        ]
        if told:
            head = _("The compaction of {side} beside that of {first}").format(
                side=html.escape(str(side)), first=html.escape(str(compared.side.values[0]))
            )
            lines.append(
                f'<div style="margin-bottom:6px;line-height:19px"><b>{head}:</b> {", ".join(told)}.</div>'
            )
    return lines


def _error(name: str, value: float) -> str:
    if name == "unusable_error":
        return f"{value:.3f}"
    return relative(value) if name.endswith("_error") else f"{100 * value:.2g}{texts.NO_BREAK}%"
