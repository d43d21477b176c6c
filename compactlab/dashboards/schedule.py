"""When to compact, in JupyterLab: choose a load and policies, press Run, play the day."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import ipywidgets
import xarray as xr

from .. import figures
from ..datasets import list as datasets_list
from ..datasets import load
from ..experiments import schedule
from ..experiments.policies import policies_of
from ..experiments.schedule import POLICIES
from ..experiments.trial import recordings
from ..figures.look import THEMES
from ..simulation.presets import Range
from ..simulation.workloads.daily import CURVES, HOURS
from ..simulation.zone import Zone
from ..texts import _
from .bridge import BokehBridge
from .controls import STYLE, Entry, number
from .explorer import option_advice
from .jobs import Job, Task, Work

_GIVEN = "given"
_MOST_DAYS = 200


class Schedule(ipywidgets.VBox):
    """Find out when a server best compacts: choose memory, load and policies, press Run, play the day.

    Every policy is simulated for some days, in threads: the notebook stays free, Cancel ends it and keeps the
    days that are done. `told` is what `schedule` returns for the newest run, None before the first.

    Parameters
    ----------
    zone
        Memory of the server: its size, which the form offers to change, or a zone.
    curve
        Load to begin with: a name in `workloads.CURVES`, numbers for equal parts of a day, or a run.
    policies
        To begin with, such as "every 6 h"; "never" is always there.
    seeds
        Days of each policy.
    theme
        "auto" follows JupyterLab; "light" or "dark".
    height
        Of the picture, in pixels.

    Raises
    ------
    TypeError
        For an option that does not exist, with the nearest that does.
    ValueError
        If the zone, curve, a policy or the theme is none.

    Examples
    --------
    >>> board = Schedule("64 MiB", policies=["at 4:00"], seeds=1)
    >>> board.windows.value = 0
    >>> board.job.run.click()
    >>> board.job.wait()
    >>> board.job.state, board.told.policy.values.tolist()
    ('done', ['never', 'at 4:00'])
    """

    def __init__(
        self,
        zone: Zone | str = "512 MiB",
        curve: str | Sequence[float] | xr.DataTree = "office",
        *,
        policies: Sequence[str] = POLICIES,
        seeds: int = 5,
        theme: str = "auto",
        height: int = 700,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise TypeError(option_advice(type(self), next(iter(unknown))))
        if theme not in ("auto", *THEMES):
            raise ValueError(f"theme: got {theme!r}, expected 'auto', 'light' or 'dark'")
        self._zone = zone if isinstance(zone, Zone) else None
        self._curve, self._theme, self._height = curve, theme, height
        self.told: xr.Dataset | None = None
        self.bridge: BokehBridge | None = None
        size = str(zone.nr_pages * zone.page_size) if isinstance(zone, Zone) else zone
        self.size = Entry(_("Memory"), size, _read_size, _("such as 2 GiB"), "90px", 110)
        self.size.text.disabled = self._zone is not None
        self.seeds = Entry(_("Days"), str(seeds), number(Range(1, _MOST_DAYS)), _("of each policy, 5 or more"), "90px", 60)  # fmt: skip
        self.policies = Entry(_("Policies"), "; ".join(policies), _read_policies, _("such as at 4:00; every 6 h; above 90 %"), "90px", 340)  # fmt: skip
        if self.policies.trouble:
            raise ValueError(self.policies.trouble)
        self.curve = _dropdown(_("Load"), self._curves())
        every = {_("every hour"): 1, _("every 2 hours"): 2, _("every 4 hours"): 4, _("not at all"): 0}
        self.windows = _dropdown(_("Try hours"), list(every.items()), 2)
        self.job = Job(self._begin)
        self.stage = ipywidgets.VBox([])
        style = ipywidgets.HTML(STYLE, layout=ipywidgets.Layout(height="0", margin="0"))
        rows = [[self.curve, self.size, self.seeds], [self.policies, self.windows]]
        wrap = ipywidgets.Layout(flex_flow="row wrap", overflow="visible")
        form = ipywidgets.VBox([style, *(ipywidgets.HBox(each, layout=wrap) for each in rows)])
        super().__init__([form, self.job, self.stage])
        self.add_class("compactlab-form")

    def _curves(self) -> list[tuple[str, str]]:
        """Loads to choose from: what was given, those with a name, and those of recordings."""
        named = {
            "office": _("office: two peaks by day"),
            "shop": _("shop: evenings"),
            "batch-night": _("batch jobs at night"),
            "flat": _("flat: always the same"),
        }
        found = [(named.get(name, name), name) for name in CURVES]
        mapped = set(recordings())  # large, and of some seconds
        found += [
            (_("of the recording {name}").format(name=entry.name), f"recording {entry.name}")
            for entry in datasets_list()
            if entry.name not in mapped
        ]
        if isinstance(self._curve, str):
            found.sort(key=lambda option: option[1] != self._curve)
            if found[0][1] != self._curve:
                raise ValueError(
                    f"curve {self._curve!r}; expected one of {', '.join(CURVES)}, numbers, or a run"
                )
            return found
        name = (
            self._curve.attrs.get("name", _("a run"))
            if isinstance(self._curve, xr.DataTree)
            else _("given numbers")
        )
        return [(str(name), _GIVEN), *found]

    def _begin(self) -> Work:
        """Look at the form; refuse before anything runs, or return what is to be run."""
        for entry in (self.size, self.seeds, self.policies):
            if entry.trouble:
                raise ValueError(entry.trouble)
        chosen, every, seeds = self.curve.value, self.windows.value, self.seeds.value
        zone, policies = self._zone or Zone(self.size.value), self.policies.value
        windows = list(range(0, HOURS, every)) if every else []

        def work(task: Task) -> str:
            curve = self._curve if chosen == _GIVEN else chosen
            if isinstance(curve, str) and curve.startswith("recording "):
                curve = load(curve.removeprefix("recording "))
            told = schedule(
                zone, curve, policies=policies, windows=windows, seeds=seeds, progress=task.report, cancel=task.cancel
            )  # fmt: skip
            return self._show(told)

        return work

    def _show(self, told: xr.Dataset) -> str:
        """Put the picture on the stage; the one before it stays if no day was done."""
        if not bool(told.done.any()):
            return _("Cancelled before the first day was over: there is nothing to show.")
        scene = figures.schedule(told, theme=self._theme)
        scene.root.min_height = self._height
        before, self.bridge = self.bridge, BokehBridge(scene.root)
        self.told = told
        self.stage.children = (self.bridge,)
        if before is not None:
            before.close()
        return str(told.attrs["points"])


def _read_size(text: str) -> str:
    Zone(text)  # says what it expects
    return text


def _read_policies(text: str) -> list[str]:
    """Policies of a line of text.

    >>> _read_policies("at 4; every 6 hours")
    ['at 4:00', 'every 6 h']
    """
    found = policies_of(each for each in text.replace("\\n", ";").split(";") if each.strip())
    return [name for name in found if name != "never"]


def _dropdown(label: str, options: list[Any], value: Any = None) -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(
        options=options,
        value=options[0][1] if value is None else value,
        description=html.escape(label),
        style={"description_width": "90px"},
        layout=ipywidgets.Layout(width="340px" if value is None else "230px"),
    )
