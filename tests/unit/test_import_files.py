"""Files as documents: what is read, under which name, and what is named when it cannot be."""

from pathlib import Path

import pytest

from syncline_contracts.errors import InvalidInput
from syncline_sync_worker.imports import Item, Problem, Reading, read
from syncline_sync_worker.imports.files import text_of_rst
from syncline_sync_worker.imports.html import text_of_html
from syncline_sync_worker.imports.markdown import text_of_markdown


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    root = tmp_path / "notes"
    (root / "sub").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / ".git" / "x.md").write_text("# hidden")
    (root / "b.txt").write_text("plain words\n")
    (root / "a.md").write_text("# Bees\n\nThey *dance* the [way](http://x).\n")
    (root / "photo.png").write_bytes(b"\x89PNG")
    (root / "sub" / "c.rst").write_text("Title\n=====\n\nBody\n")
    return root


def test_a_folder_gives_its_name_and_its_subfolders(notes: Path) -> None:
    items = [item for item in read([notes]) if isinstance(item, Item)]
    assert [(item.namespace, item.key) for item in items] == [(("notes",), "a.md"), (("notes",), "b.txt"), (("notes", "sub"), "c.rst")]
    assert items[0].value == {"title": "Bees", "text": "They dance the way.", "file": "a.md"}
    assert items[1].value["title"] == "b"
    assert items[2].value["title"] == "Title"


def test_a_namespace_that_is_given_takes_the_folders_place(notes: Path) -> None:
    found = {item.namespace for item in read([notes], Reading(namespace=("x", "y"))) if isinstance(item, Item)}
    assert found == {("x", "y"), ("x", "y", "sub")}


def test_a_single_file_stands_in_its_folders_namespace(notes: Path) -> None:
    (item,) = read([notes / "a.md"])
    assert isinstance(item, Item)
    assert (item.namespace, item.key) == (("notes",), "a.md")


def test_a_file_that_is_no_text_is_named_and_the_others_go_on(notes: Path) -> None:
    (notes / "aa.txt").write_bytes(b"caf\xe9")
    (notes / "empty.txt").write_text(" \n")
    (notes / "large.txt").write_bytes(b"x" * 1_000_001)
    found = list(read([notes]))
    problems = {Path(p.origin).name: p.message for p in found if isinstance(p, Problem)}
    assert sum(isinstance(item, Item) for item in found) == 3
    assert problems.keys() == {"aa.txt", "empty.txt", "large.txt"}
    assert "0xe9 at 3" in problems["aa.txt"]
    assert "1,000,001 bytes" in problems["large.txt"]


def test_utf16_and_latin1_pages_say_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("grüße", encoding="utf-16")
    (tmp_path / "b.html").write_bytes('<meta charset="iso-8859-1"><p>grüße'.encode("latin-1"))
    (tmp_path / "c.html").write_bytes(b'<meta charset="klingon"><p>x')
    texts = [item.value["text"] if isinstance(item, Item) else item.message for item in read([tmp_path])]
    assert texts[:2] == ["grüße", "grüße"]
    assert "klingon" in texts[2]


@pytest.mark.parametrize("name", ["nowhere", "photo.png"])
def test_a_path_that_cannot_be_imported_is_refused_before_anything_is_read(notes: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        read([notes, notes / name])


def test_html_gives_what_a_reader_would_see() -> None:
    source = """<!doctype html><head><title>The &amp; page</title><style>p {}</style><script>var a = "<p>";</script>
    <body><h1>Head</h1><p>One <b>bold</b>
    word.<p>Two<br>lines<pre>a
b</pre><noscript>no</noscript>"""
    assert text_of_html(source) == ("The & page", "Head\nOne bold word.\nTwo\nlines\na\nb")


def test_broken_html_is_read_as_far_as_it_makes_sense() -> None:
    assert text_of_html("</p></script><td>a<td>b<span>c") == (None, "a\nbc")


def test_markdown_loses_its_marks_and_keeps_its_code() -> None:
    source = "---\ntags: x\n---\nSome `code` ![pic](a.png)\n\n## Later *title*\n\n```py\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    title, text = text_of_markdown(source)
    assert title == "Later title"
    assert text == "Some code pic\n\nLater title\n\nx = 1\n\na\n\nb\n\n1\n\n2"


def test_rst_titles_are_underlined_and_may_be_overlined() -> None:
    assert text_of_rst("=====\nTitle\n=====\nBody")[0] == "Title"
    assert text_of_rst("no title\n\n* a\n* b")[0] is None
