import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import SECOND, migratetypes, zoneinfo, zones

from compactlab import metrics, schema

MARKS = [[8838, 11047, 13256]]
PLENTY = [0] * 9 + [0, 1000]
CRUMBS = [1_300_000] + [0] * 10


def _run(nr_free, *, info=True, types=None, **attrs):
    groups = {"zones": zones([[nr_free]])}
    if info is not False:
        groups["zoneinfo"] = zoneinfo(MARKS) if info is True else info
    if types is not None:
        groups["migratetypes"] = types if hasattr(types, "dims") else migratetypes(types)
    return schema.new_run(groups, page_size=4096, pageblock_order=9, **attrs)


def _say(run, order=9, **arguments):
    found = metrics.verdict(run, order, **arguments)
    reason = metrics.REASONS[found.reason.values[0, 0]]
    return reason, found.text.values[0, 0].replace("\u00a0", " "), found.isel(time=0, zone=0)


def _types(**nr_free):
    return {name: [[blocks]] for name, blocks in nr_free.items()}


def test_verdict__fragmentation():
    reason, text, numbers = _say(_run(CRUMBS))
    assert reason == "fragmentation"
    assert text == (
        "2 MiB in Normal: no free block — fragmentation, not shortage: 5 GiB free, "
        "all of it in smaller blocks; compaction can help."
    )
    assert (int(numbers.free_pages), int(numbers.nr_suitable), int(numbers.short_pages)) == (1_300_000, 0, 0)
    assert float(numbers.fragmentation_index) == 0.999
    assert metrics.OUTCOMES[int(numbers.outcome)] == "no_free_block"


def test_verdict__room():
    types = _types(Movable=PLENTY, CMA=[0] * 11)
    reason, text, _ = _say(_run(PLENTY, types=types))
    assert reason == "room_all"
    assert (
        text
        == "2 MiB in Normal: would succeed — room for 2 000 such blocks (3.9 GiB); every free page will do."
    )


def test_verdict__few_blocks():
    nr_free = [60_000] + [0] * 8 + [3, 0]
    reason, text, _ = _say(_run(nr_free, types=_types(Movable=nr_free)))
    assert reason == "few_blocks"
    assert text == (
        "2 MiB in Normal: would succeed, but only just — 3 blocks left; 240 MiB free, "
        "98 % of it in smaller blocks."
    )


def test_verdict__64_blocks_are_many():
    many, fewer = ([200_000] + [0] * 8 + [blocks, 0] for blocks in (64, 63))
    assert _say(_run(many))[0] == "room"
    assert _say(_run(fewer))[0] == "few_blocks"


@pytest.mark.parametrize(
    ("left", "reason", "short", "spare"),
    [
        (8838, "watermark", 1, 0),
        (8839, "near_watermark", 0, 1),
        (11047, "near_watermark", 0, 2209),
        (11048, "room", 0, 2210),
    ],
)
def test_verdict__watermark_to_the_page(left, reason, short, spare):
    blocks = 10  # the request's own pages but one are taken off before the comparison
    nr_free = [left + 511 - blocks * 1024] + [0] * 9 + [blocks]
    found, _, numbers = _say(_run(nr_free))
    assert found == reason if reason != "room" else found in ("room", "few_blocks")
    assert int(numbers.short_pages) == short
    assert int(numbers.spare_pages) == spare
    assert bool(short) == (not reference.zone_watermark_ok(left + 511, 9, 8838, 0, 0, True))


def test_verdict__below_watermark_with_boost_and_reserve():
    nr_free = [0] * 9 + [0, 10]
    info = zoneinfo(
        [[39, 48, 57]], ["DMA32"], zone_idx=[1], boost=[1000], lowmem_reserve=[[0, 0, 20_000, 30_000]]
    ).assign_coords(schema.zone_labels([0], ["Normal"]))
    reason, text, numbers = _say(_run(nr_free, info=info))
    assert reason == "watermark"
    assert int(numbers.watermark_min) == 39 + 1000 + 30_000
    assert int(numbers.short_pages) == 31_039 + 1 - (10_240 - 511)
    assert text == (
        "2 MiB in Normal: below the watermark — 83 MiB short: 40 MiB free, "
        "and 121 MiB must be left afterwards."
    )


