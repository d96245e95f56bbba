"""A past for the pages to show: plain daily curves of six zones, and alerts with their stories, written directly.

No simulator: sun is half a sine from 06:30 to 18:30, the pump follows it, the tower fills by day and empties by
night. What the pages show can then be worked out by hand.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from alerts.breakdown import close_report
from alerts.closing import BreakdownCause
from alerts.conversation import answer
from gateway.model import Flag
from gateway.wire import encode_status
from gateway.zones import Zone
from ingest.admission import Message
from ingest.backlog import Layout, Target
from ingest.backlog_files import keep_file
from ingest.columns import Columns
from ingest.db import Connection
from ingest.pipeline import Pipeline
from ingest.registry import channel_ids
from ingest.writer import ReadingWriter

FloatArray = NDArray[np.float64]

STEP_S = 300
DAY_S = 86_400
SUN_W_M2 = 900.0
DAY_HOURS = 12.0


def seed_readings(
    connection: Connection,
    zone: Zone,
    *,
    now: datetime,
    days: int,
    skip: Sequence[tuple[datetime, datetime]] = (),
    pump_stops_at: datetime | None = None,
    power_share: float = 1.0,
) -> None:
    """Readings of a zone every five minutes for `days` days up to `now`, but none within `skip`.

    The pump lifts `rated_flow_m3_h` times half a sine over twelve hours: 24/π times that flow a day.
    """
    end_s = int(now.timestamp()) // STEP_S * STEP_S
    t_s = np.arange(end_s - days * DAY_S, end_s + 1, STEP_S, dtype=np.float64)
    sun = np.clip(np.sin(np.pi * (t_s % DAY_S - 6.5 * 3600) / (DAY_HOURS * 3600)), 0.0, None)
    runs = sun.copy()
    if pump_stops_at is not None:
        runs[t_s >= pump_stops_at.timestamp()] = 0.0
    pump, tower = zone.asset("pump").rating, zone.asset("tower").rating
    flow = pump["rated_flow_m3_h"] * runs
    volume = 1000.0 + np.concatenate([[0.0], np.cumsum((flow[1:] + flow[:-1]) / 2 * STEP_S / 3600)])
    level = tower["full_level_m"] * (0.55 + 0.4 * np.sin(2 * np.pi * (t_s % DAY_S - 11 * 3600) / DAY_S))
    values = {
        ("pv", "irradiance_w_m2"): SUN_W_M2 * sun,
        ("pump", "power_w"): power_share * pump["rated_power_w"] * runs,
        ("pump", "flow_m3_h"): flow,
        ("pump", "volume_m3"): volume,
        ("tower", "level_m"): level,
    } | {
        (tap.asset_id, "volume_m3"): 10.0 * place + np.floor((t_s - t_s[0]) / 3600) * 0.01 * place
        for place, tap in enumerate(zone.taps)
    }
    keep = np.ones(len(t_s), dtype=bool)
    for start, stop in skip:
        keep &= ~((t_s >= start.timestamp()) & (t_s < stop.timestamp()))
    numbers = channel_ids(connection)
    chosen = [(numbers[key], value[keep]) for (asset, name), value in values.items()
              if (key := (zone.zone_id, asset, name)) in numbers]  # fmt: skip
    t_us = (t_s[keep] * 1e6).astype(np.int64)
    ReadingWriter(connection).write(
        Columns(
            np.repeat(np.array([number for number, _ in chosen], dtype=np.int32), len(t_us)),
            np.tile(t_us, len(chosen)),
            np.tile(t_us + 2_000_000, len(chosen)),
            np.concatenate([value for _, value in chosen]),
            np.ones(len(t_us) * len(chosen), dtype=np.int16),
        )
    )


def seed_good(connection: Connection, zone_id: str, channel: str, t_s: FloatArray, value: FloatArray) -> None:
    """Good readings of one channel (`asset/name`)."""
    asset, name = channel.split("/")
    number = np.full(len(t_s), channel_ids(connection)[zone_id, asset, name], np.int32)
    t_us = (t_s * 1e6).astype(np.int64)
    ReadingWriter(connection).write(Columns(number, t_us, t_us, value, np.full(len(t_s), Flag.GOOD, np.int16)))


def seed_bad(connection: Connection, zone_id: str, values: Mapping[str, float], times: Sequence[datetime]) -> None:
    """Readings of channels (`asset/name`) that are flagged bad."""
    numbers = channel_ids(connection)
    t_us = np.array([round(at.timestamp() * 1e6) for at in times], dtype=np.int64)
    for channel, value in values.items():
        asset, name = channel.split("/")
        number = np.full(len(t_us), numbers[zone_id, asset, name], np.int32)
        flags = np.full(len(t_us), Flag.BAD, np.int16)
        ReadingWriter(connection).write(Columns(number, t_us, t_us, np.full(len(t_us), value), flags))


def seed_alert(
    connection: Connection,
    zone_id: str,
    fault: str,
    *,
    code: str,
    opened_at: datetime,
    severity: int = 3,
    asset: str = "pump",
    state: str = "open",
    resolved_at: datetime | None = None,
) -> int:
    """One alert with its opening event; returns its id."""
    evidence = {
        "sentence": {
            "fr": "La pompe ne consomme rien depuis une heure alors que le soleil donne 780 W/m².",
            "en": "The pump has drawn nothing for an hour while the sun gives 780 W/m².",
        },
        "values": {"power_w": 0.0, "irradiance_w_m2": 780.0},
        "thresholds": {"min_irradiance_w_m2": 400.0, "for_s": 3600.0},
        "channels": ["pump/power_w", "pv/irradiance_w_m2"],
    }
    row = connection.execute(
        "INSERT INTO alert (code, zone_id, fault, asset_id, severity, state, first_evidence_at, last_evidence_at,"
        " opened_at, resolved_at, confidence, evidence)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0.9, %s) RETURNING alert_id",
        (code, zone_id, fault, asset, severity, state, opened_at - timedelta(minutes=62),
         opened_at - timedelta(minutes=2), opened_at, resolved_at, json.dumps(evidence)),
    ).fetchone()  # fmt: skip
    assert row is not None
    seed_event(connection, row[0], "opened", at=opened_at, who="ndiyan")
    return int(row[0])


def seed_event(
    connection: Connection, alert_id: int, kind: str, *, at: datetime, who: str, detail: dict[str, object] | None = None
) -> None:
    """One line of an alert's story."""
    connection.execute(
        "INSERT INTO alert_event (alert_id, at, kind, who, detail) VALUES (%s, %s, %s, %s, %s)",
        (alert_id, at, kind, who, json.dumps(detail or {})),
    )


