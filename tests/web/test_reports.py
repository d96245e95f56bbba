"""Reports as people write, publish and read them: frozen, in two languages, without anybody's name."""

from __future__ import annotations

import csv
import io
import re
import sys
import time
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest

from gateway.clock import ManualClock, SystemClock
from gateway.model import AssetKind
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import Connection, connect
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from tests.databases import database, leave_alone
from tests.web.test_access import csrf_of
from tests.web.test_pages import words
from tests.web.web_seed import seed_alert, seed_notification, seed_readings
from tests.web.web_site import Site, make_site
from web.daily import fetch_volumes
from web.language import Language
from web.reports.figures import DayState, RepairLine, Rows, Service
from web.reports.period import Period
from web.reports.sheets import Audience, sheet
from web.reports.store import draft
from web.rights import Role

pytestmark = pytest.mark.db

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
OCTOBER = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture(scope="module")
def _october(postgres: str, _template: str, zones: list[Zone]) -> Iterator[tuple[str, Site]]:
    """October of zones 1 and 5, to copy; zone 5 was silent from the 12th on."""
    name = f"{_template}_october"
    with database(postgres, name, template=_template) as url:
        site = make_site(url, zones, ManualClock(NOW))
        with site.connect() as connection:
            seed_readings(connection, zones[0], now=NOW, days=40)
            silent = [(OCTOBER - timedelta(days=20), NOW + timedelta(days=1))]
            seed_readings(connection, zones[4], now=NOW, days=40, skip=silent)
        leave_alone(postgres, name)
        yield name, site


@pytest.fixture
def october(postgres: str, _october: tuple[str, Site], clock: ManualClock) -> Iterator[Site]:
    """The October of this test alone."""
    name, site = _october
    with database(postgres, f"{name}_copy", template=name) as url:
        wall = ManualClock(SystemClock().now())
        yield replace(site, url=url, config=replace(site.config, database_url=url), clock=clock, wall=wall)


@pytest.fixture
def author(october: Site) -> httpx.Client:
    with october.app() as client:
        assert client.get(october.login_path()).status_code == 303
        yield client  # type: ignore[misc]


def send(client: httpx.Client, address: str, **form: str) -> httpx.Response:
    return client.post(address, data={"csrf": csrf_of(client), **form}, follow_redirects=True)


def seen(page: httpx.Response, form: str) -> str:
    """What a form of this page says that it was made of."""
    found = re.search(rf'/{form}"[^>]*>(?:<input[^>]*>)*<input[^>]* name="vu" value="([^"]+)"', page.text)
    assert found
    return found[1]


def write(client: httpx.Client, address: str, **form: str) -> httpx.Response:
    """Read the draft and write in it."""
    return send(client, f"{address}/texte", vu=seen(client.get(f"{address}?version=brouillon"), "texte"), **form)


def publish(client: httpx.Client, address: str) -> httpx.Response:
    """Read the draft and publish what was read."""
    return send(client, f"{address}/publier", vu=seen(client.get(f"{address}?version=brouillon"), "publier"))


def fields(page: httpx.Response) -> dict[str, str]:
    """What stands in the form of a draft."""
    found = dict(re.findall(r'<textarea id="(\w+)"[^>]*>([^<]*)</textarea>', page.text))
    takings = re.search(r'name="recette"[^>]* value="([^"]*)"', page.text)
    return {key: unescape(text) for key, text in (found | ({"recette": takings[1]} if takings else {})).items()}


def figures(client: httpx.Client, address: str) -> dict[str, str]:
    rows = csv.DictReader(io.StringIO(client.get(address).text))
    return {f"{row['zone']}/{row['figure']}": row["value"] for row in rows}


def test_the_october_report_of_a_zone_holds_what_a_pencil_gives(author: httpx.Client) -> None:
    """17 taps that give 0, 0.01, … 0.16 m³ an hour: 1.36 × 24 = 32.64 m³ a day, × 31 = 1011.84 m³ for 1450 people:
    22.51 L each; worth 1011.84 × 50 × 100 GNF."""
    found = figures(author, "/fr/rapports/2026-10/zone-1?format=csv")
    assert float(found["zone-1/delivered"]) == pytest.approx(1011.84)
    assert float(found["zone-1/litres_per_person_day"]) == pytest.approx(22.510, abs=0.001)
    assert found["zone-1/water_value"] == "5059200"
    assert (found["zone-1/days_with_water"], found["zone-1/days_unknown"]) == ("31", "0")
    assert (found["zone-1/taps"], found["zone-1/taps_heard"]) == ("17", "17")
    assert float(found["zone-1/delivered_on_2026-10-17"]) == pytest.approx(32.64)
    assert found["zone-1/not_accounted_for"] == "", "the outlet's meter never spoke: not known"
    text = words(author.get("/fr/rapports/2026-10/zone-1"))
    assert "Hoore-Fello (fictif) — octobre 2026" in text
    assert "1 012 m³" in text.replace("\u202f", " ").replace("\xa0", " ")
    assert "Eau non comptabilisée pas connu" in text


