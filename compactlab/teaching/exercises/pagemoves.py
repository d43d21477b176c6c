"""One page moves: the order of its steps, and what many mappings cost."""

from __future__ import annotations

from ... import pagemoves
from ...texts import N_
from ..answers import InOrder, Number
from ..exercise import Exercise, Mistake

_NOTEBOOK = "05-one-page-moves"
_STEPS = ("content copied", "mappings put back", "new frame taken", "old frame freed", "mappings taken away", "TLB of the other CPU flushed")  # fmt: skip
_MAPPINGS = 200


def _order() -> tuple[str, ...]:
    """Steps in the order in which the recorded batch shows them first."""
    told = pagemoves.story()
    old, new, first = told.kind[:, -2, 0].values, told.kind[:, -1, 0].values, told.kind[:, 0, 0].values
    taken = new[new != new[0]][0]
    moving = first[first != first[0]][0]
    at = {
        "new frame taken": (new == taken).argmax(),
        "mappings taken away": (first == moving).argmax(),
        "TLB of the other CPU flushed": (told.elapsed.values == pagemoves.flushed() / 1000).argmax(),
        "content copied": (new == new[-1]).argmax(),
        "mappings put back": (first == first[-1]).argmax(),
        "old frame freed": (old == old[-1]).argmax(),
    }
    return tuple(sorted(at, key=lambda step: int(at[step])))


def _line(first: float, further: float) -> float:
    """Microseconds by a line, of a page with many mappings."""
    return (first + further * (_MAPPINGS - 1)) / 1000


def _cost() -> float:
    line = pagemoves.fit(pagemoves.costs()).sel(batch_pages=32)
    return _line(float(line["first"]), float(line.further))


def _alone() -> float:
    return float(pagemoves.fit(pagemoves.costs()).sel(batch_pages=32)["first"]) / 1000


EXERCISES = (
    Exercise(
        name="steps-of-a-move",
        notebook=_NOTEBOOK,
        task=N_("A page that several processes map is moved. Put the steps in order."),
        answer=InOrder(_STEPS),
        hints=(
            N_("While the content is copied, nobody may write to the page. How is that made sure of?"),
            N_("A CPU goes on using an address that it holds in its TLB, even after the page table was changed."),
            N_("If no new frame can be had, the page stays: it is better to know that before anything is changed."),
        ),
        code=(
            "from compactlab import pagemoves\n"
            "print(*pagemoves.story().text.values, sep='\\n')"
        ),
        truth=_order,
        told=N_("{truth}. So there is no moment at which two frames are in use for one page."),
        mistakes=(
            Mistake(
                lambda truth: ("new frame taken", "content copied", *(step for step in truth if step not in ("new frame taken", "content copied"))),
                N_("A process could write to the page while it is copied, and the write would be lost."),
            ),
            Mistake(
                lambda truth: (*(step for step in truth if not step.startswith("TLB")), "TLB of the other CPU flushed"),
                N_("Until its TLB is flushed a CPU may still write to the old frame, which by then belongs to somebody else."),
            ),
        ),
        right=(
            ["new frame taken", "mappings taken away", "TLB of the other CPU flushed", "content copied", "mappings put back", "old frame freed"],
            "new frame taken > mappings taken away > TLB of the other CPU flushed > content copied > mappings put back > old frame freed",
        ),
        wrong=(
            ["new frame taken", "content copied", "mappings taken away", "TLB of the other CPU flushed", "mappings put back", "old frame freed"],
            ["mappings taken away", "new frame taken", "TLB of the other CPU flushed", "content copied", "mappings put back", "old frame freed"],
        ),
    ),
    Exercise(
        name="many-mappings",
        notebook=_NOTEBOOK,
        task=N_(
            "A page of memory is mapped by 200 processes, more than were measured. Predict with the line fitted to batches "
            "of 32 pages: how long does it take to move it? To 10 %."
        ),
        answer=Number("µs", within=0.1, most=1e6),
        hints=(
            N_("The line has two numbers: the time with one mapping, and what each further one adds."),
            N_("`pagemoves.fit(pagemoves.costs())` has both, in nanoseconds; 199 mappings are further ones."),
        ),
        code=(
            "from compactlab import pagemoves\n"
            "pagemoves.fit(pagemoves.costs()).to_dataframe()"
        ),
        truth=_cost,
        told=N_("{truth}, most of it for mappings: the page itself would take two."),
        mistakes=(
            Mistake(lambda _truth: _alone() * _MAPPINGS, N_("That is 200 times a whole move. The page is copied once; only its mappings are many.")),
            Mistake(lambda _truth: _alone(), N_("That is a page with one mapping. Each further one has to be found, taken away and put back.")),
            Mistake(lambda truth: truth * 1000, N_("That is the number of nanoseconds; microseconds are asked for.")),
            Mistake(lambda truth: truth * 32, N_("That is the whole batch of 32 pages; one page is asked for.")),
        ),
        right=(55.6, "56 µs", "0.0556 ms", 55_600 / 1000),
        wrong=(389, 1.95, 55_557, 1778, 40),
    ),
)  # fmt: skip
