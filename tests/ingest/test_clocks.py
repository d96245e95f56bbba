"""Clocks that lie: no reading has a wrong time and a good flag, and none is stored twice."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.model import Flag
from gateway.wire import MESSAGE_LIFE_S
from gateway.zones import Zone
from ingest.admission import Admission, ChannelEntry, Directory, Message, RejectReason, admit
from ingest.clocks import (
    TOLERANCE_US,
    UNSEEN_US,
    PackTimes,
    anchor_from,
    better_anchor,
    date_reading,
    unseen_at_most,
    with_believable_wait,
)
from ingest.db import Connection, connect
from ingest.pipeline import Pipeline
from ingest.registry import import_zones

NOON_S = datetime(2026, 11, 24, 12, 0, tzinfo=UTC).timestamp()
DAY_S, HOUR_S, TOLERANCE_S = 86_400.0, 3600.0, TOLERANCE_US / 1e6
ZONE, GATEWAY = "zone-1", "gw-1"
UP = f"ndiyan/1/{ZONE}/{GATEWAY}/up/senml"
ON_ITS_WAY_S = 1.0


@dataclass
class Box:
    """A gateway with a clock that can be set wrong, and what ingest makes of its packs; the truth is kept beside."""

    booted_s: float = NOON_S - DAY_S
    boot: str = "ab"
    ahead_s: float = 0.0  # of its clock
    drift_s_per_day: float = 0.0
    since_1970: bool = False  # its clock began there when it booted
    truth: list[float] = field(default_factory=list)
    queued: list[dict[str, object]] = field(default_factory=list)

    def clock_s(self, t_s: float) -> float:
        if self.since_1970:
            return t_s - self.booted_s
        return t_s + self.ahead_s + self.drift_s_per_day * (t_s - self.booted_s) / DAY_S

    def measure(self, t_s: float) -> None:
        self.truth.append(t_s)
        number = len(self.truth)
        self.queued.append(
            {
                "bn": "tower/", "n": "level_m", "u": "m", "v": float(number), "seq": number,
                "bt": round(self.clock_s(t_s), 3), "bup": round(t_s - self.booted_s, 3),
            }
        )  # fmt: skip

    def send(
        self,
        t_s: float,
        *,
        way_s: float = ON_ITS_WAY_S,
        kept_s: float | None = 0.0,
        life_s: int = MESSAGE_LIFE_S,
        later_run: "Box | None" = None,
    ) -> Message:
        """All that is queued, sent at `t_s`; `later_run` is the box after a restart, which sends what this one left."""
        clock = self if later_run is None else later_run
        first: dict[str, object] = {"boot": self.boot, "sent": round(clock.clock_s(t_s), 3)}
        if later_run is None:
            first["sup"] = round(t_s - self.booted_s, 3)
        payload = json.dumps([self.queued[0] | first, *self.queued[1:]]).encode()
        expires_s = None if kept_s is None else life_s - int(kept_s)
        return Message(UP, payload, round((t_s + way_s + (kept_s or 0)) * 1e6), 1, 1, expires_s)


@dataclass
class Ingest:
    """Admits packs and remembers the anchors, as the pipeline does."""

    anchors: dict[tuple[str, str, str], int] = field(default_factory=dict)
    directory: Directory = field(
        default_factory=lambda: Directory({GATEWAY: ZONE}, {(ZONE, "tower", "level_m"): ChannelEntry(1, "m", -1, 1e6)})
    )

    def take(self, message: Message) -> Admission:
        return admit([message], self.directory, self.anchors)


def errors_s(admission: Admission, box: Box) -> list[float]:
    """How far each reading's time is from the truth [s]; a good one must be near it, and an estimate is marked."""
    columns = admission.columns
    found = [at / 1e6 - box.truth[int(value) - 1] for at, value in zip(columns.measured_us, columns.value, strict=True)]
    estimated = {item.row for item in admission.estimated}
    for row, (error_s, flag) in enumerate(zip(found, columns.flag, strict=True)):
        assert flag == (Flag.SUSPECT if row in estimated else Flag.GOOD)
        assert flag != Flag.GOOD or abs(error_s) <= TOLERANCE_S + ON_ITS_WAY_S
    return found


def flags(admission: Admission) -> list[Flag]:
    return [Flag(flag) for flag in admission.columns.flag]


def minutes(box: Box, first_s: float, count: int) -> None:
    for k in range(count):
        box.measure(first_s + 60 * k)