def test_verdict__reserve_of_the_class_zone():
    names = ("DMA32", "Normal", "Movable")
    free = zones([[[0] * 10 + [10]] * 3], names=names)
    info = zoneinfo(
        [[0, 0, 0]] * 3,
        names,
        zone_idx=[1, 2, 3],
        lowmem_reserve=[[0, 0, 100, 700], [0, 0, 0, 600], [0, 0, 0, 0]],
    )
    run = schema.new_run({"zones": free, "zoneinfo": info})
    assert metrics.verdict(run, 0, "Unmovable").watermark_min.values.tolist() == [[100, 0, 0]]
    assert metrics.verdict(run, 0, "Movable").watermark_min.values.tolist() == [[700, 600, 0]]


def test_verdict__zone_that_such_requests_never_get():
    run = schema.new_run({"zones": zones([[[0] * 10 + [10]] * 2], names=("Normal", "Movable"))})
    reasons = [metrics.REASONS[code] for code in metrics.verdict(run, 3, "Unmovable").reason.values[0]]
    assert reasons == ["room_all", "zone_closed"]
    assert (metrics.verdict(run, 9, "Movable").reason == metrics.REASONS.index("room_all")).all()


@pytest.mark.parametrize("barred", ["CMA", "HighAtomic", "Isolate"])
def test_verdict__only_looks_free(barred):
    nr_free = [50_000] + [0] * 8 + [0, 4]
    types = _types(Unmovable=[50_000] + [0] * 10, **{barred: [0] * 10 + [4]})
    reason, text, numbers = _say(_run(nr_free, types=types), order=5)
    assert reason == "barred_types"
    assert text == (
        f"128 KiB in Normal: only looks free — 128 blocks fit, but only in {barred} memory, "
        "which this request may not use."
    )
    assert (int(numbers.nr_suitable), int(numbers.nr_usable)) == (128, 0)
    movable = _say(_run(nr_free, types=types), order=5, migratetype="Movable")[0]
    assert movable == ("room" if barred == "CMA" else "barred_types")


def test_verdict__huge_pages_are_movable_by_themselves():
    nr_free = [0] * 10 + [100]
    run = _run(nr_free, types=_types(CMA=nr_free))
    assert metrics.verdict(run, 8).attrs["migratetype"] == "Unmovable"
    assert metrics.verdict(run, 9).attrs["migratetype"] == "Movable"
    assert _say(run, 8)[0] == "barred_types"
    assert _say(run, 9)[0] == "room_all"


@pytest.mark.parametrize(
    ("sampled", "words"),
    [
        ([0], "seen 30 s before"),
        ([33 * SECOND], "seen 3 s later"),
        ([0, 29_990_000_000], None),
        ([0, 31 * SECOND], "30 s before"),
    ],
)
def test_verdict__age_of_the_types(sampled, words):
    nr_free = [0] * 10 + [4]
    types = migratetypes({"Isolate": [[nr_free]] * len(sampled)}, elapsed=sampled)
    groups = {"zones": zones([[nr_free]], elapsed=[30 * SECOND]), "migratetypes": types}
    text = metrics.verdict(schema.new_run(groups), 9).text.values[0, 0]
    assert (words in text) if words else ("seen" not in text)


def test_verdict__fragmentation_and_shortage():
    reason, text, numbers = _say(_run([9_000] + [0] * 10))
    assert reason == "fragmentation_and_shortage"
    assert int(numbers.short_pages) == 11_047 + 2 * 512 + 1 - 9_000
    assert text.endswith("compaction cannot start before 12 MiB more are free.")


def test_verdict__shortage():
    reason, text, _ = _say(_run([0] * 8 + [1, 0, 0]))
    assert (
        reason == "fragmentation_and_shortage"
    )  # index -0.5: negative means go, were there memory to work in
    reason, text, _ = _say(_run([0] * 8 + [2, 0, 0]))
    assert reason == "shortage"
    assert text == "2 MiB in Normal: no free block — shortage: only 2 MiB free, compaction cannot help."
    assert _say(_run([0] * 11))[0] == "shortage"


