"""The verdict in words: one template per reason, filled with the verdict's numbers.

``figures/verdict.js`` does the same in the browser with the templates and numbers from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from .. import texts
from ..texts import N_, _
from .codes import (
    BARRED_TYPES,
    LACKS_TYPES,
    LACKS_WATERMARKS,
    OUTCOME_LEVEL,
    REASON_OUTCOME,
    REASONS,
    TYPES_CENSORED,
)

_SUCCEEDS = ("room", "room_all", "few_blocks", "near_watermark")
_FAILS = ("watermark", "barred_types", "fragmentation", "fragmentation_and_shortage", "shortage")

_PHRASES = {
    "subject": N_("{size} in {zone}"),
    "text": N_("{subject}: {outcome} — {why}."),
    "headline": N_("{subject}: {outcome}"),
    "bar": N_("{headline} — {why}."),
    "between": N_("; "),
    "among": N_(", "),
    "answer": N_("{size}: {outcome}, in {zone} — {why}."),
    "node": N_("{zone} (node {node})"),
    "outcome.not_listed": N_("not recorded"),
    "outcome.would_succeed": N_("would succeed"),
    "outcome.only_just": N_("would succeed, but only just"),
    "outcome.below_watermark": N_("below the watermark"),
    "outcome.only_looks_free": N_("only looks free"),
    "outcome.no_free_block": N_("no free block"),
    "outcome.impossible": N_("impossible"),
    "why.not_listed": N_("the zone is missing in this snapshot"),
    "why.room": N_("room for {such_blocks} ({usable}); {smaller} of free memory is in smaller blocks"),
    "why.room_all": N_("room for {such_blocks} ({usable}); every free page will do"),
    "why.few_blocks": N_("{blocks} left; {free} free, {smaller} of it in smaller blocks"),
    "why.near_watermark": N_("{spare} above the min watermark, so kswapd is woken; {blocks} left"),
    "why.watermark": N_("{short} short: {free} free, and {mark} must be left afterwards"),
    "why.barred_types": N_("{blocks_found} fit, but only in {types} memory, which this request may not use"),
    "why.fragmentation": N_("fragmentation, not shortage: {free} free, all of it in smaller blocks; {help}"),
    "why.fragmentation_and_shortage": N_(
        "fragmentation and shortage: {free} free, all of it in smaller blocks; "
        "compaction cannot start before {short} more are free"
    ),
    "why.shortage": N_("shortage: only {free} free, compaction cannot help"),
    "why.too_large": N_("the largest block of the zone is {largest}"),
    "why.zone_closed": N_("the kernel does not use this zone for such requests"),
    "block": N_("{count} block"),
    "blocks": N_("{count} blocks"),
    "such_block": N_("{count} such block"),
    "such_blocks": N_("{count} such blocks"),
    "compaction_helps": N_("compaction can help"),
    "at_work": N_("{who} compaction is at work now"),
    "running": N_("compaction is running ({who})"),
    "who.direct": N_("direct"),
    "who.kcompactd": N_("background"),
    "who.proactive": N_("proactive"),
    "who.manual": N_("manual"),
    "who.unknown": N_("manual or other"),
    "on_pcp": N_("{pcp} more in per-CPU lists, in pieces of unknown size"),
    "no_watermarks": N_("watermarks not recorded"),
    "no_types": N_("block types not recorded"),
    "neither": N_("watermarks and block types not recorded"),
    "types_before": N_("block types seen {age} s before"),
    "types_after": N_("block types seen {age} s later"),
    "types_censored": N_("block types counted only in part"),
    "icon.ok": "✓",
    "icon.warn": "!",
    "icon.bad": "✕",
}

_CODES = {
    **{f"reason.{code}": reason for code, reason in enumerate(REASONS)},
    **{f"outcome_of.{reason}": outcome for reason, outcome in REASON_OUTCOME.items()},
    **{f"level.{outcome}": level for outcome, level in OUTCOME_LEVEL.items()},
    **{f"type.{bit}": name for bit, name in enumerate(BARRED_TYPES)},
}

Templates = Mapping[str, str]


def templates() -> Templates:
    """All the words of the verdict, in the language chosen now, and which belong to which code."""
    return {name: _(phrase) for name, phrase in _PHRASES.items()} | _CODES


_BROWSER: dict[str, type[np.integer[Any]]] = {
    "reason": np.uint8,
    "barred_types": np.uint8,
    "lacks": np.uint8,
    "largest_order": np.int8,
    **dict.fromkeys(("free_pages", "nr_suitable", "nr_usable", "watermark_min", "spare_pages"), np.int32),
    **dict.fromkeys(("short_pages", "pcp_pages", "types_age_ms"), np.int32),
}

Numbers = Mapping[str, Any]
"""One cell of a verdict: the variables of `browser_numbers`, and `order`, `page_size`, `zone`."""


def sentence(numbers: Numbers, words: Templates | None = None, who: str | None = None) -> dict[str, str]:
    """One cell of a verdict in words.

    Parameters
    ----------
    numbers
        Scalars named as the variables of `browser_numbers`, with those of `constants`.
    words
        Those of the language chosen, if not given.
    who
        Who compacts at that moment: one of ``compaction.WHO`` or words of your own; None: nobody.

    Returns
    -------
        level (ok, warn, bad), icon, subject, outcome, why, text.
    """
    words = templates() if words is None else words
    reason = words[f"reason.{numbers['reason']}"]
    outcome = words[f"outcome_of.{reason}"]
    level = words[f"level.{outcome}"]
    fields = _Fields(numbers, words, who)
    parts = {
        "level": level,
        "icon": words[f"icon.{level}"],
        "subject": words["subject"].format_map(fields),
        "outcome": words[f"outcome.{outcome}"],
        "why": words["between"].join(words[key].format_map(fields) for key in _phrases(numbers, reason, who)),
    }
    return parts | {"text": words["text"].format_map(parts)}


def _phrases(numbers: Numbers, reason: str, who: str | None) -> Iterator[str]:
    """Keys of the templates that make `why`: the reason, then what goes on, then what is not known."""
    yield f"why.{reason}"
    if who and reason != "fragmentation":
        yield "running"
    lacks = numbers["lacks"]
    if reason in _SUCCEEDS:
        if lacks & LACKS_WATERMARKS:
            yield "neither" if lacks & LACKS_TYPES else "no_watermarks"
        elif lacks & LACKS_TYPES:
            yield "no_types"
        if lacks & TYPES_CENSORED:
            yield "types_censored"
    elif reason == "fragmentation" and lacks & LACKS_WATERMARKS:
        yield "no_watermarks"
    if reason in _FAILS and numbers["pcp_pages"] >= 1 << numbers["order"]:
        yield "on_pcp"
    if numbers["barred_types"] and (reason in _SUCCEEDS or reason == "barred_types"):
        if numbers["types_age_ms"] >= 100:
            yield "types_before"
        elif numbers["types_age_ms"] <= -100:
            yield "types_after"


class _Fields:
    """What stands in the braces of a template, made when it is asked for."""

    def __init__(self, numbers: Numbers, templates: Templates, who: str | None) -> None:
        self.numbers, self.templates, self.who = numbers, templates, who

    def __getitem__(self, name: str) -> str:
        return _FIELD[name](self)

    def memory(self, name: str) -> str:
        return texts.memory(self.numbers[name], self.numbers["page_size"])

    def blocks(self, number: int, one: str, many: str) -> str:
        return self.templates[one if number == 1 else many].format(count=texts.count(number))

    @property
    def nr_usable(self) -> int:
        return self.numbers["nr_suitable"] if self.numbers["nr_usable"] < 0 else self.numbers["nr_usable"]

    @property
    def smaller(self) -> float:
        numbers = self.numbers
        return (numbers["free_pages"] - numbers["nr_suitable"] * 2 ** numbers["order"]) / numbers[
            "free_pages"
        ]

    @property
    def name_of_who(self) -> str:
        return self.templates.get(f"who.{self.who}", str(self.who))

    @property
    def help(self) -> str:
        if self.who:
            return self.templates["at_work"].format(who=self.name_of_who)
        return self.templates["compaction_helps"]

    @property
    def types(self) -> str:
        bits = self.numbers["barred_types"]
        return self.templates["among"].join(
            self.templates[f"type.{bit}"] for bit in range(len(BARRED_TYPES)) if bits >> bit & 1
        )


_FIELD: dict[str, Callable[[_Fields], str]] = {
    "size": lambda f: texts.order_size(f.numbers["order"], f.numbers["page_size"]),
    "zone": lambda f: f.numbers["zone"],
    "free": lambda f: f.memory("free_pages"),
    "usable": lambda f: texts.memory(f.nr_usable * 2 ** f.numbers["order"], f.numbers["page_size"]),
    "smaller": lambda f: texts.share(f.smaller),
    "spare": lambda f: f.memory("spare_pages"),
    "short": lambda f: f.memory("short_pages"),
    "mark": lambda f: f.memory("watermark_min"),
    "pcp": lambda f: f.memory("pcp_pages"),
    "largest": lambda f: texts.order_size(f.numbers["largest_order"], f.numbers["page_size"]),
    "such_blocks": lambda f: f.blocks(f.nr_usable, "such_block", "such_blocks"),
    "blocks": lambda f: f.blocks(f.nr_usable, "block", "blocks"),
    "blocks_found": lambda f: f.blocks(f.numbers["nr_suitable"], "block", "blocks"),
    "types": lambda f: f.types,
    "age": lambda f: texts.significant(abs(f.numbers["types_age_ms"]) / 1000),
    "help": lambda f: f.help,
    "who": lambda f: f.name_of_who,
}


def constants(verdict: xr.Dataset) -> dict[str, Any]:
    """Collect what all cells share: ``Numbers`` are these, `browser_numbers` and a name of `zone_names`."""
    size = verdict.attrs["page_size"]
    return {
        "order": verdict.attrs["order"],
        "page_size": None if size == "unknown" else int(size),
    }


def zone_names(verdict: xr.Dataset) -> list[str]:
    """How a sentence calls each zone: by name, with the node where there are several."""
    names, nodes = verdict.zone_name.values.tolist(), verdict.node.values.tolist()
    if len(set(nodes)) <= 1:
        return names
    template = _(_PHRASES["node"])
    return [template.format(zone=name, node=node) for name, node in zip(names, nodes, strict=True)]


def browser_numbers(verdict: xr.Dataset) -> dict[str, np.ndarray]:
    """Numbers that sentences need, each (time, zone) in the smallest type that holds it exactly.

    Counts of pages that do not fit int32 come as float64 (exact to 2**53).
    """
    out = {}
    for name, dtype in _BROWSER.items():
        values = verdict[name].values
        fits = not values.size or np.abs(values).max() <= np.iinfo(dtype).max
        out[name] = values.astype(dtype if fits else np.float64)
    return out


def write(verdict: xr.Dataset) -> np.ndarray:
    """Texts of `sentence` for all cells: object array (time, zone)."""
    words = templates()
    shared, arrays = constants(verdict), {name: verdict[name].values for name in _BROWSER}
    out = np.empty(verdict.reason.shape, object)
    for column, zone in enumerate(zone_names(verdict)):
        rows = zip(*(array[:, column].tolist() for array in arrays.values()), strict=True)
        known: dict[tuple[int, ...], str] = {}
        half_filled: dict[tuple[str, ...], str] = {}
        for row, values in enumerate(rows):
            if values not in known:
                numbers = {**shared, "zone": zone, **dict(zip(arrays, values, strict=True))}
                known[values] = _text(numbers, words, half_filled)
            out[row, column] = known[values]
    return out


def _text(numbers: Numbers, templates: Templates, half_filled: dict[tuple[str, ...], str]) -> str:
    """`sentence(numbers, templates)["text"]`, faster: what its phrases have in common is filled in once."""
    fields = _Fields(numbers, templates, None)
    reason = REASONS[numbers["reason"]]
    phrases = tuple(_phrases(numbers, reason, None))
    if phrases not in half_filled:
        half_filled[phrases] = templates["text"].format(
            subject=templates["subject"].format_map(fields),
            outcome=templates[f"outcome.{REASON_OUTCOME[reason]}"],
            why=templates["between"].join(templates[phrase] for phrase in phrases),
        )
    return half_filled[phrases].format_map(fields)


def answer(verdict: xr.Dataset) -> str:
    """Say it for the whole machine, last snapshot: the zone that serves, else the largest that fails.

    Zone DMA speaks for the machine only where its watermarks are known: lowmem_reserve keeps it from nearly
    every request.
    """
    last = verdict.isel(time=-1)
    kept = (last.zone_name.values == "DMA") & (last.lacks.values & LACKS_WATERMARKS > 0)
    levels = [OUTCOME_LEVEL[REASON_OUTCOME[REASONS[code]]] for code in last.reason.values]
    rank = [("bad", "warn", "ok").index(level) for level in levels]
    # The kernel looks at the highest zone first, and zones are listed upwards.
    best = max(
        range(len(rank)),
        key=lambda zone: (
            not kept[zone],
            rank[zone],
            last.free_pages.values[zone] if not rank[zone] else zone,
        ),
    )
    numbers = {name: last[name].values[best].item() for name in _BROWSER}
    words = sentence({**constants(verdict), "zone": zone_names(verdict)[best], **numbers})
    size = texts.order_size(verdict.attrs["order"], constants(verdict)["page_size"])
    return _(_PHRASES["answer"]).format(size=size, zone=zone_names(verdict)[best], **words)