def test_a_clock_that_is_right_is_believed_to_the_millisecond() -> None:
    box, ingest = Box(ahead_s=2.0), Ingest()
    minutes(box, NOON_S - 600, 10)
    admission = ingest.take(box.send(NOON_S))
    assert errors_s(admission, box) == pytest.approx([2.0] * 10, abs=2e-3)
    assert flags(admission) == [Flag.GOOD] * 10


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"since_1970": True}, id="1970"),
        pytest.param({"ahead_s": 40 * DAY_S}, id="future"),
        pytest.param({"ahead_s": 2 * HOUR_S}, id="local-time"),
        pytest.param({"ahead_s": -DAY_S}, id="a-day-slow"),
    ],
)
def test_a_clock_that_is_wrong_all_along_is_counted_from_the_uptimes(wrong: dict[str, object]) -> None:
    box, ingest = replace(Box(), **wrong), Ingest()  # type: ignore[arg-type]
    minutes(box, NOON_S - 600, 10)
    admission = ingest.take(box.send(NOON_S))
    assert errors_s(admission, box) == pytest.approx([ON_ITS_WAY_S] * 10, abs=2e-3)
    assert [item.device_us for item in admission.estimated] == [round(box.clock_s(t) * 1e6) for t in box.truth]


def test_a_clock_that_drifts_a_minute_a_day_is_believed_for_five_days_and_counted_from_then_on() -> None:
    """A pack every hour for twelve days: on the sixth the clock leaves the tolerance of five minutes."""
    box, ingest = Box(booted_s=NOON_S, drift_s_per_day=60.0), Ingest()
    believed = []
    for hour in range(1, 12 * 24):
        box.queued.clear()
        minutes(box, NOON_S + hour * HOUR_S - 120, 2)
        admission = ingest.take(box.send(NOON_S + hour * HOUR_S))
        errors_s(admission, box)
        believed.append(set(flags(admission)) == {Flag.GOOD})
    assert believed.index(False) == pytest.approx(5 * 24, abs=2)
    assert not any(believed[believed.index(False) :])


@pytest.mark.parametrize("jump_s", [3 * HOUR_S, -3 * HOUR_S], ids=["forward", "back"])
def test_a_clock_that_jumps_and_comes_back_in_the_middle_of_a_boot(jump_s: float) -> None:
    box, ingest = Box(), Ingest()
    minutes(box, NOON_S - 600, 5)
    box.ahead_s = jump_s
    minutes(box, NOON_S - 300, 4)
    while_off = ingest.take(box.send(NOON_S - 60))
    box.ahead_s = 0.0
    box.measure(NOON_S - 30)
    when_back = ingest.take(box.send(NOON_S))
    expected = [Flag.GOOD] * 5 + [Flag.SUSPECT] * 4
    assert flags(while_off) == expected
    assert flags(when_back) == [*expected, Flag.GOOD]
    assert max(map(abs, errors_s(while_off, box) + errors_s(when_back, box))) <= ON_ITS_WAY_S + 2e-3


def by_our_clock(message: Message, off_s: float) -> Message:
    """The message as a server takes it whose own clock is off."""
    return structs.replace(message, received_us=message.received_us + round(off_s * 1e6))


@pytest.mark.parametrize("off_s", [DAY_S, 3 * HOUR_S, -3 * HOUR_S, -DAY_S], ids=lambda off_s: f"{off_s / 3600:+g}h")
def test_our_own_clock_is_set_and_comes_back_and_no_reading_moves(off_s: float) -> None:
    box, ingest = Box(), Ingest()
    minutes(box, NOON_S - 600, 3)
    ingest.take(box.send(NOON_S - 400))
    anchors = dict(ingest.anchors)
    minutes(box, NOON_S - 360, 3)
    while_off = ingest.take(by_our_clock(box.send(NOON_S - 100), off_s))
    box.measure(NOON_S - 30)
    when_back = ingest.take(box.send(NOON_S))
    for admission, count in ((while_off, 6), (when_back, 7)):
        assert flags(admission) == [Flag.GOOD] * count
        assert errors_s(admission, box) == pytest.approx([0] * count, abs=2e-3)
    assert ingest.anchors == anchors