def test_a_tap_that_is_taken_away_takes_its_past_out_of_no_report_graph_or_export(
    author: httpx.Client, october: Site, zones: list[Zone]
) -> None:
    report, lives = (
        "/fr/rapports/2026-10/zone-1?format=csv",
        "SELECT count(*) FROM channel WHERE retired_at IS NOT NULL",
    )
    before = author.get(report).text
    last_tap = [asset.asset_id for asset in zones[0].assets if asset.kind is AssetKind.TAP][-1]
    fewer = replace(zones[0], assets=tuple(asset for asset in zones[0].assets if asset.asset_id != last_tap))
    with october.connect() as connection:
        import_zones(connection, [fewer], now=october.clock.now())
        assert connection.execute(lives).fetchone() == (1,)
    assert author.get(report).text == before, "October is over, whatever is taken away in November"

    graph = author.get(f"/fr/zones/zone-1/graphes?v={last_tap}/volume_m3&du=2026-10-01&au=2026-10-31")
    assert "total 119" in words(graph).replace("\u202f", " ").replace("\xa0", " "), "0.16 m³ × 24 × 31"
    assert "données reçues : 100 %" in words(graph).replace("\xa0", " ")
    picked = re.search(rf'value="{last_tap}/volume_m3" checked>(.*?)</label>', graph.text)
    assert picked
    assert "jusqu’au" in picked[1]
    assert "jusqu’au" in words(author.get("/fr/donnees?canaux=zone-1"))
    day = "from=2026-10-17&to=2026-10-17&kind=day"
    assert f"zone-1,{last_tap},volume_m3" in author.get(f"/api/v1/exports/readings?zone=zone-1&{day}").text
    assert last_tap in author.get("/fr/donnees/qualite/zone-1?du=2026-10-01&au=2026-10-31").text
    assert author.get(f"/api/v1/readings?channel=zone-1/{last_tap}/volume_m3&end=2026-10-17T00:00:00Z").json()["items"]
    listed = {row["id"]: row for row in author.get("/api/v1/channels?zone=zone-1&retired=true").json()["items"]}
    assert listed[f"zone-1/{last_tap}/volume_m3"]["retired_at"] is not None
    assert f"zone-1/{last_tap}/volume_m3" not in author.get("/api/v1/channels?zone=zone-1").text


def test_specific_energy_of_the_seeded_pump_is_its_rated_power_against_its_rated_flow(author: httpx.Client) -> None:
    """Power and flow follow the same half sine, so each hour has 850 W against 2.7 m³/h: 0.3148 kWh/m³; for 100 m of
    51: 0.617. Hours are cut at five minutes, hence the tolerance."""
    found = figures(author, "/fr/rapports/2026-10/zone-1?format=csv")
    assert float(found["zone-1/energy"]) == pytest.approx(0.850 / 2.7, rel=0.01)
    assert float(found["zone-1/energy_per_100_m"]) == pytest.approx(0.850 / 2.7 / 51 * 100, rel=0.01)
    assert found["zone-1/energy_hours"] == str(31 * 24)


def test_a_zone_of_which_little_is_known_is_called_indicative_and_shows_no_zero(author: httpx.Client) -> None:
    page = author.get("/fr/rapports/2026-10/zone-5")
    text = words(page)
    assert "Ley-Saare (fictif) — octobre 2026 (indicatif)" in text
    assert "pas connus : 20 ; sur 31" in text
    assert "<title>Rapport mensuel, octobre 2026, Ley-Saare (fictif) (indicatif)" in page.text
    never = words(author.get("/fr/rapports/2026-10/zone-6"))
    assert "eau livrée pas connu" in never or "pas connu eau livrée" in never
    assert figures(author, "/fr/rapports/2026-10/zone-6?format=csv")["zone-6/days_without_water"] == "0"
    assert figures(author, "/fr/rapports/2026-10/zone-6?format=csv")["zone-6/delivered"] == ""


