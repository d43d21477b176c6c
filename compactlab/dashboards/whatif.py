"""What if: other settings on a recorded page map, predicted, with the known error beside it."""

from __future__ import annotations

import functools
import html
from pathlib import Path
from typing import Any

import ipywidgets
import xarray as xr

from .. import datasets
from ..experiments.trial import recordings
from ..experiments.whatif import DEMANDS, POLICIES, Prediction, kind_of, what_if
from ..simulation.presets import KERNELS, Range, Sysctls
from ..texts import N_, _
from .compare import Compare
from .controls import STYLE, Entry, Settings, named, number, said
from .explorer import option_advice
from .jobs import Job, Task, Work
from .lab import close_all

_GIVEN = "given"
_AS_RECORDED = N_("as recorded")
_MOST_SEEDS = 20


class WhatIf(ipywidgets.VBox):
    """Pick a recording with a page map, change settings, press Run, and see what it would have come to.

    The recorded memory is simulated twice under the same demand, as it was and with what is changed. Below the
    form stand the predicted differences, each with the model's known error for this kind of recording, and
    both sides in `Compare`. `prediction` is the newest answer.

    Parameters
    ----------
    recording
        A run with page maps, or the name of a shipped recording; one can be picked from the form.
    theme
        "auto" follows JupyterLab; "light" or "dark".
    height
        Of the picture, in pixels.

    Raises
    ------
    TypeError
        For an option that does not exist, with the nearest that does.
    ValueError
        If the recording has no page map.

    Examples
    --------
    >>> WhatIf("page-map-direct").demand.value
    'as recorded'
    """

    def __init__(
        self,
        recording: xr.DataTree | str | None = None,
        *,
        theme: str = "auto",
        height: int = 620,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise TypeError(option_advice(type(self), next(iter(unknown))))
        if theme not in ("auto", "light", "dark"):
            raise ValueError(f"theme {theme!r}; expected one of auto, light, dark")
        names: list[tuple[str, str]] = [(name, name) for name in recordings()]
        chosen = names[0][1]
        if isinstance(recording, xr.DataTree):
            _check(recording)
            given = str(recording.attrs.get("name", "")) or _("the run given")
            names.insert(0, (Path(given).name, _GIVEN))
            chosen = _GIVEN
        elif recording is not None:
            if recording not in recordings():
                raise ValueError(
                    f"recording {recording!r}; expected a run, or one of {', '.join(recordings())}"
                )
            chosen = recording
        self._given = recording if isinstance(recording, xr.DataTree) else None
        self._theme, self._height = theme, height
        self.prediction: Prediction | None = None
        wide = {"style": {"description_width": "90px"}, "layout": ipywidgets.Layout(width="330px")}
        self.recording = ipywidgets.Dropdown(options=names, value=chosen, description=_("Recording"), **wide)
        self.demand = ipywidgets.Dropdown(
            options=named([_AS_RECORDED, *DEMANDS]), value=_AS_RECORDED, description=_("Demand"), **wide
        )
        self.kernel = ipywidgets.Dropdown(
            options=named([_AS_RECORDED, *KERNELS]), value=_AS_RECORDED, description=_("Kernel"), **wide
        )
        self.policy = ipywidgets.Dropdown(
            options=named(POLICIES), value="none", description=_("Before"), **wide
        )
        accepted = Range(1, _MOST_SEEDS)
        self.seeds = Entry(_("Seeds"), "3", number(accepted), str(accepted), "90px")
        self.settings = Settings()
        self._about = ipywidgets.HTML()
        self.answer = ipywidgets.HTML(layout=ipywidgets.Layout(display="none"))
        self.stage = ipywidgets.VBox([])
        self.toggle = ipywidgets.ToggleButton(
            True, description=_("Parameters"), icon="caret-up", layout=ipywidgets.Layout(width="auto")
        )
        self.job = Job(self._begin, beside=[self.toggle])
        row = ipywidgets.Layout(flex_flow="row wrap")
        self.form = ipywidgets.VBox(
            [
                ipywidgets.HTML(STYLE, layout=ipywidgets.Layout(display="none")),
                ipywidgets.HBox([self.recording, self.demand, self.seeds], layout=row),
                ipywidgets.HTML("<h4>" + html.escape(_("What is changed")) + "</h4>"),
                ipywidgets.HBox([self.kernel, self.policy], layout=row),
                self.settings,
                self._about,
            ]
        )
        super().__init__([self.form, self.job, self.answer, self.stage])
        self.add_class("compactlab-form")
        self.toggle.observe(self._fold, "value")
        for control in (self.recording, self.demand, self.policy, self.kernel):
            control.observe(self._changed, "value")
        self.settings.observe(self._changed, "state")
        self._changed(None)

    def _fold(self, _change: Any) -> None:
        self.form.layout.display = "" if self.toggle.value else "none"
        self.toggle.icon = "caret-up" if self.toggle.value else "caret-down"

    def _changed(self, _change: Any) -> None:
        """Say what the choices mean, and that an answer below is of what was chosen before."""
        demand = self.demand.value
        words = (
            _("The demand that was recorded is simulated.") if demand == _AS_RECORDED else _(DEMANDS[demand])
        )
        if self.policy.value != "none":
            words += " " + _(POLICIES[self.policy.value])
        if self.prediction is not None:
            words += " " + _("The answer below is of the run before: press Run for this one.")
        self._about.value = said(words)

    def _begin(self) -> Work:
        troubles = [*self.settings.troubles(), *([self.seeds.trouble] if self.seeds.trouble else [])]
        if troubles:
            raise ValueError("; ".join(troubles))
        sysctls, kernel, policy = self.settings.sysctls(), self.kernel.value, self.policy.value
        if sysctls == Sysctls() and kernel == _AS_RECORDED and policy == "none":
            raise ValueError(_("nothing is changed: give a setting, a kernel or something done before"))
        changes = {
            "sysctls": sysctls,
            "kernel": None if kernel == _AS_RECORDED else kernel,
            "policy": policy,
            "demand": None if self.demand.value == _AS_RECORDED else self.demand.value,
            "seeds": self.seeds.value,
        }
        return functools.partial(self._work, self.recording.value, changes)

    def _work(self, name: str, changes: dict[str, Any], task: Task) -> str:
        run = self._given if self._given is not None and name == _GIVEN else datasets.load(name)
        told = what_if(run, **changes, progress=task.report, cancel=task.cancel)
        if told is None:
            return _("Cancelled: no prediction without all seeds of both sides.")
        picture = Compare(told.sides, theme=self._theme, height=self._height)  # drawn here, in the thread
        before, self.stage.children = self.stage.children, (picture,)
        for old in before:
            close_all(old)
        self.prediction = told
        self.answer.value, self.answer.layout.display = _table(told), ""
        self.toggle.value = False
        self._changed(None)
        return _("{changed} against {baseline}").format(changed=told.names[1], baseline=told.names[0])


def _check(run: xr.DataTree) -> None:
    if "pages" not in run.children:
        raise ValueError(
            f"run {run.attrs.get('name', '')!r} has no page map; record /proc/kpageflags too, or simulate it "
            "with keyframes"
        )
    kind_of(run)


def _table(told: Prediction) -> str:
    """Sentences of the answer: where the error comes from, then one a quantity."""
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in told.sentences)
    source = html.escape(told.known.source[:1].upper() + told.known.source[1:] + ".")
    label = html.escape(_("Answer"))
    return (
        f'<div class="compactlab-said" role="region" aria-label="{label}">{source}'
        f'<ul style="margin: 2px 0; line-height: 20px">{items}</ul></div>'
    )
