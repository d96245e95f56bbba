"""The registry written as files and read back, and imports that tell what they change and ask before they undo."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.model import AssetId, AssetKind
from gateway.zone_text import zone_as_values
from gateway.zones import Contact, Zone, zone_from_text, zone_from_values, zones_together
from ingest.db import Connection, connect
from ingest.errors import ZoneMovedOn, ZonesRefused
from ingest.readings_pg import PgReadings
from ingest.registry import channel_ids, fetch_registered, import_zones
from ingest.zone_changes import Change, changes_between, export_text, plan_import, store_zones
from ndiyan.shipped_files import shipped

pytestmark = pytest.mark.db

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NEW_SECRETARY = Contact("Kadiatou Bah", "secretaire", "+224600000777", "fr")
DEVICES = """
[[devices]]
profile = "chirpstack-v4"
id = "24e124713b493921"
asset = "tower"

[[devices.points]]
point = "water_level"
is = "tower/level_m"
unit = "cm"
scale = 0.5
sentinels = [65535, "ERR"]
valid = [0, 500]

[[devices.points]]
point = "litres"
is = "tower/outflow_volume_m3"
unit = "l"
wraps_at = 10000000
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def store(connection: Connection, *zones: Zone, who: str = "server (CLI)", **how: bool) -> None:
    store_zones(connection, zones, who=who, now=NOON, **how)


def registered(connection: Connection, zone_id: str = "zone-3") -> Zone:
    return fetch_registered(connection, [zone_id])[zone_id]


def without(zone: Zone, *tables: str, **changed: Any) -> Zone:
    values = {key: value for key, value in zone_as_values(zone).items() if key not in tables}
    for key, value in changed.items():
        table, _, name = key.partition("__")
        values[table] = values[table] | {name: value} if name else value
    return zone_from_values(values, f"{zone.zone_id}.toml")


def journal(connection: Connection) -> list[tuple[str, str, dict[str, object], dict[str, object]]]:
    return connection.execute("SELECT who, what, before, after FROM audit_log ORDER BY audit_id").fetchall()


def test_the_registry_as_a_file_is_the_zone_that_was_imported(connection: Connection, zones: list[Zone]) -> None:
    text = (shipped("zones") / "zone-1.toml").read_text("utf-8") + DEVICES
    ends = {"volume_m3": 10_000}
    odd = 'Bowal "haut"\\\t— l’eau\x7f'
    values = tomllib.loads(text)
    values |= {"pump": values["pump"] | {"wraps_at": ends}, "taps": values["taps"] | {"wraps_at": ends}, "name": odd}
    zone = zone_from_values(values, "zone-1.toml")
    store(connection, zone, *zones[1:])
    for one in (zone, *zones[1:]):
        known = registered(connection, one.zone_id)
        assert replace(known, version=None) == one
        assert zone_from_text(export_text(known), "x.toml") == known
    assert all(not plan.changes for plan in plan_import(connection, [zone, *zones[1:]]))


def test_a_tap_whose_device_tells_its_end_does_not_take_the_ends_of_the_others_out_of_the_file(
    connection: Connection, zones: list[Zone]
) -> None:
    point = {"point": "m3", "is": "tap-01/volume_m3", "unit": "m3", "wraps_at": 10_000}
    device = {"profile": "chirpstack-v4", "id": "24e124713b493921", "points": [point]}
    values = zone_as_values(zones[0])
    values["taps"]["wraps_at"] = {"volume_m3": 10_000}
    zone = zone_from_values(values | {"devices": [device]}, "zone-1.toml")
    store(connection, zone)
    exported = zone_from_text(export_text(registered(connection, "zone-1")), "x.toml")
    assert not plan_import(connection, [exported])[0].changes
    store(connection, exported)
    ends = "SELECT DISTINCT wraps_at FROM channel WHERE zone_id = 'zone-1' AND asset_id LIKE 'tap-%'"
    assert connection.execute(ends).fetchall() == [(10_000.0,)]
    (plan,) = plan_import(connection, [without(zone, taps__wraps_at={})])
    assert [one.key for one in plan.changes] == ["taps.wraps_at.volume_m3"]


def test_a_profile_that_tells_where_a_counter_ends_makes_no_difference_to_the_file(connection: Connection) -> None:
    zone = zone_from_text((shipped("zones") / "zone-1.toml").read_text("utf-8") + DEVICES, "zone-1.toml")
    store(connection, zone)
    ends = "SELECT wraps_at FROM channel WHERE zone_id = 'zone-1' AND name = 'outflow_volume_m3'"
    assert connection.execute(ends).fetchall() == [(10_000.0,)], "litres of the point, as cubic metres"
    assert "wraps_at" not in str(zone_as_values(registered(connection, "zone-1"))["tower"])