def write_taps(connection: Connection, zone: Zone, *, until: datetime, skip: tuple[datetime, datetime]) -> None:
    """Each hour's reading of all taps from 28 September to `until`, but none within `skip`: 10 litres an hour from
    07:00 to 19:00, and none on the 20th."""
    t_s = np.arange((OCTOBER - timedelta(days=34)).timestamp(), until.timestamp() + 1, 3600)
    draws = (t_s % 86_400 > 7 * 3600) & (t_s % 86_400 <= 19 * 3600)
    draws &= t_s // 86_400 != (OCTOBER - timedelta(days=12)).timestamp() // 86_400
    value = 5 + np.cumsum(0.01 * draws)
    kept = (t_s < skip[0].timestamp()) | (t_s >= skip[1].timestamp())
    t_us, numbers = (t_s[kept] * 1e6).astype(np.int64), channel_ids(connection)
    for tap in zone.taps:
        number = np.full(len(t_us), numbers[zone.zone_id, tap.asset_id, "volume_m3"], np.int32)
        ReadingWriter(connection).write(Columns(number, t_us, t_us, value[kept], np.ones(len(t_us), np.int16)))


@pytest.mark.parametrize("is_old", [False, True], ids=["now", "days-written-by-the-version-before"])
def test_a_silence_that_begins_at_night_makes_no_day_without_water(
    october: Site, author: httpx.Client, zones: list[Zone], is_old: bool
) -> None:
    """Zone 2 was heard until 02:00 on the 11th, then from 08:00 on the 14th; zone 3 until 02:00 on the 21st for good.
    On the 20th both were heard until midnight, and nobody drew anything: that is the only day without water."""
    lost = datetime(2026, 10, 11, 2, 1, tzinfo=UTC), datetime(2026, 10, 14, 8, tzinfo=UTC)
    with october.connect() as connection:
        write_taps(connection, zones[1], until=NOW, skip=lost)
        write_taps(connection, zones[2], until=datetime(2026, 10, 21, 2, tzinfo=UTC), skip=lost)
        if is_old:
            connection.execute("UPDATE reading_day SET last_hour = NULL")
        days = [(OCTOBER - timedelta(days=back)).date() for back in range(31, 0, -1)]
        by_tap = fetch_volumes(connection, days, asset="tap-%", zone="zone-2")
    unknown = [f"2026-10-{day}" for day in (11, 12, 13, 14)]
    for zone, so_many in (("zone-2", 4), ("zone-3", 4 + 11)):
        found = figures(author, f"/fr/rapports/2026-10/{zone}?format=csv")
        assert (found[f"{zone}/days_without_water"], found[f"{zone}/days_unknown"]) == ("1", str(so_many))
        assert found[f"{zone}/water_on_2026-10-20"] == "dry"
        assert [found[f"{zone}/water_on_{on}"] for on in unknown] == [""] * 4
        assert [found[f"{zone}/delivered_on_{on}"] for on in unknown] == [""] * 4
        assert found[f"{zone}/water_on_2026-10-10"] == found[f"{zone}/water_on_2026-10-15"] == "served"
    no_data = [str(on) for on, *taps in zip(days, *by_tap.values(), strict=True) if None in taps]
    assert no_data == unknown, "as the page of the taps says"
    assert "pas connus : 4 ; sur 31" in words(author.get("/fr/rapports/2026-10/zone-2"))


def test_a_zone_that_falls_silent_in_the_evening_is_known_until_then(
    october: Site, author: httpx.Client, zones: list[Zone]
) -> None:
    """Silent for good after 19:00 on the 21st: that day is known, the ten after it are not."""
    never = NOW, NOW
    with october.connect() as connection:
        write_taps(connection, zones[1], until=datetime(2026, 10, 21, 19, tzinfo=UTC), skip=never)
    found = figures(author, "/fr/rapports/2026-10/zone-2?format=csv")
    assert (found["zone-2/days_with_water"], found["zone-2/days_unknown"]) == ("20", "10")


