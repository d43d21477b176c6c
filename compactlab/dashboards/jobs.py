"""Long work in a thread: Run and Cancel, how far it is, and in words what went wrong."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Sequence

import ipywidgets
import traitlets

from ..simulation.progress import Progress
from ..texts import _, count, share
from .bridge import report

_EVERY = 0.2
"""Seconds between two updates of what is shown: often enough to see it move."""
_ALERT = (
    "white-space: pre-wrap; margin: 0; padding: 8px 12px; font-size: 14px; line-height: 20px;"
    "color: var(--jp-ui-font-color0, #1b1f24); background: var(--jp-error-color3, #fdeae0);"
    "border-left: 6px solid var(--jp-error-color1, #b03a00)"
)
_WORDS = "font-size: 14px; line-height: 20px; color: var(--jp-ui-font-color1, #1b1f24)"


class Task:
    """What work in a thread is given: where it tells how far it is, and what it heeds."""

    def __init__(self, tell: Callable[[Progress], None]) -> None:
        self.cancel = threading.Event()
        """Set when the user wants it to stop; `simulate` and its kin take it as it is."""
        self._tell = tell
        self._told = 0.0

    def report(self, progress: Progress) -> None:
        """Show how far it is; may be called as often as wanted."""
        now = time.monotonic()
        if now - self._told >= _EVERY:
            self._told = now
            self._tell(progress)


Work = Callable[[Task], str]
"""Runs in a thread; returns the sentence that is shown at its end."""


class Job(ipywidgets.VBox):
    """A Run and a Cancel button with a bar and words, and a thread behind them.

    The kernel stays free while it runs: other cells execute, other widgets answer. What `begin` or the
    work raises is shown below the buttons, and the next Run starts afresh.

    Parameters
    ----------
    begin
        Called at the press of Run, in the kernel's main thread: looks at what is asked for and returns the
        work. What it refuses, with an exception, is shown and nothing runs.
    label
        Of the button that runs it.
    advice
        What to do after an error, in words.
    beside
        Further widgets for the row of buttons.

    Examples
    --------
    >>> job = Job(lambda: lambda task: "nothing was to be done")
    >>> job.run.click()
    >>> job.wait()
    >>> job.state, job.words
    ('done', 'nothing was to be done')
    """

    state = traitlets.Enum(["idle", "running", "done", "cancelled", "failed"], "idle")
    """What it is doing, or how the last work ended."""

    def __init__(
        self,
        begin: Callable[[], Work],
        label: str | None = None,
        advice: str | None = None,
        beside: Sequence[ipywidgets.Widget] = (),
    ) -> None:
        self._begin = begin
        self._advice = advice or _("Change what it names, then press {run} again.").format(
            run=label or _("Run")
        )
        self._task: Task | None = None
        self._thread: threading.Thread | None = None
        wide = ipywidgets.Layout(width="auto", min_width="96px")
        self.run = ipywidgets.Button(description=label or _("Run"), button_style="primary", layout=wide)
        self.cancel = ipywidgets.Button(description=_("Cancel"), disabled=True, layout=wide)
        self._bar = ipywidgets.FloatProgress(
            0, max=1, layout=ipywidgets.Layout(width="180px", display="none")
        )
        self._shown = ipywidgets.HTML(layout=ipywidgets.Layout(flex="1 1 auto"))
        self._alert = ipywidgets.HTML(layout=ipywidgets.Layout(display="none"))
        self.words = self.error = ""
        self.run.on_click(lambda _button: self.start())
        self.cancel.on_click(lambda _button: self.stop())
        row = ipywidgets.HBox(
            [self.run, self.cancel, *beside, self._bar, self._shown],
            layout=ipywidgets.Layout(align_items="center"),
        )
        super().__init__([row, self._alert])

    def start(self) -> None:
        """Do what the press of Run does."""
        if self._is_free():
            try:
                work = self._begin()
            except Exception as error:
                self._fail(error)
            else:
                self.do(work)

    def do(self, work: Work) -> None:
        """Run other work than that of the button, in the same place."""
        if not self._is_free():
            return
        self._complain("")
        self._task = Task(self._tell)
        self.state, self.cancel.disabled = "running", False
        self.say(_("Starting …"))
        self._thread = threading.Thread(target=self._work, args=(work, self._task), daemon=True)
        self._thread.start()

    def _is_free(self) -> bool:
        """Whether nothing runs; says so if something does."""
        if self.state == "running":
            self.say(_("It is still at work: wait for its end, or press Cancel."))
        return self.state != "running"

    def stop(self) -> None:
        """Do what the press of Cancel does: ask the work to end; it keeps what it had."""
        if self._task is not None and self.state == "running":
            self._task.cancel.set()
            self.cancel.disabled = True
            self.say(_("Cancelling …"))

    def wait(self, seconds: float | None = None) -> None:
        """Wait for the work that runs, if any."""
        if self._thread is not None:
            self._thread.join(seconds)

    def say(self, words: str, aloud: bool = True) -> None:
        """Show a sentence beside the buttons; aloud: screen readers speak it."""
        self.words = words
        live = "polite" if aloud else "off"
        self._shown.value = f'<div aria-live="{live}" style="{_WORDS}">{html.escape(words)}</div>'

    def _work(self, work: Work, task: Task) -> None:
        try:
            words = work(task)
        except Exception as error:  # a thread has nobody else to tell
            self._fail(error)
        else:
            self.say(words)
            self._end("cancelled" if task.cancel.is_set() else "done")

    def _tell(self, progress: Progress) -> None:
        if progress.done is not None:
            self._bar.value, self._bar.layout.display = progress.done, ""
        if self._task is None or not self._task.cancel.is_set():
            self.say(describe(progress), aloud=False)

    def _fail(self, error: Exception) -> None:
        self.say(_("It did not work:"))
        self._complain(report(error, self._advice))
        self._end("failed")

    def _complain(self, text: str) -> None:
        self.error = text
        self._alert.value = f'<div role="alert" style="{_ALERT}">{html.escape(text)}</div>' if text else ""
        self._alert.layout.display = "" if text else "none"

    def _end(self, state: str) -> None:
        self._bar.layout.display, self.cancel.disabled = "none", True
        self.state = state  # last: who waits for it sees all the rest


def describe(progress: Progress) -> str:
    """Say how far work is.

    >>> describe(Progress(None, 1200, 2_500_000_000, "fault")).replace(chr(0xA0), " ")
    'fault, 1 200 requests, 2.500 s simulated'
    >>> describe(Progress(0.5, 0, 0, "0/Normal")).replace(chr(0xA0), " ")
    '50 %, 0/Normal'
    """
    parts = [] if progress.done is None else [share(progress.done)]
    parts += [progress.phase] if progress.phase else []
    if progress.requests:
        parts.append(_("{number} requests").format(number=count(progress.requests)))
    if progress.elapsed_ns:
        parts.append(_("{seconds} s simulated").format(seconds=f"{progress.elapsed_ns / 1e9:.3f}"))
    return ", ".join(parts)
