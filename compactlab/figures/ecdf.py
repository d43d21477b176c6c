"""The distribution of latencies: which share of all requests was served within a time."""

from __future__ import annotations

import numpy as np
from bokeh.models import Range1d

from ..texts import N_, translated
from .latency import ecdf_of
from .percentiles import requests_of
from .view import Missing, Subject, View

AT = (0.5, 0.9, 0.99, 0.999)
"""Shares that the words tell the latency of."""

_WORDS = (
    N_("Served within"), N_("whole run"), N_("share"), N_("within"), N_("source"), N_("not that many"), N_("served"),
    N_("Distribution of latencies"),
    N_("{part} of {all}"), N_("{share} of them"),
)  # fmt: skip


def ecdf(subject: Subject) -> View | None:
    """Line per source of requests on a logarithmic axis of latency; it ends at the share that was served at all."""
    allocations = requests_of(subject)
    if isinstance(allocations, Missing):
        return None  # the percentiles say what is missing
    ms = allocations["latency_ns"].to_numpy() / 1e6
    drawn, lines = ecdf_of(
        subject, allocations, Range1d(max(float(ms.min()), 1e-4) * 0.6, float(ms.max()) * 1.8)
    )
    drawn.visible = True
    drawn.min_border_top = drawn.min_border_bottom = 2
    got = np.sort(ms[allocations["success"].to_numpy()])
    within = []
    for share in AT:
        needed = int(np.ceil(share * ms.size))
        within.append([share, float(got[needed - 1]) if 0 < needed <= got.size else None])
    models = {
        "lines": lines,
        "within": within,
        "requests": int(ms.size),
        "served": int(got.size),
        "words": translated(_WORDS),
    }
    return View(
        "ecdf",
        None,
        None,
        f"minmax({126 if len(lines) > 1 else 108}px,1.1fr)",
        models,
        more=(drawn,),
        sheet="latency",
    )
