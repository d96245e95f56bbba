"""The pipes from towers to taps: one main along which the taps stand, and a gauge at its far end.

Source: Hazen and Williams, h = 10.67 L Q^1.852 / (C^1.852 D^4.8704) [m; m³/s], C = 140 for PE; where the flow leaves
evenly along a main, a share of that is lost (J. E. Christiansen, Irrigation by sprinkling, 1942). The EPANET test in
tests/simulator shows how far this is from a solved network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gateway.zones import Zone
from simulator.chance import FloatArray

EXPONENT, ROUGHNESS = 1.852, 140.0
BORES_M = np.array([0.0326, 0.0408, 0.0514, 0.0614, 0.0736, 0.0900])  # PE 40 to PE 110, PN 10
MAIN = 0.5  # of a network's length is its main, the rest are the ways to the taps
DESIGN_LOSS_M = 3.0
DESIGN_HOUR = 0.25  # of a usual day's water in the busiest hour
DEFAULT_LENGTH_M = 2000.0


@dataclass(frozen=True, slots=True)
class Pipes:
    """The mains of several zones, arrays (n,)."""

    main_m: FloatArray
    bore_m: FloatArray
    taps: FloatArray

    @classmethod
    def of(cls, zones: Sequence[Zone], usual_m3: FloatArray) -> Pipes:
        """Mains of the zones' lengths, with the smallest bore in which the busiest hour loses little."""
        main = np.array([MAIN * _length_m(zone) for zone in zones])
        taps = np.array([float(max(1, len(zone.taps))) for zone in zones])
        loss = cls(main[:, None], BORES_M[None, :], taps[:, None]).loss_m(DESIGN_HOUR * usual_m3[:, None])
        fits = np.where((loss <= DESIGN_LOSS_M).any(axis=1), np.argmax(loss <= DESIGN_LOSS_M, axis=1), len(BORES_M) - 1)
        return cls(main, BORES_M[fits], taps)

    @property
    def evenly(self) -> FloatArray:
        """Share of the loss that is left where the flow leaves at equal distances: Christiansen's factor."""
        m, n = EXPONENT, self.taps
        return np.asarray(1 / (m + 1) + 1 / (2 * n) + np.sqrt(m - 1) / (6 * n**2))

    def loss_m(self, taps_m3_h: FloatArray, leak_m3_h: FloatArray | float = 0.0) -> FloatArray:
        """Head lost from the tower to the end of the main [m] at flows that broadcast to the zones.

        What taps draw leaves evenly along the main, a leak at its end.
        """
        through = self.evenly ** (1 / EXPONENT) * taps_m3_h + leak_m3_h
        loss = 10.67 * self.main_m * (through / 3600) ** EXPONENT / (ROUGHNESS**EXPONENT * self.bore_m**4.8704)
        return np.asarray(loss)


def _length_m(zone: Zone) -> float:
    try:
        return zone.asset("network").rating["length_m"]
    except KeyError:
        return DEFAULT_LENGTH_M
