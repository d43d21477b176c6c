"""What people and shells print around records: times in other shapes, and lines that are none."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from proctexts import BUDDYINFO, ZONEINFO, stamped

from compactlab import verdict
from compactlab.readers import ParseError, ReadWarning, read

FIRST = np.datetime64("2026-11-23T11:42:10", "ns")
COUNTS = read(BUDDYINFO)["zones/nr_free"].values[0]
VMSTAT = "nr_free_pages 12345\ncompact_stall 678\n"
PAGETYPEINFO = (
    "Page block order: 9\nPages per block:  512\n\n"
    "Free pages count per migrate type at order       0      1      2 \n"
    "Node    0, zone   Normal, type    Unmovable    345     67      8 \n"
    "Node    0, zone   Normal, type      Movable     10     67      9 \n\n"
    "Number of blocks type     Unmovable      Movable \nNode 0, zone   Normal           12           345 \n"
)


@pytest.mark.parametrize(
    "stamp",
    [
        "Time: Mon Nov 23 11:42:{s} UTC 2026",
        "--- tick 3 Mon Nov 23 11:42:{s} UTC 2026 ---",
        "Every 1.0s: cat /proc/buddyinfo      host: Mon Nov 23 11:42:{s} 2026",
        "\x1b[H\x1b[2JEvery 1.0s: cat /proc/buddyinfo      host: Mon Nov 23 11:42:{s} 2026",
        "timestamp=17954341{t}",
        "ts 17954341{t}",
        "2026/11/23 11:42:{s}",
        "20261123-1142{s}",
        "20261123T1142{s}Z",
        "202611231142{s}",
    ],
)
def test_read__times_with_labels_and_without_separators(stamp):
    lines = (stamp.format(s=10 + i, t=30 + i) for i in range(3))
    run = read("".join(f"{line}\n{BUDDYINFO}" for line in lines))
    assert (run["zones/time"].values == FIRST + np.arange(3) * np.timedelta64(1, "s")).all()
    assert (run["zones/nr_free"].values == COUNTS).all()
    assert list(run.children) == ["zones"]


@pytest.mark.parametrize(
    "prefix",
    [
        "2026-11-23T11:42:{s}+0000 ",
        "[2026-11-23 11:42:{s}] ",
        "2026-11-23T12:42:{s}+0100 host buddylog[123]: ",
        "17954341{t} ",
        "Mon Nov 23 11:42:{s} UTC 2026 ",
    ],
)
def test_read__times_before_the_rows(prefix):
    rows = ((i, row) for i in range(3) for row in BUDDYINFO.splitlines(keepends=True))
    run = read("".join(prefix.format(s=10 + i, t=30 + i) + row for i, row in rows))
    assert (run["zones/time"].values == FIRST + np.arange(3) * np.timedelta64(1, "s")).all()
    assert (run["zones/nr_free"].values == COUNTS).all()
    assert any("times before the rows" in problem for problem in run.attrs["problems"])


def test_read__snapshot_whose_rows_span_two_seconds_is_one():
    moments = itertools.cycle([10, 11, 11])
    rows = "".join(f"2026-11-23T11:42:{next(moments)}Z {row}\n" for row in BUDDYINFO.splitlines())
    run = read(rows)
    assert run["zones/time"].values.tolist() == [FIRST.astype(int)]
    assert run["zones/present"].values.all()


def test_read__syslog_times_have_no_year():
    rows = "".join(f"Nov 23 11:42:10 host kernel: {row}\n" for row in BUDDYINFO.splitlines())
    run = read(rows * 2)
    assert run.attrs["clock"] == "none"
    assert any("only their order" in problem for problem in run.attrs["problems"])


@pytest.mark.parametrize(
    "note",
    [
        "# recorded on server 7",
        " 11:42:10 up 3 days, 20:01,  1 user,  load average: 1.08, 1.45, 2.05",
        "1234.05 2345.66",
        "0.08 0.03 0.01 1/85 1417",
        "MemTotal:       24623228 kB\nActive(anon):        1 kB",
        "              total        used        free\nMem:       24623228     1234567     2345678",
        "cat: /proc/pagetypeinfo: Permission denied",
        "bash: line 1: /proc/pagetypeinfo: Permission denied",
        "+ cat /proc/buddyinfo\n+ sleep 1",
        "root@host:~# ",
        "=== tick 3 ===",
        "Sample 3",
        "Linux host 6.1.0 #1 SMP Mon Nov 23 x86_64 GNU/Linux",
    ],
)
@pytest.mark.parametrize("where", ["before the stamps", "after the stamps", "after the rows", "at the begin"])
def test_read__notes_are_left_out_and_told(note, where):
    text = {
        "before the stamps": "".join(f"{note}\n{1795434130 + i}\n{BUDDYINFO}" for i in range(3)),
        "after the stamps": "".join(f"{1795434130 + i}\n{note}\n{BUDDYINFO}" for i in range(3)),
        "after the rows": "".join(f"{1795434130 + i}\n{BUDDYINFO}{note}\n" for i in range(3)),
        "at the begin": f"{note}\n{stamped(3, first=1795434130)}",
    }[where]
    run = read(text)
    assert (run["zones/time"].values == FIRST + np.arange(3) * np.timedelta64(1, "s")).all()
    assert (run["zones/nr_free"].values == COUNTS).all()
    assert list(run.children) == ["zones"]
    told = any("left out" in problem for problem in run.attrs["problems"])
    assert told or note.startswith(("+", "root"))  # what names a file is a title and lost on nobody


@pytest.mark.parametrize(
    "stamp",
    ["Mo 23. Nov 11:42:{} UTC 2026", "lun. 23 nov. 2026 11:42:{} CET", "# 23.11.2026 11:42:{}", "11:42:{}"],
)
def test_read__times_in_other_languages_are_refused_with_advice(stamp):
    text = "".join(f"{stamp.format(10 + i)}\n{BUDDYINFO}" for i in range(3))
    with pytest.raises(ParseError, match=r"line 1: found '.*If this is a time.*`LC_ALL=C date`.*on_error"):
        read(text)
    run = read(text, on_error="skip")
    assert run["zones/elapsed"].values.tolist() == [0, 1, 2]


def test_read__day_that_no_month_has():
    with pytest.raises(ParseError, match="line 1: found '2026-02-30 "):
        read(f"2026-02-30 11:42:10\n{BUDDYINFO}")


@pytest.mark.parametrize("with_numbers", [False, True])
def test_read__grep_with_file_names(with_numbers):
    files = {"buddyinfo": BUDDYINFO, "zoneinfo": ZONEINFO, "vmstat": VMSTAT, "pagetypeinfo": PAGETYPEINFO}
    text = "".join(
        f"/proc/{name}:{f'{number}:' if with_numbers else ''}{line}\n"
        for name, content in files.items()
        for number, line in enumerate(content.splitlines(), 1)
    )
    run = read(text)
    plain = read("".join(files.values()))
    assert set(run.children) == {"zones", "zoneinfo", "counters", "migratetypes"}
    for group in run.children:
        assert run[group].to_dataset().identical(plain[group].to_dataset())


def test_read__indented_paste():
    run = read("".join(f"    {line}\n" for line in (BUDDYINFO + VMSTAT).splitlines()))
    assert (run["zones/nr_free"].values == COUNTS).all()
    assert run["counters/value"].values.tolist() == [[12345, 678]]


def test_read__nul_bytes_of_a_crash():
    run = read(stamped(2).encode() + b"\0" * 4096 + stamped(2, first=1795434190).encode())
    assert run["zones"].sizes["time"] == 4
    assert any("4096 NUL bytes" in problem for problem in run.attrs["problems"])
    with pytest.warns(ReadWarning, match="left out"):
        assert read(stamped(3).encode()[:-40] + b"\0" * 4096)["zones"].sizes["time"] == 2


def test_read__long_lines_are_shown_in_part():
    with pytest.raises(ParseError) as caught:
        read(stamped(2) + "x" * 10_000 + "\n" + stamped(1, first=1795434190))
    assert len(str(caught.value)) < 500


def test_read__pagetypeinfo_alone_gives_free_lists(tmp_path):
    (tmp_path / "types").write_text(PAGETYPEINFO)
    run = read(tmp_path / "types")
    assert run["zones/nr_free"].values.tolist() == [[[355, 134, 17]]]
    assert run["zones/free_pages"].values.tolist() == [[355 + 268 + 68]]
    assert any("sums over the migratetypes" in problem for problem in run.attrs["problems"])
    assert verdict(run, 2, text=False).nr_suitable.values.tolist() == [[17]]
    (tmp_path / "types").write_text(PAGETYPEINFO.replace("   345     67", ">100000     67"))
    run = read(tmp_path / "types")
    assert list(run.children) == ["migratetypes"]
    assert any("counts only in part" in problem for problem in run.attrs["problems"])


def test_read__copy_of_the_root_folder(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "buddyinfo").write_text(BUDDYINFO)
    (tmp_path / "proc" / "kcore").write_bytes(b"\x7fELF")
    (tmp_path / "date").write_text("Mon Nov 23 11:42:10 UTC 2026\n")
    for folder in (tmp_path, tmp_path / "proc"):
        run = read(folder)
        assert (run["zones/nr_free"].values == COUNTS).all()
        assert run.attrs["problems"] == []


@pytest.mark.parametrize(
    ("begin", "found"), [(b"PK\x03\x04", "a zip archive.*Unpack"), (b"\x89HDF", "compactlab.open")]
)
def test_read__other_containers_are_named(begin, found):
    with pytest.raises(ParseError, match=found):
        read(begin + bytes(range(200)))


LOOPS = {
    "buddyinfo": lambda i: f"{1795434130 + i}\n{BUDDYINFO}",
    "vmstat": lambda i: f"{1795434130 + i}\n{VMSTAT}",
    "pagetypeinfo": lambda i: f"{1795434130 + i}\n{PAGETYPEINFO}",
    "without stamps": lambda _: BUDDYINFO + PAGETYPEINFO + VMSTAT,
    "records": lambda i: f"@@ {i + 1}0 buddyinfo\n{BUDDYINFO}@@ {i + 1}1 vmstat\n{VMSTAT}",
}


@pytest.mark.parametrize("loop", LOOPS)
def test_read__cut_at_every_byte(loop):
    """Whole records are kept, and what is not whole is left out or warned of."""
    one = LOOPS[loop](0)
    text, whole = one + LOOPS[loop](1), read(one)
    for cut in range(1, len(text)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                run = read(text[:cut].encode())
            except ParseError:
                assert cut < len(one)
                continue
        assert all(issubclass(warning.category, ReadWarning) for warning in caught)
        for name, group in run.children.items():
            good = whole[name]
            if cut >= len(one):
                for variable, values in group.data_vars.items():
                    assert (values.values[0] == good[variable].values[0]).all()
            for counts in {"nr_free", "value"} & set(group.data_vars):
                invented = set(group[counts].values.ravel()) - set(good[counts].values.ravel()) - {0}
                assert not invented or (caught and cut < len(one)), (cut, text[max(0, cut - 40) : cut])
