"""Fixtures that several tests share."""

from __future__ import annotations

from pathlib import Path

import brackets
import pytest

from compactlab import texts

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


@pytest.fixture
def chinese():
    """Texts are Chinese for the length of a test."""
    texts.language("zh")
    yield
    texts.language("en")


@pytest.fixture
def bracketed(tmp_path, monkeypatch):
    """Texts of the catalogue are in brackets for the length of a test."""
    brackets.write(tmp_path / "locale")
    monkeypatch.setattr(texts, "LOCALE", tmp_path / "locale")
    texts.language("xx")
    yield
    texts.language("en")
