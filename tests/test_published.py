"""Published results keep their direction, at sizes that take seconds."""

import pytest

pytest.importorskip("benchmarks.published", reason="benchmarks are not part of an installation")

from benchmarks import published

ONE = (0,)


def by_name(changes):
    return {change.what: change for change in changes}


def only(changes, text):
    (found,) = [change for name, change in by_name(changes).items() if text in name]
    return found


def test_change__other_direction_is_told():
    change = published.Change("events", (4.0, 1.0), (2.0, 3.0))
    assert not change.same_direction
    assert change.row()[3] == "OTHER"
    assert change.ratio == 6.0


def test_change__near_nothing_is_no_direction():
    assert published.Change("share", (98.3, 98.4), (97.0, 98.0)).same_direction
    assert not published.Change("share", (98.3, 98.4), (50.0, 98.0)).same_direction


def test_proactive__requests_are_served_without_compacting():
    changes = list(published.proactive(ONE, gib=1))
    median = only(changes, "50 %")
    assert median.same_direction
    assert median.ours[1] < median.ours[0] / 100


def test_avoidance__lower_zone_then_boost_leave_fewer_events():
    assert all(
        change.same_direction
        for change in published.fragmentation_avoidance(ONE, mib=2048)
        if "events" in change.what
    )


def test_hygiene__fewer_huge_faults_fail():
    assert by_name(published.hygiene(ONE, rounds=10))["P5 huge faults failed, %: 6.6 → 6.12"].same_direction


def test_defrag_mode__hardly_fragmenting_events():
    events = only(published.defrag_mode(ONE, rounds=12), "fragmenting")
    assert events.ours[1] < events.ours[0] / 10


def test_llfree__no_huge_frames_come_back():
    change = only(published.llfree(ONE, gib=1, rounds=20), "P7")
    assert change.same_direction
    assert 0.5 < change.ours[1] / change.theirs[1] < 2
