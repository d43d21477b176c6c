"""A small told story, as a model would tell it: two policies give blocks out of sixteen cells."""

from __future__ import annotations

import numpy as np
import xarray as xr

KINDS = ["free", "used", "waste"]


def story(steps: int = 12, rows: int = 2, cells: int = 16, **attrs: object) -> xr.Dataset:
    """Cells are used from the left, one a step, the last one wasted; each row one cell later than the row before."""
    at = np.arange(steps)[:, None, None] - np.arange(rows)[None, :, None]
    cell = np.arange(cells)[None, None, :]
    kind = np.where(cell < at, 1, np.where(cell == at, 2, 0)).astype(np.uint8)
    used = (kind == 1).sum(2)
    return xr.Dataset(
        {
            "kind": (("step", "row", "cell"), kind),
            "text": ("step", [f"Step {k}: <b>cell</b> {k} is taken & kept." for k in range(steps)]),
            "mark": (("step", "row"), np.clip(at[:, :, 0], -1, cells - 1)),
            "used": (("step", "row"), used, {"long_name": "cells used", "units": "cells"}),
            "share": (("step", "row"), used / cells * 100, {"units": "%"}),
            "asked": ("step", np.arange(steps) * 1000, {"long_name": "bytes asked for", "units": "bytes"}),
            "level": ("step", ["", "ok", "bad"] * (steps // 3)),
        },
        coords={"row": [f"policy <{k}>" for k in range(rows)]},
        attrs={"title": "A story: <cells>", "kinds": KINDS, "cell_label": "1 page", **attrs},
    )