def test_an_import_that_would_remove_a_tower_says_all_that_goes_before_it_goes(
    connection: Connection, zones: list[Zone]
) -> None:
    store(connection, *zones)
    plan, *_ = plan_import(connection, [without(zones[2], "tower")])
    assert plan.changes[:2] == (
        Change("tower.interval_s", 300.0, None),
        Change("tower.volume_m3", 20.0, None),
    )
    sizes = ("volume_m3", "full_level_m", "base_height_m", "start_level_m")
    assert {change.key for change in plan.changes} == {f"tower.{key}" for key in ("interval_s", "channels", *sizes)}
    assert registered(connection).asset("tower"), "nothing is stored yet"

    store(connection, without(zones[2], "tower"))
    assert "tower" not in [asset.asset_id for asset in PgReadings(connection).assets("zone-3")]
    assert ("zone-3", "tower", "level_m") not in channel_ids(connection)
    assert connection.execute(
        "SELECT a.rating ->> 'volume_m3', c.is_active FROM asset a JOIN channel c USING (zone_id, asset_id)"
        " WHERE a.zone_id = 'zone-3' AND a.asset_id = 'tower' AND c.name = 'level_m'"
    ).fetchall() == [("20.0", False)], "its past stays"
    who, what, before, after = journal(connection)[-1]
    assert (who, what, before["tower.volume_m3"], after) == ("server (CLI)", "zone_changed", 20.0, {"version": 2})

    level = channel_ids_of_all(connection)["zone-3", "tower", "level_m"]
    store(connection, zones[2])
    assert channel_ids(connection)["zone-3", "tower", "level_m"] == level, "and it is the same tower when it comes back"


def life(connection: Connection, asset: str) -> tuple[bool, bool]:
    """Whether it is kept of a tower's level or a tap's counter that it came later than zone 3, and that it went."""
    row = connection.execute(
        "SELECT added_at IS NOT NULL, retired_at IS NOT NULL FROM channel"
        " WHERE zone_id = 'zone-3' AND asset_id = %s AND name IN ('level_m', 'volume_m3')", [asset],
    ).fetchone()  # fmt: skip
    assert row
    return row


def test_when_a_part_came_and_went_is_kept_and_an_import_that_changes_nothing_is_no_coming_and_going(
    connection: Connection, zones: list[Zone]
) -> None:
    *others, last_tap = [asset.asset_id for asset in zones[2].assets if asset.kind is AssetKind.TAP]
    fewer = replace(zones[2], assets=tuple(asset for asset in zones[2].assets if asset.asset_id != last_tap))
    store(connection, fewer)
    assert life(connection, "tower") == (False, False), "what came with its zone was always there"
    store(connection, zones[2])
    store(connection, replace(zones[2], people=zones[2].people + 1))
    assert (life(connection, last_tap), life(connection, others[0])) == ((True, False), (False, False))
    assert life(connection, "tower") == (False, False)
    store(connection, without(zones[2], "tower"))
    assert life(connection, "tower") == (False, True)
    (level,) = [row for row in PgReadings(connection).channels("zone-3", with_retired=True) if row.asset_id == "tower"][
        :1
    ]
    assert level.retired_at == NOON
    assert "tower" not in {row.asset_id for row in PgReadings(connection).channels("zone-3")}
    store(connection, zones[2])
    assert life(connection, "tower") == (False, False), "what comes back was missing meanwhile"


def channel_ids_of_all(connection: Connection) -> dict[tuple[str, str, str], int]:
    rows = connection.execute("SELECT channel_id, zone_id, asset_id, name FROM channel")
    return {(zone, asset, name): number for number, zone, asset, name in rows}


def test_the_journal_keeps_no_name_and_no_number_of_who_came_went_or_moved(
    connection: Connection, zones: list[Zone]
) -> None:
    store(connection, *zones)
    first, second, *others = zones[2].committee
    store(connection, replace(zones[2], committee=(second, *others, NEW_SECRETARY)))
    assert journal(connection)[-1] == (
        "server (CLI)", "zone_changed", {"committee …010": "exploitant, fr"},
        {"committee …777": "secretaire, fr", "version": 2},
    )  # fmt: skip
    store(connection, replace(zones[2], committee=(NEW_SECRETARY, *others, second)))
    assert journal(connection)[-1][2:] == (
        {"committee.order": "…011 …012 …013 …014 …015 …777"},
        {"committee.order": "…777 …012 …013 …014 …015 …011", "version": 3},
    )
    everything = str(journal(connection))
    for person in (first, *others, NEW_SECRETARY):
        assert person.name not in everything
        assert person.phone not in everything
    assert connection.execute("SELECT is_active FROM contact WHERE phone = %s", [first.phone]).fetchall() == [(False,)]


def test_two_people_whose_numbers_end_alike_have_a_line_each(connection: Connection, zones: list[Zone]) -> None:
    alike = (Contact("A", "president", "+224610000111", "fr"), Contact("B", "commune", "+224620000111", "en"))
    store(connection, replace(zones[2], committee=alike))
    after = journal(connection)[-1][3]
    assert sorted(value for key, value in after.items() if key.startswith("committee …111")) == [
        "commune, en", "president, fr",
    ]  # fmt: skip


