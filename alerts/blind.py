"""What a zone cannot be judged for, because a channel is missing or has fallen silent. Pure."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple

from alerts.detectors import DETECTORS, Detector
from alerts.scene import Channel
from gateway.model import Fault, State


class BlindSpot(NamedTuple):
    """A channel that a zone lacks, and all that could stand in for it; and the faults that nobody would see so."""

    channel: Channel
    faults: tuple[Fault | State, ...]


def blind_spots(known: Set[Channel], detectors: Sequence[Detector] = DETECTORS) -> list[BlindSpot]:
    """What is not judged in a zone with these channels, the channel that hides most first."""
    hidden: dict[Channel, list[Fault | State]] = {}
    for detector in detectors:
        for group in detector.needs:
            if known.isdisjoint(group):
                hidden.setdefault(group[0], []).extend(detector.faults)
    found = [BlindSpot(channel, tuple(dict.fromkeys(faults))) for channel, faults in hidden.items()]
    return sorted(found, key=lambda one: (-len(one.faults), one.channel))
