"""One pure module per fault family: many zones on one grid of time in, signals with their evidence out."""

from alerts.days import Feature
from alerts.detectors import gateway, leak, pump, pv, quality, sensor, silence, taps, tower, wear
from alerts.detectors.detector import Detector, Scene, signals_of
from alerts.scene import Sites

FAMILIES = (pump, wear, pv, tower, leak, taps, sensor, silence, gateway, quality)
DETECTORS = tuple(detector for family in FAMILIES for detector in family.DETECTORS)
_FEATURES = (
    *pump.FEATURES, *wear.FEATURES, *pv.FEATURES, *tower.FEATURES, *leak.FEATURES, *sensor.FEATURES, *gateway.FEATURES,
)  # fmt: skip


def features_of(sites: Sites) -> tuple[Feature, ...]:
    """What the detectors want to know of these sites' days."""
    return (*_FEATURES, *taps.features(sites.taps))


__all__ = ["DETECTORS", "Detector", "Scene", "features_of", "signals_of"]