def test_a_published_report_never_changes_and_what_changed_is_told_before_the_next(
    october: Site, author: httpx.Client
) -> None:
    address = "/fr/rapports/2026-10/zone-1"
    write(author, address, fr="Mois calme.\nLe clapet sera changé.", en="A calm month.", recette="3 400 000")
    first = publish(author, address)
    assert "Version 1, publiée le 3 novembre 2026" in words(first)
    sheet = author.get(f"{address}?version=1&format=csv").text
    with october.connect() as connection:
        connection.execute("UPDATE zone SET people = 2900, name = 'Autre nom' WHERE zone_id = 'zone-1'")
    assert author.get(f"{address}?version=1&format=csv").text == sheet, "not a byte"
    assert "Hoore-Fello (fictif) — octobre 2026" in words(author.get(address)), "the last version is shown first"
    draft = words(author.get(f"{address}?version=brouillon"))
    assert "Ce qui a changé depuis la version 1" in draft
    assert "people 1450 2900" in draft
    assert "takings" not in draft.split("Maintenant")[1].split("Simulation")[0]
    second = publish(author, address)
    assert "Version 2, publiée le 3 novembre 2026" in words(second)
    assert "Autre nom" in words(second)
    versions = words(second).split("Versions publiées")[1]
    assert "version 2 Awa" in versions
    assert "version 1 Awa" in versions
    assert author.get(f"{address}?version=1&format=csv").text == sheet
    assert "Mois calme." in words(author.get(f"{address}?version=1"))
    assert "A calm month." in words(author.get("/en/rapports/2026-10/zone-1?version=1"))
    with october.connect() as connection:
        for statement in (
            "UPDATE published_report SET words_fr = 'x'", "DELETE FROM published_report", "TRUNCATE zone CASCADE",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.RaiseException, match="published_report only grows"):
                connection.execute(statement)


def test_what_is_published_is_what_was_read(october: Site, author: httpx.Client) -> None:
    address = "/fr/rapports/2026-10/zone-1"
    read = seen(author.get(address), "publier")
    with october.connect() as connection:
        connection.execute("UPDATE zone SET people = 2900 WHERE zone_id = 'zone-1'")
    answer = send(author, f"{address}/publier", vu=read)
    assert "Les chiffres ou le texte ont changé depuis que vous les avez lus." in words(answer)
    assert "Versions publiées" not in words(answer)


def test_a_month_that_goes_on_is_not_published(author: httpx.Client) -> None:
    page = author.get("/fr/rapports/2026-11")
    assert "période en cours, jusqu’au 2 novembre 2026" in words(page)
    assert '/publier"' not in page.text
    answer = send(author, "/fr/rapports/2026-11/publier", vu="x")
    assert "La période n’est pas finie" in words(answer)
    assert author.get("/fr/rapports/2026-12").status_code == 404, "not begun"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"fr": "Appelez le 622 00 00 01"}, "Le texte contient un numéro de téléphone"),
        ({"fr": "Merci à mamadou aliou diallo."}, "Le texte contient le nom d’une personne du comité"),
        ({"fr": "Merci à M. DIALLO."}, "Le texte contient le nom d’une personne du comité"),
        ({"en": "Aïssatou, the treasurer, was there."}, "Le texte contient le nom d’une personne du comité"),
        ({"en": "x" * 601}, "Le texte est trop long : 600 lettres au plus."),
        ({"fr": "ok", "recette": "beaucoup"}, "La recette n’est pas un nombre de GNF possible."),
        ({"fr": "ok", "recette": "-5"}, "La recette n’est pas un nombre de GNF possible."),
    ],
)
def test_a_text_that_no_report_may_bear_is_refused_whole(author: httpx.Client, form: dict[str, str], said: str) -> None:
    form = {"fr": "Mois calme.", "en": "Calm.", "recette": "1 250 000", **form}
    answer = write(author, "/fr/rapports/2026-10/zone-1", **form)
    assert answer.status_code == 400
    assert said in words(answer)
    assert "Rien n’est écrit." in words(answer)
    assert fields(answer) == form, "all that was typed is still there"
    again = send(author, "/fr/rapports/2026-10/zone-1/texte", vu=seen(answer, "texte"), fr="Mois calme.")
    assert "Mois calme." in fields(again)["fr"], "and can be sent once it is mended"


def test_a_conclusion_as_long_as_the_form_allows_is_kept_however_a_browser_ends_its_lines(author: httpx.Client) -> None:
    text = "\n".join(["Une ligne."] * 54)[:600]
    answer = write(author, "/fr/rapports/2026-10", fr=text.replace("\n", "\r\n"))
    assert answer.status_code == 200
    assert fields(answer)["fr"] == text


