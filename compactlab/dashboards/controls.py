"""The form of an experiment: plain labelled fields that say, in words, what they take and why they refuse."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import ipywidgets
import traitlets

from ..experiments.trial import TRIGGERS, Trial, recordings
from ..simulation.memory_need import available_memory
from ..simulation.presets import KERNELS, RANGES, THP_DEFRAG, Range, Sysctls
from ..simulation.requests import Workload
from ..simulation.starts import STARTS
from ..simulation.zone import Zone
from ..texts import _, memory

STYLE = """<style>
.compactlab-form { --jp-widgets-font-size: 14px; --jp-widgets-inline-label-width: auto; }
.compactlab-form .widget-html-content, .compactlab-form .jp-RenderedHTMLCommon { font-size: 14px; line-height: 20px; }
.compactlab-form h4 { margin: 6px 0 2px; font-size: 15px; font-weight: 600; color: var(--jp-ui-font-color1, #1b1f24); }
.compactlab-form .compactlab-range { color: var(--jp-ui-font-color2, #4d5661); white-space: nowrap; }
.compactlab-form .compactlab-refused { color: var(--jp-error-color1, #b03a00); font-weight: 600; }
.compactlab-form .compactlab-said { color: var(--jp-ui-font-color1, #1b1f24); }
</style>"""
_SETTINGS = (
    "compaction_proactiveness",
    "extfrag_threshold",
    "watermark_scale_factor",
    "min_free_kbytes",
    "defrag_mode",
    "percpu_pagelist_high_fraction",
)
_MOST = 10_000_000  # requests, bursts, jobs: what can be waited for
_NANOSECONDS = Range(0, (1 << 32) - 1)
_SHARE, _AMOUNT = Range(0, 1), Range(0)
_AMOUNTS = ("seconds", "settle_s", "turnover", "volume")
_AT_ONCE = "at once"
_GIVEN = "given"
_MADE = "made"


def said(words: str, kind: str = "said") -> str:
    """A sentence as the form shows it: said, the range of a field, or refused."""
    return f'<div class="compactlab-{kind}">{html.escape(words)}</div>'


class Entry(ipywidgets.HBox):
    """A text field that reads what is typed, and says what it takes; what it does not take it refuses.

    Parameters
    ----------
    name
        Label, and how the value is called in messages.
    text
        At first.
    read
        Turns the text into a value, or raises ValueError with what was expected, in words.
    words
        What it takes, shown beside it.
    label_width, width
        Of the label, and of the field in pixels.

    Examples
    --------
    >>> entry = Entry("order", "9", number(Range(0, 10)), "0 to 10")
    >>> entry.text.value = "11"
    >>> entry.trouble
    'order: 11 is refused; expected 0 to 10'
    >>> entry.value
    9
    """

    value = traitlets.Any()
    """What was read last; while there is trouble, the value before it."""
    trouble = traitlets.Unicode()
    """Why what is typed now is refused; empty if it is not."""

    def __init__(
        self,
        name: str,
        text: str,
        read: Callable[[str], Any],
        words: str = "",
        label_width: str = "150px",
        width: int = 96,
    ) -> None:
        self.name, self._read, self._words = name, read, words
        self.text = ipywidgets.Text(
            text,
            description=name,
            continuous_update=False,  # else a press of Run can overtake the last key typed
            style={"description_width": label_width},
            layout=ipywidgets.Layout(width=f"calc({label_width} + {width}px)", flex="0 0 auto"),
        )
        self._said = ipywidgets.HTML(said(words, "range"))
        row = ipywidgets.Layout(overflow="visible", align_items="center")
        super().__init__([self.text, self._said], layout=row)
        self._heed()
        self.text.observe(lambda _change: self._heed(), "value")

    def _heed(self) -> None:
        try:
            value = self._read(self.text.value)
        except ValueError as error:
            self._said.value = (
                f'<div class="compactlab-refused" role="alert">✕ {html.escape(str(error))}</div>'
            )
            self.trouble = f"{self.name}: {error}"
        else:
            self._said.value = said(self._words, "range")
            self.value, self.trouble = value, ""


def number(accepted: Range, whole: bool = True, empty: bool = False) -> Callable[[str], Any]:
    """Read a number of a range; refuse others with the range in words.

    >>> number(Range(8, or_zero=True))("0"), number(Range(0), empty=True)(" "), number(Range(0, 1), whole=False)("0.5")
    (0, None, 0.5)
    """

    def read(text: str) -> Any:
        text = text.strip().replace("_", "").replace("\u00a0", "")
        if not text and empty:
            return None
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            kind = _("a whole number") if whole else _("a number")
            told = repr(text) if text else _("nothing")
            raise ValueError(
                _("{told} is refused; expected {kind}, {range}").format(told=told, kind=kind, range=accepted)
            ) from None
        if value not in accepted:
            raise ValueError(_("{told} is refused; expected {range}").format(told=text, range=accepted))
        return value

    return read


def _words(accepted: Range, most: int | None = None) -> str:
    """Range as shown beside a field; the largest numbers tell nobody anything."""
    if accepted.most is not None and accepted.most >= (most or _MOST):
        return str(Range(accepted.least, or_zero=accepted.or_zero))
    return str(accepted)


def _heading(text: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(f"<h4>{html.escape(text)}</h4>")


def _grid(children: Sequence[ipywidgets.Widget], least: int) -> ipywidgets.GridBox:
    """As many columns as fit."""
    return ipywidgets.GridBox(
        children,
        layout=ipywidgets.Layout(
            grid_template_columns=f"repeat(auto-fill, minmax({least}px, 1fr))",
            grid_gap="0 12px",
            width="100%",
        ),
    )


def named(names: Iterable[str]) -> list[tuple[str, str]]:
    """Options of a picker: names in the language chosen, and as they are."""
    return [(_(name), name) for name in names]


def _dropdown(
    name: str, options: Iterable[Any], value: Any, label_width: str = "90px"
) -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(
        options=list(options),
        value=value,
        description=name,
        style={"description_width": label_width},
        layout=ipywidgets.Layout(width="auto"),
    )


class Settings(ipywidgets.VBox):
    """Fields for the settings under /proc/sys/vm that compaction heeds, each with its range.

    Parameters
    ----------
    sysctls
        At first; what has no field stays as it is there.

    Examples
    --------
    >>> settings = Settings()
    >>> settings.entries["compaction_proactiveness"].text.value = "50"
    >>> settings.sysctls().compaction_proactiveness
    50
    """

    state = traitlets.Int()
    """Counts up at every change."""

    def __init__(self, sysctls: Sysctls | None = None) -> None:
        self._base = sysctls or Sysctls()
        self.entries = {name: self._entry(name) for name in _SETTINGS}
        self.thp_defrag = _dropdown(
            "transparent_hugepage_defrag", THP_DEFRAG, self._base.transparent_hugepage_defrag, "215px"
        )
        self.thp_defrag.layout.width = "335px"
        super().__init__([_grid([*self.entries.values(), self.thp_defrag], 420)])
        for entry in self.entries.values():
            entry.observe(self._count, ["value", "trouble"])
        self.thp_defrag.observe(self._count, "value")

    def _entry(self, name: str) -> Entry:
        value, accepted = getattr(self._base, name), RANGES[name]
        empty = name == "min_free_kbytes"
        words = _("empty: the kernel's own") if empty else str(accepted)
        return Entry(name, "" if value is None else str(value), number(accepted, empty=empty), words, "215px")

    def _count(self, _change: Any) -> None:
        self.state += 1

    def troubles(self) -> list[str]:
        """What is refused, one sentence each."""
        return [entry.trouble for entry in self.entries.values() if entry.trouble]

    def sysctls(self) -> Sysctls:
        """Settings as typed; while a field refuses what is typed, with the value before."""
        values = {name: entry.value for name, entry in self.entries.items()}
        return dataclasses.replace(self._base, **values, transparent_hugepage_defrag=self.thp_defrag.value)


class Demand(ipywidgets.VBox):
    """A choice among workloads with the main parameters of the one that is chosen."""

    state = traitlets.Int()
    """Counts up at every change."""

    def __init__(self) -> None:
        self.choice = _dropdown(_("Demand"), [], None)
        self.entries: dict[str, Entry | ipywidgets.Checkbox] = {}
        self._workload: Workload | None = None
        self._fields = _grid([], 330)
        super().__init__([self._fields])
        self.choice.observe(self._chosen, "value")

    def offer(self, demands: Sequence[Workload], at_once: bool, value: Workload | None) -> None:
        """Offer workloads, and none where compaction can begin at once."""
        options: list[tuple[str, Workload | str]] = [(each.name, each) for each in demands]
        if at_once:
            options.append((_("none, at once"), _AT_ONCE))
        self.choice.options = options
        self.choice.value = next((each for _name, each in options if each is value), options[-1][1])
        self._chosen(None)

    def _chosen(self, _change: Any) -> None:
        chosen = self.choice.value
        self._workload = None if chosen == _AT_ONCE else chosen
        self.entries = {}
        if self._workload is not None and dataclasses.is_dataclass(self._workload):
            for each in dataclasses.fields(self._workload):
                value = getattr(self._workload, each.name)
                if each.name != "seed" and isinstance(value, (bool, int, float)):
                    self.entries[each.name] = _parameter(each.name, value)
        for entry in self.entries.values():
            entry.observe(self._count, ["value", "trouble"] if isinstance(entry, Entry) else "value")
        self._fields.children = tuple(self.entries.values())
        self._count(None)

    def _count(self, _change: Any) -> None:
        self.state += 1

    def troubles(self) -> list[str]:
        """What is refused, one sentence each."""
        found = [entry.trouble for entry in self.entries.values() if isinstance(entry, Entry)]
        return [trouble for trouble in found if trouble]

    @property
    def chosen(self) -> Workload | None:
        """What is chosen, as it was offered."""
        return self._workload

    def workload(self, seed: int) -> Workload | None:
        """What is chosen, with its parameters as typed."""
        if self._workload is None or not dataclasses.is_dataclass(self._workload):
            return self._workload
        values = {name: entry.value for name, entry in self.entries.items()}
        if any(each.name == "seed" for each in dataclasses.fields(self._workload)):
            values["seed"] = seed
        return dataclasses.replace(self._workload, **values)


def _parameter(name: str, value: float) -> Entry | ipywidgets.Checkbox:
    if isinstance(value, bool):
        return ipywidgets.Checkbox(value, description=name, indent=False)
    if isinstance(value, float):
        accepted = _AMOUNT if name in _AMOUNTS else _SHARE
        return Entry(name, f"{value:g}", number(accepted, whole=False), str(accepted), "130px", 120)
    accepted = _NANOSECONDS if name.endswith("_ns") else Range(0, 10) if name == "order" else Range(1, _MOST)
    return Entry(name, str(value), number(accepted), _words(accepted), "130px", 120)


class Form(ipywidgets.VBox):
    """All that declares a trial: zone, start, who compacts, demand, settings, and what is kept.

    Every field can be reached and changed with the keyboard. What a field does not take is refused beside it,
    with what it takes in words; `trial` then refuses too.

    Parameters
    ----------
    trial
        What to begin with.

    Examples
    --------
    >>> form = Form(Trial(Zone("64 MiB"), trigger="manual"))
    >>> form.size.text.value = "32 MiB"
    >>> form.trial().zone.nr_pages
    8192
    """

    state = traitlets.Int()
    """Counts up at every change."""

    def __init__(self, trial: Trial | None = None) -> None:
        self._base = base = trial or Trial()
        sources: list[tuple[str, str]] = [(_("made here"), _MADE), *((name, name) for name in recordings())]
        if base.zone.seed is not None:
            sources.insert(0, (_("the zone given"), _GIVEN))
        source = base.recording or (_GIVEN if base.zone.seed is not None else _MADE)
        self.source = _dropdown(_("Memory"), sources, source)
        self.size = Entry(
            _("Size"), _size_text(base.zone), _size(base.zone), _("such as 512 MiB"), "90px", 104
        )
        self.start = _dropdown(_("Start"), named(STARTS), base.start)
        self.kernel = _dropdown(_("Kernel"), KERNELS, base.kernel or base.zone.kernel)
        self.trigger = _dropdown(_("Compacts"), named(TRIGGERS), base.trigger)
        self.demand = Demand()
        largest = base.zone.nr_orders - 1
        self.order = Entry(
            _("order"),
            str(base.order),
            number(Range(1, largest)),
            _("1 to {largest}").format(largest=largest),
            "130px",
        )
        self.first = Entry(
            _("begins at"), f"{base.first:g}", number(_SHARE, whole=False), _("share of the zone"), "130px"
        )
        self.pages = Entry(
            _("pages"), str(base.range_pages), number(Range(1, 1 << 30)), _("at least 1"), "130px"
        )
        self.settings = Settings(base.sysctls)
        self.frames = Entry(_("Frames"), str(base.frames), number(Range(2, _MOST)), _("at least 2"), "90px")
        self.seed = Entry(_("Seed"), str(base.seed), number(Range(0, (1 << 63) - 1)), _("at least 0"), "90px")
        self.keyframes = ipywidgets.Checkbox(
            base.keyframes, description=_("Page maps (every page)"), indent=False,
            layout=ipywidgets.Layout(width="auto"),
        )  # fmt: skip
        self._about, self._estimate = ipywidgets.HTML(), ipywidgets.HTML()
        self._at_once = _grid([], 330)
        super().__init__(self._rows())
        self.add_class("compactlab-form")
        self._offer(None)
        self._watch()
        self._changed(None)

    def _rows(self) -> list[ipywidgets.Widget]:
        return [
            ipywidgets.HTML(STYLE, layout=ipywidgets.Layout(display="none")),
            _heading(_("Zone")),
            _grid([self.source, self.size, self.start, self.kernel], 250),
            _heading(_("Compaction")),
            _grid([self.trigger, self.demand.choice], 250),
            self._about,
            self.demand,
            self._at_once,
            _heading(_("Settings") + " (/proc/sys/vm)"),
            self.settings,
            _heading(_("Kept of the run")),
            _grid([self.frames, self.seed, self.keyframes], 280),
            self._estimate,
        ]

    def _watch(self) -> None:
        self.trigger.observe(self._offer, "value")
        for dropdown in (self.source, self.start, self.kernel, self.trigger, self.keyframes):
            dropdown.observe(self._changed, "value")
        for entry in self._entries():
            entry.observe(self._changed, ["value", "trouble"])
        self.demand.observe(self._changed, "state")
        self.settings.observe(self._changed, "state")

    def _entries(self) -> list[Entry]:
        """Fields that count now; those that nothing asks for are not looked at."""
        return [self.size, self.order, self.first, self.pages, self.frames, self.seed]

    def _offer(self, _change: Any) -> None:
        """Offer what leads to the trigger, and the workload that was given."""
        trigger, given = TRIGGERS[self.trigger.value], self._base.workload
        demands = list(trigger.demands)
        if given is not None:
            demands = [given, *(each for each in demands if type(each) is not type(given))]
        first = self._base.trigger == self.trigger.value and given is None
        self.demand.offer(demands, trigger.at_once, None if first else demands[0])

    def _changed(self, _change: Any) -> None:
        trigger, workload = self.trigger.value, self.demand.chosen
        at_once = {
            "contig_range": [self.first, self.pages],
            "direct": [self.order],
            "kcompactd": [self.order],
        }
        self._at_once.children = tuple(at_once.get(trigger, [])) if workload is None else ()
        for field, counts in (
            (self.size, self.source.value == _MADE),
            (self.start, self.source.value == _MADE),
            (self.keyframes, workload is not None),
        ):
            field.layout.display = "" if counts else "none"
        about = _(TRIGGERS[trigger].words)
        if workload is not None:
            about += f" {workload.name}: {_first_sentence(workload)}"
        self._about.value = said(about)
        self._estimate.value = self._need()
        self.state += 1

    def _need(self) -> str:
        """What the run would take; or what is refused."""
        try:
            trial = self.trial()
            trial.check()
        except ValueError as error:
            return f'<div class="compactlab-refused" role="alert">✕ {html.escape(str(error))}</div>'
        if trial.recording:
            return said(_("How much memory it needs is known when the recording is read."), "range")
        available = available_memory()
        words = _("Needs up to {need} of memory").format(need=memory(trial.need().total, 1))
        if available is not None:
            words += _("; {available} are available").format(available=memory(available, 1))
        return said(words + ".", "range")

    def troubles(self) -> list[str]:
        """What is refused, one sentence each."""
        shown = [self.size] if self.source.value == _MADE else []
        shown += [entry for entry in self._at_once.children if isinstance(entry, Entry)]
        own = [entry.trouble for entry in [*shown, self.frames, self.seed] if entry.trouble]
        return own + self.demand.troubles() + self.settings.troubles()

    def trial(self) -> Trial:
        """What is declared.

        Raises
        ------
        ValueError
            If a field refuses what is typed, or things do not go together; the message tells all of it.
        """
        troubles = self.troubles()
        if troubles:
            raise ValueError("; ".join(troubles))
        source, zone = self.source.value, self._base.zone
        if source == _MADE:
            zone = dataclasses.replace(zone, size=self.size.value, pages=0, seed=None, sysctls=Sysctls())
        return Trial(
            zone=zone,
            recording="" if source in (_MADE, _GIVEN) else source,
            start=self.start.value,
            sysctls=self.settings.sysctls(),
            kernel=self.kernel.value,
            trigger=self.trigger.value,
            workload=self.demand.workload(self.seed.value),
            order=self.order.value,
            first=self.first.value,
            range_pages=self.pages.value,
            frames=self.frames.value,
            keyframes=self.keyframes.value,
            seed=self.seed.value,
        )


def _size(zone: Zone) -> Callable[[str], str]:
    """Read a size that a zone like this one can have."""

    def read(text: str) -> str:
        try:
            dataclasses.replace(zone, size=text.strip(), pages=0, seed=None)
        except ValueError as error:
            if "pages" in str(error):
                raise ValueError(str(error).removeprefix("Zone: ")) from None
            raise ValueError(_("{told!r} is refused; expected such as 512 MiB").format(told=text)) from None
        return text.strip()

    return read


def _size_text(zone: Zone) -> str:
    """Size as it was declared.

    >>> _size_text(Zone("1 GiB")), _size_text(Zone(pages=1024))
    ('1 GiB', '4 MiB')
    """
    if not zone.pages or zone.seed is not None:
        return str(zone.size)
    mebibytes = zone.pages * zone.page_size / (1 << 20)
    return f"{mebibytes:g} MiB" if mebibytes.is_integer() else str(zone.pages * zone.page_size)


def _first_sentence(workload: Workload) -> str:
    return " ".join((type(workload).__doc__ or "").split("\n\n")[0].split())
