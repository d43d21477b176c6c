"""What background threads do, callable from Python: one compiled entry each."""

from __future__ import annotations

from compactlab.core import contig, kcompactd, kswapd, reclaim
from compactlab.core import memory as m
from compactlab.core.byreference import by_reference
from compactlab.core.jit import jit
from compactlab.core.pcp import alloc_pages_zone


@jit
def try_to_free_pages(of, order):
    return reclaim.try_to_free_pages(by_reference(of), 0, order, 7)


@jit
def wakeup_kswapd(of, order, may_direct_reclaim):
    kswapd.wakeup_kswapd(by_reference(of), 0, order, 0, may_direct_reclaim)


@jit
def kswapd_step(of):
    kswapd.kswapd_step(by_reference(of), 0)


@jit
def wakeup_kcompactd(of, order):
    kcompactd.wakeup_kcompactd(by_reference(of), 0, order, 0)


@jit
def kcompactd_step(of):
    kcompactd.kcompactd_step(by_reference(of), 0)


@jit
def proactive_check(of):
    kcompactd.proactive_check(by_reference(of), 0)


@jit
def proactive_trigger(of):
    kcompactd.proactive_trigger(by_reference(of), 0)


@jit
def score_node(of):
    return kcompactd.fragmentation_score_node(by_reference(of), 0)


@jit
def alloc_contig_range(of, start, end, is_cma):
    return contig.alloc_contig_range(by_reference(of), start, end, is_cma)


@jit
def inactive_is_low(inactive, active):
    return reclaim.inactive_is_low(inactive, active)


@jit
def take(of, order):
    return alloc_pages_zone(by_reference(of), 0, 0, order, m.UNMOVABLE, 0)
