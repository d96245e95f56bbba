"""Invented zones: as many as one asks for, each like no other, and all of them files that can be read."""

import tomllib

import pytest

from gateway.zones import Zone, zone_from_values
from simulator.fiction import zone_file, zones_with_fiction
from simulator.village import Village
from tests.simulator.days import ZONES


@pytest.mark.parametrize("zone", zones_with_fiction(ZONES, 30), ids=lambda zone: zone.zone_id)
def test_a_zone_written_as_a_file_is_the_zone_again(zone: Zone) -> None:
    assert zone_from_values(tomllib.loads(zone_file(zone)), "x.toml") == zone


def test_invented_zones_follow_the_shipped_ones_and_do_not_depend_on_how_many_there_are() -> None:
    forty, ten = zones_with_fiction(ZONES, 40), zones_with_fiction(ZONES, 10)
    assert forty[:6] == ZONES
    assert forty[:10] == ten
    assert zones_with_fiction(ZONES, 2) == ZONES[:2]
    for name in ("zone_id", "gateway_id", "name"):
        assert len({getattr(zone, name) for zone in forty}) == 40, name
    phones = [contact.phone for zone in forty for contact in zone.committee]
    assert len(set(phones)) == len(phones)
    assert all(zone.is_fictional and "fictif" in zone.name for zone in forty)
    assert 400 < min(zone.people for zone in forty) < max(zone.people for zone in forty) < 5000


def test_a_larger_zone_has_a_larger_pump_and_the_same_lift() -> None:
    village = Village(zones_with_fiction(ZONES, 60), seed=1)
    per_person = village.pump.flow_m3_h / village.people
    assert per_person.max() / per_person.min() < 1.5
    assert len(set(village.pump.head_m.tolist())) <= 6


@pytest.mark.parametrize("count", [0, 5001])
def test_a_count_out_of_bounds_is_named(count: int) -> None:
    with pytest.raises(ValueError, match=rf"zones: {count} is not within 1\.\.5000"):
        zones_with_fiction(ZONES, count)
