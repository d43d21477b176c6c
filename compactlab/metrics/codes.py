"""Codes of the verdict: outcomes, reasons, and the bits beside them."""

from __future__ import annotations

OUTCOME_LEVEL = {
    "not_listed": "warn",
    "would_succeed": "ok",
    "only_just": "warn",
    "below_watermark": "bad",
    "only_looks_free": "bad",
    "no_free_block": "bad",
    "impossible": "bad",
}
"""What becomes of the request and how good that is; the code is the position."""

REASON_OUTCOME = {
    "not_listed": "not_listed",
    "room": "would_succeed",
    "room_all": "would_succeed",
    "few_blocks": "only_just",
    "near_watermark": "only_just",
    "watermark": "below_watermark",
    "barred_types": "only_looks_free",
    "fragmentation": "no_free_block",
    "fragmentation_and_shortage": "no_free_block",
    "shortage": "no_free_block",
    "too_large": "impossible",
    "zone_closed": "impossible",
}
"""Why, and the outcome that follows from it; the code is the position."""

OUTCOMES, REASONS = tuple(OUTCOME_LEVEL), tuple(REASON_OUTCOME)

BARRED_TYPES = ("CMA", "HighAtomic", "Isolate")
"""Migratetypes that ordinary requests do not get; CMA serves Movable ones. Bits 1, 2, 4 of `barred_types`."""

LACKS_WATERMARKS, LACKS_TYPES, TYPES_CENSORED = 1, 2, 4
"""Bits of `lacks`: what the recording does not say."""