def test_an_old_file_does_not_undo_what_was_edited_on_the_pages_until_somebody_says_so(
    connection: Connection, zones: list[Zone]
) -> None:
    store(connection, *zones)
    edited = replace(zones[2], committee=(*zones[2].committee, NEW_SECRETARY))
    store(connection, edited, who="Awa (web)", on_pages=True)

    with pytest.raises(ZonesRefused, match=r"zone-3: Awa \(web\) changed it on 2026-11-26 12:00 UTC") as refused:
        store(connection, *zones)
    assert len(refused.value.reasons) == 1, "the five others may"
    assert NEW_SECRETARY in registered(connection).committee
    store(connection, zones[0], *zones[3:])
    store(connection, edited)  # what changes nothing is never refused
    with pytest.raises(ZonesRefused):
        store(connection, zones[2])

    store(connection, zones[2], over=True)
    assert NEW_SECRETARY not in registered(connection).committee
    store(connection, edited)
    assert NEW_SECRETARY in registered(connection).committee, "the files hold again"


def test_an_exported_file_is_good_until_the_registry_moves_on(connection: Connection, zones: list[Zone]) -> None:
    store(connection, *zones)
    store(connection, replace(zones[2], name="Mangol-Dow"), who="Awa (web)", on_pages=True)
    taken = zone_from_text(export_text(registered(connection)), "zone-3.toml")
    assert taken.version == 2
    store(connection, replace(taken, people=2300), who="Binta (web)", on_pages=True)
    with pytest.raises(ZonesRefused, match=r"zone-3: Binta \(web\) changed .* the file was exported at version 2"):
        store(connection, replace(taken, people=2400))
    assert (registered(connection).people, registered(connection).name) == (2300, "Mangol-Dow")
    newer = registered(connection)
    store(connection, replace(newer, people=2400))
    assert (registered(connection).people, registered(connection).version) == (2400, 4)
    store(connection, replace(newer, people=2500))
    assert registered(connection).people == 2500, "whoever keeps the exported file goes on with it"
    with pytest.raises(ZonesRefused, match="at version 2"):
        store(connection, replace(taken, people=2400))


def test_a_form_is_refused_once_anything_changed_since_it_was_opened(connection: Connection, zones: list[Zone]) -> None:
    store(connection, *zones)
    opened = registered(connection)
    store(connection, replace(zones[2], people=2300))
    with pytest.raises(ZoneMovedOn, match="zone-3"):
        store(connection, replace(opened, name="Mangol"), who="Awa (web)", on_pages=True)
    opened = registered(connection)
    store(connection, replace(opened, name="Mangol"), who="Awa (web)", on_pages=True)
    assert (registered(connection).name, registered(connection).people) == ("Mangol", 2300)


def test_a_gateway_of_another_zone_is_not_taken_from_it_unless_that_one_gets_another(
    connection: Connection, zones: list[Zone]
) -> None:
    store(connection, *zones)
    takes = without(zones[2], gateway__id="gw-4")
    with pytest.raises(ZonesRefused, match=r"zone-3: gateway\.id: 'gw-4' belongs to zone-4"):
        store(connection, takes, over=True)
    store(connection, takes, without(zones[3], gateway__id="gw-3"))
    assert [registered(connection, zone).gateway_id for zone in ("zone-3", "zone-4")] == ["gw-4", "gw-3"]


def test_a_box_that_was_exchanged_may_still_send_what_it_holds_and_is_not_named_any_more(
    connection: Connection, zones: list[Zone]
) -> None:
    store(connection, *zones)
    store(connection, without(zones[2], gateway__id="a-new-box"))
    assert registered(connection).gateway_id == "a-new-box"
    assert PgReadings(connection).zones()[2].gateway_id == "a-new-box"
    assert connection.execute("SELECT is_active FROM gateway WHERE gateway_id = 'gw-3'").fetchall() == [(False,)]


def test_fewer_taps_are_named_as_that_and_more_are_new(zones: list[Zone]) -> None:
    assert changes_between(zones[2], without(zones[2], taps__count=22)) == (Change("taps.count", 20, 22),)
    assert without(zones[2], taps__count=22).asset("tap-22").asset_id == AssetId("tap-22")
    assert changes_between(None, zones[2])[0] == Change("zone", None, "zone-3")
    assert changes_between(zones[2], replace(zones[2], version=7)) == ()


def test_two_texts_of_one_zone_are_refused_together(zones: list[Zone]) -> None:
    with pytest.raises(Exception, match=r"b\.toml: zone: 'zone-3' is already in a\.toml"):
        zones_together([("a.toml", zones[2]), ("b.toml", zones[2])])


def test_import_as_tests_and_the_simulator_do_it_writes_no_line(connection: Connection, zones: list[Zone]) -> None:
    import_zones(connection, zones)
    assert journal(connection) == []
    assert registered(connection).version == 1
