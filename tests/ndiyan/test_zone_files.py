"""The six shipped zones are openly fictional and their sizes make sense together; a mistake names its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ZoneFileError
from gateway.model import CHANNELS, AssetKind
from gateway.zones import Members, Zone, load_zone, load_zones
from ndiyan.shipped_files import shipped

DRY_SEASON_L_PER_PERSON = 12.0  # upper end of what metered communal taps sell (DOMAIN §3.1)
PUMPING_HOURS = 6.6  # of rated flow, on a dry-season day of 5.7 kWh/m² with modules of about twice the pump's power
FRICTION = 1.06
DEVICE = '[[devices]]\nprofile = "sparkplug-b"\nid = "labe/node-1"\nasset = "tower"\n\n'


def test_there_are_six_zones_with_about_a_hundred_taps(zones: list[Zone]) -> None:
    assert [zone.zone_id for zone in zones] == [f"zone-{number}" for number in range(1, 7)]
    assert 95 <= sum(len(zone.taps) for zone in zones) <= 105


def test_every_zone_says_that_it_is_fictional(zones: list[Zone]) -> None:
    assert all(zone.is_fictional and "fictif" in zone.name for zone in zones)
    phones = [contact.phone for zone in zones for contact in zone.committee]
    assert all(phone.startswith("+224600000") for phone in phones)
    assert len(set(phones)) == len(phones)


@pytest.mark.parametrize("kind", [kind for kind in AssetKind if kind is not AssetKind.QUALITY], ids=str)
def test_every_zone_has_all_channels_but_those_of_water_quality(zones: list[Zone], kind: AssetKind) -> None:
    for zone in zones:
        for asset in (asset for asset in zone.assets if asset.kind is kind):
            assert {spec.name for spec in asset.channels} == set(CHANNELS[kind])
            assert asset.interval_s == (86_400 if kind is AssetKind.WEATHER else 300), "a gauge is read each morning"


def test_every_committee_has_who_is_called_first_and_who_repairs(zones: list[Zone]) -> None:
    for zone in zones:
        roles = [contact.role for contact in zone.committee]
        assert roles[0] == "exploitant"
        assert {"president", "reparateur", "fontainier"} <= set(roles)
        assert 4 <= len(roles) <= 6


def test_what_the_pump_gives_on_a_dry_season_day_is_about_what_people_draw(zones: list[Zone]) -> None:
    for zone in zones:
        demand_m3 = zone.people * DRY_SEASON_L_PER_PERSON / 1000
        supply_m3 = zone.asset("pump").rating["rated_flow_m3_h"] * PUMPING_HOURS
        assert 1.0 <= supply_m3 / demand_m3 <= 1.3, zone.zone_id
        assert 0.5 <= zone.asset("tower").rating["volume_m3"] / demand_m3 <= 1.0, zone.zone_id


def test_the_pump_is_rated_for_the_head_that_it_meets(zones: list[Zone]) -> None:
    for zone in zones:
        pump, borehole, tower = (zone.asset(name).rating for name in ("pump", "borehole", "tower"))
        drawdown_m = pump["rated_flow_m3_h"] / borehole["specific_capacity_m3_h_m"]
        pumped_level_m = borehole["static_water_depth_m"] + drawdown_m
        head_m = FRICTION * (pumped_level_m + tower["base_height_m"] + tower["full_level_m"])
        assert 0.93 <= pump["rated_head_m"] / head_m <= 1.07, zone.zone_id
        assert pumped_level_m + 8 < borehole["pump_intake_m"], "room for the dry season"
        hydraulic_w = 1000 * 9.81 * pump["rated_flow_m3_h"] / 3600 * pump["rated_head_m"]
        assert 0.40 <= hydraulic_w / pump["rated_power_w"] <= 0.50, "wire to water"
        assert 2.0 <= zone.asset("pv").rating["peak_w"] / pump["rated_power_w"] <= 2.6, zone.zone_id


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("volume_m3 = 14", "volume_m3 = -4", r"tower\.volume_m3: -4 is below 0\.5", id="below"),
        pytest.param("volume_m3 = 14", "volum_m3 = 14", r"tower\.volume_m3: is missing", id="missing"),
        pytest.param("[tower]\n", "[tower]\ncolour = 1\n", r"tower\.colour: is not a key .* known are", id="unknown"),
        pytest.param('"+224600000002"', '"600 00"', r"committee\[1\]\.phone: '600 00' does not match", id="phone"),
        pytest.param('"exploitant"', '"chef"', r"committee\[0\]\.role: 'chef' is none of president", id="role"),
        pytest.param('tap = "tap-04"', 'tap = "tap-40"', r"committee\[3\]\.tap: 'tap-40' is no tap of", id="tap"),
        pytest.param('"level_m", ', '"level_cm", ', r"tower\.channels: 'level_cm' is none of level_m", id="channel"),
        pytest.param("start_level_m = 2.3", "start_level_m = 3", r"3 is not below full_level_m 3", id="together"),
        pytest.param("people = 1450", 'people = "many"', r"served\.people: 'many' is not a number", id="kind"),
        pytest.param("people = 1450", "people = 1450.9", r"served\.people: 1450\.9 is not a whole number", id="whole"),
        pytest.param('tap = "tap-04"', 'tap = "tower"', r"committee\[3\]\.tap: 'tower' is no tap of", id="tower"),
        pytest.param(
            '"+224600000002"',
            '"+224600000001"',
            r"committee\[1\]: '\+224600000001' is already in committee\[0\]",
            id="one-phone-for-two",
        ),
        pytest.param(
            "[place]", 2 * DEVICE + "[place]", r"devices\[1\]: .* is already in devices\[0\]", id="device-twice"
        ),
        pytest.param("[place]", "[place", "is not valid TOML", id="not-toml"),
    ],
)
def test_a_mistake_names_file_key_value_and_bound(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (shipped("zones") / "zone-1.toml").read_text("utf-8")
    assert old in text
    file = tmp_path / "zone-1.toml"
    file.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ZoneFileError, match=message) as caught:
        load_zone(file)
    assert str(file) in str(caught.value)


def test_a_file_that_windows_has_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "zone-3.toml"
    file.write_text((shipped("zones") / "zone-3.toml").read_text("utf-8"), "utf-8-sig")
    assert load_zone(file).zone_id == "zone-3"


def test_two_files_of_one_zone_are_refused(tmp_path: Path) -> None:
    text = (shipped("zones") / "zone-1.toml").read_text("utf-8")
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(ZoneFileError, match=r"b\.toml: zone: 'zone-1' is already in .*a\.toml"):
        load_zones([tmp_path])


def test_what_a_file_does_not_tell_of_price_and_committee_is_not_known_and_never_a_usual_value(tmp_path: Path) -> None:
    text = (shipped("zones") / "zone-1.toml").read_text("utf-8")
    told = load_zone(shipped("zones") / "zone-1.toml")
    assert (told.gnf_per_20_l, told.members) == (100, Members(14, 20, 2026))
    start, end = text.index("[tariff]"), text.index("[gateway]")
    file = tmp_path / "zone-1.toml"
    file.write_text(text[:start] + text[end:], "utf-8")
    untold = load_zone(file)
    assert (untold.gnf_per_20_l, untold.members) == (None, None)
    file.write_text(text.replace("women = 14\n", ""), "utf-8")
    with pytest.raises(ZoneFileError, match=r"ugspe\.women: is missing"):
        load_zone(file)
