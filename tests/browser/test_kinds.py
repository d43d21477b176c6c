"""Recordings of every kind: each is drawn, packed and opened, and tells what it has."""

from __future__ import annotations

import numpy as np
import pytest
import runs
from harness import Eyes, assert_clean

from compactlab import schema
from compactlab.figures import explorer
from compactlab.player import pack

N = 40
SWING = (1 + np.sin(np.arange(N) / 5))[:, None, None]  # free memory comes and goes


def _walk(n_zones: int, n_orders: int) -> np.ndarray:
    """Free blocks (time, zone, order) that rise and fall; of the largest orders sometimes none."""
    most = 40_000 / 2.3 ** np.arange(n_orders) / (1 + np.arange(n_zones))[:, None]
    return (SWING * most).astype(np.int64)


def _run(nr_free: np.ndarray, names: tuple[str, ...] = ("DMA32", "Normal"), page_size=4096, **more):
    keys = ("nodes", "elapsed", "present")
    zones = runs.zones(nr_free, names, **{key: more.pop(key) for key in keys if key in more})
    return schema.new_run({"zones": zones, **more}, page_size=page_size, name="kind")


def two_nodes():
    return _run(_walk(4, 11), ("DMA32", "Normal", "Normal", "Movable"), nodes=(0, 0, 1, 1))


def fourteen_orders():
    """64 KiB pages, as on arm64: the pageblock order is 13, a block 512 MiB."""
    run = _run(_walk(1, 14), ("Normal",), page_size=65536)
    run.attrs["pageblock_order"] = 13
    return run


def zones_that_come_and_go():
    nr_free = _walk(3, 11)
    present = np.ones(nr_free.shape, bool)
    present[20:, 0] = present[:15, 1] = False
    return _run(np.where(present, nr_free, 0), ("Movable", "Normal", "DMA32"), present=present)


def one_snapshot():
    return _run(_walk(2, 11)[8:9])


def two_snapshots():
    return _run(_walk(2, 11)[8:10], elapsed=(0, 86_400 * runs.SECOND))


def unknown_page_size():
    return _run(_walk(2, 11), page_size="unknown")


def nothing_free():
    return _run(np.zeros((N, 1, 11), np.int64), ("Normal",))


def only_vmstat():
    rises = np.cumsum(np.arange(N) % 7)
    names = {
        "compact_migrate_scanned": 900,
        "compact_free_scanned": 4000,
        "pgmigrate_success": 30,
        "compact_stall": 1,
    }
    counters = runs.counters({name: (rises * factor).tolist() for name, factor in names.items()})
    return schema.new_run({"counters": counters}, page_size=4096, name="kind")


def only_pagetypeinfo():
    walk = _walk(1, 11)
    types = {"Unmovable": walk // 9, "Movable": walk, "Reclaimable": walk // 5, "HighAtomic": walk // 40}
    return schema.new_run({"migratetypes": runs.migratetypes(types)}, page_size=4096, name="kind")


# What the page must say at three fifths of its time.
KINDS = {
    two_nodes: ["2 MiB in DMA32 (node 0)", "Normal (node 1)", "40 snapshots"],
    fourteen_orders: ["512 MiB in Normal", "order 13 · 512 MiB", "32–256 MiB", "watermarks not recorded"],
    zones_that_come_and_go: ["Movable: not recorded", "Normal zone", "DMA32 zone"],
    one_snapshot: ["2 MiB in DMA32", "one snapshot", "one moment"],
    two_snapshots: ["2 MiB in DMA32", "2 snapshots", "14 h 24 min"],
    unknown_page_size: ["512 pages in DMA32", "order 9 · 512 pages", "2–8 pages"],
    nothing_free: ["2 MiB in Normal: no free block", "shortage", "index at 2 MiB: 1.000"],
    only_vmstat: ["so no verdict", "Compaction work (counters)", "pages scanned 15 k/s", "now: direct"],
    only_pagetypeinfo: [
        "so no verdict",
        "Free memory by migratetype",
        "Movable 4.4 MiB",
        "HighAtomic",
        "Normal zone",
    ],
}
TEXT = """(() => {
  const hidden = ['STYLE', 'SCRIPT', 'NOSCRIPT'];
  const text = (node) => node.nodeType === 3 ? node.textContent : hidden.includes(node.nodeName) ? ''
    : [...(node.shadowRoot ?? node).childNodes].map(text).join(['B', 'SPAN'].includes(node.nodeName) ? '' : ' ') + ' ';
  return text(document.body).replace(/\\s+/g, ' ');
})()"""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_file__opens(new_page, tmp_path, artefact, kind):
    page = new_page(offline=True, width=1280, height=720)
    scene = explorer(kind())
    file = tmp_path / "kind.html"
    file.write_text(pack(scene.root, scene.title), encoding="utf-8")
    page.goto(file.as_uri())
    eyes = Eyes(page)
    eyes.wait("eyes.documents()[0].is_idle && eyes.all('[role=status]').length === 1")
    eyes("(eyes.model('frame').value = 600, 0)")
    page.wait_for_timeout(200)
    artefact(page, f"kind-{kind.__name__.replace('_', '-')}")
    shown = eyes(TEXT)
    assert [words for words in KINDS[kind] if words not in shown] == [], shown
    assert page.watch.outward() == []
    assert_clean(page)
