"""What a zone cannot be judged for."""

from alerts.blind import blind_spots
from alerts.detectors import DETECTORS
from alerts.scene import Channel
from gateway.model import Fault


def everything() -> set[Channel]:
    return {channel for detector in DETECTORS for group in detector.needs for channel in group}


def test_a_zone_with_every_channel_that_detectors_need_is_judged_for_everything() -> None:
    assert blind_spots(everything()) == []


def test_without_its_level_a_tower_hides_more_than_without_chlorine() -> None:
    found = blind_spots(everything() - {("tower", "level_m"), ("quality", "free_chlorine_mg_l")})
    assert [one.channel for one in found] == [("tower", "level_m"), ("quality", "free_chlorine_mg_l")]
    assert found[1].faults == (Fault.LOW_CHLORINE,)
    assert Fault.PUMP_NOT_RUNNING in found[0].faults
    assert len(set(found[0].faults)) == len(found[0].faults)


def test_of_channels_that_stand_in_for_each_other_one_will_do_and_of_none_the_first_is_named() -> None:
    powers = {("pump", "power_w"), ("pv", "power_w"), ("pump", "speed_rpm")}
    one = blind_spots(everything() - powers | {("pv", "power_w")})
    assert all(Fault.PUMP_NOT_RUNNING not in spot.faults for spot in one)
    none = {spot.channel: spot.faults for spot in blind_spots(everything() - powers)}
    assert Fault.PUMP_NOT_RUNNING in none["pump", "power_w"]
    assert Fault.DRY_RUNNING not in none["pump", "power_w"], "the controller says when it has stopped for want of water"


def test_what_is_judged_without_a_cell_is_not_hidden_by_its_want() -> None:
    found = {spot.channel: spot.faults for spot in blind_spots(everything() - {("pv", "irradiance_w_m2")})}
    assert Fault.PV_STRING_LOSS not in found["pv", "irradiance_w_m2"]