def test_a_boot_that_begins_while_our_clock_is_ahead_is_marked_and_what_its_clock_said_is_kept() -> None:
    box, ingest = Box(), Ingest()
    minutes(box, NOON_S - 600, 3)
    admission = ingest.take(by_our_clock(box.send(NOON_S), DAY_S))
    assert errors_s(admission, box) == pytest.approx([DAY_S + ON_ITS_WAY_S] * 3, abs=2e-3)
    assert [item.device_us / 1e6 for item in admission.estimated] == pytest.approx(box.truth)
    box.queued.clear()
    minutes(box, NOON_S + 60, 3)
    assert flags(ingest.take(box.send(NOON_S + 300))) == [Flag.GOOD] * 3, "our clock is right again"


def test_a_gateway_cannot_talk_us_into_a_far_future() -> None:
    box, ingest = Box(), Ingest()
    box.measure(NOON_S - 60)
    ingest.take(box.send(NOON_S))
    box.queued.clear()
    box.measure(NOON_S + 3 * DAY_S)
    admission = ingest.take(by_our_clock(box.send(NOON_S + 3 * DAY_S), -3 * DAY_S))
    assert not any(at > (NOON_S + TOLERANCE_S) * 1e6 for at in admission.columns.measured_us)


def test_a_small_jump_on_top_of_a_clock_that_is_a_little_slow_is_not_good() -> None:
    """Four minutes slow, and set back by four: each passes alone, together the readings are eight minutes off."""
    box, ingest = Box(ahead_s=-480.0), Ingest()
    minutes(box, NOON_S - 600, 5)
    box.ahead_s = -240.0
    assert flags(ingest.take(box.send(NOON_S))) == [Flag.SUSPECT] * 5


def test_a_reset_within_a_backlog_is_healed_and_what_was_right_before_it_is_kept() -> None:
    box, ingest = Box(), Ingest()
    minutes(box, NOON_S - 6 * HOUR_S, 5)
    box.since_1970 = True
    minutes(box, NOON_S - 3 * HOUR_S, 5)
    box.since_1970 = False
    admission = ingest.take(box.send(NOON_S))
    assert flags(admission) == [Flag.GOOD] * 5 + [Flag.SUSPECT] * 5
    assert max(map(abs, errors_s(admission, box))) < 0.01, "it was right when the pack left, so that counts"


def test_a_pack_that_was_kept_by_the_broker_for_a_day_is_as_old_as_the_broker_says() -> None:
    box, ingest = Box(since_1970=True), Ingest()
    minutes(box, NOON_S - 600, 3)
    assert errors_s(ingest.take(box.send(NOON_S, kept_s=DAY_S)), box) == pytest.approx([ON_ITS_WAY_S] * 3, abs=2e-3)


@pytest.mark.parametrize("wrong", [{"ahead_s": -DAY_S}, {"since_1970": True}], ids=["a-day-slow", "1970"])
def test_what_an_earlier_run_left_is_held_against_its_own_anchor(wrong: dict[str, object]) -> None:
    """The clock was wrong; a restart, and the network heals it. The old readings have no uptime to compare with."""
    old, new, ingest = replace(Box(), **wrong), Box(booted_s=NOON_S + 300, boot="cd"), Ingest()  # type: ignore[arg-type]
    old.measure(NOON_S - 10)
    ingest.take(old.send(NOON_S))
    old.queued.clear()
    old.measure(NOON_S + 60)
    admission = ingest.take(old.send(NOON_S + 600, later_run=new))
    assert errors_s(admission, old) == pytest.approx([ON_ITS_WAY_S], abs=2e-3)
    assert flags(admission) == [Flag.SUSPECT]


def test_what_an_earlier_run_left_with_a_right_clock_stays_good() -> None:
    old, new, ingest = Box(), Box(booted_s=NOON_S + 300, boot="cd"), Ingest()
    minutes(old, NOON_S - DAY_S + 60, 5)
    admission = ingest.take(old.send(NOON_S + 600, later_run=new))
    assert errors_s(admission, old) == pytest.approx([0] * 5, abs=2e-3)


def test_a_clock_that_is_wrong_now_and_that_nothing_counts_is_marked_or_set_aside() -> None:
    """Both boxes restarted before any pack of the old run came, and the clock is still wrong."""
    for wrong, reasons in [({"ahead_s": -DAY_S}, []), ({"since_1970": True}, [RejectReason.TIME_BEFORE_SERVICE])]:
        old = replace(Box(), **wrong)  # type: ignore[arg-type]
        new = replace(old, booted_s=NOON_S + 300)
        old.measure(NOON_S - 10)
        admission = Ingest().take(old.send(NOON_S + 600, later_run=new))
        assert flags(admission) == [Flag.SUSPECT] * (1 - len(reasons))
        assert [item.reason for item in admission.set_aside] == reasons


