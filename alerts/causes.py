"""Which alert explains which: only the cause is told, what it explains stays visible under it. Pure.

Three kinds of cause: a fault that leads to others (a pump that stands empties the tower), a sensor that is not believed
(what was concluded from it is not either), and an operator whose mast is down (many zones silent in the same hour).
What outlives its cause has another one, or none, and is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from alerts.model import DAY, RULES
from gateway.model import Fault, State

NO_WATER_COMES = (Fault.DRY_RUNNING, Fault.PUMP_NOT_RUNNING, Fault.INVERTER_TRIP, Fault.FLOAT_STUCK_FULL)
WATER_IS_LOST = (Fault.PIPE_BURST, Fault.TOWER_LEAK, Fault.CHECK_VALVE_LEAK, Fault.TAP_LEFT_OPEN, Fault.NIGHT_LEAK)
EXPLAINED_BY: dict[Fault | State, tuple[Fault | State, ...]] = {
    State.TOWER_EMPTY: (*NO_WATER_COMES, *WATER_IS_LOST),
    Fault.TAP_CLOSED: (*NO_WATER_COMES, State.TOWER_EMPTY),
    # A well that gives no water: the pump that stops for it, and figures of pump and well that follow from it.
    Fault.PUMP_NOT_RUNNING: (Fault.DRY_RUNNING,),
    Fault.YIELD_DROP: (Fault.DRY_RUNNING, Fault.CHECK_VALVE_LEAK),  # what runs back fills the well
    Fault.PUMP_CLOGGED: (Fault.DRY_RUNNING,),
    Fault.FLOW_METER_STOPPED: (Fault.DRY_RUNNING,),
    # A probe that hangs above the water gives its end value.
    Fault.SENSOR_STUCK: (Fault.DRY_RUNNING, Fault.CLOCK_ERROR),
    # By a wrong clock people seem to draw at other hours. A burst is told all the same: it cannot wait for the clock.
    Fault.TAP_LEFT_OPEN: (Fault.CLOCK_ERROR,),
    # And two hours lie in one: readings jump between them, and the sun of one stands beside the pump of the other.
    Fault.SENSOR_SPIKES: (Fault.CLOCK_ERROR,),
    Fault.PV_STRING_LOSS: (Fault.CLOCK_ERROR,),
    Fault.PUMP_WEAR: (Fault.DRY_RUNNING, Fault.PUMP_CLOGGED),
    # One loss has one name: what runs back through the valve, or out of a pipe, leaves the tower too.
    Fault.TOWER_LEAK: (Fault.CHECK_VALVE_LEAK, Fault.PIPE_BURST, Fault.CLOCK_ERROR),
    Fault.CHECK_VALVE_LEAK: (Fault.CLOCK_ERROR,),
    Fault.NIGHT_LEAK: (Fault.PIPE_BURST, Fault.TAP_LEFT_OPEN, Fault.CLOCK_ERROR),
    Fault.PV_SOILING: (Fault.PV_STRING_LOSS,),
    Fault.COMMS_OUTAGE: (Fault.GATEWAY_BATTERY_LOW, Fault.CLOCK_ERROR),
}
# A sensor explains what rests on it. The first of these is the surest: what stands behind it is explained by it.
SENSOR_FAULTS = (
    Fault.SENSOR_OUT_OF_RANGE, Fault.SENSOR_STUCK, Fault.FLOW_METER_STOPPED, Fault.SENSOR_SPIKES, Fault.SENSOR_DRIFT,
)  # fmt: skip
# A drift or a few spikes leave enough of the truth for what people must act on today; a controller that tells its code
# needs no sensor of ours.
STILL_TOLD: dict[Fault | State, tuple[Fault, ...]] = {
    Fault.SENSOR_SPIKES: (Fault.PUMP_NOT_RUNNING, Fault.INVERTER_TRIP, Fault.DRY_RUNNING, Fault.PIPE_BURST),
    Fault.SENSOR_DRIFT: (Fault.PUMP_NOT_RUNNING, Fault.INVERTER_TRIP, Fault.DRY_RUNNING, Fault.PIPE_BURST),
    Fault.SENSOR_STUCK: (Fault.INVERTER_TRIP, Fault.PIPE_BURST),
    Fault.SENSOR_OUT_OF_RANGE: (Fault.INVERTER_TRIP, Fault.PIPE_BURST),
    Fault.FLOW_METER_STOPPED: (Fault.PUMP_NOT_RUNNING, Fault.INVERTER_TRIP, Fault.PIPE_BURST),
}
SLACK = timedelta(hours=1)  # a cause may be confirmed a little later than what it causes
CLOCK_SLACK = timedelta(days=1)  # of a day on which a clock was put right no figure holds
SENSOR_SLACK = timedelta(days=2)  # and a sensor's readings stay in figures of days after it was repaired
MANY_ZONES, SAME_HOUR = 5, timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Known:
    """An alert that may explain another of its zone; `key` is whatever its keeper calls it by.

    `channels` are those that its evidence rests on, as `asset/channel`; of a sensor's alert the first is the sensor.
    Where they are not kept any more its whole asset counts. What is `doubted`, because a sensor explains it, is told to
    nobody and explains nothing: an empty tower is empty, whatever a broken sensor says of the pump.
    """

    key: int
    fault: Fault | State
    asset: str
    first: datetime
    cleared: datetime | None
    channels: Sequence[str] = ()
    doubted: bool = False


def cause_of(
    fault: Fault | State,
    first: datetime,
    confirmed: datetime,
    known: Sequence[Known],
    *,
    rests_on: Sequence[str] = (),
) -> Known | None:
    """The alert that explains one of `fault`, whose evidence began at `first` and which opened at `confirmed`.

    A cause began before the effect opened, and was not over (but for some slack) when the effect began. Of several the
    one that stands first in `EXPLAINED_BY` counts, and after those a sensor that the evidence rests on (`rests_on`).
    """
    for kind in EXPLAINED_BY.get(fault, ()):
        for one in known:
            if one.fault == kind and not one.doubted and _was_there(one, first, confirmed, _slack_before(kind, fault)):
                return one
    for kind in _sensor_faults_above(fault):
        for one in known:
            if one.fault == kind and _is_shared(one, rests_on) and _was_there(one, first, confirmed, SENSOR_SLACK):
                return one
    return None


def _is_shared(sensor: Known, rests_on: Sequence[str]) -> bool:
    if sensor.channels:
        return sensor.channels[0] in rests_on
    return any(channel.startswith(f"{sensor.asset}/") for channel in rests_on)


def _sensor_faults_above(fault: Fault | State) -> Sequence[Fault]:
    """The faults of sensors that may explain one of `fault`."""
    if fault in (Fault.COMMS_OUTAGE, Fault.GATEWAY_BATTERY_LOW, Fault.CLOCK_ERROR):
        return ()
    surer = SENSOR_FAULTS[: SENSOR_FAULTS.index(Fault(fault))] if fault in SENSOR_FAULTS else SENSOR_FAULTS
    return [kind for kind in surer if fault not in STILL_TOLD.get(kind, ())]


def _was_there(cause: Known, first: datetime, confirmed: datetime, slack: timedelta) -> bool:
    is_over = cause.cleared is not None and cause.cleared + slack < first
    return cause.first <= confirmed and not is_over


def is_outlived(cause: Fault | State, ended: datetime, fault: Fault | State, first: datetime, last: datetime) -> bool:
    """Whether an alert of `fault`, seen from `first` to `last`, goes on without the `cause` that explained it.

    That takes readings: it was seen again long after its cause ended, or after it began itself should that be later.
    """
    return last >= max(first, ended) + _slack_after(cause, fault)


def _slack_before(cause: Fault | State, fault: Fault | State) -> timedelta:
    """For how long a cause that is over explains what begins. A night in which water ran out otherwise is no leak's."""
    if cause is Fault.CLOCK_ERROR:
        return CLOCK_SLACK
    is_of_nights = fault in WATER_IS_LOST and RULES[fault].max_gap >= DAY
    return DAY if is_of_nights and cause in WATER_IS_LOST else SLACK


