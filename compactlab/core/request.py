"""Requests as the run loop executes them: their record, operations and gfp bits."""

from __future__ import annotations

import numpy as np

REQUEST = np.dtype(
    [
        ("slot", np.int32),
        ("count", np.uint32),
        ("think_ns", np.uint32),
        ("gfp", np.uint16),
        ("op", np.uint8),
        ("order", np.uint8),
        ("kind", np.uint8),
        ("mapcount", np.uint8),
        ("cpu", np.uint8),
        ("node", np.uint8),
    ]
)
"""One request, 20 bytes.

`slot`: first slot it is about; `count`: how many slots from there on, one after the other; `think_ns`:
time the thread lets pass before it, once; `gfp`: bits below; `op`: what to do, below; `order`: of each
block; `kind` (`memory`) and `mapcount`: what the pages become; `cpu` and `node`: where the thread
runs, modulo the number there are.
"""

# Operations. They apply to `count` slots; slots that hold nothing (never given, reclaimed) are passed over.
(
    ALLOC,  # A block of `order` for each slot; one that still holds a block frees it first. Ends at a failure.
    FREE,  # Give back what the slots hold.
    SPLIT,  # Make the block of `slot` 2**order lone pages, held by the slots from `slot` on.
    DIRTY,  # Dirty the slots' file pages.
    CLEAN,  # Write them back.
    PIN,  # Pin the slots' pages: they cannot be migrated.
    UNPIN,
    PHASE,  # A phase of the workload begins: `slot` is its index in `Workload.phases`.
    WAIT,  # Nothing but `think_ns`.
    COMPACT,  # Manual compaction of all zones, as writing to vm.compact_memory.
    CONTIG,  # alloc_contig_range of 2**order pages for the slot.
) = range(11)
OPS = (
    "alloc",
    "free",
    "split",
    "dirty",
    "clean",
    "pin",
    "unpin",
    "phase",
    "wait",
    "compact",
    "contig",
)

# gfp: the two lowest bits are the migratetype (memory: UNMOVABLE, MOVABLE, RECLAIMABLE).
GFP_TYPE = 3
DIRECT_RECLAIM = 4
KSWAPD_RECLAIM = 8
NORETRY = 16
HIGH = 32
"""May go below the watermarks, as atomic requests do."""
THISNODE = 64
RETRY_MAYFAIL = 128
IO_FS = 256
"""Reclaim may write and enter file systems."""
FAULT = 512
"""A page fault: entering and clearing cost time; above order 0 the THP policy holds (DIRECT_RECLAIM
tells memory under MADV_HUGEPAGE), and where it fails the slot gets a page of order 0."""
RECORD = 1024
"""Keep the request's latency and outcome among the run's allocations."""
DMA32 = 2048
"""Only from zones DMA32 and DMA."""
