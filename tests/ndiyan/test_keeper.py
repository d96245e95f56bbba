"""Somebody hears of it: each part and each pair of parts stops for good, with the internet and without."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta
from datetime import time as daytime
from typing import NoReturn

import pytest

from alerts.carriers.phone import PhoneCarrier
from alerts.messages import answer_text, segments
from alerts.sender import Sender
from alerts.watchdog import look_at_parts
from gateway.clock import ManualClock
from gateway.health import Watchdog
from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.registry import import_zones
from ndiyan import keeper
from ndiyan.keeper import Absence, Keeper, WatchConfig, beat, ping_over_http, run, standing_still
from ndiyan.mail import MailServer
from tests.ndiyan.letterbox import Letterbox

pytestmark = pytest.mark.db
PARTS = ("ingest", "alerts", "sender", "web", "keeper", "broker", "database")
ENDINGS = [frozenset(parts) for number in (1, 2) for parts in itertools.combinations(PARTS, number)]
OPERATOR = "+224620000001"
MORNING = daytime(7, 0)
LOOKED_BY = daytime(9, 0)  # by then whoever gets the morning's SMS has missed it
CALLS_AFTER = timedelta(minutes=10)  # what listens for the ping calls when it stayed away for so long
JUST_AFTER_THE_SMS = datetime(2026, 3, 2, 7, 1, tzinfo=UTC)  # the worst moment to stop
MINUTE = timedelta(minutes=1)


class Server:
    """All parts by the minute: the keeper, the sender and the on-screen phone are real, the others only beat."""

    def __init__(
        self, connection: Connection, clock: ManualClock, *, has_internet: bool, mail: MailServer | None = None
    ) -> None:
        self.connection, self.clock = connection, clock
        self.pinged_at: datetime | None = None
        self.stopped: frozenset[str] = frozenset()
        mailboxes = ("operator@example.org",) if mail else ()
        config = WatchConfig("https://ping.example.org/x", (OPERATOR,), "en", MORNING, mail, mailboxes)
        self.absence = Absence(config)
        self.keeper = Keeper(connection, config, clock, ping=self._heard if has_internet else lambda url: None)
        self.sender = Sender(connection, {"phone": PhoneCarrier(connection, clock)}, clock)

    def minute(self, *, later: timedelta = MINUTE) -> None:
        now = self.clock.advance(later)
        if "database" in self.stopped:
            if "keeper" not in self.stopped:
                self.absence.note(now)
            return  # nobody can do anything else, and nobody pings
        for part in ("ingest", "alerts", "sender", "web"):
            if part not in self.stopped:
                beat(self.connection, part, now, {"broker": "broker" not in self.stopped})
        if "keeper" not in self.stopped:
            self.keeper.turn()
            self.absence.end(now)
        if "sender" not in self.stopped:
            self.sender.work()

    def sms(self, *, since: datetime) -> list[str]:
        asked = "SELECT text FROM phone_inbox WHERE phone = %s AND sent_at >= %s ORDER BY sent_at"
        return [text for (text,) in self.connection.execute(asked, [OPERATOR, since])]

    def _heard(self, url: str) -> None:
        self.pinged_at = self.clock.now()


def when_a_person_knows(server: Server, stopped: frozenset[str]) -> timedelta:
    """How long after these parts stopped for good somebody knows: by SMS, by the listener, or because none came."""
    server.stopped, since = stopped, server.clock.now()
    while (now := server.clock.now()) - since < timedelta(hours=30):
        server.minute(later=MINUTE if now - since < timedelta(minutes=30) else timedelta(minutes=30))
        now, told = server.clock.now(), server.sms(since=since)
        if any("not working" in text for text in told):
            return now - since
        if server.pinged_at is not None and now - server.pinged_at > CALLS_AFTER:
            return now - since
        is_looking = now.date() > since.date() and now.time() >= LOOKED_BY
        if is_looking and not any("all works" in text for text in told):
            return now - since
    return timedelta.max


@pytest.mark.parametrize("has_internet", [True, False], ids=["with-internet", "without"])
@pytest.mark.parametrize("stopped", ENDINGS, ids=lambda parts: "+".join(sorted(parts)))
def test_somebody_knows_when_parts_stop_for_good(
    database_url: str, zones: list[Zone], stopped: frozenset[str], has_internet: bool
) -> None:
    clock = ManualClock(JUST_AFTER_THE_SMS - 3 * MINUTE)
    with connect(database_url) as connection:
        import_zones(connection, zones)
        server = Server(connection, clock, has_internet=has_internet)
        for _ in range(3):
            server.minute()
        assert server.sms(since=clock.now() - 5 * MINUTE) == [
            "NDIYAN SERVER 02/03 07:00: all works. 6 zones, 6 without a reading for 3 h."
        ]
        assert when_a_person_knows(server, stopped) <= (15 * MINUTE if has_internet else timedelta(hours=26))


@pytest.mark.parametrize(
    "stopped", [one for one in ENDINGS if "keeper" not in one], ids=lambda parts: "+".join(sorted(parts))
)
def test_a_letter_says_so_without_a_ping_whatever_stops_but_the_keeper(
    database_url: str, zones: list[Zone], letterbox: Letterbox, stopped: frozenset[str]
) -> None:
    clock = ManualClock(JUST_AFTER_THE_SMS - 3 * MINUTE)
    with connect(database_url) as connection:
        import_zones(connection, zones)
        server = Server(connection, clock, has_internet=False, mail=letterbox.server())
        for _ in range(3):
            server.minute()
        assert letterbox.texts == ["NDIYAN SERVER 02/03 07:00: all works. 6 zones, 6 without a reading for 3 h."]
        server.stopped = stopped
        while len(letterbox.letters) == 1 and clock.now() < JUST_AFTER_THE_SMS + 15 * MINUTE:
            server.minute()
        assert ": not working: " in letterbox.texts[-1]
        server.stopped = frozenset()
        server.minute()
        assert letterbox.texts[-1].endswith("all works again.")


def test_a_letter_waits_for_a_mail_server_that_is_away_and_is_sent_once(
    database_url: str, zones: list[Zone], letterbox: Letterbox
) -> None:
    clock = ManualClock(JUST_AFTER_THE_SMS)
    with connect(database_url) as connection:
        import_zones(connection, zones)
        server = Server(connection, clock, has_internet=True, mail=letterbox.server())
        letterbox.is_open = False
        server.stopped = frozenset({"web"})
        for _ in range(5):
            server.minute()
        assert letterbox.letters == []
        letterbox.is_open = True
        for _ in range(3):
            server.minute()
        assert ["not working: web." in text for text in letterbox.texts] == [True]


def test_a_mail_server_that_is_away_is_asked_once_a_look_however_many_letters_wait(
    database_url: str, zones: list[Zone], letterbox: Letterbox
) -> None:
    """Each try may take half a minute, and after five minutes without a word systemd starts the keeper anew."""
    clock = ManualClock(JUST_AFTER_THE_SMS)
    with connect(database_url) as connection:
        import_zones(connection, zones)
        server = Server(connection, clock, has_internet=True, mail=letterbox.server())
        letterbox.is_open = False
        for stopped in ((), ("web",), ("web",), ("web",), ()):
            server.stopped = frozenset(stopped)
            server.minute()
        asked = letterbox.asked
        server.minute()
        assert letterbox.asked == asked + 1
        letterbox.is_open = True
        server.minute()
        assert [text.partition(": ")[2].partition(".")[0] for text in letterbox.texts] == [
            "all works", "not working: web", "all works again",
        ]  # fmt: skip


def test_a_trouble_is_told_once_and_its_end_too(database_url: str, zones: list[Zone]) -> None:
    clock = ManualClock(JUST_AFTER_THE_SMS)
    with connect(database_url) as connection:
        import_zones(connection, zones)
        server = Server(connection, clock, has_internet=True)
        server.minute()
        server.stopped = frozenset({"web"})
        for _ in range(30):
            server.minute()
        pinged_at = server.pinged_at
        server.stopped = frozenset()
        server.minute()
        told = server.sms(since=JUST_AFTER_THE_SMS + 2 * MINUTE)
        assert [text.split(":")[2].split(".")[0].strip() for text in told] == ["not working", "all works again"]
        assert "not working: web." in told[0]
        assert pinged_at is not None
        assert server.pinged_at == clock.now() > pinged_at + 25 * MINUTE


def test_a_part_that_stopped_before_the_clock_was_set_back_is_missed_all_the_same(
    database_url: str, zones: list[Zone]
) -> None:
    clock = ManualClock(JUST_AFTER_THE_SMS + timedelta(days=1))  # a day ahead
    with connect(database_url) as connection:
        import_zones(connection, zones)
        server = Server(connection, clock, has_internet=False)
        server.minute()
        server.stopped = frozenset({"web"})
        clock.set(JUST_AFTER_THE_SMS)
        server.minute()
        assert standing_still(connection, clock) == ("web",)


def test_a_server_that_has_just_started_has_its_keeper(database_url: str, clock: ManualClock) -> None:
    stop = threading.Event()
    stop.set()  # it ends before its first look, two minutes on
    run(database_url, WatchConfig(), clock, stop, Watchdog())
    with connect(database_url) as connection:
        assert [part.why for part in look_at_parts(connection, clock) if part.name == "keeper"] == [""]


@pytest.mark.parametrize("url", ["https://h:x/", "https://ping..example.org/"], ids=["port", "name"])
def test_a_ping_to_no_address_is_logged_like_any_that_failed(url: str, caplog: pytest.LogCaptureFixture) -> None:
    ping_over_http(url)
    assert "the ping did not arrive" in caplog.text


class Systemd(Watchdog):
    """Keeps what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def ready(self) -> None:
        self.heard.append("ready")

    def alive(self, status: str) -> None:
        self.heard.append(status)