def seed_notification(
    connection: Connection,
    alert_id: int,
    *,
    contact_id: int,
    text: str,
    at: datetime,
    kind: str = "opened",
    state: str = "delivered",
) -> int:
    """A notification that reached the on-screen phone; returns its id."""
    ref = uuid.uuid4()
    row = connection.execute(
        "INSERT INTO notification (ref, alert_id, zone_id, contact_id, phone, kind, step, reason, language, text,"
        " segments, carrier, state, attempts, created_at, next_try_at, valid_until, submitted_at, accepted_at,"
        " delivered_at) SELECT %(ref)s, %(alert)s, zone_id, contact_id, phone, %(kind)s, 'exploitant', 'first', 'fr',"
        " %(text)s, 1, 'phone', %(state)s, 1, %(at)s, %(at)s, %(until)s, %(at)s, %(at)s, %(at)s"
        " FROM contact WHERE contact_id = %(contact)s RETURNING notification_id",
        {"ref": ref, "alert": alert_id, "contact": contact_id, "kind": kind, "text": text, "state": state,
         "at": at, "until": at + timedelta(days=1)},
    ).fetchone()  # fmt: skip
    connection.execute(
        "INSERT INTO phone_inbox (ref, phone, text, sent_at, delivered_at)"
        " SELECT %s, phone, %s, %s, %s FROM contact WHERE contact_id = %s",
        (ref, text, at, at, contact_id),
    )
    assert row is not None
    return int(row[0])