def _slack_after(cause: Fault | State, fault: Fault | State) -> timedelta:
    """For how long a cause that is over still counts; in what is judged by the day, as long as its days do."""
    if cause is Fault.CLOCK_ERROR:
        return CLOCK_SLACK
    if RULES[fault].max_gap < DAY:
        return SLACK
    return SENSOR_SLACK if cause in SENSOR_FAULTS else DAY


class Silence(NamedTuple):
    """A zone that has been silent since `began`; `key` is whatever its keeper calls the alert by.

    `is_explained`: by a cause of its own, so that nobody is told of it; `is_told`: people heard of it already.
    """

    key: int
    zone: str
    began: datetime
    is_explained: bool = False
    is_told: bool = False


def shared_outages(silences: Sequence[Silence]) -> list[list[Silence]]:
    """Zones that fell silent in the same hour, five and more: each group is one event of the operator's network.

    The first of a group is the one to tell, the others are explained by it: whichever was told already, or else fell
    silent first. All that fell silent count, but what is explained is told to nobody and explains no other. Groups do
    not overlap.
    """
    ordered = sorted(silences, key=lambda one: (one.began, one.zone))
    groups: list[list[Silence]] = []
    at = 0
    while at < len(ordered):
        together = [one for one in ordered[at:] if one.began - ordered[at].began <= SAME_HOUR]
        if len({one.zone for one in together}) >= MANY_ZONES:
            groups.append(sorted(together, key=lambda one: (one.is_explained, not one.is_told)))
            at += len(together)
        else:
            at += 1
    return groups
