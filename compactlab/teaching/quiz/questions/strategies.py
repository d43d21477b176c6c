"""Questions about which free piece to give: fits, buddies and hybrids on one trace (S15), and holes (S1)."""

from __future__ import annotations

import xarray as xr

from ....allocators import OUTCOMES, compare, replay, traces
from ....texts import N_
from ..evidence import the_one, the_wrong_one
from ..question import Choice, Misconception, Number, Option, Pointer, Question, Slip

_FITS = "03-which-free-block-to-give"
_INDICES = "02-what-the-indices-mean"


def _with_holes(request: int, *holes: int) -> xr.Dataset:
    """Trace that leaves free pieces of these sizes, one unit in use behind each, and then asks."""
    made = [f"hole{number} {size}, wall{number} 1" for number, size in enumerate(holes)]
    freed = [f"free hole{number}" for number in range(len(holes))]
    return traces.written(", ".join([*made, *freed, f"asked {request}"]))


def _served_from(policy: str, request: int, *holes: int) -> int:
    """Size of the piece that a policy takes, or 0 if it refuses."""
    told = replay(_with_holes(request, *holes), policy, sum(holes) + len(holes), granule=1)
    last = told.isel(request=-1)
    starts = [sum(holes[:number]) + number for number in range(len(holes))]
    served = OUTCOMES[int(last.outcome)] == "served"
    return holes[starts.index(int(last.address))] if served else 0


def _holes() -> str:
    first, second = _served_from("first fit", 4, 2, 3, 5), _served_from("first fit", 4, 2, 3, 3)
    return "from_5" if (first, second) == (5, 0) else "other"


def _lost() -> float:
    last = replay(traces.written("asked 6"), "buddy", 16, granule=1).isel(request=-1)
    return int(last.in_use) - int(last.requested)


def _which_fit() -> str:
    took = {policy: _served_from(f"{policy} fit", 5, 8, 3, 12, 5) for policy in ("first", "best", "worst")}
    return the_wrong_one(
        {
            "first": took["first"] == 8,
            "best": took["best"] == 5,
            "worst": took["worst"] == 12,
            "joined": _served_from("best fit", 13, 8, 3, 12, 5) > 0,
        }
    )


def _best_fit_refuses() -> str:
    told = compare(traces.adversarial("best fit"), ["first fit", "best fit"], 432)
    first, best = told.refused.values.tolist()
    return the_one({"not_always": first < best, "always": best <= first})


def _inside() -> str:
    told = compare(traces.steady(), ["first fit", "best fit", "worst fit", "buddy"])
    inside = dict(zip(told.policy.values.tolist(), told.mean_internal.values.tolist(), strict=True))
    return max(inside, key=lambda policy: inside[policy]).replace(" ", "_")


def _kept_unmerged() -> str:
    trace = traces.written("a 16, b 16, c 16, d 16, free a, free b, free c, free d, all 64")
    kept = replay(trace, "recent frees", 64).isel(request=-1)
    merged = replay(trace, "first fit", 64).isel(request=-1)
    outcomes = OUTCOMES[int(kept.outcome)], OUTCOMES[int(merged.outcome)]
    return "refused" if outcomes == ("unmerged", "served") else f"other: {outcomes}"