def seed_messages(connection: Connection, zone: Zone, *, now: datetime) -> None:
    """Two days of a gateway's battery through the real pipeline, with everything that an account can tell.

    An earlier start sent 1 to 6 of which 4 and 5 never came (a gap: the gateway has spoken for two days since). The
    present one: 1 to 12 late, then 13 to 20 without 15 and 16 (on their way), 1 to 4 again (duplicates), another value
    for 13 (a conflict), one in a wrong unit, one whose clock said 1970, an unreadable message and a stranger.
    """
    pipeline, day = Pipeline(connection), timedelta(days=1)

    def send(at: datetime, boot: str, *records: dict[str, object], gateway: str | None = None) -> None:
        topic = f"ndiyan/1/{zone.zone_id}/{gateway or zone.gateway_id}/up/senml"
        pack = [dict(record, bn="gateway/", n="battery_v", boot=boot) for record in records]
        pipeline.store([Message(topic, json.dumps(pack).encode(), round(at.timestamp() * 1e6), 1, 1)])

    def battery(seq: int, at: datetime, value: float = 12.5, unit: str = "V") -> dict[str, object]:
        return {"seq": seq, "bt": at.timestamp(), "v": value, "u": unit}

    send(now - 4 * day, "0ld", *(battery(seq, now - 4 * day - timedelta(minutes=30 - seq)) for seq in (1, 2, 3, 6)))
    late = [battery(seq, now - 3 * day + timedelta(hours=seq)) for seq in range(1, 13)]
    send(now - day, "new", *late)
    fresh = [battery(seq, now - timedelta(minutes=60 - seq)) for seq in (13, 14, 17, 18, 19, 20)]
    send(now - day, "new", *late[:4])
    send(now, "new", *fresh, battery(21, now - timedelta(minutes=9), 1.0, "m"))
    send(now, "new", battery(13, now - timedelta(minutes=47), 11.9))
    clock = {"sent": 600.0, "sup": 600.0, "bup": 300.0, "bt": 300.0, "v": 12.4, "u": "V", "seq": 22}
    send(now, "new", clock)
    send(now, "his", battery(1, now), gateway="gw-stranger")
    pipeline.store([Message("ndiyan/1/nonsense", b"\x00\xff", round(now.timestamp() * 1e6), 1, 1)])


def seed_trials(connection: Connection, now: datetime) -> None:
    """A trial that is worked on, and one that is done and changes two alerts."""
    side = {
        "alerts": 14, "true": 6, "false": 3, "unsaid": 5, "explained": 2, "sms": 41, "price_gnf": 6150.0, "missed": 0,
    }  # fmt: skip
    lines = [
        {
            "zone": zone, "asset": "pump", "opened_at": (now - timedelta(days=back)).isoformat(),
            "closed_at": None, "is_new": False, "is_true": said,
        }
        for zone, back, said in (("zone-3", 4, False), ("zone-5", 9, None))
    ]  # fmt: skip
    result = {"before": side, "after": side | {"alerts": 12, "false": 2}, "differing": 2, "differences": lines}
    for done, outcome in ((2, None), (6, json.dumps(result))):
        connection.execute(
            "INSERT INTO rule_trial (parameter, value, start_at, end_at, asked_by, asked_at, done, total, result)"
            " VALUES ('pump_not_running.on_delay_min', 90, %(start)s, %(now)s, 'Awa', %(now)s, %(done)s, 6,"
            " %(result)s)",
            {"start": now - timedelta(days=90), "now": now, "done": done, "result": outcome},
        )