def test_systemd_hears_of_the_keeper_before_its_first_look_which_may_take_minutes(
    database_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, systemd = threading.Event(), Systemd()
    monkeypatch.setattr(keeper, "SETTLE_S", 0.0)
    run(database_url, WatchConfig(), clock, stop, systemd, [lambda now: stop.set()])
    assert systemd.heard == ["ready", "begins to look", "not working: alerts, ingest, sender, web"]


def test_a_look_and_a_chore_that_fail_take_no_chore_along_and_no_start_hides_it(
    database_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Systemd starts it anew every two minutes, more often than it would be missed."""

    def fail(*_: object) -> NoReturn:
        raise ValueError("07:00Z")

    monkeypatch.setattr(keeper, "SETTLE_S", 0.0)
    turn = Keeper.turn

    def start_and_look() -> list[str]:
        stop, systemd = threading.Event(), Systemd()
        run(database_url, WatchConfig(), clock, stop, systemd, [fail, lambda now: stop.set()])
        assert systemd.heard[-1] == "a look or a chore failed, see the log"
        clock.advance(timedelta(seconds=127))
        with connect(database_url) as connection:
            return [part.why for part in look_at_parts(connection, clock) if part.name == "keeper"]

    assert start_and_look() == [""]
    monkeypatch.setattr(Keeper, "turn", fail)
    assert [start_and_look() for _ in range(3)] == [[""], ["no_heartbeat"], ["no_heartbeat"]]
    monkeypatch.setattr(Keeper, "turn", turn)
    assert start_and_look() == [""]


def test_what_does_not_leave_or_is_not_judged_stands_still_however_it_beats(
    database_url: str, zones: list[Zone], clock: ManualClock
) -> None:
    with connect(database_url) as connection:
        import_zones(connection, zones)
        for part in ("ingest", "alerts", "sender", "web"):
            beat(connection, part, clock.now())
        assert standing_still(connection, clock) == ()
        connection.execute(
            "INSERT INTO notification (ref, phone, kind, step, reason, language, text, segments, state, created_at,"
            " next_try_at, valid_until) VALUES (gen_random_uuid(), %s, 'reply', '', '', 'fr', 'x', 1, 'queued', %s, %s,"
            " %s)",
            [OPERATOR, *[clock.now() - timedelta(minutes=11)] * 2, clock.now() + timedelta(days=1)],
        )
        assert standing_still(connection, clock) == ("sender",)
        beat(connection, "ingest", clock.now(), {"trouble": "no room on the disk"})
        assert standing_still(connection, clock) == ("ingest", "sender")


def test_hours_that_come_at_once_are_no_trouble_unless_nobody_judges_them(
    database_url: str, zones: list[Zone], clock: ManualClock
) -> None:
    """A gateway comes back after three hours, half a minute after its zone was judged."""
    with connect(database_url) as connection:
        import_zones(connection, zones)
        connection.execute(
            "INSERT INTO job (name, zone_id, next_due_at, watermark_at, last_ok_at)"
            " VALUES ('judge', 'zone-3', %s, %s, %s)",
            [clock.now() + MINUTE / 2, clock.now() - timedelta(hours=3), clock.now() - MINUTE / 2],
        )
        connection.execute(
            "INSERT INTO latest (channel_id, measured_at, received_at, value, flag) SELECT channel_id, %s, %s, 1, 1"
            " FROM channel WHERE zone_id = 'zone-3' AND name = 'level_m'",
            [clock.now()] * 2,
        )
        told = []
        for _ in range(6):
            for part in ("ingest", "alerts", "sender", "web"):
                beat(connection, part, clock.now())
            told.append(standing_still(connection, clock))
            clock.advance(MINUTE)
        assert told == [(), (), (), (), ("alerts",), ("alerts",)], "four minutes, as for its beat"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_the_operator_reads_fits_one_sms(language: str) -> None:
    everything = ", ".join(("alerts", "ingest", "sender", "web"))
    for name, said in (
        ("operator_trouble", {"parts": everything}), ("operator_backup", {}), ("operator_over", {}),
        ("operator_alive", {"zones": "10000", "silent": "10000"}),
    ):  # fmt: skip
        assert segments(answer_text(language, name, at="31/12 23:59", **said)).number == 1
