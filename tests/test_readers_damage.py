"""Bad input: every message is read as a user would, who must find in it what to do."""

from __future__ import annotations

import contextlib
import gzip
import io
import warnings

import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from proctexts import BUDDYINFO, stamped

from compactlab.readers import ParseError, ReadWarning, read

LOOP = stamped(5)
SKIP = r'on_error="skip"'


def test_read__empty_text_names_the_formats():
    for nothing in ("", b"", "\n\n"):
        with pytest.raises(
            ParseError, match=r"an empty text; expected one of /proc/buddyinfo, .*Pass the output"
        ):
            read(nothing)


def test_read__log_of_something_else_shows_its_begin():
    with pytest.raises(
        ParseError, match=r"begins with 'Nov 23 11:42:54 host systemd.*expected one of /proc/buddy"
    ):
        read("Nov 23 11:42:54 host systemd[1]: Started foo.\nNov 23 11:42:55 host kernel: bar\n")


def test_read__missing_file_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"'gone.txt' \(from .*check the path"):
        read("gone.txt")


def test_read__folder_without_recordings(tmp_path):
    with pytest.raises(ParseError, match=r"no files; .*Give a folder that holds recordings"):
        read(tmp_path)
    (tmp_path / "notes.txt").write_text("hello\n")
    with pytest.raises(ParseError, match=r"1 files, none with a known format"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("count", "found"),
    [
        ("-8332", "line 4: found the negative count '-8332'"),
        ("83x20", "line 4: found '83x20'; expected a count of free blocks"),
        ("8" * 25, "line 4: found the count '8{25}', more memory than any machine has"),
        ("1.5", "line 4: found '1.5'"),
    ],
)
def test_read__bad_count_is_shown_with_its_line(count, found):
    text = LOOP.replace("83320", count, 1)
    with pytest.raises(ParseError, match=found + r".*" + SKIP):
        read(text)
    run = read(text, on_error="skip")
    assert run["zones"].sizes["time"] == 4
    assert any("line 4: skipped" in problem for problem in run.attrs["problems"])


def test_read__orders_that_change_midway():
    with pytest.raises(
        ParseError, match=r"line 22: found 10 columns .*expected 11, as .* on line 2.*" + SKIP
    ):
        read(LOOP + "1795434190\n" + BUDDYINFO.replace("      3 \n", "\n"))


@pytest.mark.parametrize(
    ("stamp", "how"), [("1795434178", "the same time as"), ("1795434100", "an earlier time than")]
)
def test_read__stamps_that_do_not_rise(stamp, how):
    text = f"{LOOP}{stamp}\n{BUDDYINFO}1795434190\n{BUDDYINFO}"
    advice = "finer stamps" if stamp.endswith("8") else "clock was set back or summer time ended"
    with pytest.raises(
        ParseError, match=rf"line 21: found '{stamp}', {how} '1795434178' on line 17.*{advice}"
    ):
        read(text)
    run = read(text, on_error="skip")
    assert run["zones"].sizes["time"] == 6
    assert any("line 21: skipped" in problem for problem in run.attrs["problems"])


def test_read__bytes_that_are_no_text():
    text = LOOP.encode().replace(b"1795434176\n", b"1795434176\n\xff\xfe\xfabc\n")
    with pytest.raises(ParseError, match=r"line 10: found bytes that are not UTF-8 text.*" + SKIP):
        read(text)
    assert read(text, on_error="skip")["zones"].sizes["time"] == 5


def test_read__line_of_something_else_in_the_middle():
    text = LOOP.replace("1795434176\n", "something else\n1795434176\n")
    with pytest.raises(
        ParseError, match=r"line 9: found 'something else'; expected a time stamp or.*" + SKIP
    ):
        read(text)
    assert read(text, on_error="skip")["zones"].sizes["time"] == 5


