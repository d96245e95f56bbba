"""Pages of a zone's parts, the calendars, the comparison and the explorer, on days that can be worked out by hand."""

from __future__ import annotations

import csv
import math
import re
from datetime import UTC, date, datetime, timedelta
from html import unescape

import httpx
import numpy as np
import pytest

from alerts.actions import note_visit
from alerts.settings import change
from gateway.zones import Zone
from ingest.by_hand import HandFate, HandReading, book
from ingest.readings import ChannelRow, Series
from tests.web.test_pages import words
from tests.web.web_seed import seed_bad, seed_good, seed_readings
from tests.web.web_site import Site
from web.errors import BadParameter
from web.explore import Column, Question, moved_in_all, on_grid, question_of, step_for, steps_of_hours, written
from web.measures import night_fall
from web.rights import Role

NOW = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
NAN = float("nan")
KNOWN = ["pump/flow_m3_h", "pump/power_w", "tower/level_m"]


def asked(v: list[str] | None = None, du: str = "", au: str = "", ref: str = "") -> Question:
    return question_of(v or [], du, au, ref, known=KNOWN, zones=["zone-1", "zone-2"], now=NOW)


def test_an_empty_question_is_a_week_of_the_usual_channels_with_today() -> None:
    found = asked()
    assert found.channels == ("pump/power_w", "pump/flow_m3_h", "tower/level_m")
    assert found.query == "v=pump/power_w,pump/flow_m3_h,tower/level_m&du=2026-02-24&au=2026-03-02"
    assert found.length == timedelta(days=7)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(("pump/flow_m3_h", "2026-02-01", "2026-02-28", "mois"), id="days"),
        pytest.param(("pump/flow_m3_h,tower/level_m", "2026-03-01T06:00", "2026-03-01T18:30", ""), id="instants"),
        pytest.param(("tower/level_m", "2026-03-01", "2026-03-01", "zone-2"), id="one-day-against-another-zone"),
    ],
)
def test_the_address_says_all_of_the_question(query: tuple[str, str, str, str]) -> None:
    channels, du, au, ref = query
    found = asked([channels], du, au, ref)
    said = dict(pair.split("=") for pair in unescape(found.query).split("&"))
    assert (said["v"], said["du"].replace("%3A", ":"), said["au"], said.get("ref", "")) == query


