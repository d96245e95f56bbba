"""A level or a meter that somebody reads off and sends: booked as made by hand, asked back where it cannot be."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from gateway.model import AssetId, AssetKind, Flag
from gateway.zone_text import zone_as_values
from gateway.zones import Asset, Zone, zone_from_values
from ingest.columns import Columns
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from tests.alerts.test_climbing import HOUR, MINUTE, NOON, Region, phone_of
from tests.alerts.test_conversation import says

pytestmark = pytest.mark.db


@pytest.fixture
def region(database_url: str, zones: list[Zone]) -> Iterator[Region]:
    found = Region(database_url, zones)
    yield found
    found.connection.close()


def senses(region: Region, asset: str, channel: str, value: float) -> None:
    """A sensor's reading, as its gateway sends it."""
    at_us = np.array([round(region.clock.now().timestamp() * 1e6)])
    number = channel_ids(region.connection)["zone-3", asset, channel]
    ReadingWriter(region.connection).write(
        Columns(np.array([number], np.int32), at_us, at_us, np.array([value]), np.array([Flag.GOOD], np.int16))
    )


def by_hand(region: Region) -> list[tuple[str, str, float, int, bool]]:
    """(asset, channel, value, flag, taken back) of all that was read by hand, as `reading` has it."""
    return region.connection.execute(
        "SELECT c.asset_id, c.name, r.value, r.flag, h.withdrawn_at IS NOT NULL"
        " FROM hand_reading h JOIN channel c USING (channel_id) JOIN reading r USING (channel_id, measured_at)"
        " WHERE r.value = h.value ORDER BY h.hand_reading_id"
    ).fetchall()


def test_a_level_is_stored_as_made_by_hand_and_its_number_is_said_back(region: Region) -> None:
    president = phone_of(region.zones[2], "president")
    assert says(region, president, "NIVEAU 2,3") == [
        "NDIYAN Mangol-Dow: noté, niveau 2,3 m. Si c'est faux, renvoyez le bon chiffre."
    ]
    assert by_hand(region) == [("tower", "level_m_by_hand", 2.3, Flag.NOT_EVALUATED, False)]
    rows = region.connection.execute("SELECT name, sms.text FROM hand_reading JOIN contact USING (contact_id)"
                                     " JOIN sms_in sms USING (sms_in_id)")  # fmt: skip
    assert rows.fetchall() == [("Hadja Djenabou Diallo", "NIVEAU 2,3")]
    import_zones(region.connection, region.zones)
    assert len(by_hand(region)) == 1, "a new zone file leaves it what it is"


def test_ingest_need_not_read_its_watermarks_anew_because_somebody_read_a_level(region: Region) -> None:
    senses(region, "tower", "level_m", 1.0)
    whose_turn = region.connection.execute("SELECT holder FROM writer_turn").fetchall()
    for text in ("NIVEAU 2,3", "NIVEAU 2,1"):
        says(region, phone_of(region.zones[2], "president"), text)
    assert [(value, is_back) for _, _, value, _, is_back in by_hand(region)] == [(2.3, True), (2.1, False)]
    assert region.connection.execute("SELECT holder FROM writer_turn").fetchall() == whose_turn


def test_no_sensor_gateway_or_zone_looks_alive_because_somebody_went_to_see(region: Region) -> None:
    senses(region, "tower", "level_m", 1.0)
    alive = "SELECT channel_id, measured_at, value FROM latest JOIN channel USING (channel_id) WHERE by_hand_of IS NULL"
    before = region.connection.execute(alive).fetchall()
    region.clock.advance(5 * HOUR)
    president = phone_of(region.zones[2], "president")
    says(region, president, "NIVEAU 2,3")
    assert region.connection.execute(alive).fetchall() == before
    assert says(region, president, "ETAT") == ["NDIYAN Mangol-Dow: PLUS DE MESURES depuis 5 h. Aucune alerte."]
    for table in ("gateway_day", "gateway_boot", "late_arrival"):
        assert region.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_a_level_above_the_tower_is_asked_back_and_not_stored(region: Region) -> None:
    assert says(region, phone_of(region.zones[2], "president"), "NIVEAU 23") == [
        "NDIYAN Mangol-Dow: niveau 23 m, ce n'est pas possible (au plus 3,264 m). Relisez et renvoyez."
    ]
    assert by_hand(region) == []


def test_a_meter_that_goes_back_is_asked_back_and_kept_as_suspect_when_meant(region: Region) -> None:
    president = phone_of(region.zones[2], "president")
    senses(region, "tower", "outflow_volume_m3", 900.0)
    region.clock.advance(2 * HOUR)
    assert says(region, president, "COMPTEUR 5") == [
        "NDIYAN Mangol-Dow: compteur (chateau d'eau) 5 m3, mais avant 900 m3. Relisez. C'est bien cela: 1=oui 2=non"
    ]
    for no in ("2", "non merci"):
        assert says(region, president, no) == ["NDIYAN: rien n'est noté. Relisez et envoyez le bon chiffre."]
        says(region, president, "COMPTEUR 5")
    assert by_hand(region) == []
    assert "noté, compteur" in says(region, president, "1")[0]
    assert by_hand(region) == [("tower", "outflow_volume_m3_by_hand", 5.0, Flag.SUSPECT, False)]


