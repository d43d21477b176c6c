"""Texts of one machine as its kernel printed them, for the tests of the readers."""

from __future__ import annotations

BUDDYINFO = (
    "Node 0, zone      DMA      0      0      0      0      0      0      0      0      1      1      3 \n"
    "Node 0, zone    DMA32      1      1      4      2      5      4      3      3      4      3    751 \n"
    "Node 0, zone   Normal  24378  83320  51104  31513  18271  10676   5574   2612   1108   1248   1987 \n"
)

ZONEINFO = """\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 5
  pages free     3580
        boost    7
        min      42
        low      52
        high     62
        promo    72
        spanned  4095
        present  3998
        managed  3840
        cma      0
        protection: (0, 1934, 3917)
      nr_free_pages 3580
      nr_free_cma  9
  pagesets
    cpu: 0
              count: 12
              high:  13
              batch: 1
  vm stats threshold: 8
    cpu: 3
              count: 4
              high:  14
              batch: 2
  vm stats threshold: 8
  node_unreclaimable:  0
  start_pfn:           1
Node 0, zone   Normal
  pages free     0
        min      0
        low      0
        high     0
        spanned  0
        present  0
        managed  0
        protection: (0, 0, 0)
"""


def stamped(n: int, body: str = BUDDYINFO, first: int = 1_795_434_174) -> str:
    return "".join(f"{first + i}\n{body}" for i in range(n))
