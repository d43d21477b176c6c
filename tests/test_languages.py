"""Languages: no text is missing, none is frozen at import, and Chinese reaches pages, pictures, films and forms."""

from __future__ import annotations

import ast
import html
import importlib.util
import os
import re
import string
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from brackets import bare
from hypothesis import given
from hypothesis import strategies as st

import compactlab as cl
from compactlab import texts
from compactlab.metrics.comparison import sides_of
from compactlab.player import letters
from compactlab.player.beside import beside
from compactlab.player.poster import poster

PACKAGE = Path(cl.__file__).parent
UPDATE = PACKAGE / "locale" / "update.py"
PO = PACKAGE / "locale/zh/LC_MESSAGES/compactlab.po"
SOURCES = sorted(PACKAGE.rglob("*.py"))
CHINESE = re.compile("[\u4e00-\u9fff]")
TAG = re.compile(r"</?\w+[^>]*>|&\w+;|`[^`]*`")


@pytest.fixture(scope="module")
def update():
    spec = importlib.util.spec_from_file_location("update", UPDATE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def fresh(update):
    return update.extract()


@pytest.fixture(scope="module")
def chinese_texts(fresh):
    with PO.open("rb") as file:
        known = read_po(file, locale="zh", charset="utf-8")
    return {message.id: known.get(message.id) for message in fresh if message.id}


@pytest.fixture
def without_fonts(monkeypatch):
    """A system whose fonts have Latin letters only."""
    monkeypatch.setattr(letters, "_FILES", {"zh": ()})
    letters.font_file.cache_clear()
    yield
    letters.font_file.cache_clear()


def fields(text: str) -> list[tuple[str, str]]:
    return sorted((name, spec) for _before, name, spec, _conversion in string.Formatter().parse(text) if name is not None)  # fmt: skip


# ------------------------------------------------------------------ catalogues


def test_catalogue__holds_every_text_of_the_source(chinese_texts):
    assert len(chinese_texts) > 1500
    missing = [
        text
        for text, told in chinese_texts.items()
        if told is None or not told.string or "fuzzy" in told.flags
    ]
    assert not missing, f"run `python compactlab/locale/update.py`, and translate: {missing[:20]}"


def test_catalogue__keeps_places_markup_and_code(chinese_texts):
    for text, told in chinese_texts.items():
        assert fields(text) == fields(told.string), text
        assert sorted(TAG.findall(text)) == sorted(TAG.findall(told.string)), text
        assert sorted(re.findall(r"[@$]\w+", text)) == sorted(re.findall(r"[@$]\w+", told.string)), text


def test_catalogue__written_and_compiled_are_one(update, fresh):
    told = update.written(fresh)
    again = "run `python compactlab/locale/update.py`"
    assert (PACKAGE / "locale/compactlab.pot").read_bytes() == told, again
    for path in update.languages():
        catalogue = update.merged(fresh, path)
        assert update.written(catalogue) == path.read_bytes(), again
        assert update.compiled(catalogue) == path.with_suffix(".mo").read_bytes(), again


def test_catalogue__notices_a_text_that_is_new(update, tmp_path):
    (tmp_path / "new.py").write_text(
        'from x import N_, _\n_WORDS = (N_("a mark"),)\ndef f():\n    return _("a {what}")\n'
    )
    found = update.extract(tmp_path)
    assert {message.id for message in found if message.id} == {"a mark", "a {what}"}
    path = tmp_path / "zh/LC_MESSAGES/compactlab.po"
    assert not any(message.string for message in update.merged(found, path) if message.id)


def test_catalogue__chinese_is_chinese(chinese_texts):
    """Whole sentences are not left in English, nor do they end as English ones."""
    for text, told in chinese_texts.items():
        if re.search(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}", text) and "`" not in text:
            assert CHINESE.search(told.string), text
        if CHINESE.search(told.string):
            assert not told.string.rstrip().endswith("."), told.string


# ------------------------------------------------------------------ source


def calls(node: ast.AST) -> list[ast.Call]:
    found = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    return [each for each in found if isinstance(each.func, ast.Name) and each.func.id in ("_", "N_")]


def at_import(tree: ast.Module) -> list[ast.Call]:
    """Calls of `_` that run when a module is imported: outside of functions, or in what their heads compute."""
    found: list[ast.Call] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.args.defaults, *filter(None, node.args.kw_defaults), *node.decorator_list]
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
            found.append(node)
        waiting += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_source__texts_are_marked_such_that_they_are_found_and_translated_when_used(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert not [call.lineno for call in at_import(tree)], "translated once for all: mark it by N_"
    for call in calls(tree):
        assert not isinstance(call.args[0], ast.JoinedStr), (call.lineno, "an f-string has no translation")
        if call.func.id == "N_":
            assert isinstance(call.args[0], ast.Constant), (call.lineno, "N_ marks a literal")
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside = [call for call in calls(node) if isinstance(call.args[0], ast.Constant)]
            assert not [call.lineno for call in inside], "extraction does not look into f-strings"


def test_source__at_import_is_seen():
    seen = at_import(ast.parse("A = _('a')\nclass B:\n    c = [_('b')]\ndef f(x=_('c')):\n    return _('d')"))
    assert sorted(call.args[0].value for call in seen) == ["a", "b", "c"]


# ------------------------------------------------------------------ choosing


def told_by_process(**variables: str) -> subprocess.CompletedProcess[str]:
    unset = dict.fromkeys(("COMPACTLAB_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"), "")
    code = "from compactlab import texts; print(texts.language(), texts._('no free block'))"
    env = {**os.environ, **unset, "PYTHONIOENCODING": "utf-8", **variables}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, encoding="utf-8")  # fmt: skip


def test_language__is_chosen_while_running():
    assert cl.language() == "en"
    assert texts._("no free block") == "no free block"
    for name in ("zh", "zh_CN", "zh-CN", "zh_CN.UTF-8"):
        assert cl.language(name) == cl.language() == "zh"
        assert texts._("no free block") == "没有空闲块"
        assert cl.language("en_GB.UTF-8") == "en"
    assert texts._("") == ""
    assert texts.languages() == ["en", "zh"]


@pytest.mark.usefixtures("chinese")
def test_language__unknown_says_which_there_are_and_changes_nothing():
    with pytest.raises(ValueError, match="no catalogue for 'tlh', expected one of 'en', 'zh' or 'system'"):
        cl.language("tlh")
    assert cl.language() == "zh"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en no free block"),
        ({"COMPACTLAB_LANG": "zh"}, "zh 没有空闲块"),
        ({"COMPACTLAB_LANG": "system", "LANG": "zh_CN.UTF-8"}, "zh 没有空闲块"),
        ({"COMPACTLAB_LANG": "system", "LANGUAGE": "de:en_US:zh"}, "en no free block"),
        ({"COMPACTLAB_LANG": "system", "LANG": "de_DE.UTF-8"}, "en no free block"),
        ({"COMPACTLAB_LANG": "system"}, "en no free block"),
        ({"LANG": "zh_CN.UTF-8"}, "en no free block"),
    ],
)
def test_language__of_the_environment(variables, expected):
    assert told_by_process(**variables).stdout.strip() == expected


def test_language__of_the_environment_unknown():
    told = told_by_process(COMPACTLAB_LANG="tlh")
    assert told.returncode != 0
    assert "no catalogue for 'tlh', expected one of 'en', 'zh'" in told.stderr


# ------------------------------------------------------------------ where it shows


def test_page__is_in_the_language_it_was_made_in(tmp_path, capsys):
    run = cl.datasets.load("direct-compaction")
    english = cl.render(run, tmp_path / "en.html").read_bytes()
    cl.language("zh")
    try:
        page = cl.render(run, tmp_path / "zh.html").read_text("utf-8")
    finally:
        cl.language("en")
    assert '<html lang="zh">' in page
    assert "正在载入动画" in page
    assert '<html lang="en">' in english.decode()
    assert "个快照" in capsys.readouterr().out
    assert cl.render(run, tmp_path / "again.html").read_bytes() == english


@pytest.mark.usefixtures("chinese")
def test_verdict__in_chinese():
    told = cl.verdict(cl.datasets.load("direct-compaction"), order=9).text[-1].values
    assert all(CHINESE.search(text) and text.endswith("。") for text in told)
    assert told[0].startswith("DMA 中的 2\u00a0MiB：低于水位线——差 81\u00a0MiB：")


@pytest.mark.usefixtures("chinese")
def test_comparison__in_chinese():
    runs = [cl.datasets.load(name) for name in ("healthy", "whole-story")]
    told = cl.compare(*runs)
    assert "对比" in told.attrs["text"]
    assert all(CHINESE.search(label) for label in told.label.values.tolist())


@pytest.mark.usefixtures("chinese")
def test_exercises__in_chinese():
    task = cl.teaching.exercise("holes")
    assert CHINESE.search(task._repr_html_())
    assert "尚未作答" in cl.teaching.check("holes", ...)._repr_html_()


PICTURES = [("whole-story", "overview"), ("page-map-direct", "pagemap"), ("page-map-direct", "pressure")]


@pytest.mark.parametrize(("name", "view"), PICTURES)
@pytest.mark.usefixtures("chinese")
def test_picture__in_chinese(name, view, tmp_path, capfd):
    if letters.font_file("zh") is None:
        pytest.skip("no font of this system has Chinese letters")
    path = cl.picture(cl.datasets.load(name), tmp_path / "picture.svg", view=view)
    found = re.findall(r">([^<]*[\u4e00-\u9fff][^<]*)</text>", path.read_text("utf-8"))
    assert len(found) >= 5, found
    assert cl.picture(cl.datasets.load(name), tmp_path / "picture.png", view=view).stat().st_size > 20_000
    assert "font" not in capfd.readouterr().err


@pytest.mark.usefixtures("chinese", "without_fonts")
def test_picture__in_english_where_no_font_has_the_letters(tmp_path, capsys):
    run = cl.datasets.load("direct-compaction")
    path = cl.picture(run, tmp_path / "picture.svg")
    text = path.read_text("utf-8")
    assert not CHINESE.search(text)
    assert "would succeed" in text
    assert "No font here has the letters of 'zh': the picture is in English." in capsys.readouterr().out
    assert cl.language() == "zh"


def test_film__in_chinese_or_in_english_without_a_font(monkeypatch, capsys):
    run = cl.datasets.load("direct-compaction")
    two = sides_of({"one": run, "two": cl.datasets.load("healthy")})
    english = poster(run), beside(two)
    cl.language("zh")
    try:
        if letters.font_file("zh") is not None:
            with letters.drawable():
                films = poster(run), beside(two)
            assert films[0] != english[0]
            assert films[1] != english[1]
            assert all(film.startswith(b"\x89PNG") for film in films)
            assert capsys.readouterr().out == ""
        monkeypatch.setattr(letters, "_FILES", {"zh": ()})
        letters.font_file.cache_clear()
        with letters.drawable():
            assert (poster(run), beside(two)) == english
        assert "No font here" in capsys.readouterr().out
        assert not letters.is_drawable("内存")
        assert letters.is_drawable("memory")
    finally:
        letters.font_file.cache_clear()
        cl.language("en")


@pytest.mark.usefixtures("chinese", "without_fonts")
def test_drawable__gives_the_language_back_after_an_error():
    def fail():
        with letters.drawable():
            assert cl.language() == "en"
            raise KeyError("drawing")

    with pytest.raises(KeyError):
        fail()
    assert cl.language() == "zh"


@given(st.text(st.sampled_from("ab 内存块，。（）9 "), max_size=60), st.integers(8, 30))
def test_lines__keep_every_letter_and_the_width(text, width):
    lines = letters.lines(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    if any(unicodedata.east_asian_width(letter) in "WF" for letter in text):
        for line in lines:  # only what cannot be broken is wider
            assert texts.columns(line) <= width or len(letters._pieces(line.strip())) == 1, line
            assert not line or line[0] not in "，。）" or text.lstrip()[0] in "，。）"


# ------------------------------------------------------------------ forms: what a made-up language shows

IDENTIFIERS = {
    *("transparent_hugepage_defrag", "compaction_proactiveness", "defrag_mode", "extfrag_threshold"),
    *("min_free_kbytes", "percpu_pagelist_high_fraction", "watermark_scale_factor", "watermark_boost_factor"),
    *("always", "defer", "madvise", "never", "contig_range", "proc", "sys", "vm", "MiB", "GiB"),
}


def shown(widget) -> list[str]:
    """Texts of a form: names, options, tips, and what it says."""
    found = [getattr(widget, name, None) for name in ("description", "placeholder", "tooltip")]
    if type(widget).__name__ in ("HTML", "Label"):
        plain = re.sub(r"<style.*?</style>|<[^>]+>", " ", widget.value, flags=re.DOTALL)
        found.append(html.unescape(plain))
    found += getattr(widget, "_options_labels", ())
    for child in getattr(widget, "children", ()):
        found += shown(child)
    return [text for text in found if text]


FORMS = {
    "lab": lambda: cl.CompactionLab(),
    "what if": lambda: cl.WhatIf(cl.datasets.load("page-map-compaction")),
    "schedule": lambda: cl.Schedule(),
    "compare": lambda: cl.Compare(cl.datasets.load("healthy"), cl.datasets.load("whole-story")),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.usefixtures("bracketed")
def test_forms__show_no_text_outside_of_the_catalogue(name):
    from compactlab.experiments.trial import TRIGGERS

    known = {*IDENTIFIERS, *(demand.name for trigger in TRIGGERS.values() for demand in trigger.demands)}
    words = set()
    for text in shown(FORMS[name]()):
        if not any(dataset in text for dataset in ("page-map-", *(each.name for each in cl.datasets.list()))):
            words |= set(re.findall(r"[A-Za-z_]{2,}", bare(text)))
    assert not words - known, words - known