def test_a_day_as_end_is_counted_whole() -> None:
    found = asked(du="2026-03-01", au="2026-03-01")
    assert (found.start, found.end) == (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
    assert written(found.end, is_end=True) == "2026-03-01"
    assert asked(du="20260301", au="20260301") == found


@pytest.mark.parametrize(
    ("question", "says"),
    [
        pytest.param({"v": ["pump/colour"]}, "is no channel of this zone", id="channel"),
        pytest.param({"du": "hier"}, "is no day like 2026-11-01", id="day"),
        pytest.param({"du": "2026-03-02", "au": "2026-03-01"}, "is not before 2026-03-01", id="backwards"),
        pytest.param({"du": "2020-01-01"}, "is more than 731 days", id="too-long"),
        pytest.param({"du": "0001-01-01"}, "is out of this century", id="long-ago"),
        pytest.param({"du": "0001-01-01T00:00+14:00"}, "is out of this century", id="before-time"),
        pytest.param({"au": "9999-12-31T23:59-14:00"}, "is out of this century", id="behind-time"),
        pytest.param(
            {"du": "2026-03-01T00:00", "au": "2026-03-01T00:00"}, "is not before 2026-03-01T00:00", id="nothing-between"
        ),
        pytest.param({"ref": "zone-9"}, "is neither avant, semaine, mois, an nor a zone", id="reference"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(question: dict[str, str], says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        asked(**question)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("days", "interval_s", "step_s"),
    [(1, 300, 300), (1, 900, 900), (7, 300, 1800), (30, 300, 7200), (365, 300, 86_400)],
)
def test_steps_make_some_five_hundred_points(days: int, interval_s: float, step_s: int) -> None:
    assert step_for(timedelta(days=days), interval_s).total_seconds() == step_s


def test_a_counter_is_what_it_moved_on_and_never_across_a_gap_or_backwards() -> None:
    t_s = np.array([0.0, 300.0, 900.0, 1200.0, 1500.0])
    value = np.array([10.0, 12.0, 20.0, 3.0, 4.5])  # nothing at 600; a new meter at 1200
    ones = np.ones(5)
    series = Series(t_s, value, value, value, ones.astype(np.int64), ones.astype(np.int16))
    row = ChannelRow(1, "zone-1", "pump", "volume_m3", "m³", True, 300.0)
    found = on_grid(series, 300.0 * np.arange(6), 300.0, row)
    assert found[[1, 5]].tolist() == [2.0, 1.5]
    assert np.isnan(found[[0, 2, 3, 4]]).all()


def test_water_of_a_silence_that_began_before_is_not_in_a_total() -> None:
    # Silent until the second hour, which counted a litre by itself; a second silence is the third of four steps.
    moved = np.array([NAN, NAN, 30.0, 2.0, 1.0, NAN, NAN, 7.0, 1.0])
    within = np.array([NAN, NAN, 1.0, 1.9, 0.9, NAN, NAN, 0.5, 0.9])
    assert moved_in_all(moved, within) == 1 + 2 + 1 + 7 + 1
    found = steps_of_hours(moved, 4, 2).value
    assert found[1] == 3.0
    assert np.isnan(found[[0, 2, 3]]).all()
    assert moved_in_all(np.full(9, NAN), np.full(9, NAN)) is None


pytest_db = pytest.mark.db


@pytest_db
@pytest.mark.parametrize("part", ["pump", "pv", "borehole", "tower", "bornes", "tap-01", "gateway", "network"])
@pytest.mark.parametrize("zone", ["zone-5", "zone-6"])
def test_every_part_has_a_page_also_of_a_zone_that_never_spoke(reader: httpx.Client, zone: str, part: str) -> None:
    for language in ("fr", "en"):
        page = reader.get(f"/{language}/zones/{zone}/{part}")
        assert page.status_code == 200
        assert "nan" not in re.sub(r"<[^>]*>", " ", page.text).lower().split()
        assert page.text.count("<h1>") == 1


@pytest_db
def test_the_pump_page_says_what_was_measured_and_that_there_is_no_reference_yet(reader: httpx.Client) -> None:
    text = words(reader.get("/fr/zones/zone-5/pump?jours=7")).replace("\u00a0", " ")
    # 1650 W at 900 W/m² of sun: 550 W at 300.
    assert "Sous 300 W/m² : 550 W ; en référence pas de données." in text
    assert "pas de référence : aucun mois n’a encore 14 jours de données" in text
    assert "Supposé : la profondeur de l’eau, d’après la fiche" in text
    for question in ("Où la pompe travaille-t-elle ?", "La pompe vieillit-elle ?", "Saleté, ombre, rangée perdue ?"):
        assert question in text


@pytest_db
def test_a_month_of_reference_is_the_oldest_one_and_stays_it(site: Site, zones: list[Zone]) -> None:
    with site.connect() as connection:
        seed_readings(connection, zones[4], now=site.clock.now(), days=40)
    with site.app() as client:
        client.get(site.login_path())
        page = client.get("/fr/zones/zone-5/pump?jours=7")
        text = words(page).replace("\u00a0", " ")
        # Forty days before 2 March: January has 11 days, February all of its own.
        assert "Sous 300 W/m² : 550 W ; en référence 550 W (±0 %)." in text
        assert "référence : févr. 2026" in text
        assert client.get("/fr/zones/zone-5/pump?ref=2026-02").status_code == 200
        refused = client.get("/fr/zones/zone-5/pump?ref=2026-01")
        assert refused.status_code == 400
        # A kilowatt-hour tells the same on every day: power over flow is 1650 W / 5.5 m³/h = 0.30 kWh/m³.
        assert "Dernière semaine connue : 0,30 kWh/m³" in text


@pytest_db
def test_a_tower_without_a_meter_tells_the_night_by_its_level(reader: httpx.Client) -> None:
    # 14 m³ over 3 m. The mean level of an hour lies 27.5 minutes after it began; it falls for three hours.
    at = [2 * math.pi * (hour + 27.5 / 60 - 11) / 24 for hour in (0, 3)]
    litres = 1000 * 14 * 0.4 * (math.sin(at[0]) - math.sin(at[1])) / 3
    for address in ("/fr/zones/zone-1/tower", "/fr/zones/zone-1"):
        text = words(reader.get(address)).replace("\u00a0", " ")
        found = re.search(r"Dernière nuit connue : ([\d ]+) L/h ; d’habitude ([\d ]+) L/h", text)
        assert found is not None
        assert float(found[1].replace(" ", "")) == pytest.approx(litres, rel=0.005)
        assert float(found[2].replace(" ", "")) == pytest.approx(litres, rel=0.005)
        assert "Pas de compteur à la sortie" in text
        assert "9 nuits sur 90" in text
    silent = words(reader.get("/fr/zones/zone-6/tower")).replace("\u00a0", " ")
    assert "Dernière nuit connue : pas de données ; d’habitude pas de données." in silent
    assert "0 nuits sur 90" in silent


def test_a_night_is_not_known_from_an_empty_tower_and_never_below_zero() -> None:
    level = np.full((4, 24), 1.0)
    level[0, 3], level[1, 3], level[2, 0] = 0.7, 0.1, 0.9
    level[3, 0] = np.nan
    found = night_fall(level.ravel(), full_level_m=3.0)
    assert found[0] == pytest.approx(0.1)
    assert np.isnan(found[[1, 3]]).all(), "empty is 0.15 m and less"
    assert found[2] == 0.0


@pytest_db
def test_visits_and_changed_rules_stand_on_lanes_under_the_curves(site: Site) -> None:
    now = site.clock.now()
    with site.connect() as connection:
        note_visit(
            connection, site.alert_id, text="Fusible changé, rappeler 622 00 00 01", on=now.date(), who="Awa", now=now
        )
        change(connection, "pump_not_running.on_delay_min", zone="zone-3", value=45.0, who="Awa", why="essai", now=now)
        change(connection, "pump_not_running.on_delay_min", zone="zone-1", value=50.0, who="Awa", why="essai", now=now)
    site.clock.advance(timedelta(minutes=5))
    with site.app() as client:
        client.get(site.login_path(Role.ENGINEER))
        page = client.get("/fr/zones/zone-3?span=7d")
        text = words(page).replace("\u00a0", " ")
        assert page.text.count('class="mark visit"') == 1
        assert "Visites Fusible changé, rappeler …001" in text
        assert page.text.count('class="mark setting"') == 1, "that of zone 1 is not this zone's"
        assert "45" in text.split("Règles")[-1][:120]
        for address in (f"/fr/alertes/{site.alert_id}", "/fr/regles/pump_not_running.on_delay_min"):
            assert f'<a href="{address}" tabindex="-1"' in page.text, "the mark leads there"
            assert f'<a href="{address}">' in page.text, "and the keyboard finds the same in the list"
        client.get(site.login_path(Role.SECRETARY, "zone-3"))
        page = client.get("/fr/zones/zone-3?span=7d")
        assert page.text.count('class="mark visit"') == 1
        assert 'class="mark setting"' not in page.text, "rules are no matter of a secretary"


@pytest_db
def test_rain_stands_on_its_lane_by_day_and_a_day_that_nobody_read_is_hatched(site: Site) -> None:
    now, president = site.clock.now(), "Hadja Djenabou Diallo"
    with site.connect() as connection:
        ((contact,),) = connection.execute("SELECT contact_id FROM contact WHERE name = %s", [president]).fetchall()
        for days, mm in ((4, 12.5), (2, 0.0)):
            ((sms,),) = connection.execute(
                "INSERT INTO sms_in (carrier, provider_id, phone, text, received_at, contact_id)"
                " VALUES ('test', gen_random_uuid(), '+224', 'x', %s, %s) RETURNING sms_in_id",
                [now - timedelta(days=days), contact],
            ).fetchall()
            reading = HandReading("zone-3", "weather", "rain_mm", mm, contact, sms, now - timedelta(days=days))
            assert book(connection, reading).fate is HandFate.STORED
    with site.app() as client:
        client.get(site.login_path())
        page = client.get("/fr/zones/zone-3?span=7d")
    assert page.text.count('class="piece rain"') == 1, "it rained on one day"
    assert page.text.count('class="piece missing"') == 5, "of eight days two were read, and today may yet be"
    assert "12,5 mm" in words(page).replace("\u00a0", " ")
    assert page.text.count('href="/fr/zones/zone-3/weather"') == 3, "the bar, the list, and the part's tab"


@pytest_db
def test_taps_are_sorted_with_the_line_of_twenty_litres_a_person(reader: httpx.Client, zones: list[Zone]) -> None:
    page = reader.get("/fr/zones/zone-5/bornes")
    # Tap n counts 10 L times n an hour (a day: 240 n), so tap 22 comes first, and none for tap 0.
    names = re.findall(r'href="/fr/zones/zone-5/(tap-\d+)"', page.text)
    assert names == [f"tap-{number:02d}" for number in range(22, 0, -1)]
    assert page.text.count('class="expected"') == 22
    assert "0 / " in words(page)


@pytest_db
def test_a_calendar_hatches_days_before_the_first_reading_and_leads_to_the_day(reader: httpx.Client) -> None:
    page = reader.get("/fr/zones/zone-5/calendrier?quoi=messages")
    squares = re.findall(r'<a href="([^"]+)" tabindex="-1" aria-label="([^"]+)"><rect', page.text)
    assert len(squares) == 365
    # Nine days before 2 March 10:40: the first whole day is 22 February.
    known = [label for _, label in squares if "pas de données" not in label]
    assert len(known) in (8, 9)
    address, label = squares[-1]
    assert "1 mars" in unescape(label).replace("\u00a0", " ")
    day = reader.get(unescape(address))
    assert day.status_code == 200
    assert 'value="2026-03-01"' in day.text
    for kind in ("service", "pompage", "messages"):
        shown = words(reader.get(f"/fr/zones/zone-5/calendrier?quoi={kind}"))
        assert shown.count("Autrement compté que dans le rapport") == 1


@pytest_db
def test_zones_are_compared_by_names_and_not_ranked(reader: httpx.Client) -> None:
    page = reader.get("/fr/comparer")
    names = re.findall(r"<li><a href=[^>]+>([^<]+)</a></li>", page.text)[:6]
    assert names == sorted(names)
    text = words(page).replace("\u00a0", " ")
    assert "5 zones sur 6 ont des données" in text
    assert 'fill="url(#hatch)"' in page.text  # the zone that never spoke
    assert reader.get("/fr/comparer?jours=8").status_code == 400


@pytest_db
def test_a_sensor_that_came_lately_is_due_nothing_of_the_days_before(site: Site, zones: list[Zone]) -> None:
    now = site.clock.now()
    with site.connect() as connection:
        for zone, days in ((zones[0], 2), (zones[1], 1)):
            seed_readings(connection, zone, now=now, days=days)
        for zone_id, days, names in (
            ("zone-1", 2, ["level_m"]),
            ("zone-2", 1, ["level_m", "volume_m3", "irradiance_w_m2"]),
        ):
            connection.execute(
                "UPDATE channel SET added_at = %s WHERE zone_id = %s AND name = ANY(%s)",
                (now - timedelta(days=days), zone_id, names),
            )
    with site.app() as client:
        client.get(site.login_path())
        for address in ("/fr/zones/zone-1?span=30d", "/fr/zones/zone-1/tower?jours=30"):
            assert "données reçues : 100 %" in words(client.get(address)).replace("\xa0", " ").replace("\u202f", " ")
        overview = words(client.get("/fr/")).replace("\xa0", " ").replace("\u202f", " ")
        assert "des mesures reçues, hier 100 %" in overview, "what came in the middle of yesterday is left out"


@pytest_db
def test_each_comparison_counts_the_zones_of_its_own_number(site: Site, zones: list[Zone]) -> None:
    """Without a reading of power nothing is known of energy, and all of service."""
    now = site.clock.now()
    with site.connect() as connection:
        seed_readings(connection, zones[0], now=now, days=9)
        for table in ("reading", "reading_hour", "reading_day"):
            connection.execute(
                f"DELETE FROM {table} WHERE channel_id IN (SELECT channel_id FROM channel WHERE name = 'power_w')"
            )
    with site.app() as client:
        client.get(site.login_path())
        found = re.findall(r"(\d) zones sur 6 ont des données", words(client.get("/fr/comparer?jours=7")))
    assert found == ["1", "0", "0", "1"]


@pytest_db
def test_a_zone_that_lost_a_noon_seems_no_better_than_the_week_before(site: Site, zones: list[Zone]) -> None:
    """The counter moves on over the gap, under a sun that nobody measured."""
    now = site.clock.now()
    noon = now.replace(hour=12, minute=0) - timedelta(days=3)
    with site.connect() as connection:
        lost = [(noon - timedelta(hours=2), noon + timedelta(hours=3))]
        seed_readings(connection, zones[0], now=now, days=22, skip=lost)
    with site.app() as client:
        client.get(site.login_path())
        page = client.get("/fr/comparer?jours=7")
    # The first table is that of the water for sun and panels.
    row = re.search(rf"<th scope=row>{re.escape(zones[0].name)}</th>(.*?)</tr>", page.text)
    assert row is not None
    this_week, week_before = re.findall(r"<td class=num>([^<]+)</td>", row[1])
    assert this_week == week_before == "1,47"


@pytest_db
def test_the_explorer_answers_by_drawing_sentence_table_and_rows(reader: httpx.Client) -> None:
    address = "/fr/zones/zone-3/graphes?v=pump/flow_m3_h,pump/volume_m3&du=2026-03-01&au=2026-03-01"
    page = reader.get(address)
    text = words(page).replace("\u00a0", " ")
    # Zone 3 lifts 4.3 m³/h at noon: 24/π times that, 32.8 m³.
    assert "total 32,8 m³" in text
    assert "de 0,00 m³/h à 4,30 m³/h" in text
    assert "données reçues : 100 %" in text
    rows = reader.get(unescape(re.findall(r'href="(/api/[^"]+format=csv)"', page.text)[0]))
    assert len(rows.text.splitlines()) == 1 + 288
    assert len(re.findall(r'<tr><th scope="row" class="nowrap">', page.text)) == 288


def exported_m3(client: httpx.Client, channel: str, first: str, last: str) -> float:
    """What the export by hours says that a counter moved on."""
    asked = {"channel": channel, "from": first, "to": last, "kind": "hour"}
    lines = client.get("/api/v1/exports/readings", params=asked).text.splitlines()
    return sum(float(row["steps"]) for row in csv.DictReader(lines))


@pytest_db
@pytest.mark.parametrize(
    ("du", "au"),
    [
        pytest.param("2026-02-27", "2026-02-27", id="every-five-minutes"),
        pytest.param("2026-02-23", "2026-03-01", id="every-half-hour"),
        pytest.param("2026-02-12", "2026-03-01", id="every-hour"),
    ],
)
def test_a_total_over_a_noon_that_was_lost_is_what_the_counter_moved_on(
    site: Site, zones: list[Zone], du: str, au: str
) -> None:
    now = site.clock.now()
    lost = [(datetime(2026, 2, 27, 10, tzinfo=UTC), datetime(2026, 2, 27, 15, tzinfo=UTC))]
    with site.connect() as connection:
        seed_readings(connection, zones[4], now=now, days=20, skip=lost)
    with site.app() as client:
        client.get(site.login_path())
        page = words(client.get(f"/fr/zones/zone-5/graphes?v=pump/volume_m3,tap-09/volume_m3&du={du}&au={au}"))
        days = (date.fromisoformat(au) - date.fromisoformat(du)).days + 1
        # Zone 5 lifts 5.5 m³/h at noon: 24/π times that a day. Tap 9 gives 0.08 m³ in each of its hours.
        expected = [days * 24 / math.pi * 5.5, days * 24 * 0.08]
        told = re.findall(r"total ([\d,\s]+) m³", page)
        found = [exported_m3(client, f"zone-5/{one}/volume_m3", du, au) for one in ("pump", "tap-09")]
        assert found == pytest.approx(expected, rel=1e-4)
        assert [float(re.sub(r"\s", "", one).replace(",", ".")) for one in told] == pytest.approx(found, abs=0.051)


@pytest_db
def test_a_meter_that_begins_anew_each_night_keeps_its_water_in_a_year(site: Site) -> None:
    """It tells 1 to 24 m³ from hour to hour and begins again at midnight, when nobody knows what went by."""
    hours = np.arange(int(site.clock.now().timestamp()) // 3600 - 265 * 24, int(site.clock.now().timestamp()) // 3600)
    with site.connect() as connection:
        seed_good(connection, "zone-5", "pump/volume_m3", hours * 3600.0, 1.0 + hours % 24)
    with site.app() as client:
        client.get(site.login_path())
        page = client.get("/fr/zones/zone-5/graphes?v=pump/volume_m3&du=2025-06-15&au=2026-03-01")
        assert exported_m3(client, "zone-5/pump/volume_m3", "2025-06-15", "2026-03-01") == 260 * 23
    assert "total 5 980,0 m³" in re.sub(r"\s", " ", words(page))
    assert page.text.count('<td class="num">23,0<') == 260


@pytest_db
@pytest.mark.parametrize("du", ["2024-09-01", "2024-09-02"])
def test_a_total_of_two_years_begins_with_its_first_day_wherever_steps_of_two_days_do(site: Site, du: str) -> None:
    first = datetime(2024, 8, 25, tzinfo=UTC)
    hours = np.arange((site.clock.now() - first) // timedelta(hours=1))
    with site.connect() as connection:
        seed_good(connection, "zone-5", "pump/volume_m3", first.timestamp() + hours * 3600.0, 1.0 + hours)
    days = (date(2026, 3, 1) - date.fromisoformat(du)).days + 1
    with site.app() as client:
        client.get(site.login_path())
        page = client.get(f"/fr/zones/zone-5/graphes?v=pump/volume_m3&du={du}&au=2026-03-01")
    assert f"total {days * 24:,},0 m³".replace(",", " ", 1) in re.sub(r"\s", " ", words(page))


@pytest_db
def test_the_explorer_compares_with_another_time_and_another_zone(reader: httpx.Client) -> None:
    base = "/fr/zones/zone-5/graphes?v=pump/flow_m3_h&du=2026-02-27&au=2026-03-01"
    same = words(reader.get(f"{base}&ref=avant")).replace("\u00a0", " ")
    assert "±0 % contre la période d’avant" in same  # every day is like the other
    other = words(reader.get(f"{base}&ref=zone-3")).replace("\u00a0", " ")
    assert "+28 % contre" in other  # 5.5 m³/h against 4.3
    never = words(reader.get(f"{base}&ref=zone-6")).replace("\u00a0", " ")
    assert "rien à comparer" in never


@pytest_db
def test_what_is_yet_to_come_was_not_due(reader: httpx.Client) -> None:
    # From midnight to the next, of which ten hours and forty minutes are over.
    text = words(reader.get("/fr/zones/zone-5/graphes?v=tower/level_m&du=2026-03-02&au=2026-03-02"))
    assert "données reçues : 100 %" in text
    text = words(reader.get("/fr/zones/zone-5/graphes?v=tower/level_m&du=2026-03-05&au=2026-03-06"))
    assert "données reçues : 0 %" in text


@pytest_db
@pytest.mark.parametrize("days", [1, 7])
def test_bad_readings_are_no_level_and_no_running_pump(site: Site, zones: list[Zone], days: int) -> None:
    """Four bad readings stand behind the last good one, which was 20 minutes ago."""
    now = site.clock.now()
    with site.connect() as connection:
        seed_readings(connection, zones[4], now=now - timedelta(minutes=20), days=8)
        bad = [now - timedelta(minutes=minutes) for minutes in (15, 10, 5, 0)]
        seed_bad(connection, "zone-5", {"tower/level_m": 99.0, "pump/power_w": 9_999.0}, bad)
    with site.app() as client:
        client.get(site.login_path())
        text = words(client.get(f"/fr/zones/zone-5/tower?jours={days}")).replace("\u00a0", " ")
        # At 10:20 the level of 3.5 m swings 40 minutes before its middle of 55 %.
        level = 3.5 * (0.55 + 0.4 * math.sin(2 * math.pi * -40 / 60 / 24))
        assert f"Dernier niveau, il y a 20 min : {level:.2f} m".replace(".", ",") in text
        zone = words(client.get("/fr/zones/zone-5?span=24h")).replace("\u00a0", " ")
        assert "9 999 W à 10:40 (à l’instant) mauvaise · maximum 1 650 W" in zone


@pytest_db
def test_specific_energy_is_all_energy_over_all_water(reader: httpx.Client) -> None:
    base = "/fr/zones/zone-5/graphes?v=pump/specific_energy_kwh_m3&du=2026-02-27&au=2026-03-01"
    page = reader.get(f"{base}&ref=zone-3")
    text = words(page)
    # 1650 W for 5.5 m³/h; zone 3 draws 1300 W for 4.3 m³/h, 0.302. At the ends of a day too little water comes to tell.
    assert "moyenne 0,30 kWh/m³" in text
    assert "−1 % contre Mangol-Dow (fictif)" in text
    assert "données reçues : 100 %" in text
    behind = reader.get(unescape(re.findall(r'<a href="([^"]+)">puissance et compteur', page.text)[0]))
    assert "Puissance" in words(behind)
    assert "Volume compté" in words(behind)
    # A zone that never spoke has the channel and no value.
    assert "pas de données" in words(reader.get(base.replace("zone-5", "zone-6")))


def test_the_mean_of_specific_energy_counts_what_was_drawn_without_water() -> None:
    column = Column(np.array([0.6, 0.4, np.nan]), np.array([2.0, 0.0, np.nan]), least=0.5)
    assert column.value[0] == pytest.approx(0.3)
    assert np.isnan(column.value[1:]).all()
    assert column.mean(column.is_known) == pytest.approx(0.5)


@pytest_db
def test_gaps_of_the_explorer_stay_gaps(reader: httpx.Client) -> None:
    page = reader.get("/fr/zones/zone-4/graphes?v=tower/level_m&du=2026-03-02&au=2026-03-02")
    assert page.text.count('fill="url(#hatch)"') >= 1
    columns = re.findall(r'id="columns">(.*?)</script>', page.text)[0]
    # Silent since 05:00: 60 steps of five minutes are known, the rest of the day is null.
    assert columns.count("null") == 288 - 60 + 1


@pytest_db
def test_nobody_finds_a_part_that_is_not_there(reader: httpx.Client) -> None:
    for address in ("zone-5/tap-99", "zone-5/moteur", "zone-99/pump", "zone-99/graphes", "zone-99/calendrier"):
        assert reader.get(f"/fr/zones/{address}").status_code == 404, address
    assert reader.get("/fr/zones/zone-5/pump?jours=9").status_code == 400
    assert reader.get("/fr/zones/zone-5/calendrier?quoi=x").status_code == 400


@pytest_db
def test_the_overview_shows_where_zones_are_and_what_a_cubic_metre_cost(reader: httpx.Client) -> None:
    page = reader.get("/fr/")
    assert page.text.count('class="place-of') == 6
    assert "Natural Earth" in page.text
    # Zone 5: 1650 W for 5.5 m³/h.
    row = re.findall(r'zones/zone-5">.*?<td class="c-energy num"[^>]*>([^<]*)<', page.text, flags=re.DOTALL)
    assert row == ["0,30"]


def test_a_day_is_written_as_a_day() -> None:
    assert written(datetime.combine(date(2026, 3, 1), datetime.min.time(), UTC)) == "2026-03-01"
