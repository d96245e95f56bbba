"""What ingest says of what it set aside is told in the reader's language, with subject, value and bound."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from web.details import ASIDE, aside_detail
from web.language import Language, texts_of

INGEST = Path(__file__).parents[2] / "ingest"
RAISED = ("PackUnreadable", "Undecodable", "NoBirth", "BacklogUnreadable")
NEVER_SHOWN = ("there is no file 07",)  # the page answers 404 before


def said(node: ast.expr) -> Iterator[str]:
    """The sentence of an argument, each of its figures as 07."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "07" for part in node.values)
    elif isinstance(node, ast.BoolOp):  # raise problem or Undecodable(…)
        for value in node.values:
            yield from said(value)


def sentences_of_ingest() -> Iterator[str]:
    """What stands beside a reason in admission, and what the errors say whose text becomes such a detail."""
    for path in sorted(INGEST.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED:
                yield from said(node.args[0])
            elif isinstance(node, ast.Tuple) and ast.unparse(node).startswith("(RejectReason."):
                yield from said(node.elts[1])


def test_every_sentence_of_ingest_is_said_in_both_languages() -> None:
    french = texts_of(Language.FR)
    found = sorted(set(sentences_of_ingest()) - set(NEVER_SHOWN))
    assert len(found) > 35
    assert [one for one in found if aside_detail(one, french) == one] == []
    for pattern, sentence in ASIDE.items():
        assert texts_of(Language.EN).gettext(sentence) != sentence, pattern


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        (
            "zone-3/tower level_m: unit 'bar' is none of 'm', 'cm', 'mm', 'km'",
            "zone-3/tower level_m : l’unité 'bar' n’est aucune de 'm', 'cm', 'mm', 'km'",
        ),
        (
            "zone-3/tower level_m: measured 86400 s after it was received, bound 300 s",
            "zone-3/tower level_m : mesuré 1\u00a0j après sa réception, au plus 5\u00a0min",
        ),
        ("Expected `float | null`, got `str` - at `$.v`", "la valeur n’est pas un nombre"),
        ("Expected `float`, got `str` - at `$.t`", "l’heure ne se lit pas"),
        (
            "none of 40 readings is accepted; the first: zone-9/tap-01 volume_m3 is not in the registry",
            "aucune des 40 mesures n’est acceptée ; la première : zone-9/tap-01 volume_m3 n’est pas au registre",
        ),
        (
            "tower/level_m from water_level: 655.35 is beyond 0 … 400, which the device can mean",
            "tower/level_m from water_level : 655.35 est hors de 0 … 400, ce que l’appareil peut dire",
        ),
        (
            "tower/level_m from level: no time in it, and this device has to tell one",
            "tower/level_m from level : pas d’heure dedans, et cet appareil doit la dire",
        ),
        ("value out of range for type integer", "value out of range for type integer"),
    ],
    ids=["unit", "future", "text", "date", "many", "range", "no-time", "of-the-database"],
)
def test_a_detail_is_told_in_french_and_what_is_not_ours_stays(detail: str, told: str) -> None:
    assert aside_detail(detail, texts_of(Language.FR)) == told