def test_of_two_who_write_in_a_draft_the_second_sees_what_the_first_wrote_and_loses_nothing(
    october: Site, author: httpx.Client
) -> None:
    address = "/fr/rapports/2026-10/zone-1"
    old = seen(author.get(f"{address}?version=brouillon"), "texte")
    with october.app() as other:
        assert other.get(october.login_path(Role.ENGINEER)).status_code == 303
        write(other, address, fr="Le clapet sera changé.", recette="1 250 000")
    late = send(author, f"{address}/texte", vu=old, fr="Mois calme.", en="A calm month.", recette="")
    assert late.status_code == 409
    assert "Quelqu’un a changé ce brouillon pendant que vous écriviez ; rien n’est enregistré." in words(late)
    notice = words(late).split("puis gardez de nouveau.")[1].split("Toutes les zones")[0]
    for said in ("engineer, à l’instant", "En français Maintenant Le clapet sera changé.", "Maintenant 1250000"):
        assert said in notice, said
    assert "En anglais" not in notice, "nobody has changed it"
    assert fields(late) == {"fr": "Mois calme.", "en": "A calm month.", "recette": "1250000"}
    with october.connect() as connection:
        before = connection.execute("SELECT gnf, noted_by FROM takings").fetchall()
        assert before == [(1_250_000, "engineer")]
    kept = send(author, f"{address}/texte", vu=seen(late, "texte"), **fields(late))
    assert kept.status_code == 200
    assert fields(kept) == fields(late)
    with october.connect() as connection:
        assert connection.execute("SELECT gnf, noted_by FROM takings").fetchall() == before
        rows = connection.execute(
            "SELECT what, before, after FROM audit_log WHERE zone_id = 'zone-1' ORDER BY audit_id"
        )
        assert rows.fetchall()[2:] == [
            (
                "report_written", {"fr": "Le clapet sera changé.", "en": ""},
                {"fr": "Mois calme.", "en": "A calm month."},
            )
        ]  # fmt: skip


def test_a_form_that_does_not_say_what_it_was_made_of_overwrites_nothing(author: httpx.Client) -> None:
    address = "/fr/rapports/2026-10/zone-1"
    write(author, address, fr="Mois calme.", recette="900")
    for odd in ("", "x", "a.b", "a.b.c.d"):
        late = send(author, f"{address}/texte", vu=odd, fr="Autre.", recette="")
        assert late.status_code == 409, odd
        assert fields(late) == {"fr": "Autre.", "en": "", "recette": ""}
    assert fields(author.get(f"{address}?version=brouillon"))["fr"] == "Mois calme."


def test_no_name_and_no_phone_of_anybody_is_on_any_sheet(
    october: Site, author: httpx.Client, zones: list[Zone]
) -> None:
    publish(author, "/fr/rapports/2026-10/zone-1")
    publish(author, "/fr/rapports/2026-10")
    people = [person for zone in zones for person in zone.committee]
    for address in (
        "/fr/rapports/2026-10?format=csv", "/fr/rapports/2026-10/zone-1?format=csv", "/en/rapports/2026-10",
        "/fr/rapports/2026-10/zone-1", "/fr/rapports/2026-10/zone-1?pour=comite",
    ):  # fmt: skip
        sheet = author.get(address).text
        article = sheet if "format=csv" in address else sheet.split("<article")[1].split("</article>")[0]
        assert len(article) > 800
        assert not [one for one in people if one.name in article or one.phone[4:] in article]
        assert "Awa" not in article, "who published it stands on the page, not on the sheet"


def test_the_committees_sheet_is_french_for_everybody_and_says_what_nobody_knows(author: httpx.Client) -> None:
    for language in ("fr", "en"):
        page = author.get(f"/{language}/rapports/2026-10/zone-5?pour=comite")
        sheet = page.text.split("<article")[1].split("</article>")[0]
        assert 'lang="fr"' in sheet
        text = words(page)
        assert "Oui, 11 jours. On ne sait pas : 20 jours." in text
        assert "Encaissé : on ne sait pas." in text
        assert "16 femmes, 24 hommes." in text
    assert author.get("/fr/rapports/2026-10/zone-5?pour=roi").status_code == 400


def test_the_committees_sheet_says_yes_only_of_days_with_water(october: Site) -> None:
    with october.connect() as connection:
        report = draft(connection, Period(2026, 10), "zone-1", now=NOW, price_gnf=150)
    (zone,) = report.figures.zones

    def told(*some: DayState) -> str:
        states = (*some, *[DayState.DRY] * (31 - len(some)))
        figures = replace(report.figures, zones=(replace(zone, service=Service(states)),))
        made = sheet(replace(report, figures=figures), Language.FR, Audience.COMMITTEE)
        return " ".join(str(made).split('<p class="big">')[1].split("</p>")[0].split())

    assert told() == "Non. Pas d’eau : 31 jours."
    assert told(DayState.SERVED) == "Oui, 1 jour. Pas d’eau : 30 jours."
    assert told(DayState.PARTLY) == "Pas d’eau : 30 jours. Peu de robinets : 1 jour."