def seed_sms(connection: Connection, alert_id: int, *, now: datetime) -> dict[str, int]:
    """An SMS to the president of zone 3 in each state that tells something; returns their ids by name.

    `again` left twice for want of an answer, was receipted late and answered; `lost` had no receipt; `held` waits for
    the morning; `refused` never left. Two strangers wrote, one of them twice and rang; a route is up and one down.
    """
    ids: dict[str, int] = {}
    for name, state, urgency in (("again", "delivered", 3), ("lost", "no_receipt", 3), ("held", "held", 3),
                                 ("refused", "failed", 4)):  # fmt: skip
        row = connection.execute(
            "INSERT INTO notification (ref, alert_id, zone_id, contact_id, phone, kind, step, reason, language, text,"
            " segments, urgency, carrier, state, attempts, possible_duplicate, settled_by, created_at, next_try_at,"
            " valid_until, accepted_at, delivered_at)"
            " SELECT %(ref)s, %(alert)s, zone_id, contact_id, phone, 'opened', %(name)s, 'nobody_answered', 'fr',"
            " 'POMPE ARRETEE. Appelez Ibrahima 600000013.', 1, %(urgency)s, 'smpp', %(state)s, 1, %(twice)s,"
            " %(settled)s, %(now)s, %(next)s, %(until)s, %(accepted)s, %(delivered)s"
            " FROM contact WHERE zone_id = 'zone-3' AND role = 'president' RETURNING notification_id",
            {"ref": uuid.uuid4(), "alert": alert_id, "name": name, "state": state, "urgency": urgency,
             "twice": name == "again", "settled": "nobody" if name == "again" else None, "now": now,
             "next": now + timedelta(hours=9) if state == "held" else now, "until": now + timedelta(days=1),
             "accepted": now if name in ("again", "lost") else None, "delivered": now if name == "again" else None},
        ).fetchone()  # fmt: skip
        assert row is not None
        ids[name] = int(row[0])
    for name, outcome, provider_id, detail in (
        ("again", "uncertain", None, "timeout"), ("again", "accepted", "00ab12", None),
        ("lost", "accepted", "00ab13", None), ("refused", "refused_for_good", None, "no such number 600000011"),
    ):  # fmt: skip
        connection.execute(
            "INSERT INTO sms_attempt (notification_id, carrier, began_at, ended_at, outcome, provider_id, detail)"
            " VALUES (%s, 'smpp', %s, %s, %s, %s, %s)",
            (ids[name], now, now + timedelta(seconds=4), outcome, provider_id, detail),
        )
    ((phone, contact_id),) = connection.execute(
        "SELECT phone, contact_id FROM contact WHERE zone_id = 'zone-3' AND role = 'president'"
    ).fetchall()
    connection.execute(
        "INSERT INTO sms_receipt (carrier, provider_ids, fate, at, phone, text_head, raw, received_at, notification_id)"
        " VALUES ('smpp', '{00ab12}', 'delivered', %s, %s, '', %s, %s, %s)",
        (now, phone, f"id:00ab12 from:{phone[1:]} stat:DELIVRD", now, ids["again"]),
    )
    for number, (kind, who, text) in enumerate(
        (("sms", "+224622000001", "c'est qui, rappelez le 622000001"), ("sms", "+224622000001", "allo"),
         ("call", "+224622000001", ""), ("sms", "+224622000002", "STOP"), ("call", phone, ""))
    ):  # fmt: skip
        is_known = who == phone
        connection.execute(
            "INSERT INTO sms_in (carrier, provider_id, kind, phone, text, received_at, contact_id, alert_id, intention,"
            " is_sure, handled_at, may_be_repeat) VALUES ('smpp', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (str(number), kind, who, text, now + timedelta(minutes=number), contact_id if is_known else None,
             alert_id if is_known else None, "seen" if is_known else "unclear", is_known, now, text == "STOP"),
        )  # fmt: skip
    for carrier, is_up, balance in (("smpp", True, 48_500.0), ("gammu", False, None)):
        connection.execute(
            "INSERT INTO carrier_state (carrier, is_up, since, detail, balance, balance_unit, expires_at, asked_at)"
            " VALUES (%s, %s, %s, %s, %s, 'GNF', %s, %s)",
            (carrier, is_up, now - timedelta(days=2), "" if is_up else "no modem at /dev/ttyUSB0", balance,
             now + timedelta(days=3) if is_up else None, now),
        )  # fmt: skip
    return ids


