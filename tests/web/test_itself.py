"""Is Ndiyan itself well? What somebody without a shell sees when it is, when nothing ever ran, and when it is not."""

from __future__ import annotations

import html
import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from alerts.watchdog import BEAT_S
from ingest import folders
from ingest.folders import fetch_database_folder
from ndiyan.housekeeping import RULED
from tests.web.web_seed import seed_floods
from tests.web.web_site import Site
from web.itself import Disk
from web.labels import KEPT

GB = 1_000_000_000


def words(answer: httpx.Response) -> str:
    assert answer.status_code == 200
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def beat_all(site: Site) -> None:
    with site.connect() as connection:
        for part in BEAT_S:
            connection.execute(
                "INSERT INTO heartbeat (service, beat_at) VALUES (%s, %s)"
                " ON CONFLICT (service) DO UPDATE SET beat_at = EXCLUDED.beat_at",
                (part, site.clock.now()),
            )


@pytest.mark.db
def test_a_server_on_which_nothing_ever_ran_says_so(visitor: httpx.Client) -> None:
    text = words(visitor.get("/fr/ndiyan"))
    assert "Tout ne va pas bien" in text
    assert text.count("jamais entendue") == len(BEAT_S)
    assert "rien à mesurer" in text
    assert "Il faut une semaine de mesures" in text


@pytest.mark.db
def test_the_disk_that_is_told_is_the_databases_where_it_can_be_seen(
    site: Site, visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.connect() as connection:
        ((data,),) = connection.execute("SHOW data_directory").fetchall()
        is_here = fetch_database_folder(connection) is not None
    free = {Path(data): 7_100_000_000, Path.cwd(): 9_300_000_000}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[folder]))
    seen, unseen = "7.1 GB are free on its disk.", "9.3 GB are free on the machine of the pages."
    assert (seen if is_here else unseen) in words(visitor.get("/en/ndiyan"))
    monkeypatch.setattr(folders, "is_here", lambda host: False)
    text = words(visitor.get("/en/ndiyan"))
    assert unseen in text
    assert "The disk of the database is not seen from here" in text


@pytest.mark.db
def test_all_is_well_until_parts_stop_and_each_says_why(site: Site, visitor: httpx.Client) -> None:
    beat_all(site)
    with site.connect() as connection:
        connection.execute("UPDATE notification SET state = 'delivered'")
        connection.execute("INSERT INTO heartbeat VALUES ('ingest@2', %s)", (site.clock.now(),))
    text = words(visitor.get("/en/ndiyan"))
    assert "All parts do their work." in text
    assert "taking readings in 2 works" in text.casefold()
    assert "Nothing waits." in text
    assert "No error." in text
    now = site.clock.now()
    with site.connect() as connection:
        connection.execute("UPDATE heartbeat SET detail = '{\"broker\": false}' WHERE service = 'ingest'")
        silent = "UPDATE heartbeat SET beat_at = %s WHERE service IN ('web', 'ingest@2')"
        connection.execute(silent, (now - timedelta(seconds=61),))
        connection.execute(
            "UPDATE notification SET state = 'queued', created_at = %(at)s, next_try_at = %(at)s",
            {"at": now - timedelta(minutes=11)},
        )
        connection.execute(
            "INSERT INTO set_aside (received_at, topic, payload, reason, detail, fingerprint)"
            " VALUES (%s, 't', '', 'wrong_unit', '', 'x')",
            (now,),
        )
        connection.execute(
            "INSERT INTO carrier_state (carrier, is_up, since, detail, asked_at) VALUES"
            " ('smpp', false, %(now)s, '', %(now)s), ('taken-out', false, %(ago)s, '', %(ago)s)",
            {"now": now, "ago": now - timedelta(days=2)},
        )
    text = words(visitor.get("/en/ndiyan"))
    assert "Not all is well" in text
    assert "no link to the MQTT broker" in text
    assert "no sign of life 1 min ago" in re.sub("\u00a0", " ", text)
    assert "SMS wait to leave" in text
    assert "SMS to send 1 11 min ago" in re.sub("\u00a0", " ", text)
    assert "Set aside, unexpected unit: 1" in text
    assert "SMS route smpp down" in text
    assert "taken-out" not in text


@pytest.mark.db
def test_who_fills_the_disk_with_rubbish_is_named_with_number_and_size(site: Site, visitor: httpx.Client) -> None:
    beat_all(site)
    with site.connect() as connection:
        seed_floods(connection, site.clock.now())
    text = re.sub("[\u00a0\u202f]", " ", words(visitor.get("/en/ndiyan")))
    assert "Not all is well" in text
    # Of one day: 86,399 of 16 bytes or less, a topic of 32 (11), and what a row costs.
    told = re.findall(r"(\S+) fills the disk: ([\d,]+) messages set aside within a day, (\d+) MB", text)
    assert told == [("zone-2/gw-2", "86,399", "25"), ("meters/7/up", "86,399", "23")], "zone-1 sends one a minute"


@pytest.mark.db
def test_every_page_leads_there_and_only_who_logged_in_gets_in(site: Site, visitor: httpx.Client) -> None:
    assert 'href="/fr/ndiyan"' in visitor.get("/fr/alertes").text
    with site.app() as stranger:
        assert stranger.get("/fr/ndiyan").status_code != 200


def test_the_disk_is_full_when_what_is_free_is_used_at_the_pace_so_far() -> None:
    now = datetime(2026, 3, 21, tzinfo=UTC)
    since = now - timedelta(days=20)
    # 2 GB in 20 days are 100 MB a day: 20 GB last for 200 days, 2.5 GB for 25, which is bad.
    assert Disk(2 * GB, 20 * GB, since).full_in(now) == timedelta(days=200)
    assert not Disk(2 * GB, 20 * GB, since).is_bad(now)
    assert Disk(2 * GB, 25 * GB // 10, since).is_bad(now)
    assert Disk(GB, GB, None).is_bad(now), "1 GB is too little whatever the pace"
    assert Disk(GB, 20 * GB, now - timedelta(days=6)).full_in(now) is None


@pytest.mark.db
def test_what_is_let_go_of_is_shown_with_its_days_and_how_much_went(site: Site, visitor: httpx.Client) -> None:
    assert "The keeper has erased nothing yet." in words(visitor.get("/en/ndiyan"))
    went = {"raw_messages": {"days": 90, "went": 1234}, "set_aside": {"days": 0, "went": 0}}
    with site.connect() as connection:
        connection.execute(
            "INSERT INTO heartbeat VALUES ('housekeeping', %s, %s)", (site.clock.now(), json.dumps(went))
        )
    text = re.sub("[\u00a0\u202f]", " ", words(visitor.get("/en/ndiyan")))
    assert "messages of other devices, as they came 90 days 1,234" in text
    assert "messages set aside, accepted since for ever 0" in text
    assert "messages d’autres appareils, tels que reçus 90 jours 1 234" in re.sub(
        "[\u00a0\u202f]", " ", words(visitor.get("/fr/ndiyan"))
    )


def test_every_kind_that_is_let_go_of_has_a_name() -> None:
    assert set(KEPT) == {kind for kinds in RULED.values() for kind in kinds}
