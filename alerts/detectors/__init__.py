"""One pure module per fault family: many zones on one grid of time in, signals with their evidence out."""

from alerts.detectors import leak, pump, sensor, silence, tower
from alerts.detectors.detector import Detector, Scene

FAMILIES = (pump, tower, leak, sensor, silence)
DETECTORS = tuple(detector for family in FAMILIES for detector in family.DETECTORS)
FEATURES = leak.FEATURES

__all__ = ["DETECTORS", "FEATURES", "Detector", "Scene"]