@pytest.mark.parametrize(("pages", "reason"), [(8838 + 16, "shortage"), (8838 + 17, "fragmentation")])
def test_verdict__small_orders_ask_the_watermark_not_the_index(pages, reason):
    assert _say(_run([pages] + [0] * 10), order=3)[0] == reason


def test_verdict__small_orders_without_watermarks():
    assert _say(_run([16] + [0] * 10, info=False), order=3)[0] == "shortage"
    reason, text, _ = _say(_run([17] + [0] * 10, info=False), order=3)
    assert reason == "fragmentation"
    assert text.endswith("compaction can help; watermarks not recorded.")


def test_verdict__too_large():
    reason, text, _ = _say(_run(PLENTY), order=11)
    assert reason == "too_large"
    assert text == "8 MiB in Normal: impossible — the largest block of the zone is 4 MiB."
    small = zoneinfo([[0, 0, 0]], managed_pages=[600])
    assert _say(_run([0] * 9 + [1, 0], info=small), order=10)[0] == "too_large"
    assert _say(_run([0] * 9 + [1, 0], info=small), order=9)[0] == "room_all"


def test_verdict__zone_not_listed():
    free = zones([[PLENTY, CRUMBS]], names=("DMA", "Normal"), present=np.array([[[True] * 11, [False] * 11]]))
    found = metrics.verdict(schema.new_run({"zones": free}), 9)
    assert metrics.REASONS[found.reason.values[0, 1]] == "not_listed"
    assert found.text.values[0, 1].endswith("not recorded — the zone is missing in this snapshot.")


def test_verdict__per_cpu_lists_are_named():
    run = _run(CRUMBS, info=zoneinfo(MARKS, pcp_count=[[200_000, 42_846]]))
    assert "; 949 MiB more in per-CPU lists, in pieces of unknown size." in _say(run, 9)[1]
    assert "per-CPU" not in _say(run, 8)[1]  # blocks of 1 MiB never wait there
    assert "per-CPU" not in _say(_run(CRUMBS, info=zoneinfo(MARKS, pcp_count=[[500, 11]])), 9)[1]


def test_verdict__what_was_not_recorded_is_named():
    both = _say(_run(PLENTY, info=False))[1]
    assert both.endswith("; watermarks and block types not recorded.")
    assert _say(_run(PLENTY))[1].endswith("; block types not recorded.")
    assert _say(_run(PLENTY, info=False, types=_types(Movable=PLENTY)))[1].endswith(
        "; watermarks not recorded."
    )
    assert int(_say(_run(PLENTY, info=False))[2].watermark_min) == -1
    assert int(_say(_run(PLENTY))[2].nr_usable) == -1


def test_verdict__censored_types():
    types = migratetypes(_types(CMA=[100_000] + [0] * 10, Movable=PLENTY))
    types.censored[0, 0, 0, 0] = True
    run = _run([100_000] + [0] * 9 + [1000], types=types)
    assert "counted only in part" in _say(run, 8)[1]
    assert "counted only in part" not in _say(run, 9)[1]  # for huge pages CMA counts like any other


def test_verdict__page_size_unknown():
    run = schema.new_run({"zones": zones([[CRUMBS]])})
    text = metrics.verdict(run, 9).text.values[0, 0].replace("\u00a0", " ")
    assert text.startswith(
        "512 pages in Normal: no free block — fragmentation, not shortage: 1 300 000 pages free"
    )


def test_verdict__several_nodes_are_told_apart():
    run = schema.new_run({"zones": zones([[PLENTY, PLENTY]], names=("Normal", "Normal"), nodes=[0, 1])})
    assert (
        metrics.verdict(run, 9)
        .text.values[0, 1]
        .startswith("512\u00a0pages in Normal (node 1): would succeed")
    )


def test_verdict__answer_names_the_zone_that_serves():
    run = schema.new_run({"zones": zones([[PLENTY, CRUMBS]], names=("DMA32", "Normal"))}, page_size=4096)
    assert (
        metrics.verdict(run, 9).attrs["answer"].startswith("2\u00a0MiB: would succeed, in DMA32 — room for")
    )
    run = schema.new_run(
        {"zones": zones([[[5] + [0] * 10, CRUMBS]], names=("DMA32", "Normal"))}, page_size=4096
    )
    assert (
        metrics.verdict(run, 9)
        .attrs["answer"]
        .startswith("2\u00a0MiB: no free block, in Normal — fragmentation")
    )


