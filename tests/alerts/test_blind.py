"""What a zone cannot be judged for."""

from alerts.blind import blind_spots
from alerts.detectors import DETECTORS
from gateway.model import Fault


def test_a_zone_with_every_channel_that_detectors_need_is_judged_for_everything() -> None:
    assert blind_spots({channel for detector in DETECTORS for channel in detector.needs}) == []


def test_without_its_level_a_tower_hides_more_than_without_chlorine() -> None:
    everything = {channel for detector in DETECTORS for channel in detector.needs}
    found = blind_spots(everything - {("tower", "level_m"), ("quality", "free_chlorine_mg_l")})
    assert [one.channel for one in found] == [("tower", "level_m"), ("quality", "free_chlorine_mg_l")]
    assert found[1].faults == (Fault.LOW_CHLORINE,)
    assert Fault.PUMP_NOT_RUNNING in found[0].faults
    assert len(set(found[0].faults)) == len(found[0].faults)
