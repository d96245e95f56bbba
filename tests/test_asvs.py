"""docs/asvs.md: every requirement has its line, each test named exists, each reason is one; the French page too."""

import ast
import re
from collections import Counter
from pathlib import Path

ROW = re.compile(r"\| (V\d+\.\d+\.\d+) \| ([12]) \| (met|partly|not met|n/a) \| (?:`([^`]+)`)? ?\| (.*?) ?\|")
TEXT, FRENCH = (Path(page).read_text("utf-8") for page in ("docs/asvs.md", "docs/fr/asvs.md"))
ROWS = [match.groups() for match in map(ROW.fullmatch, TEXT.splitlines()) if match]
IN_CHAPTER = {
    "V1": 27, "V2": 11, "V3": 19, "V4": 10, "V5": 9, "V6": 35, "V7": 18, "V8": 7,
    "V9": 7, "V10": 29, "V11": 14, "V12": 9, "V13": 13, "V14": 9, "V15": 13, "V16": 16, "V17": 7
}  # fmt: skip
"""How many requirements of levels 1 and 2 each chapter of ASVS 5.0.0 has."""


def test_every_requirement_has_one_line() -> None:
    numbers = [number for number, *_ in ROWS]
    assert len(numbers) == len(set(numbers)) == TEXT.count("\n| V")
    assert Counter(number.partition(".")[0] for number in numbers) == IN_CHAPTER


def test_every_test_that_is_named_exists() -> None:
    for number, _, state, named, _ in ROWS:
        assert named or state != "met", f"{number} is met, and no test shows it"
        if named:
            file, _, name = named.partition("::")
            tests = {
                one.name for one in ast.parse(Path(file).read_text("utf-8")).body if isinstance(one, ast.FunctionDef)
            }
            assert any(one.startswith("test_") for one in tests), file
            assert not name or name in tests, f"{number}: {named}"


def test_what_is_not_met_says_why_and_the_counts_are_right() -> None:
    for number, _, state, _, why in ROWS:
        assert state == "met" or len(why) > 5, number
    counts = Counter(state for _, _, state, *_ in ROWS)
    for words in (
        f"{len(ROWS)} requirements", f"{counts['met']} are met", f"{counts['partly']} in part",
        f"{counts['not met']} are not", f"{counts['n/a']} are about something",
    ):  # fmt: skip
        assert words in TEXT, words


def test_the_french_page_says_the_same() -> None:
    states = {"met": "tenu", "partly": "en partie", "not met": "pas tenu", "n/a": "sans objet"}
    told = [tuple(part.strip() for part in line.split("|")[1:6]) for line in FRENCH.splitlines() if line[:3] == "| V"]
    wanted = [(number, level, states[state], f"`{named}`" if named else "") for number, level, state, named, _ in ROWS]
    assert [row[:4] for row in told] == wanted
    assert [bool(row[4]) for row in told] == [bool(why) for *_, why in ROWS]
    assert re.findall(r"\d+ (?=sont|en partie|ne le|portent)", FRENCH) == re.findall(r"\d+ (?=are|in part)", TEXT)
