"""The on-screen phones' network: off, out of reach, slow, losing and repeating, and what the sender makes of it."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from alerts.carriers import Urgency
from alerts.carriers.phone import PhoneCarrier
from alerts.sender import Sender
from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.registry import import_zones
from web.errors import BadParameter
from web.handset import Network, messages, reply, ring, set_network

pytestmark = pytest.mark.db
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EXPLOITANT = "+224600000010"
MINUTE = timedelta(minutes=1)


@dataclass
class Village:
    """One zone, one sender, the exploitant's phone; time is told, not waited for."""

    connection: Connection
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOON))

    def __post_init__(self) -> None:
        self.sender = Sender(self.connection, {"phone": PhoneCarrier(self.connection, self.clock)}, self.clock)

    def network(self, **how: object) -> None:
        set_network(self.connection, EXPLOITANT, Network(**how), now=self.clock.now())  # type: ignore[arg-type]

    def queue(self, text: str = "POMPE ARRETEE", *, valid_for: timedelta = timedelta(hours=24)) -> None:
        now = self.clock.now()
        self.connection.execute(
            "INSERT INTO notification (ref, zone_id, contact_id, phone, kind, step, reason, language, text, segments,"
            " urgency, state, created_at, next_try_at, valid_until)"
            " SELECT %s, zone_id, contact_id, phone, 'reply', %s, 'answers_a_reply', 'fr', %s, 1, %s, 'queued', %s, %s,"
            " %s FROM contact WHERE phone = %s",
            (uuid.uuid4(), uuid.uuid4().hex, text, Urgency.ALERT, now, now, now + valid_for, EXPLOITANT),
        )

    def after(self, span: timedelta) -> None:
        """The time goes by; the sender takes two turns, one to hand over and one to hear what became of it."""
        self.clock.advance(span)
        self.sender.work()
        self.sender.work()

    def states(self) -> list[str]:
        return [state for (state,) in self.connection.execute("SELECT state FROM notification ORDER BY 1").fetchall()]

    def shown(self) -> list[str]:
        return [one.text for one in messages(self.connection, EXPLOITANT)]


@pytest.fixture
def village(database_url: str, zones: list[Zone]) -> Iterator[Village]:
    with connect(database_url) as connection:
        import_zones(connection, [zone for zone in zones if zone.zone_id == "zone-3"])
        yield Village(connection)


def test_a_phone_that_is_off_gets_its_sms_when_it_is_on_again(village: Village) -> None:
    village.network(is_on=False)
    village.queue()
    village.after(MINUTE)
    assert (village.states(), village.shown()) == (["accepted"], [])
    village.after(11 * MINUTE)
    assert village.states() == ["no_receipt"], "nobody says delivered of what nobody has seen"
    village.network(is_on=True)
    village.after(MINUTE)
    assert (village.states(), village.shown()) == (["delivered"], ["POMPE ARRETEE"])


def test_a_phone_that_stays_off_never_shows_what_had_its_time(village: Village) -> None:
    village.network(is_on=False)
    village.queue(valid_for=timedelta(hours=1))
    village.after(MINUTE)
    village.after(timedelta(hours=1))
    assert village.states() == ["undelivered"]
    village.network(is_on=True)
    village.after(MINUTE)
    assert (village.states(), village.shown()) == (["undelivered"], [])
    fates = village.connection.execute("SELECT fate, raw FROM sms_receipt").fetchall()
    assert [(fate, raw.split()[0]) for fate, raw in fates] == [("expired", "expired")]


def test_without_a_bar_nothing_comes_and_nothing_goes(village: Village) -> None:
    village.network(bars=0)
    village.queue()
    village.after(2 * MINUTE)
    assert village.shown() == []
    with pytest.raises(BadParameter, match="switched off or out of reach"):
        reply(village.connection, EXPLOITANT, "1", now=village.clock.now())
    with pytest.raises(BadParameter, match="switched off or out of reach"):
        ring(village.connection, EXPLOITANT, now=village.clock.now())
    village.network(bars=1)
    village.after(MINUTE)
    assert village.shown() == ["POMPE ARRETEE"]


def test_a_slow_network_delivers_late(village: Village) -> None:
    village.network(delay=5 * MINUTE)
    village.queue()
    village.after(MINUTE)
    village.after(5 * MINUTE)
    assert village.states() == ["accepted"], "20 s and 5 min after the hand-over are not over yet"
    village.after(MINUTE)
    assert village.states() == ["delivered"]


def test_what_the_network_loses_is_never_called_delivered(village: Village) -> None:
    village.network(loss_pct=100)
    village.queue()
    village.after(MINUTE)
    village.after(11 * MINUTE)
    assert (village.states(), village.shown()) == (["no_receipt"], [])


def test_a_part_is_lost_when_a_part_is_asked_for(village: Village) -> None:
    # Of 200 at 30 %: 60 ± 19.4 are three standard deviations of a fair draw.
    village.network(loss_pct=30)
    for number in range(200):
        village.queue(f"n{number}")
    for _ in range(6):
        village.after(MINUTE)
    shown = village.connection.execute("SELECT count(delivered_at) FROM phone_inbox").fetchone() or (0,)
    assert 120 <= shown[0] <= 160


def test_a_repeating_network_shows_it_twice_and_it_counts_once(village: Village) -> None:
    village.network(repeats=True)
    village.queue()
    village.after(MINUTE)
    village.after(MINUTE)
    assert village.shown() == ["POMPE ARRETEE", "POMPE ARRETEE"]
    assert village.states() == ["delivered"]
    assert village.connection.execute("SELECT count(*) FROM sms_receipt").fetchone() == (1,)


def test_ringing_is_a_call_without_a_text(village: Village) -> None:
    ring(village.connection, EXPLOITANT, now=NOON)
    village.after(MINUTE)
    calls = village.connection.execute("SELECT kind, phone, text FROM sms_in").fetchall()
    assert calls == [("call", EXPLOITANT, "")]
    assert [one.direction for one in messages(village.connection, EXPLOITANT)] == ["rang"]


@pytest.mark.parametrize(
    "wrong", [{"bars": 5}, {"bars": -1}, {"loss_pct": 101}, {"delay": timedelta(days=2)}, {"delay": -MINUTE}]
)
def test_no_network_is_as_wrong_as_that(village: Village, wrong: dict[str, object]) -> None:
    with pytest.raises(BadParameter, match="is not 0 to"):
        village.network(**wrong)
