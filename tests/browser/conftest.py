"""Fixtures of the tests in real Chromium and real JupyterLab."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from harness import CHROMIUM_OPTIONS, Lab, Watch, assert_clean, screenshot
from playwright.sync_api import sync_playwright


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests: $CHROMIUM, or the one on the path."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        reason = "no Chromium: install it (apt install chromium) or set CHROMIUM to its path"
        if os.environ.get("COMPACTLAB_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium):
    """Make pages: ``new_page(offline=False, width=1400, height=1000, **options of a browser context)``.

    Each carries ``page.watch``: its console errors, exceptions and requests.
    """
    contexts = []

    def make(*, offline: bool = False, width: int = 1400, height: int = 1000, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_offline(offline)
        page = context.new_page()
        page.watch = Watch(page)
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page):
    """One page; it must be clean when the test is over."""
    page = new_page()
    yield page
    assert_clean(page)


@pytest.fixture
def offline_page(new_page):
    """One page without a network; not even an attempt to reach one is allowed."""
    page = new_page(offline=True)
    yield page
    assert page.watch.outward() == []
    assert_clean(page)


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory):  # noqa: ARG001  (without a browser no server is started)
    """A JupyterLab server with an empty folder of notebooks: see ``harness.Lab``."""
    with Lab(tmp_path_factory.mktemp("lab")).running() as server:
        yield server


@pytest.fixture
def artefact():
    """Keep a screenshot: ``artefact(page, name)`` writes tests/artefacts/name.png."""
    return screenshot