def test_the_committees_sheet_names_the_causes_of_its_outages_and_of_nothing_else(
    october: Site, author: httpx.Client
) -> None:
    """One outage of six hours, two silences of the network and three false alarms: six causes of one outage."""
    begin = OCTOBER - timedelta(days=10)
    closed = [("pump_not_running", "part_replaced"), *[("comms_outage", "network")] * 2]
    closed += [("dry_running", "false_alarm")] * 3
    with october.connect() as connection:
        for number, (fault, cause) in enumerate(closed):
            at = begin + number * timedelta(hours=12)
            alert = seed_alert(
                connection, "zone-1", fault, code=f"A9{number}", opened_at=at, state="resolved",
                resolved_at=at + timedelta(hours=6),
            )  # fmt: skip
            closed_as = "UPDATE alert SET cause = %s, closed_by = 'Awa', closed_at = resolved_at WHERE alert_id = %s"
            connection.execute(closed_as, (cause, alert))
    outages = words(author.get("/fr/rapports/2026-10/zone-1?pour=comite")).split("Les pannes")[1].split("L’argent")[0]
    assert "Pannes : 1." in outages
    assert outages.rstrip().endswith("pièce remplacée : 1"), outages
    assert figures(author, "/fr/rapports/2026-10/zone-1?format=csv")["zone-1/outages_part_replaced"] == "1"
    repairs = words(author.get("/fr/rapports/2026-10/zone-1")).split("Réparations par cause")[1].split("Énergie")[0]
    assert "fausse alerte" not in repairs


def test_an_alert_of_which_nobody_heard_was_not_sent_and_a_repair_ends_when_the_readings_say(
    october: Site, author: httpx.Client
) -> None:
    """The pump stood from 08:00, which was told at 09:00; it ran at 14:00, but the link was lost and that came at 08:00
    the next day: 6 h in the report, on the page of alerts, in their survey and for programs. Of a second one nobody
    heard; one of the site's own, in zone 5, lasted 4 h 02."""
    told_at = OCTOBER - timedelta(days=3) + timedelta(hours=9)
    with october.connect() as connection:
        for code, opened_at in (("A91", told_at), ("A92", told_at - timedelta(days=9))):
            alert = seed_alert(
                connection, "zone-1", "pump_not_running", code=code, opened_at=opened_at, state="resolved",
                resolved_at=opened_at + timedelta(hours=23),
            )  # fmt: skip
            connection.execute(
                "UPDATE alert SET first_evidence_at = opened_at - interval '1 hour',"
                " cleared_at = opened_at + interval '5 hours' WHERE alert_id = %s",
                (alert,),
            )
            if code == "A91":
                ((person,),) = connection.execute(
                    "SELECT contact_id FROM contact WHERE zone_id = 'zone-1' AND rank = 1"
                ).fetchall()
                seed_notification(connection, alert, contact_id=person, text="…", at=opened_at)
    found = figures(author, "/fr/rapports/2026-10/zone-1?format=csv")
    assert (found["zone-1/alerts"], found["zone-1/alerts_quiet"]) == ("1", "1")
    assert (found["zone-1/repair_not_closed"], found["zone-1/repair_not_closed_median"]) == ("2", "6")
    assert "cause pas encore dite 3 6 h" in words(author.get("/fr/alertes")).replace("\u00a0", " ")
    assert "6 h médiane de 3" in words(author.get("/fr/alertes/bilan")).replace("\u00a0", " ")
    assert author.get("/api/v1/alerts/metrics").json()["to_resolve"] == {"count": 3, "median_h": 6.0, "slow_h": 6.0}


def test_all_zones_together_name_the_village_with_least_and_rank_nobody(author: httpx.Client) -> None:
    text = words(author.get("/fr/rapports/2026-10"))
    assert "connue pour 2 zones sur 6" in text
    assert "Les villages ne sont pas classés" in text
    table = author.get("/fr/rapports/2026-10").text.split('class="report-wide"')[1]
    assert [int(n) for n in re.findall(r'<th scope="row">\D*?(\d)?[^<]*\(fictif\)', table) if n] == []
    order = re.findall(r'<th scope="row">([^<]+)</th>', table)[:6]
    assert order[0].startswith("Hoore-Fello")


