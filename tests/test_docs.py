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
    english = ROOT / "SECURITY.md" if name == "security.md" else ROOT / "docs" / name
    for what in (r"^ *```", r"^\|"):
        there, here = (
            len(re.findall(what, page.read_text("utf-8"), re.MULTILINE))
            for page in (english, ROOT / "docs" / "fr" / name)
        )
        assert there == here
