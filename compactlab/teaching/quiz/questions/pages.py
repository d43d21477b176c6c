"""Questions about page tables and compressed pages (S6, S7)."""

from __future__ import annotations

import numpy as np

from .... import compression, metrics, pagetables
from ....simulation.zone import Zone
from ....texts import N_
from ..evidence import PAGE_SIZE, demanded, the_wrong_one
from ..question import Choice, Misconception, Number, Option, Pointer, Question, Slip

_TABLES = "09-what-page-tables-cost"
_COLD = "10-cold-pages-compressed"


def _last_level() -> float:
    told = pagetables.count(pagetables.dense("1 GiB"))
    return float(told.bytes.values[-1]) / 2**20


def _scattered_tables() -> float:
    return int(pagetables.count(pagetables.sparse("1 GiB", every="2 MiB")).tables.values[-1])


def _packed() -> str:
    charged = pagetables.recorded().touched
    full, few = (int(charged.sel(mapping=name)) for name in ("1 GiB", "a page in every 2 MiB"))
    huge, pool = (
        int(charged.sel(mapping=name))
        for name in ("1 GiB of transparent huge pages", "1 GiB from the pool, 2 MiB pages")
    )
    return the_wrong_one(
        {
            "packs": few < full,
            "where": few == full,
            "pool": pool < full / 100,
            "aside": huge == full,
        }
    )


def _zeros() -> float:
    return float(compression.measure(np.zeros((100, PAGE_SIZE), np.uint8)).kept.sum()) / 1024


def _random() -> str:
    told = compression.measure(compression.contents("random"), "zstd")
    raw = told.attrs["outcomes"].index("raw")
    return "raw" if (told.outcome.values == raw).all() and (told.kept.values == PAGE_SIZE).all() else "other"


def _smaller() -> str:
    kept = {
        name: [
            int(compression.measure(compression.contents(kind), name).kept.sum())
            for kind in ("text", "code", "heap")
        ]
        for name in ("lz4", "zstd")
    }
    return "zstd" if all(z < lz for lz, z in zip(kept["lz4"], kept["zstd"], strict=True)) else "other"


def _cold() -> str:
    run = demanded(compression.swap_out(), Zone("64 MiB"))
    compress = int(run["phases"].start.values[1])
    at = int(np.searchsorted(run["zones"].elapsed.values, compress))
    free = run["zones"].free_pages.values[:, 0]
    blocks = run["zones"].nr_free.sel(order=slice(9, 10)).sum("order").values[:, 0]
    index = metrics.unusable_index(run).sel(order=9).values[:, 0]
    more = free[-1] > 3 * free[at] and blocks[-1] <= blocks[at] and index[-1] > 0.9
    return "crumbs" if more else "other"