QUESTIONS: tuple[Question, ...] = (
    Choice(
        id="holes",
        rows=("S1", "S15"),
        text=N_(
            "Free are three pieces, of 2, 3 and 5 KB, with memory in use between them. Is a request for 4 KB served?"
        ),
        options=(
            Option("from_5", N_("Yes, from the piece of 5 KB")),
            Option(
                "joined",
                N_("Yes: 2 and 3 KB are joined"),
                N_("Pieces with memory in use between them cannot be joined without moving that memory."),
            ),
            Option(
                "no",
                N_("No: memory is fragmented"),
                N_(
                    "It is; but one piece is large enough. With pieces of 2, 3 and 3 KB the request would fail."
                ),
            ),
            Option(
                "exact",
                N_("No: no piece has 4 KB"),
                N_("A larger piece does as well; what is left of it stays free."),
            ),
        ),
        answer="from_5",
        explanation=N_(
            "A request needs one piece that is large enough. 2 + 3 + 5 KB are sometimes given as an example of a "
            "failure, but only 2 + 3 + 3 KB is one: 8 KB are free, and 4 KB cannot be had."
        ),
        shown_in=Pointer(_INDICES, "by-hand-holes"),
        truth=_holes,
    ),
    Number(
        id="lost-inside",
        rows=("S1", "S15"),
        text=N_(
            "An allocator gives blocks of 1, 2, 4, 8 … KB. A request for 6 KB is served. How much is lost for as long "
            "as the block is in use?"
        ),
        answer=2,
        unit="KiB",
        slips=(
            Slip(8, N_("8 KB is the block that is given; 6 of them are used.")),
            Slip(6, N_("6 KB is what is used.")),
        ),
        explanation=N_(
            "The block has 8 KB, 2 more than asked for: a quarter of it. Memory lost inside of a block is internal "
            "fragmentation; compaction can do nothing about it."
        ),
        shown_in=Pointer(_INDICES, "by-hand-rounding"),
        truth=_lost,
    ),
    Misconception(
        id="which-fit",
        rows=("S15",),
        text=N_(
            "Free are pieces of 8, 3, 12 and 5 KB, in this order of addresses, with memory in use between them. A "
            "request for 5 KB comes. Three of these statements are right."
        ),
        options=(
            Option(
                "first",
                N_("First fit takes 5 KB from the piece of 8."),
                N_("True: it is the first one that is large enough."),
            ),
            Option(
                "best",
                N_("Best fit takes the piece of 5."),
                N_("True: it is the smallest that is large enough."),
            ),
            Option("worst", N_("Worst fit takes 5 KB from the piece of 12."), N_("True: it is the largest.")),
            Option("joined", N_("Best fit would serve a request for 13 KB too, from several pieces.")),
        ),
        answer="joined",
        explanation=N_(
            "28 KB are free, and still none of them can give 13 KB: the largest piece has 12. A policy chooses among "
            "pieces; it cannot join them."
        ),
        shown_in=Pointer(_FITS, "holes"),
        truth=_which_fit,
    ),
    Choice(
        id="best-fit-best",
        rows=("S15",),
        level="advanced",
        text=N_(
            "Best fit leaves the smallest remainder each time. Does it therefore always hold out longest before it has to "
            "refuse a request?"
        ),
        options=(
            Option(
                "not_always",
                N_("No: there are sequences that first fit serves to the end, and best fit does not."),
            ),
            Option(
                "always",
                N_("Yes, always"),
                N_(
                    "Its small remainders are just what nobody can use later. A sequence that shows it is in the notebook."
                ),
            ),
            Option(
                "equal",
                N_("Both always refuse the same requests."),
                N_("They take different pieces, and then different ones are left."),
            ),
            Option(
                "never",
                N_("Best fit is never refused anything."),
                N_("No policy without moving can promise that, not even with plenty of free memory."),
            ),
        ),
        answer="not_always",
        explanation=N_(
            "Each policy has its bad sequences. On many programs first fit and best fit come out much alike; what no "
            "policy can do is to mend fragmentation once it is there."
        ),
        shown_in=Pointer(_FITS, "best-fit-slivers"),
        truth=_best_fit_refuses,
    ),
    Choice(
        id="most-inside",
        rows=("S15",),
        text=N_(
            "The same requests of many sizes are served by four policies. Which loses most memory inside of its blocks?"
        ),
        options=(
            Option("buddy", N_("The buddy allocator")),
            Option("first_fit", N_("First fit"), N_("It cuts off what was asked for, rounded to 16 bytes.")),
            Option(
                "best_fit",
                N_("Best fit"),
                N_(
                    "It cuts off what was asked for, rounded to 16 bytes. Its remainders are free, so they count as external."
                ),
            ),
            Option(
                "worst_fit",
                N_("Worst fit"),
                N_("It begins with the largest piece, but what it does not need stays free."),
            ),
        ),
        answer="buddy",
        explanation=N_(
            "It rounds up to powers of two. In return a block is found, split and merged in a handful of steps, and "
            "its buddy is known from its address alone."
        ),
        shown_in=Pointer(_FITS, "one-table"),
        truth=_inside,
    ),
    Choice(
        id="kept-unmerged",
        rows=("S15",),
        level="advanced",
        text=N_(
            "An allocator keeps recently freed blocks as they are, to give them again quickly. What is the price?"
        ),
        options=(
            Option(
                "refused",
                N_("A large request may be refused although all its pieces are free, side by side."),
            ),
            Option(
                "slow",
                N_("Small requests become slower."),
                N_("They become faster: the block is at hand, and nothing has to be searched or split."),
            ),
            Option(
                "inside",
                N_("More memory is lost inside of blocks."),
                N_("Blocks are as large as before."),
            ),
            Option(
                "none",
                N_("None: what is free is free."),
                N_(
                    "Kept blocks are not merged with their neighbours, and a large request needs merged ones."
                ),
            ),
        ),
        answer="refused",
        explanation=N_(
            "Four pieces of 16 are freed and kept: a request for 64 fails, where first fit serves it. glibc and the "
            "kernel's per-CPU lists make the same bargain; the kernel drains its lists before it gives up."
        ),
        shown_in=Pointer(_FITS, "adversarial"),
        truth=_kept_unmerged,
    ),
)