def test_a_report_of_all_zones_holds_the_rows_of_one_at_a_time_and_tells_what_each_alone_tells(
    october: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alerts that nobody closed ended within October: one of 2 h in zone 1, two of 6 h and of 4 h 02 in zone 5. The
    median of the three is that of the third."""
    made: list[weakref.ref[Rows]] = []
    living: list[int] = []

    class Watched(Rows):  # has room for a weak reference
        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            made.append(weakref.ref(self))
            living.append(sum(one() is not None for one in made))

    begin = OCTOBER - timedelta(days=10)
    with october.connect() as connection:
        for zone, lasted in (("zone-1", 2), ("zone-5", 6)):
            end = begin + timedelta(hours=lasted)
            seed_alert(
                connection, zone, "pump_not_running", code=zone, opened_at=begin, state="resolved", resolved_at=end
            )
        connection.execute("UPDATE alert SET first_evidence_at = opened_at WHERE code LIKE 'zone-%'")
        month = Period(2026, 10)
        alone = [draft(connection, month, f"zone-{n}", now=NOW, price_gnf=150).figures for n in range(1, 7)]
        monkeypatch.setattr("web.reports.rows.Rows", Watched)
        together = draft(connection, month, None, now=NOW, price_gnf=150).figures
    assert living == [1] * 6
    assert list(together.zones) == [zone for one in alone for zone in one.zones]
    assert [zone.zone_id for zone in together.zones] == [f"zone-{n}" for n in range(1, 7)]
    assert together.zones[0].delivered_m3 == pytest.approx(1011.84)
    assert alone[0].repairs == (RepairLine(None, 1, 2.0, 2.0),)
    assert together.repairs == (RepairLine(None, 3, pytest.approx(4 + 2 / 60), 6.0),)


def test_every_figure_of_a_sheet_is_defined_in_its_annex(author: httpx.Client) -> None:
    text = words(author.get("/fr/rapports/2026-10/zone-1")).split("Annexe : ce que veulent dire ces chiffres")[1]
    for name in (
        "Eau livrée", "Litres par personne", "Jours avec eau", "Disponibilité du pompage",
        "Disponibilité de la communication", "Pannes et heures", "Temps de réparation", "Énergie spécifique",
        "Eau non comptabilisée", "Recettes et valeur", "Données reçues", "Alertes vraies et fausses",
        "Composition du comité", "SMS et leur coût",
    ):  # fmt: skip
        assert name in text


def test_the_list_tells_what_is_to_be_published(author: httpx.Client, october: Site) -> None:
    publish(author, "/fr/rapports/2026-10")
    publish(author, "/fr/rapports/2026-10/zone-1")
    text = words(author.get("/fr/rapports"))
    assert "novembre 2026 en cours 0 sur 6" in text
    assert re.search(r"octobre 2026 version 1 09:00 1 sur 6", text)
    assert "septembre 2026 à publier 0 sur 6" in text
    assert "2026 en cours 0 sur 6" in text.split("Années")[-1]


def test_without_readings_there_is_a_sentence_and_no_error(site: Site, visitor: httpx.Client) -> None:
    assert "Aucune mesure n’est encore là : il n’y a rien à rapporter." in words(visitor.get("/fr/rapports"))
    assert visitor.get("/fr/rapports/2026-02").status_code == 200
    assert visitor.get("/fr/rapports/2026").status_code == 200


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/fr/rapports/2026-13", 404), ("/fr/rapports/x", 404), ("/fr/rapports/2026-10/zone-9", 404),
        ("/fr/rapports/2026-10?version=7", 404), ("/fr/rapports/2026-10?version=x", 400),
        ("/fr/rapports/2026-10?format=doc", 400), ("/fr/rapports/2026-10?version=99999999999", 400),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_said(author: httpx.Client, address: str, status: int) -> None:
    assert author.get(address).status_code == status


def test_programs_read_reports_as_json_and_a_french_excel_its_own_csv(october: Site, author: httpx.Client) -> None:
    publish(author, "/fr/rapports/2026-10/zone-1")
    with october.app() as client:
        client.headers["authorization"] = october.key()
        (line,) = client.get("/api/v1/reports").json()["items"]
        assert (line["period"], line["zone"], line["version"]) == ("2026-10", "zone-1", 1)
        report = client.get("/api/v1/reports/2026-10/zone-1").json()
        found = {one["figure"]: one["value"] for one in report["figures"]}
        assert (report["version"], found["days"]) == (1, "31")
        assert client.get("/api/v1/reports/2026-10/zone-1?version=0").json()["version"] is None
        assert client.get("/api/v1/reports/2026-10").json()["version"] is None, "not published: the draft"
        plain = client.get("/api/v1/reports/2026-10/zone-1?format=csv")
        assert plain.text == author.get("/fr/rapports/2026-10/zone-1?format=csv").text
        excel = client.get("/api/v1/reports/2026-10/zone-1?format=excel-fr")
        assert excel.text == author.get("/fr/rapports/2026-10/zone-1?format=excel-fr").text
        head, *rows = excel.content.decode("utf-8").splitlines()
        assert head == "\ufeffpériode;version;zone;chiffre;valeur;unité"
        assert f"2026-10;1;zone-1;delivered;{found['delivered'].replace('.', ',')};m3" in rows
        for address in ("/2026-13", "/2026-12", "/2026-10/zone-9", "/2026-10/zone-1?version=7"):
            assert client.get(f"/api/v1/reports{address}").status_code == 404, address


def pages_of(made: bytes) -> int:
    """How many sheets of paper a PDF takes."""
    packed = re.findall(rb"/Type /ObjStm.*?stream\n(.*?)\nendstream", made, re.DOTALL)
    return sum(len(re.findall(rb"/Type /Page\b", zlib.decompress(one))) for one in packed)


def test_pdf_csv_and_html_of_a_zone_are_made_and_the_committees_fits_on_one_sheet(
    october: Site, author: httpx.Client
) -> None:
    address = "/fr/rapports/2026-10/zone-1"
    words_of_engineer = "Ligne une de l'ingenieur, assez longue pour remplir la feuille du comite. " * 8
    write(author, address, fr=words_of_engineer[:600], recette="3 400 000")
    funder = author.get(f"{address}?format=pdf")
    assert funder.headers["content-type"] == "application/pdf"
    name = 'attachment; filename="ndiyan-2026-10-zone-1-bailleur-fr-brouillon.pdf"'
    assert funder.headers["content-disposition"] == name
    assert funder.content.startswith(b"%PDF-1.7")
    assert pages_of(funder.content) == 2, "the figures on one sheet, the annex on the next"
    committee = author.get(f"{address}?format=pdf&pour=comite")
    assert pages_of(committee.content) == 1
    assert pages_of(author.get("/fr/rapports/2026-10?format=pdf").content) == 2
    year = author.get("/fr/rapports/2026/zone-1?format=pdf&pour=comite")
    assert pages_of(year.content) == 1


def test_without_pango_the_page_says_so_and_can_be_printed(
    author: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dlopen(name: str) -> None:
        raise OSError(f"cannot load library '{name}'")

    for module in [name for name in sys.modules if name.startswith("weasyprint")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr("cffi.FFI.dlopen", lambda self, name, flags=0: dlopen(name))
    answer = author.get("/fr/rapports/2026-10/zone-1?format=pdf")
    assert answer.status_code == 503
    assert "il y manque Pango (apt-get install libpangoft2-1.0-0 libharfbuzz-subset0)" in words(answer)
    assert "Hoore-Fello (fictif) — octobre 2026" in words(answer)


def test_a_sheet_fetches_nothing_whatever_its_text_says(author: httpx.Client) -> None:
    """A text is text: what looks like a picture of another machine is printed as letters."""
    write(author, "/fr/rapports/2026-10/zone-1", fr='<img src="http://127.0.0.1:1/x"><b>gras</b>')
    assert "&lt;img src=&#34;http://127.0.0.1:1/x&#34;&gt;" in author.get("/fr/rapports/2026-10/zone-1").text
    assert author.get("/fr/rapports/2026-10/zone-1?format=pdf").content.startswith(b"%PDF")


@pytest.mark.slow
def test_a_month_of_six_zones_is_worked_out_and_written_in_less_than_two_seconds(
    database_url: str, zones: list[Zone], clock: ManualClock
) -> None:
    with connect(database_url) as connection:
        import_zones(connection, zones)
        for zone in zones:
            seed_readings(connection, zone, now=OCTOBER, days=32)
        connection.execute("ANALYZE")
        spent = []
        for _ in range(3):
            began = time.perf_counter()
            report = draft(connection, Period(2026, 10), None, now=NOW, price_gnf=150)
            assert "Tiangol-Bantan" in sheet(report, Language.FR, Audience.FUNDER)
            spent.append(time.perf_counter() - began)
    assert [zone.service.served for zone in report.figures.zones] == [31] * 6
    print(f"figures and sheet: {min(spent):.2f} s")
    assert min(spent) < 2
