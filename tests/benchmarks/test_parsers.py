"""What the fuzzer once found stays mended: `make bench-fuzz-coverage` begins with the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fuzz_coverage import CORPUS
from benchmarks.parsers import PARSERS


@pytest.mark.parametrize("name", PARSERS)
def test_what_reached_something_new_once_and_what_is_right_is_read_as_it_must_be(name: str) -> None:
    right = list(PARSERS[name].right())
    found = [file.read_bytes() for file in sorted((CORPUS / name).iterdir())]
    assert right
    assert found
    for data in right + found:
        PARSERS[name].try_one(data)


def test_every_corpus_is_some_parser_s() -> None:
    assert {folder.name for folder in Path(CORPUS).iterdir()} == set(PARSERS)