def test_read__record_before_the_first_stamp():
    with pytest.raises(
        ParseError, match=r"line 1: found buddyinfo before the first time stamp.*Print the time first"
    ):
        read(f"{BUDDYINFO}1795434174\n{BUDDYINFO}")


def test_read__files_of_two_machines_are_both_named(tmp_path):
    (tmp_path / "a.txt").write_text(BUDDYINFO)
    (tmp_path / "b.txt").write_text("Node 0, zone   Normal 1 2 3 \nNode 0, zone  HighMem 1 2 3 \n")
    with pytest.raises(ParseError, match=r"a\.txt and b\.txt: .*files of one machine.*a run of its own"):
        read(tmp_path)


def test_read__one_text_of_two_machines():
    with pytest.raises(ParseError, match="zones DMA32 and HighMem"):
        read(BUDDYINFO + BUDDYINFO.replace("DMA32", "HighMem"))


def test_read__zones_of_very_different_size(samples):
    files = [samples / "zoneinfo" / f"x86_64-{name}.txt" for name in ("3.13-ubuntu", "5.4-hotsos-kubernetes")]
    with pytest.raises(ParseError, match=r"3\.13-ubuntu\.txt.*pages in the one.*files of one machine"):
        read(files)


def test_read__clocks_that_cannot_be_brought_together(tmp_path):
    (tmp_path / "a.txt").write_text(stamped(2))
    (tmp_path / "b.txt").write_text(f"@@ 5 buddyinfo\n{BUDDYINFO}")
    with pytest.raises(ParseError, match=r"a\.txt and b\.txt: found wall clock .*Read the two apart"):
        read(tmp_path)


def test_read__file_without_clock_stands_at_the_start(tmp_path):
    (tmp_path / "a.txt").write_text(stamped(2))
    (tmp_path / "zoneinfo").write_text(
        "Node 0, zone   Normal\n  pages free     5410\n        managed  90000000\n"
    )
    run = read(tmp_path)
    assert run["zoneinfo/elapsed"].values.tolist() == [0]
    assert any("zoneinfo: has no time stamp" in problem for problem in run.attrs["problems"])
    (tmp_path / "b.txt").write_text(BUDDYINFO)
    with pytest.raises(ParseError, match=r"b\.txt and a\.txt: found zones without a time stamp"):
        read(tmp_path)


def test_read__unknown_option_value():
    with pytest.raises(ValueError, match="on_error='ignore'; expected 'raise' or 'skip'"):
        read(BUDDYINFO, on_error="ignore")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="page_size=5000; expected bytes, a power of two"):
        read(BUDDYINFO, page_size=5000)


def test_read__nothing_left_after_skipping():
    with pytest.raises(ParseError, match=r"negative count.*No complete record is left"):
        read(BUDDYINFO.replace("24378", "-24"), on_error="skip")


