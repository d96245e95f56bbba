"""What a reader of the documentation meets: links that lead somewhere, and French that says what English says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SUMMARIES = {"performance.md"}  # in French the chief figures only


def without_blocks(page: Path) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page)):
        address, _, anchor = link.partition("#")
        if ":" not in address:
            target = page.parent / address if address else page
            assert target.exists(), link
            assert not anchor or anchor in anchors_of(target), link


@pytest.mark.parametrize("name", sorted({page.name for page in (ROOT / "docs" / "fr").glob("*.md")} - SUMMARIES))
def test_a_french_page_has_the_blocks_and_tables_of_its_english_one(name: str) -> None:
    at_the_top = {"security.md": "SECURITY.md", "README.md": "README.md"}
    english = ROOT / at_the_top.get(name, f"docs/{name}")
    for what in (r"^ *```", r"^\|"):
        there, here = (
            len(re.findall(what, page.read_text("utf-8"), re.MULTILINE))
            for page in (english, ROOT / "docs" / "fr" / name)
        )
        assert there == here


def test_what_the_readme_says_of_detection_is_what_its_page_says_of_all_unseen_sets_since_115() -> None:
    page = (ROOT / "docs" / "detection.md").read_text("utf-8")
    own = re.search(r"\*\*together\*\* \| \*\*(\d+) of (\d+), \S+ \| \*\*(\d+) of (\d+)", page)
    assert own
    named, all_, right, told = map(int, own.groups())
    rows = re.findall(
        r"^\| \*\*(?:11[5-9]|1[2-9]\d)–\d+, unseen.*?\*\*(\d+) of (\d+), \S+ \|"
        r" \*\*([\d.]+)\*\* \((\d+) false, (\d+) misnamed",
        page, re.MULTILINE,
    )  # fmt: skip
    assert len(rows) >= 6
    unseen = sum(int(row[0]) for row in rows) / sum(int(row[1]) for row in rows)
    wrong = [int(row[3]) + int(row[4]) for row in rows]
    precision = 1 - sum(wrong) / sum(some / (1 - float(row[2])) for some, row in zip(wrong, rows, strict=True))
    for readme in (ROOT / "README.md", ROOT / "docs" / "fr" / "README.md"):
        assert re.findall(r"([\d.]+) %", readme.read_text("utf-8").replace(",", ".")) == [
            f"{named / all_:.0%}"[:-1], f"{right / told:.1%}"[:-1], f"{unseen:.0%}"[:-1], f"{precision:.0%}"[:-1]
        ]  # fmt: skip