def seed_talk(connection: Connection, alert_id: int, *, now: datetime) -> None:
    """People of zone 3 report, read off and correct; two are to be called, one of whom nobody knows."""
    words = (("fontainier", "PANNE"), ("president", "panne"), ("fontainier", "compteur 812"),
             ("president", "niveau 2,3"), ("president", "niveau 2,1"))  # fmt: skip
    for number, (role, text) in enumerate(words):
        at = now - timedelta(minutes=50 - number)
        ((phone, sms_in_id),) = connection.execute(
            "INSERT INTO sms_in (carrier, provider_id, phone, text, received_at)"
            " SELECT 'phone', %s, phone, %s, %s FROM contact WHERE zone_id = 'zone-3' AND role = %s"
            " RETURNING phone, sms_in_id",
            (f"talk-{number}", text, at, role),
        ).fetchall()
        answer(connection, sms_in_id, phone=phone, text=text, now=at)
    ((first,),) = connection.execute("SELECT min(report_id) FROM report").fetchall()
    close_report(connection, first, cause=BreakdownCause.PUMP, who="Awa (web)", now=now)
    connection.execute(
        "INSERT INTO call_list (alert_id, contact_id, step, why, since)"
        " SELECT %s, contact_id, 'call', 'nobody_answered', %s FROM contact WHERE zone_id = 'zone-3' AND rank = 1",
        (alert_id, now - timedelta(hours=3)),
    )
    connection.execute(
        "INSERT INTO call_list (zone_id, step, why, since) VALUES ('zone-5', 'opt_out', 'last_one_left', %s)", (now,)
    )


def seed_files(connection: Connection, now: datetime) -> None:
    """A box of zone 2 that needs a person; a logger's table that is looked at, and one of which a line was wrong."""
    told = {
        "account": {"waiting": 12_400}, "refused": 0, "bytes": {"up": 223_000, "down": 181_000}, "restarts": 9,
        "disk_free_mb": 120, "troubles": {"tower/level_m": "3.1 mA: sensor or cable has failed"},
        "config": {"number": 7, "says": "in use"}, "thinned": 263,
    }  # fmt: skip
    status = encode_status(online=True, boot="1a2b3c4d", software="ndiyan gateway 0.1", clock="ntp", at=now, more=told)
    message = Message("ndiyan/1/zone-2/gw-2/up/status", status, round(now.timestamp() * 1e6), 1, 1)
    Pipeline(connection).store([message])
    wide = b"Date;Niveau (cm);Etat\r\n01/03/2026 08:00;231;ok\r\n01/03/2026 08:05;sec;ok\r\n"
    columns = {"Niveau (cm)": Target("tower", "level_m", "cm")}
    for name, layout in (("sonde-chateau.csv", Layout("zone-2", 0, "Date", columns)), ("lu.csv", Layout("zone-2"))):
        keep_file(connection, BytesIO(wide), name=name, layout=layout, who="Awa (web)", now=now)
    problem = [3, "tower/level_m", "sec", "bad_record", "Expected `float | null`, got `str` - at `$.v`"]
    connection.execute(
        "UPDATE backlog_file SET state = 'done', rows = 2, stored = 1, set_aside = 1, problems = %s"
        " WHERE name = 'lu.csv'",
        [json.dumps([problem])],
    )


def seed_floods(connection: Connection, now: datetime) -> None:
    """A gateway says rubbish each second since two days, a meter since one, another gateway each minute."""
    connection.execute(
        """
        INSERT INTO set_aside (received_at, topic, zone_id, gateway_id, payload, reason, detail, fingerprint)
        SELECT %s - n * interval '1 s', topic, zone, gateway, convert_to('{"litres":' || n, 'UTF8'), reason, '',
               sha256(convert_to(topic || n, 'UTF8'))
        FROM (VALUES ('ndiyan/1/zone-2/gw-2/up/readings', 'zone-2', 'gw-2', 'not_senml', 1, 2),
                     ('meters/7/up', NULL, NULL, 'unknown_topic', 1, 1),
                     ('ndiyan/1/zone-1/gw-1/up/readings', 'zone-1', 'gw-1', 'not_senml', 60, 1))
             AS said (topic, zone, gateway, reason, every_s, days), generate_series(every_s, 86400 * days, every_s) AS n
        """,
        (now,),
    )
