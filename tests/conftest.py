"""Fixtures that several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def groundtruth() -> Path:
    folder = SHARED / "groundtruth"
    if not folder.is_dir():
        pytest.skip(f"no recordings beside the checkout ({folder})")
    return folder


@pytest.fixture(scope="session")
def samples() -> Path:
    folder = SHARED / "samples"
    if not folder.is_dir():
        pytest.skip(f"no samples beside the checkout ({folder})")
    return folder
