"""The demo's text: there on every machine, the same each time, and never run."""

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from syncline_contracts.errors import ConfigurationError
from syncline_sync_worker.demo.corpus import LIBRARY, TOPICS, corpus, library, topics
from syncline_sync_worker.demo.folder import MARKER, claim, disown
from syncline_sync_worker.demo.questions import QUESTIONS


def test_there_is_enough_of_it_and_every_key_is_its_own() -> None:
    found = Counter((item.namespace, item.key) for item in corpus())
    assert len(found) > 500
    assert max(found.values()) == 1


def test_each_question_has_an_answer_in_it() -> None:
    keys = {item.key for item in corpus()}
    assert all(question.answers & keys for question in QUESTIONS)


def test_topics_carry_their_first_line_as_title() -> None:
    found = {item.key: item for item in topics()}
    assert found["lambda"].value["title"] == "Lambdas"
    assert found["lambda"].namespace == TOPICS


def test_source_is_parsed_and_not_run(tmp_path: Path) -> None:
    words = "Says more than enough about what it does, so that somebody could search for it: " * 2
    (tmp_path / "a.py").write_text(
        f'"""{words}"""\nraise SystemExit\nclass Public:\n    """{words}"""\nclass Terse:\n    """Short."""\n'
        f'def _hidden():\n    """{words}"""\nasync def shown():\n    """{words}"""\n'
    )
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "_private.py").write_text(f'"""{words}"""')
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text(f'"""{words}"""')
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "a.py").write_text(f'"""{words}"""')
    found = list(library(tmp_path))
    assert [(item.key, item.value["kind"]) for item in found] == [
        ("a", "module"),
        ("a.Public", "class"),
        ("a.shown", "function"),
        ("pack", "module"),
    ]
    assert {item.namespace for item in found} == {LIBRARY}


def test_it_comes_in_the_same_order_each_time() -> None:
    assert [item.key for item in islice(corpus(), 200)] == [item.key for item in islice(corpus(), 200)]


def test_a_folder_that_is_not_the_demos_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "documents.db").write_text("mine")
    with pytest.raises(ConfigurationError, match="name another"):
        claim(tmp_path, keep=False)
    assert (tmp_path / "documents.db").read_text() == "mine"


def test_a_demos_folder_is_begun_anew_until_somebody_else_writes_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "demo"
    assert claim(folder, keep=False) is False
    (folder / "documents.db").write_text("demo's")
    (folder / "index").mkdir()
    assert claim(folder, keep=True) is False
    assert (folder / "documents.db").exists()
    assert claim(folder, keep=False) is True
    assert [path.name for path in folder.iterdir()] == [MARKER]
    (folder / "documents.db").write_text("mine by now")
    disown(folder)
    with pytest.raises(ConfigurationError):
        claim(folder, keep=False)


def test_a_file_in_the_folders_place_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="name another"):
        claim(tmp_path / "file" / "demo", keep=False)
