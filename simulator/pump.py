"""A variable-speed centrifugal pump on its curve, by the affinity laws: pure functions on arrays over zones.

In shares of the rated point (flow q, head h, power p) at a share s of full speed, in steady flow:

    h = 1.35 s² - 0.35 q²,    p = 0.45 s³ + 0.55 s² q.

Both keep the affinity laws: at the same q/s, head goes with s² and power with s³ (J. F. Gülich, Centrifugal Pumps,
3rd ed. 2014, §1.3). The two shapes, a head that falls by a quarter and a power that doubles from no flow to the rated
one, are those of small multistage borehole pumps; a plate gives the rated point and no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.chance import FloatArray

SHUT_OFF_HEAD = 1.35  # of the rated head, at full speed and no flow
SHUT_OFF_POWER = 0.45  # of the rated power, at full speed and no flow
RISER_LOSS = 0.05  # of the rated head is lost in the riser at rated flow
ROUNDS = 4  # of Newton's method: leaves less than 0.1 % of the rated flow, at usual lifts a millionth


@dataclass(frozen=True, slots=True)
class Pump:
    """Plates of the pumps of several zones, each (n,): electrical power, flow and head at the rated point."""

    flow_m3_h: FloatArray
    head_m: FloatArray
    power_w: FloatArray

    def head_at(self, speed: FloatArray, flow_m3_h: FloatArray) -> FloatArray:
        """Head [m] at a share of full speed and a flow."""
        q = flow_m3_h / self.flow_m3_h
        return self.head_m * (SHUT_OFF_HEAD * speed**2 - (SHUT_OFF_HEAD - 1) * q**2)

    def power_at(self, speed: FloatArray, flow_m3_h: FloatArray) -> FloatArray:
        """Electrical power of the motor [W] at a share of full speed and a flow."""
        q = flow_m3_h / self.flow_m3_h
        return self.power_w * speed**2 * (SHUT_OFF_POWER * speed + (1 - SHUT_OFF_POWER) * q)

    def riser_loss_m(self, flow_m3_h: FloatArray) -> FloatArray:
        """Head that friction takes on the way up [m]."""
        return RISER_LOSS * self.head_m * (flow_m3_h / self.flow_m3_h) ** 2

    def operating_point(
        self,
        power_w: FloatArray,
        lift_m: FloatArray,
        *,
        worn: FloatArray | float = 0.0,
        clogged: FloatArray | float = 0.0,
    ) -> tuple[FloatArray, FloatArray]:
        """Share of full speed and flow [m³/h] when `power_w` is offered and water must rise by `lift_m`, each (n,).

        `worn` is the share of the head that is lost at any speed and flow, for the same power: water slips back
        through worn rings. `clogged` is the share of the rated head that dirt in screen, impeller or pipe takes at
        rated flow, with the square of the flow. The controller turns as fast as the power allows, at most at full
        speed. Below lift-off the pump turns and gives nothing. Where it lifts, head = lift + losses gives s²(q), and
        the power is a convex, increasing function of q alone: Newton's method cannot miss it.
        """
        offered = np.minimum(power_w / self.power_w, 10.0)
        left = SHUT_OFF_HEAD * (1.0 - worn)
        at_rest = lift_m / self.head_m / left
        slope = (SHUT_OFF_HEAD - 1) / SHUT_OFF_HEAD + (RISER_LOSS + clogged) / left
        wet = 1 - SHUT_OFF_POWER
        lifts = (offered > SHUT_OFF_POWER * at_rest**1.5) & (at_rest < 1)
        most = np.sqrt(np.maximum(0.0, 1 - at_rest) / slope)  # at full speed
        q = np.minimum(most, offered / (wet * at_rest))  # not below the solution, from where each round comes closer
        for _ in range(ROUNDS):
            bent = slope * q
            s2 = at_rest + bent * q
            s = np.sqrt(s2)
            surplus = s2 * (SHUT_OFF_POWER * s + wet * q) - offered
            q = q - surplus / (3 * SHUT_OFF_POWER * s * bent + wet * (2 * bent * q + s2))
        q = np.where(lifts, np.minimum(np.maximum(q, 0.0), most), 0.0)
        speed = np.where(lifts, np.sqrt(at_rest + slope * q * q), self.free_speed(power_w))
        return speed, q * self.flow_m3_h

    def free_speed(self, power_w: FloatArray) -> FloatArray:
        """Share of full speed at which the pump turns with this power when no water flows, (n,)."""
        return np.minimum(1.0, np.cbrt(power_w / self.power_w / SHUT_OFF_POWER))
