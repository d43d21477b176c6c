"""The lab: declare an experiment, run it, and look at it in the Explorer."""

from __future__ import annotations

import contextlib
import html
from typing import Any

import ipywidgets
import xarray as xr

from ..experiments.trial import Trial
from ..simulation.presets import Sysctls
from ..simulation.requests import Workload
from ..simulation.zone import Zone
from ..texts import _
from .compare import Compare
from .controls import Form
from .explorer import Explorer, option_advice
from .jobs import Job, Task, Work

_KEPT = 8
"""Runs that are kept for comparing; each has its page maps."""
_NOTE = (
    "font-size: 14px; line-height: 20px; padding: 4px 12px; color: var(--jp-ui-font-color0, #1b1f24);"
    "background: var(--jp-warn-color3, #fdf3da); border-left: 6px solid var(--jp-warn-color1, #8a5a00)"
)


class CompactionLab(ipywidgets.VBox):
    """Choose a zone, what is in it, who compacts it and under which settings; press Run; play the run.

    The simulation runs in a thread: the notebook stays free, Cancel ends it and keeps what it had. Below the
    form stands the `Explorer` of the newest run; `run` is that run, `runs` holds it and up to seven before it.

    Parameters
    ----------
    zone
        To begin with: declared, or with pages in it, such as `Zone.from_pages` gives.
    workload
        What asks for memory.
    trigger, start, recording, sysctls, seed
        As in the form: who compacts, state the zone begins in, shipped recording whose page map it is,
        settings, and the seed.
    theme
        "auto" follows JupyterLab; "light" or "dark".
    height
        Of the picture, in pixels.

    Raises
    ------
    TypeError
        For an option that does not exist, with the nearest that does.
    ValueError
        If there is no such trigger, start, recording or theme, or things do not go together.

    Examples
    --------
    >>> lab = CompactionLab(Zone("64 MiB"), trigger="manual")
    >>> lab.job.run.click()
    >>> lab.job.wait()
    >>> lab.run.attrs["name"].replace(chr(0xA0), " "), len(lab.runs)
    ('manual, 64 MiB punched', 1)
    """

    def __init__(
        self,
        zone: Zone | None = None,
        workload: Workload | None = None,
        *,
        trigger: str | None = None,
        start: str = "punched",
        recording: str = "",
        sysctls: Sysctls | None = None,
        seed: int = 0,
        theme: str = "auto",
        height: int = 620,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise TypeError(option_advice(type(self), next(iter(unknown))))
        if theme not in ("auto", "light", "dark"):
            raise ValueError(f"theme {theme!r}; expected one of auto, light, dark")
        zone = zone or Zone()
        trial = Trial(
            zone=zone,
            workload=workload,
            trigger=trigger or ("manual" if workload is None else "direct"),
            start=start,
            recording=recording,
            sysctls=sysctls or zone.sysctls,
            seed=seed,
        )
        self._theme, self._height = theme, height
        self._shown: Trial | None = None
        self.runs: list[xr.DataTree] = []
        self._trials: list[Trial] = []
        self.form = Form(trial)
        self.toggle = ipywidgets.ToggleButton(
            True,
            description=_("Parameters"),
            icon="caret-up",
            tooltip=_("Show or hide the form"),
            layout=ipywidgets.Layout(width="auto"),
        )
        self.compare = ipywidgets.Button(
            description=_("Compare with the run before"),
            layout=ipywidgets.Layout(width="auto", display="none"),
        )
        self.job = Job(self._begin, beside=[self.toggle, self.compare])
        self.job.add_class("compactlab-form")
        self._stale = ipywidgets.HTML(layout=ipywidgets.Layout(display="none"))
        self.stage = ipywidgets.VBox([])
        super().__init__([self.form, self.job, self._stale, self.stage])
        self.toggle.observe(self._fold, "value")
        self.compare.on_click(self._press_compare)
        self.form.observe(self._changed, "state")
        self._changed(None)

    @property
    def run(self) -> xr.DataTree | None:
        """Newest run; None before the first."""
        return self.runs[-1] if self.runs else None

    def _begin(self) -> Work:
        """Look at the form; refuse before anything runs, or return what is to be run."""
        trial = self.form.trial()
        trial.check()
        return lambda task: self._work(trial, task)

    def _work(self, trial: Trial, task: Task) -> str:
        run = trial.run(task.report, task.cancel)
        if run is None:
            return _("Cancelled before the zone was in its first state: there is nothing to show.")
        told = trial.told(run)
        self._show(Explorer(run, theme=self._theme, height=self._height))  # drawn here, in the thread
        self.runs[:] = [*self.runs, run][-_KEPT:]
        self._trials = [*self._trials, trial][-_KEPT:]
        self._shown = trial
        self.toggle.value = False
        self._changed(None)
        return told

    def _show(self, dashboard: ipywidgets.Widget) -> None:
        """Put a dashboard on the stage; the one before it is given up."""
        before = self.stage.children
        self.stage.children = (dashboard,)
        for old in before:
            close_all(old)

    def _fold(self, _change: Any) -> None:
        self.form.layout.display = "" if self.toggle.value else "none"
        self.toggle.icon = "caret-up" if self.toggle.value else "caret-down"

    def _changed(self, _change: Any) -> None:
        """Say so when the picture is not of what the form declares."""
        trial: Trial | None = None
        with contextlib.suppress(ValueError):  # the form says what it refuses
            trial = self.form.trial()
        stale = self._shown is not None and trial != self._shown
        note = _("Parameters were changed: the picture is of the run before. Press Run.")
        self._stale.value = f'<div role="note" style="{_NOTE}">! {html.escape(note)}</div>' if stale else ""
        self._stale.layout.display = "" if stale else "none"
        self.compare.layout.display = "" if len(self.runs) > 1 else "none"

    def _press_compare(self, _button: Any) -> None:
        self.job.do(self._lay_beside)

    def _lay_beside(self, _task: Task) -> str:
        if len(self.runs) < 2:
            raise ValueError(_("there is only one run; press Run once more, with something changed"))
        self._show(Compare(*self.runs[-2:], names=_names(*self._trials[-2:]), theme=self._theme))
        return _("The two newest runs are laid beside each other; press Run for the next.")


def _names(before: Trial, newest: Trial) -> list[str]:
    """What tells two trials apart."""
    if before.title != newest.title:
        return [before.title, newest.title]
    if before.seed != newest.seed:
        return [_("seed {number}").format(number=each.seed) for each in (before, newest)]
    return [_("before"), _("newest")]


def close_all(widget: ipywidgets.Widget) -> None:
    """Give up a widget and all that it holds."""
    for child in getattr(widget, "children", ()):
        close_all(child)
    widget.close()