QUESTIONS: tuple[Question, ...] = (
    Number(
        id="tables-of-a-gib",
        rows=("S7",),
        text=N_(
            "A program uses all of 1 GiB in pages of 4 KiB, on x86-64. How much memory do its page tables of the "
            "lowest level take? (An entry has 8 bytes.)"
        ),
        answer=2,
        unit="MiB",
        tolerance=0.0001,
        slips=(
            Slip(1, N_("That would be 4 bytes for each page; an entry has 8.")),
            Slip(4, N_("That would be 16 bytes for each page; an entry has 8.")),
        ),
        explanation=N_(
            "1 GiB / 4 KiB = 262 144 entries of 8 bytes: 2 MiB, in 512 tables of one page each. That is 1/512 of the "
            "memory mapped, for each process that maps it."
        ),
        shown_in=Pointer(_TABLES, "by-hand"),
        truth=_last_level,
    ),
    Number(
        id="scattered-tables",
        rows=("S7",),
        text=N_(
            "A program touches only 512 pages of 4 KiB (2 MiB in all), but each in another 2 MiB of its address space. "
            "How many page tables of the lowest level does it need?"
        ),
        answer=512,
        unit="page tables",
        slips=(
            Slip(
                1, N_("One table would do if the 512 pages lay side by side in one aligned piece of 2 MiB.")
            ),
        ),
        explanation=N_(
            "One for each 2 MiB in which something is touched: 512 tables, 2 MiB, as much as the memory used. Where "
            "pages lie counts, not only how many there are."
        ),
        shown_in=Pointer(_TABLES, "by-hand"),
        truth=_scattered_tables,
    ),
    Misconception(
        id="page-table-compression",
        rows=("S7",),
        level="advanced",
        text=N_(
            "What a kernel charged for page tables (VmPTE) was recorded for many mappings of 1 GiB. Three of these "
            "statements are right."
        ),
        options=(
            Option("packs", N_("Page tables that are nearly empty are packed together to save memory.")),
            Option(
                "where",
                N_("One page touched in each 2 MiB costs as many tables as all pages touched."),
                N_("True: 2056 KiB were charged for both."),
            ),
            Option(
                "pool",
                N_("Huge pages from the reserved pool save nearly all page tables."),
                N_("True: 8 KiB instead of 2056."),
            ),
            Option(
                "aside",
                N_("Transparent huge pages of private memory are charged as many tables as small pages."),
                N_(
                    "True: the kernel lays one table aside with each, for the day the huge page has to be split."
                ),
            ),
        ),
        answer="packs",
        explanation=N_(
            "“Page-table compression” is nothing that Linux has. A table is a page, one entry in use or 512. Fewer "
            "tables come from larger pages, or from using addresses side by side."
        ),
        shown_in=Pointer(_TABLES, "kernel"),
        truth=_packed,
    ),
    Choice(
        id="cold-pages",
        rows=("S6",),
        text=N_(
            "Half of a program's pages are cold, and zswap compresses them, page by page. What does this do for "
            "requests of 2 MiB?"
        ),
        options=(
            Option("crumbs", N_("Little by itself: memory becomes free, but in pieces too small.")),
            Option(
                "blocks",
                N_("Each page compressed makes larger blocks."),
                N_("Cold pages lie scattered; those beside them stay, and lone free pages do not merge."),
            ),
            Option(
                "defragments",
                N_("It defragments memory: compressed pages are moved together."),
                N_(
                    "They are stored together, in pages of the pool. The places they left are as scattered as they were."
                ),
            ),
            Option(
                "nothing",
                N_("Nothing at all: no memory becomes free."),
                N_("Memory does become free: simulated, three times as many pages as before."),
            ),
        ),
        answer="crumbs",
        explanation=N_(
            "Compression answers a shortage, not fragmentation. In the simulation free memory grew threefold, and "
            "there was not one free block of 2 MiB more. Compaction has more to work with afterwards, though."
        ),
        shown_in=Pointer(_COLD, "zone"),
        truth=_cold,
    ),
    Number(
        id="pages-of-zeros",
        rows=("S6",),
        text=N_("zram is given 100 pages full of zeros. How much memory does it use for their contents?"),
        answer=0,
        unit="KiB",
        slips=(
            Slip(400, N_("That is their size uncompressed.")),
            Slip(2.6, N_("LZ4 would make 26 bytes of each; but such a page does not even reach it.")),
        ),
        explanation=N_(
            "None: a page that is one word over and over is noted as that word, and no object is made of it. In real "
            "memory such pages are common, above all those of zeros."
        ),
        shown_in=Pointer(_COLD, "ratios"),
        truth=_zeros,
    ),
    Choice(
        id="random-pages",
        rows=("S6",),
        text=N_("zram is given pages of random bytes, such as encrypted data. What does it do with them?"),
        options=(
            Option("raw", N_("It keeps them as they are: 4 KiB for 4 KiB.")),
            Option(
                "half",
                N_("It halves them, as it does on average."),
                N_("What has no pattern cannot be made shorter, on average or otherwise."),
            ),
            Option(
                "refused",
                N_("It refuses them."),
                N_("It is a block device: it takes what it is given."),
            ),
            Option(
                "larger",
                N_("It stores them compressed, which makes them larger."),
                N_("The compressor does make them larger; zram notices and keeps the page instead."),
            ),
        ),
        answer="raw",
        explanation=N_(
            "Above a certain size the compressed form is thrown away and the page kept. The work of compressing was "
            "for nothing. So it pays to know what is in memory before one counts on a ratio."
        ),
        shown_in=Pointer(_COLD, "ratios"),
        truth=_random,
    ),
    Choice(
        id="zstd-or-lz4",
        rows=("S6",),
        text=N_(
            "Text, program code and heap are compressed page by page, as zram does by default. Which makes less of them?"
        ),
        options=(
            Option("zstd", N_("ZSTD")),
            Option("lz4", N_("LZ4"), N_("LZ4 is the faster one; it is content with less.")),
            Option(
                "same",
                N_("Both the same"),
                N_("Text: 227 KiB by LZ4, 157 KiB by ZSTD, of 384 KiB."),
            ),
            Option(
                "depends",
                N_("Sometimes one, sometimes the other"),
                N_("For each of the three it is the same one."),
            ),
        ),
        answer="zstd",
        explanation=N_(
            "ZSTD finds more and takes longer for it, when compressing and when a page is needed again. Which is "
            "better depends on what is scarce: memory or time."
        ),
        shown_in=Pointer(_COLD, "ratios"),
        truth=_smaller,
    ),
)