@pytest.mark.parametrize("who", [None, "direct", "kcompactd", "proactive", "manual", "somebody's own"])
def test_sentence__who_compacts(who):
    found = metrics.verdict(_run(CRUMBS), 9)
    numbers = {name: values[0, 0].item() for name, values in metrics.browser_numbers(found).items()}
    numbers |= metrics.constants(found) | {"zone": "Normal"}
    words = metrics.sentence(numbers, who=who)
    expected = {
        None: "compaction can help",
        "direct": "direct compaction is at work now",
        "kcompactd": "background compaction is at work now",
        "proactive": "proactive compaction is at work now",
        "manual": "manual compaction is at work now",
    }.get(who, "somebody's own compaction is at work now")
    assert words["why"].endswith(expected)
    assert (words["level"], words["icon"], words["outcome"]) == ("bad", "✕", "no free block")


@pytest.mark.parametrize(("order", "found"), [(-1, "-1"), (31, "31")])
def test_verdict__order_out_of_range(order, found):
    with pytest.raises(ValueError, match=f"order: found {found}; expected a whole number, 0 to 30"):
        metrics.verdict(_run(PLENTY), order)


def test_verdict__migratetype_unknown():
    with pytest.raises(ValueError, match="found 'movable'; expected 'Unmovable', 'Movable' or"):
        metrics.verdict(_run(PLENTY), 9, "movable")


def test_verdict__without_text():
    found = metrics.verdict(_run(PLENTY), 9, text=False)
    assert "text" not in found
    assert "answer" not in found.attrs


TYPES = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "CMA", "Isolate")
few = st.sampled_from([0, 0, 0, 1, 2, 5, 40])
lists = st.lists(few, min_size=11, max_size=11)
zone_states = st.fixed_dictionaries(
    {
        "types": st.lists(st.tuples(st.booleans(), lists), min_size=6, max_size=6),
        "crumbs": st.sampled_from([0, 100, 9_000, 30_000]),
        "largest": st.integers(0, 10),
    }
)
OF_REASON = {
    "room": "would succeed",
    "room_all": "would succeed",
    "few_blocks": "would succeed",
    "near_watermark": "would succeed",
    "watermark": "below the watermark",
    "barred_types": "only looks free",
    "shortage": "shortage",
    "fragmentation": "fragmentation",
    "fragmentation_and_shortage": "fragmentation and shortage",
}


@settings(deadline=None)
@given(
    states=st.lists(zone_states, min_size=1, max_size=8),
    order=st.integers(0, 10),
    movable=st.booleans(),
    minimum=st.sampled_from([0, 10, 500, 8_838]),
    reserve=st.sampled_from([0, 300]),
)
def test_verdict__follows_the_kernel(states, order, movable, minimum, reserve):
    low = minimum + max(minimum // 4, 1)
    per_type = {name: [] for name in TYPES}
    for state in states:
        for name, (there, blocks) in zip(TYPES, state["types"], strict=True):
            kept = [count if there and at <= state["largest"] else 0 for at, count in enumerate(blocks)]
            kept[0] += state["crumbs"] * (name == "Movable")
            per_type[name].append([kept])
    total = np.sum(list(per_type.values()), axis=0)
    info = zoneinfo([[minimum, low, low + 5]], lowmem_reserve=[[reserve] * 4])
    groups = {"zones": zones(total), "zoneinfo": info, "migratetypes": migratetypes(per_type)}
    migratetype = "Movable" if movable else "Unmovable"
    found = metrics.verdict(schema.new_run(groups), order, migratetype, text=False)
    for at in range(len(states)):
        blocks = {name: per_type[name][at][0] for name in TYPES}
        expected = reference.outcome(blocks, order, movable, minimum, low, reserve)
        assert OF_REASON[metrics.REASONS[found.reason.values[at, 0]]] == expected