@pytest.mark.parametrize("lost", [3, 8, 30, 95, 130, 290])
def test_read__cut_tail_keeps_the_records_before(lost):
    with pytest.warns(ReadWarning, match=r"line \d+: .* was left out"):
        run = read(LOOP[:-lost])
    assert run["zones"].sizes["time"] == 4
    assert any("left out" in problem for problem in run.attrs["problems"])
    assert (run["zones/nr_free"].values == read(BUDDYINFO)["zones/nr_free"].values).all()


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_read__text_cut_anywhere_never_invents_a_count(data):
    whole = "".join(f"@@ {i} buddyinfo\n{BUDDYINFO}@@ {i} vmstat\nnr_free_pages 12345\n" for i in range(1, 4))
    cut = data.draw(st.integers(whole.index("@@ 2"), len(whole) - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadWarning)
        run = read(whole[:cut])
    good = read(BUDDYINFO)["zones/nr_free"].values[0]
    for sample, there in zip(run["zones/nr_free"].values, run["zones/present"].values, strict=True):
        assert (sample == good * there).all()
    assert set(run["counters/value"].values.ravel()) <= {12345}


def test_read__cut_archive_keeps_what_it_holds():
    with pytest.warns(ReadWarning):
        run = read(gzip.compress(LOOP.encode())[:-20])
    assert 0 < run["zones"].sizes["time"] < 5
    assert any("archive ends too early" in problem for problem in run.attrs["problems"])


def test_read__cut_record_header_and_cut_stamp():
    for tail in ("@@ 2", "@@ 20 bud", "@@ 20 buddyinfo\n", "@@ 20 buddyinfo"):
        with pytest.warns(ReadWarning, match="left out"):
            assert read(f"@@ 10 buddyinfo\n{BUDDYINFO}{tail}")["zones"].sizes["time"] == 1
    for tail in ("17954", "1795434190\n", "oops\n"):
        with pytest.warns(ReadWarning, match="end of the text was left out"):
            assert read(LOOP + tail)["zones"].sizes["time"] == 5


def test_read__cut_tables_and_traces():
    with pytest.warns(ReadWarning, match=r"line 4: the last row is incomplete"):
        phases = read("t_mono_ns,phase\n1,a\n2,b\n3,e")["phases"]
    assert phases["name"].values.tolist() == ["a"]
    with pytest.warns(ReadWarning, match="the last event is incomplete"):
        run = read("1000 0 kswapd mm_vmscan_kswapd_wake nid=0 order=0\n2000 0 kswapd mm_vmscan_ksw")
    assert run["events"].sizes["event"] == 1
    with pytest.raises(ParseError, match=r"line 2: found '12x' as lat_ns; expected a whole number"):
        read("t_mono_ns,lat_ns,huge,pfn\n1,12x,1,5\n")
    with pytest.raises(ParseError, match=r"line 2: found 'oops'; expected an event"):
        read("1000 0 kswapd mm_vmscan_kswapd_wake nid=0 order=0\noops\n3000 0 kswapd x order=0\n")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: "".join(f"> {line}\n" for line in text.splitlines()), "mail quotes"),
        (lambda text: "".join(f"> > {line}\n" for line in text.splitlines()), "mail quotes"),
        (lambda text: text.replace("Node", "Nov 23 11:42:54 host kernel: [  12.3] Node"), "prefixes"),
        (lambda text: text.replace("Node", "    Node"), "prefixes"),
        (lambda text: text.replace("   5574", "\n   5574"), "wrapped rows"),
        (lambda text: text.replace(" \n", "=20\n"), "quoted-printable"),
        (lambda text: text.replace("18271", "18=\n271"), "quoted-printable"),
        (lambda text: text.replace("\n", "\r\n"), "line ends of DOS"),
        (lambda text: "\ufeff" + text, "byte order mark"),
        (lambda text: text.encode("utf-16"), "UTF-16"),
    ],
)
def test_read__mends_what_mail_and_logs_do(damage, told):
    run = read(damage(LOOP))
    assert (run["zones/nr_free"].values == read(LOOP)["zones/nr_free"].values).all()
    assert any(told in problem for problem in run.attrs["problems"])


def test_read__mended_text_keeps_original_line_numbers():
    text = LOOP.replace("   5574", "\n   5574").replace("1795434176\n", "1795434176\nnonsense here\n")
    with pytest.raises(ParseError, match="line 12: found 'nonsense here'"):
        read(text)


@settings(deadline=None, max_examples=60)
@given(strategies.snapshots(), st.binary(max_size=12), st.data())
def test_read__any_damage_ends_in_a_run_or_a_parse_error(taken, junk, data):
    text = "".join(f"{10**9 + i}\n{strategies.buddyinfo(s)}" for i, s in enumerate(taken)).encode()
    at = data.draw(st.integers(0, len(text)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadWarning)
        for on_error in ("raise", "skip"):
            with contextlib.suppress(ParseError):
                read(io.BytesIO(text[:at] + junk + text[at + len(junk) :]), on_error=on_error)