def test_an_uptime_of_another_run_is_not_taken_for_this_one() -> None:
    """A gateway that tells its uptime of now beside readings of before its restart would make them a day younger."""
    old, ingest = Box(), Ingest()
    old.measure(NOON_S - 60)
    payload = [old.queued[0] | {"boot": "ab", "sent": NOON_S, "sup": 60.0}]
    message = Message(UP, json.dumps(payload).encode(), round((NOON_S + 1) * 1e6), 1, 1, MESSAGE_LIFE_S)
    admission = ingest.take(message)
    assert errors_s(admission, old) == pytest.approx([0], abs=2e-3)
    assert (flags(admission), ingest.anchors) == ([Flag.GOOD], {})


def test_a_sensor_that_says_itself_that_its_clock_is_wrong_is_marked() -> None:
    record = {"n": "tower/level_m", "u": "m", "v": 1.0, "bt": NOON_S - 3600, "sent": NOON_S - 3600}
    message = Message(UP, json.dumps([record]).encode(), round(NOON_S * 1e6), 1, 1, MESSAGE_LIFE_S)
    assert flags(Ingest().take(message)) == [Flag.SUSPECT]


@pytest.mark.parametrize("life_s", [3600, 0, 2 * MESSAGE_LIFE_S], ids=["an-hour", "none", "longer"])
def test_a_life_that_is_not_ours_does_not_move_a_clock_that_is_right(life_s: int) -> None:
    box, ingest = Box(), Ingest()
    for k in range(3):
        box.queued.clear()
        minutes(box, NOON_S + 600 * k - 120, 2)
        admission = ingest.take(box.send(NOON_S + 600 * k, life_s=life_s))
        assert errors_s(admission, box) == pytest.approx([0, 0], abs=2e-3)
        assert flags(admission) == [Flag.GOOD] * 2
    assert ingest.anchors[ZONE, GATEWAY, "ab"] / 1e6 == pytest.approx(box.booted_s + ON_ITS_WAY_S, abs=1)


def test_an_impossible_wait_does_not_move_an_anchor_that_is_known() -> None:
    box, ingest = Box(since_1970=True), Ingest()
    box.measure(NOON_S - 10)
    ingest.take(box.send(NOON_S))
    assert errors_s(ingest.take(box.send(NOON_S, life_s=3600)), box) == pytest.approx([ON_ITS_WAY_S], abs=2e-3)
    assert ingest.anchors[ZONE, GATEWAY, "ab"] / 1e6 == pytest.approx(box.booted_s + ON_ITS_WAY_S, abs=1)


@pytest.mark.parametrize("heals", [True, False], ids=["the-clock-heals", "1970-goes-on"])
def test_an_anchor_that_an_impossible_wait_made_is_replaced_by_the_next_pack(heals: bool) -> None:
    """The first pack comes without a clock and with a foreign life: nothing tells that it did not wait for 30 days."""
    box, ingest = Box(since_1970=True), Ingest()
    box.measure(NOON_S - 10)
    (error_s,) = errors_s(ingest.take(box.send(NOON_S, life_s=3600)), box)
    assert error_s == pytest.approx(3600 - MESSAGE_LIFE_S, abs=2), "an estimate, and marked"
    box.since_1970 = not heals
    box.measure(NOON_S + 50)
    errors = errors_s(ingest.take(box.send(NOON_S + 60)), box)
    assert max(map(abs, errors)) <= ON_ITS_WAY_S + 2e-3


seconds = st.floats(min_value=-400 * DAY_S, max_value=400 * DAY_S)
near_s = st.floats(min_value=-2000, max_value=2000)
offsets_s = st.one_of(near_s, seconds, st.just(-NOON_S))
delays_s = st.one_of(st.floats(0, 5), st.floats(0, HOUR_S))