def test_a_meter_that_went_past_its_end_is_noted_without_asking_back(region: Region) -> None:
    fontainier = next(one for one in region.zones[2].committee if one.tap is not None)
    region.connection.execute("UPDATE channel SET wraps_at = 10000 WHERE asset_id = %s", [fontainier.tap])
    for number, wait in ((9990, 3 * HOUR), (4, MINUTE)):  # 14 m³ in three hours, and the pipe carries 60
        assert "noté" in says(region, fontainier.phone, f"compteur {number}")[0]
        region.clock.advance(wait)
    assert [flag for *_, flag, _ in by_hand(region)] == [Flag.NOT_EVALUATED] * 2
    row = region.connection.execute(
        "SELECT sum(steps) FROM reading_hourly h JOIN channel c USING (channel_id) WHERE c.by_hand_of IS NOT NULL"
    ).fetchone()
    assert row == (14.0,)


def test_the_end_that_a_zone_file_tells_of_a_meter_counts_for_whoever_reads_it_too(region: Region) -> None:
    zone = region.zones[2]
    fontainier = next(one for one in zone.committee if one.tap is not None)
    for number, wait in ((9985, 24 * HOUR), (9990, 24 * HOUR), (12, 24 * HOUR)):
        if number == 12:
            values = zone_as_values(zone)
            values["taps"]["wraps_at"] = {"volume_m3": 10_000}
            import_zones(region.connection, [zone_from_values(values, "zone-3.toml")])
        assert "noté" in says(region, fontainier.phone, f"compteur {number}")[0]
        region.clock.advance(wait)
    row = region.connection.execute(
        "SELECT sum(steps) FROM reading_hourly h JOIN channel c USING (channel_id) WHERE c.by_hand_of IS NOT NULL"
    ).fetchone()
    assert row == (5.0 + 22.0,)


def test_a_fontainier_reads_the_meter_of_their_tap_and_the_hours_add_up(region: Region) -> None:
    fontainier = next(one for one in region.zones[2].committee if one.tap is not None)
    for number, wait in ((100, 3 * HOUR), (112, 3 * HOUR), (115, MINUTE)):
        assert "noté" in says(region, fontainier.phone, f"compteur {number}")[0]
        region.clock.advance(wait)
    assert [(asset, value) for asset, _, value, _, _ in by_hand(region)] == [
        (fontainier.tap, 100.0), (fontainier.tap, 112.0), (fontainier.tap, 115.0)
    ]  # fmt: skip
    rows = region.connection.execute(
        "SELECT h.n, h.steps FROM reading_hourly h JOIN channel c USING (channel_id)"
        " WHERE c.by_hand_of IS NOT NULL ORDER BY h.hour"
    )
    assert rows.fetchall() == [(1, 0.0), (1, 12.0), (1, 3.0)]


def test_sending_the_right_number_takes_the_wrong_one_back(region: Region) -> None:
    president = phone_of(region.zones[2], "president")
    says(region, president, "compteur 1000")
    region.clock.advance(2 * HOUR)
    says(region, president, "compteur 1310")
    assert says(region, president, "compteur 1031") == [
        "NDIYAN Mangol-Dow: corrigé, compteur (chateau d'eau) 1031 m3. Le chiffre d'avant ne compte plus."
    ], "less than the wrong one, more than the one before"
    assert [(value, flag, back) for _, _, value, flag, back in by_hand(region)] == [
        (1000.0, Flag.NOT_EVALUATED, False), (1310.0, Flag.BAD, True), (1031.0, Flag.NOT_EVALUATED, False),
    ]  # fmt: skip
    rows = region.connection.execute(
        "SELECT sum(h.n), sum(h.steps), sum(h.bad) FROM reading_hourly h JOIN channel c USING (channel_id)"
        " WHERE c.by_hand_of IS NOT NULL"
    )
    assert rows.fetchall() == [(2, 31.0, 1)]


def test_a_number_that_is_sent_twice_counts_once(region: Region) -> None:
    president = phone_of(region.zones[2], "president")
    with region.connection.transaction():
        region.connection.execute(
            "INSERT INTO phone_reply (phone, text, sent_at) SELECT %s, 'niveau 2', %s FROM generate_series(1, 2)",
            [president, NOON],
        )
    region.run(timedelta(minutes=3))
    assert [(value, back) for _, _, value, _, back in by_hand(region)] == [(2.0, True), (2.0, False)]


def test_a_gauge_that_no_gateway_reads_takes_the_rain_of_each_morning(region: Region, zones: list[Zone]) -> None:
    gauge = Asset(AssetId("weather"), AssetKind.WEATHER, 86_400.0, (), {})
    mine = next(zone for zone in zones if zone.zone_id == "zone-3")
    others = tuple(asset for asset in mine.assets if asset.kind is not AssetKind.WEATHER)
    import_zones(region.connection, [replace(mine, assets=(*others, gauge))])
    president = phone_of(region.zones[2], "president")
    assert says(region, president, "PLUIE 12,5") == [
        "NDIYAN Mangol-Dow: noté, pluie 12,5 mm. Si c'est faux, renvoyez le bon chiffre."
    ]
    region.clock.advance(timedelta(days=1))
    assert "noté, pluie 0 mm" in says(region, president, "pluie 0")[0], "less than yesterday: it is no meter"
    assert says(region, president, "pluie 600 mm") == [
        "NDIYAN Mangol-Dow: pluie 600 mm, ce n'est pas possible (au plus 500 mm). Relisez et renvoyez."
    ]
    assert by_hand(region) == [
        ("weather", "rain_mm_by_hand", 12.5, Flag.NOT_EVALUATED, False),
        ("weather", "rain_mm_by_hand", 0.0, Flag.NOT_EVALUATED, False),
    ]
    assert ("zone-3", "weather", "rain_mm") not in channel_ids(region.connection), "nothing is due from it"
    import_zones(region.connection, [replace(mine, assets=others)])
    assert says(region, president, "PLUIE 3") == [
        "NDIYAN Mangol-Dow: nous ne suivons pas de pluie ici. Rien n'est noté."
    ]
