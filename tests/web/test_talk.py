"""What people said by SMS, on the pages: reports are closed, readings stand as made by hand, people are forgotten."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import httpx
import pytest

from tests.web.test_access import csrf_of
from tests.web.test_pages import words
from tests.web.web_seed import seed_talk
from tests.web.web_site import Site
from web.details import SENTENCES, route_detail
from web.language import Language, texts_of

pytestmark = pytest.mark.db
CARRIERS = Path(__file__).parents[2] / "alerts" / "carriers"


@pytest.fixture
def zone(site: Site) -> str:
    with site.connect() as connection:
        seed_talk(connection, site.alert_id, now=site.clock.now())
    return "/fr/zones/zone-3"


def test_a_report_is_closed_with_a_cause_and_opened_again(visitor: httpx.Client, zone: str) -> None:
    page = visitor.get(zone)
    assert "Pannes signalées par SMS" in words(page)
    number = re.findall(r"/pannes/(\d+)/clore", page.text)[0]
    form = {"csrf": csrf_of(visitor), "cause": "pipe"}
    closed = visitor.post(f"/fr/pannes/{number}/clore", data=form, follow_redirects=True)
    assert "conduite réparée" in words(closed)
    again = visitor.post(f"/fr/pannes/{number}/rouvrir", data=form, follow_redirects=True)
    assert f"/pannes/{number}/clore" in again.text
    assert visitor.post(f"/fr/pannes/{number}/clore", data=form | {"cause": "witches"}).status_code == 400
    assert visitor.post("/fr/pannes/999/clore", data=form).status_code == 404


def test_what_people_read_stands_as_made_by_hand_and_what_they_took_back_as_that(
    visitor: httpx.Client, zone: str
) -> None:
    text = words(visitor.get(zone))
    assert "Lu à la main" in text
    assert re.search(r"à la main : 2,10? m", text)
    assert re.search(r"2,30? m corrigée par la personne", text)
    table = text[text.index("Lu à la main") : text.index("Eau pompée par jour")]
    assert re.search(r"Borne 7.{0,40}812(,0+)?\s*m³", table), "nothing was read at this tap before"


def signs(page: httpx.Response) -> list[str]:
    """What the signs of readings by hand on the page's curves say."""
    return re.findall(r'<path d="[^"]+" class="by-hand"><title>([^<]+)</title>', page.text)


def test_a_level_that_somebody_read_has_its_own_sign_on_the_curves_of_zone_and_tower(
    visitor: httpx.Client, zone: str
) -> None:
    for page in (visitor.get(zone), visitor.get(f"{zone}/tower"), visitor.get(f"{zone.replace('/fr/', '/en/')}/tower")):
        (sign,) = signs(page)
        assert re.search(r"(à la main|by hand).*2[,.]10?\sm", sign), "and what was taken back has none"
        assert re.search(r'class="by-hand"/></svg> (lu à la main|read by hand)', page.text), "so says the legend"
        assert re.search(r"(Lu à la main|Read by hand).*Hadja Djenabou", words(page))


def test_what_was_read_at_a_tap_stands_on_its_page_and_no_sign_on_its_days(visitor: httpx.Client, zone: str) -> None:
    page = visitor.get(f"{zone}/tap-07")
    assert re.search(r"Lu à la main.*812(,0+)?\s*m³", words(page))
    assert signs(page) == []


def test_a_person_is_forgotten_on_the_page(site: Site, visitor: httpx.Client, zone: str) -> None:
    page = visitor.get("/fr/messages/accord")
    with site.connect() as connection:
        ((number, name),) = connection.execute(
            "SELECT contact_id, name FROM contact WHERE zone_id = 'zone-3' AND role = 'fontainier'"
        ).fetchall()
    address = f"/fr/messages/accord/{number}/oublier"
    after = visitor.post(address, data={"csrf": csrf_of(visitor)}, follow_redirects=True)
    assert (name in words(page), name in words(after)) == (True, False)
    assert "personne effacée" in words(visitor.get(zone))
    assert visitor.post(address, data={"csrf": csrf_of(visitor)}).status_code == 404


def sentences_of_carriers() -> list[str]:
    """Every sentence that a carrier gives with an outcome or its health, each of its figures as 7."""
    found = []
    for path in sorted(CARRIERS.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"Refused": 0, "Uncertain": 0, "Health": 1}.get(node.func.id, 99)
                for argument in node.args[place : place + 1]:
                    if isinstance(argument, ast.Constant) and argument.value:
                        found.append(str(argument.value))
                    elif isinstance(argument, ast.JoinedStr):
                        found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "07"
                                             for part in argument.values))  # fmt: skip
    return found


def test_every_sentence_of_a_carrier_is_said_in_both_languages() -> None:
    french = texts_of(Language.FR)
    found = sentences_of_carriers()
    assert len(found) > 15
    assert [said for said in found if route_detail(said, french) == said] == []
    for pattern, sentence in SENTENCES.items():
        assert texts_of(Language.EN).gettext(sentence) != sentence, pattern


def test_a_detail_is_told_part_by_part_and_foreign_words_stay() -> None:
    french = texts_of(Language.FR)
    told = route_detail("gammu-smsd does not write any more, signal 12 %, Orange GN", french)
    assert told == "gammu-smsd n’écrit plus, signal 12 %, Orange GN"
    assert route_detail("no such number", french) == "no such number"