@given(
    measured_ahead_s=offsets_s,
    sent_ahead_s=offsets_s,
    tells=st.sampled_from(["sent and uptime", "sent", "neither"]),
    age_s=st.floats(0, 30 * DAY_S),
    delay_s=delays_s,
    anchor_delay_s=delays_s,
    kept_s=st.one_of(st.none(), st.just(0.0), st.floats(0, 20 * DAY_S)),
    is_wait_as_far_off=st.booleans(),
)
def test_with_one_honest_anchor_no_clock_moves_a_reading_beyond_tolerance_and_delay(
    measured_ahead_s: float,
    sent_ahead_s: float,
    tells: str,
    age_s: float,
    delay_s: float,
    anchor_delay_s: float,
    kept_s: float | None,
    is_wait_as_far_off: bool,
) -> None:
    """Whatever the clock said at measuring and at sending; the times of our own are honest."""
    if is_wait_as_far_off and kept_s is not None and sent_ahead_s > 0:
        kept_s = min(sent_ahead_s, 20 * DAY_S)  # the clock then agrees with ours although it is wrong
    booted_s = NOON_S - 60 * DAY_S
    measured_s = NOON_S - age_s
    uptime_us = round((NOON_S - booted_s) * 1e6)
    pack = PackTimes(
        round((NOON_S + delay_s + (kept_s or 0.0)) * 1e6),
        round((NOON_S + sent_ahead_s) * 1e6) if tells != "neither" else None,
        uptime_us if tells == "sent and uptime" else None,
        None if kept_s is None else round(kept_s * 1e6),
    )
    anchor_us = round((booted_s + anchor_delay_s) * 1e6)
    pack = with_believable_wait(pack, anchor_us)
    found_us = anchor_from(pack)
    if found_us is not None:
        anchor_us = better_anchor(anchor_us, found_us, unseen_at_most(pack))
    dated = date_reading(round((measured_s + measured_ahead_s) * 1e6), uptime_us - round(age_s * 1e6), pack, anchor_us)
    assert dated is not None
    assert abs(dated.measured_us / 1e6 - measured_s) <= TOLERANCE_S + max(delay_s, anchor_delay_s) + 1e-3
    if dated.measured_us != round((measured_s + measured_ahead_s) * 1e6):
        assert dated.is_estimated, "what we moved is marked"


@given(delays=st.lists(delays_s, min_size=1), ahead_s=offsets_s)
def test_an_anchor_comes_to_rest_at_the_least_delay_whatever_the_clock_says(
    delays: list[float], ahead_s: float
) -> None:
    anchor_us = None
    for k, delay_s in enumerate(delays):
        sent_s = NOON_S + 60 * k
        pack = PackTimes(
            round((sent_s + delay_s) * 1e6), round((sent_s + ahead_s) * 1e6), round((DAY_S + 60 * k) * 1e6), 0
        )
        found_us = anchor_from(with_believable_wait(pack, anchor_us))
        assert found_us is not None
        anchor_us = better_anchor(anchor_us, found_us, unseen_at_most(pack))
    assert anchor_us is not None
    late_s = anchor_us / 1e6 - (NOON_S - DAY_S)
    assert min(delays) - 1e-3 <= late_s <= max(delays) + 1e-3
    if min(delays) + TOLERANCE_S > max(delays):
        assert late_s <= min(delays) + 0.6


def test_an_anchor_that_is_more_than_a_day_too_early_is_refuted_by_a_pack_that_did_not_wait() -> None:
    found_us = round(NOON_S * 1e6)
    assert better_anchor(found_us - UNSEEN_US, found_us, UNSEEN_US) == found_us - UNSEEN_US
    assert better_anchor(found_us - UNSEEN_US - 1, found_us, UNSEEN_US) == found_us
    assert better_anchor(found_us - UNSEEN_US - 1, found_us, None) == found_us - UNSEEN_US - 1, "nothing tells"


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
        yield connection


def times_s(connection: Connection) -> list[float]:
    rows = connection.execute("SELECT measured_at FROM reading ORDER BY channel_id, measured_at").fetchall()
    return [row[0].timestamp() for row in rows]


