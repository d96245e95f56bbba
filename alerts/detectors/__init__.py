"""One pure module per fault family: a window of readings in, conditions with their evidence out."""

from alerts.detectors.leak import detect_night_leak
from alerts.detectors.pump import detect_dry_running, detect_pump_not_running
from alerts.detectors.sensor import detect_sensor_stuck
from alerts.detectors.silence import detect_past_silence, judge_silence
from alerts.detectors.tower import detect_tower_empty, detect_tower_overflow
from alerts.detectors.window import ZoneWindow

BY_HOUR = (
    detect_pump_not_running,
    detect_dry_running,
    detect_tower_empty,
    detect_tower_overflow,
    detect_sensor_stuck,
    detect_past_silence,
)
BY_NIGHT = (detect_night_leak,)

__all__ = ["BY_HOUR", "BY_NIGHT", "ZoneWindow", "judge_silence"]
