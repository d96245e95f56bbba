"""What the keeper lets go of: bytes and texts that are old, once a day; never what a report or an alert rests on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.registry import import_zones
from ndiyan.contents import fetch_contents
from ndiyan.housekeeping import RULED, housekeeping, tidy
from ndiyan.settings import load_settings
from tests.surroundings import NO_SETTINGS
from tests.web.web_seed import seed_alert, seed_notification
from tests.web.web_site import Site

pytestmark = pytest.mark.db

NOW = datetime(2029, 3, 2, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = load_settings(NO_SETTINGS, {}).retention()
GOES = {
    "raw_message", "backlog_part", "phone_inbox", "phone_reply", "set_aside", "carrier_event", "webhook_delivery",
    "login_link",
}  # fmt: skip
LOSES_ITS_TEXT = {"notification", "sms_in", "sms_receipt"}


def test_a_year_of_everything_keeps_each_reading_alert_account_and_line_of_the_journal(past: Site) -> None:
    with past.connect() as connection, connection.transaction(force_rollback=True):
        before = fetch_contents(connection, NOW).tables
        assert sum(rows > 0 for rows, _ in before.values()) > 15
        tidy(connection, dict.fromkeys(RULED, 1), past.clock.now() + timedelta(days=3650))
        after = fetch_contents(connection, NOW).tables
    changed = {name for name, what in after.items() if what != before[name]}
    assert changed <= GOES | LOSES_ITS_TEXT
    assert {name: after[name][0] for name in LOSES_ITS_TEXT} == {name: before[name][0] for name in LOSES_ITS_TEXT}


def test_the_text_of_an_sms_stays_until_two_years_after_and_while_its_breakdown_is_open(
    database_url: str, zones: list[Zone]
) -> None:
    with connect(database_url) as connection:
        import_zones(connection, zones)
        row = connection.execute("SELECT min(contact_id) FROM contact").fetchone()
        assert row is not None

        def told(code: str, state: str, age: timedelta) -> int:
            alert = seed_alert(connection, "zone-3", "pump_not_running", code=code, opened_at=NOW - age, state=state,
                               resolved_at=NOW if state == "resolved" else None)  # fmt: skip
            return seed_notification(connection, alert, contact_id=row[0], text="Pas d'eau", at=NOW - age)

        old, open_still, young = (
            told("R1", "resolved", 731 * DAY), told("R2", "open", 732 * DAY), told("R3", "resolved", 729 * DAY),
        )  # fmt: skip
        went = tidy(connection, POLICY, NOW)
        texts = dict(connection.execute("SELECT notification_id, text FROM notification").fetchall())
    assert texts == {old: "", open_still: "Pas d'eau", young: "Pas d'eau"}
    assert went["sms_texts"] == {"days": 730, "went": 1}


def test_bytes_go_after_ninety_days_and_what_nobody_accepted_never(database_url: str) -> None:
    with connect(database_url) as connection:
        for age, topic in ((89 * DAY, "young"), (91 * DAY, "old")):
            connection.execute(
                "INSERT INTO raw_message (received_at, topic, payload, profile, zones, readings, absent, unused)"
                " VALUES (%s, %s, 'x', 'plain', '{}', 1, 0, '{}')",
                [NOW - age, topic],
            )
        for replayed_at, topic in ((None, "never"), (NOW - 366 * DAY, "long ago"), (NOW - 364 * DAY, "lately")):
            connection.execute(
                "INSERT INTO set_aside (received_at, topic, payload, reason, detail, fingerprint, replayed_at)"
                " VALUES (%s, %s, 'x', 'wrong_unit', '', %s, %s)",
                [NOW - 900 * DAY, topic, topic.encode(), replayed_at],
            )
        tidy(connection, POLICY, NOW)
        assert topics(connection, "raw_message") == {"young"}
        assert topics(connection, "set_aside") == {"never", "lately"}
        tidy(connection, dict.fromkeys(RULED, 0), NOW + 3650 * DAY)
        assert topics(connection, "raw_message") == {"young"}


def topics(connection: Connection, table: str) -> set[str]:
    return {topic for (topic,) in connection.execute(f"SELECT topic FROM {table}").fetchall()}  # type: ignore[call-overload]


def test_it_is_done_once_a_day_at_its_hour_also_by_a_keeper_that_starts_again(database_url: str) -> None:
    def done_at() -> list[datetime]:
        with connect(database_url) as connection:
            return [at for (at,) in connection.execute("SELECT beat_at FROM heartbeat WHERE service = 'housekeeping'")]

    look = housekeeping(database_url, POLICY)
    look(NOW)
    assert done_at() == [NOW]
    look = housekeeping(database_url, POLICY)  # started again
    for later in (timedelta(minutes=1), timedelta(hours=23, minutes=29)):  # up to 03:29 of the next day
        look(NOW + later)
        assert done_at() == [NOW]
    look(NOW + timedelta(hours=23, minutes=30))
    assert done_at() == [NOW + timedelta(hours=23, minutes=30)]


def test_a_database_that_is_away_does_not_end_the_keeper() -> None:
    housekeeping("postgresql://nobody@127.0.0.1:1/none", POLICY)(NOW)