def lookups(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many boots each look-up by number asked for."""
    asked: list[int] = []
    real = pipeline._account.arrived_before
    monkeypatch.setattr(
        pipeline._account, "arrived_before", lambda ranges: (asked.append(len(ranges)), real(ranges))[1]
    )
    return asked


@pytest.mark.db
@pytest.mark.parametrize("batches", [1, 2])
def test_a_reading_of_1970_that_is_sent_again_is_stored_once(connection: Connection, batches: int) -> None:
    """The copy comes quicker, so that it is dated 0.8 s earlier."""
    box = Box(since_1970=True)
    box.measure(NOON_S - 60)
    copies = [box.send(NOON_S, way_s=0.9), box.send(NOON_S + 20, way_s=0.1)]
    pipeline = Pipeline(connection)
    stored = [pipeline.store(copies)] if batches == 1 else [pipeline.store([copy]) for copy in copies]
    assert (sum(one.stored for one in stored), sum(one.duplicate for one in stored)) == (1, 1)
    assert len(times_s(connection)) == 1
    assert connection.execute("SELECT received, stored, duplicate FROM gateway_day").fetchall() == [(2, 1, 1)]


@pytest.mark.db
@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("ahead_s", [-290.0, 310.0], ids=["then-believed", "believed-before"])
def test_a_reading_of_which_one_copy_is_believed_and_the_other_is_not_is_stored_once(
    connection: Connection, ahead_s: float, batches: int
) -> None:
    """15 s on the way take a clock that is 290 s slow out of the tolerance, and one that is 310 s fast into it."""
    box = Box(ahead_s=ahead_s)
    box.measure(NOON_S - 10)
    copies = [box.send(NOON_S, way_s=15.0), box.send(NOON_S + 20, way_s=1.0)]
    pipeline = Pipeline(connection)
    stored = [pipeline.store(copies)] if batches == 1 else [pipeline.store([copy]) for copy in copies]
    assert (sum(one.stored for one in stored), sum(one.duplicate for one in stored)) == (1, 1)
    assert len(times_s(connection)) == 1


@pytest.mark.db
def test_a_boot_that_had_an_estimate_is_known_as_such_after_a_restart_of_ingest(connection: Connection) -> None:
    box = Box(ahead_s=-290.0)
    box.measure(NOON_S - 10)
    assert Pipeline(connection).store([box.send(NOON_S, way_s=15.0)]).stored == 1
    again = Pipeline(connection).store([box.send(NOON_S + 20, way_s=1.0)])
    assert (again.stored, again.duplicate) == (0, 1)


@pytest.mark.db
def test_clocks_that_are_right_cost_no_look_up(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = Box(), Box(boot="cd", since_1970=True)
    minutes(right, NOON_S - 600, 5)
    minutes(wrong, NOON_S - 590, 5)
    pipeline = Pipeline(connection)
    asked = lookups(pipeline, monkeypatch)
    assert pipeline.store([right.send(NOON_S), right.send(NOON_S + 5)]).duplicate == 5, "known by their times"
    assert asked == []
    assert pipeline.store([right.send(NOON_S), wrong.send(NOON_S), wrong.send(NOON_S + 5)]).duplicate == 10
    assert asked == [1], "only the boot with estimates is looked up"


@pytest.mark.db
def test_a_number_that_is_none_stands_in_nobodys_way(connection: Connection) -> None:
    box = Box(since_1970=True)
    box.measure(NOON_S - 60)
    box.queued[0].pop("seq")
    stored = Pipeline(connection).store([box.send(NOON_S)])
    assert (stored.stored, stored.taken) == (1, {})


@pytest.mark.db
def test_what_was_set_aside_for_want_of_a_date_does_not_come_in_twice(connection: Connection) -> None:
    """A copy that could not be dated and one that can, in one batch: the first is kept aside, and that is its place."""
    old, new = Box(since_1970=True), Box(booted_s=NOON_S + 300, boot="cd")
    old.measure(NOON_S - 10)
    stored = Pipeline(connection).store([old.send(NOON_S + 600, later_run=new), old.send(NOON_S)])
    assert (stored.stored, stored.duplicate, stored.set_aside) == (0, 1, 1)


@pytest.mark.db
def test_a_healed_reading_is_flagged_suspect_and_says_what_its_clock_said(connection: Connection) -> None:
    old, new = Box(ahead_s=-DAY_S), Box(booted_s=NOON_S + 300, boot="cd")
    old.measure(NOON_S - 10)
    pipeline = Pipeline(connection)
    pipeline.store([old.send(NOON_S)])
    old.queued.clear()
    old.measure(NOON_S + 60)
    pipeline.store([old.send(NOON_S + 600, later_run=new)])
    rows = connection.execute(
        "SELECT r.flag, r.measured_at, n.device_at FROM reading r JOIN reading_note n USING (channel_id, measured_at)"
        " WHERE n.test = 'clock' ORDER BY r.measured_at"
    ).fetchall()
    assert [row[0] for row in rows] == [Flag.SUSPECT] * 2
    assert [row[1].timestamp() - t for row, t in zip(rows, old.truth, strict=True)] == pytest.approx([1, 1], abs=0.01)
    assert [row[2].timestamp() - t for row, t in zip(rows, old.truth, strict=True)] == pytest.approx([-DAY_S] * 2)
