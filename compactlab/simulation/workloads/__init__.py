"""Workloads: small declarative descriptions of what asks for memory, each with a seed.

Sizes are shares of memory, so that a workload means the same at 64 MiB and at 64 GiB. ``sequence`` runs
workloads one after the other, ``beside`` at the same time.

>>> punch(keep=0.5)
punch(seed=0, fill=0.9, keep=0.5, movable=True, settle_s=60, demand=0.9, interval_ns=0)
"""

from .combine import beside, sequence
from .daily import CURVES, day
from .demand import compact_memory, contig_ranges, driver_requests, idle, network_bursts, slab_growth
from .fragmenting import fragment, llfree_realloc, punch
from .huge import huge_faults, thpfioscale, thpscale
from .replay import replay
from .steady import kernel_build, page_cache_stream, server_churn

__all__ = [
    "CURVES",
    "beside",
    "compact_memory",
    "contig_ranges",
    "day",
    "driver_requests",
    "fragment",
    "huge_faults",
    "idle",
    "kernel_build",
    "llfree_realloc",
    "network_bursts",
    "page_cache_stream",
    "punch",
    "replay",
    "sequence",
    "server_churn",
    "slab_growth",
    "thpfioscale",
    "thpscale",
]
