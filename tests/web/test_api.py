"""The API: lists, cursors, ranges, problems; a script can watch six zones and play the committee member."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import numpy as np
import pytest

from gateway.model import Flag
from ingest.columns import Columns
from ingest.registry import channel_ids
from ingest.writer import ReadingWriter
from tests.web.web_site import TEXT, Site, prefix_of
from web.api.readings import step_of
from web.cursors import cursor_of, read_cursor
from web.errors import BadParameter

LEVEL = "/api/v1/readings?channel=zone-1/tower/level_m"


@pytest.mark.db
def test_zones_list_six_with_data_gravest_first(reader: httpx.Client) -> None:
    answer = reader.get("/api/v1/zones").json()
    assert answer["next"] is None
    zones = {zone["id"]: zone for zone in answer["items"]}
    assert list(zones) == ["zone-3", "zone-4", "zone-6", "zone-5", "zone-1", "zone-2"]
    assert [zone["state"] for zone in answer["items"]] == ["fault", "silent", "no_data", "normal", "normal", "normal"]
    third, sixth = zones["zone-3"], zones["zone-6"]
    assert third["open_alerts"] == 1
    assert third["people"] == 2240
    assert third["is_fictional"] is True
    assert third["last_seen_at"] == "2026-03-02T10:40:00Z"
    assert third["last_seen_age_s"] == 0.0
    assert third["yesterday"]["on"] == "2026-03-01"
    # 4.3 m³/h over half a sine of twelve hours: 4.3 · 24/π.
    assert third["yesterday"]["volume_m3"] == pytest.approx(32.85, abs=0.01)
    assert third["yesterday"]["expected_m3"] == pytest.approx(32.85, abs=0.01)
    assert 0 < third["tower"]["share"] < 1
    assert (sixth["last_seen_at"], sixth["tower"], sixth["yesterday"]) == (None, None, None)
    detail = reader.get("/api/v1/zones/zone-3").json()
    assert len(detail["days"]) == 30
    assert {asset["id"] for asset in detail["assets"]} >= {"pump", "tower", "tap-01", "gateway"}


@pytest.mark.db
def test_a_zone_tells_how_long_its_tower_lasts(reader: httpx.Client) -> None:
    # Zone 3's twenty taps count 0 + 0.01 + … + 0.19 = 1.9 m³ an hour. Its tower of 20 m³ stands at 0.55 - 0.4 sin(5°) =
    # 51.5 %: 10.3 m³ last 5.4 h, on each of the nine days that are known. Its pump is broken, so nothing is added.
    forecast = reader.get("/api/v1/zones/zone-3").json()["forecast"]
    assert (forecast["hours"], forecast["low_hours"], forecast["high_hours"]) == (5.4, 5.4, 5.4)
    assert (forecast["by_weeks"], forecast["counts_inflow"]) == (False, False)
    assert reader.get("/api/v1/zones/zone-1").json()["forecast"]["counts_inflow"]
    never = reader.get("/api/v1/zones/zone-6").json()
    assert never["forecast"]["cannot_tell"] == "no_level"


def test_which_kind_of_silent(reader: httpx.Client) -> None:
    silences = {zone["id"]: zone["silence"] for zone in reader.get("/api/v1/zones").json()["items"]}
    assert silences["zone-1"] is None
    assert silences["zone-3"] is None, "its pump stands, but the taps run"
    assert silences["zone-4"]["kind"] == "cannot_tell"
    assert "5,8 h" in silences["zone-4"]["sentence"]["fr"]
    assert silences["zone-6"]["sentence"]["en"] == "This zone has sent nothing yet."


def test_channels_carry_their_newest_reading(reader: httpx.Client) -> None:
    channels = {one["id"]: one for one in reader.get("/api/v1/channels?zone=zone-1").json()["items"]}
    assert channels["zone-1/pump/volume_m3"]["is_counter"] is True
    assert channels["zone-1/tower/level_m"]["unit"] == "m"
    assert channels["zone-1/tower/level_m"]["latest"]["measured_at"] == "2026-03-02T10:40:00Z"
    assert channels["zone-1/gateway/battery_v"]["latest"] is None
    assert reader.get("/api/v1/channels?zone=zone-9").status_code == 404


@pytest.mark.db
def test_readings_page_by_page_are_all_of_them_once(reader: httpx.Client) -> None:
    times: list[str] = []
    cursor = ""
    while True:
        answer = reader.get(f"{LEVEL}&resolution=raw&limit=100{cursor}").json()
        times += [item["measured_at"] for item in answer["items"]]
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"
    assert len(times) == 288
    assert times == sorted(set(times))
    assert (times[0], times[-1]) == ("2026-03-01T10:40:00Z", "2026-03-02T10:35:00Z")
    assert answer["resolution_s"] is None
    assert answer["unit"] == "m"


@pytest.mark.db
def test_readings_by_intervals_have_mean_and_extremes_and_keep_gaps(reader: httpx.Client) -> None:
    address = "/api/v1/readings?channel=zone-4/pump/flow_m3_h&start=2026-03-02T03:00:00Z&end=2026-03-02T09:00:00Z"
    answer = reader.get(f"{address}&resolution=3600").json()
    assert answer["resolution_s"] == 3600
    # The last reading before the silence is that of 04:55.
    assert [item["measured_at"][11:16] for item in answer["items"]] == ["03:00", "04:00"]
    assert [item["n"] for item in answer["items"]] == [12, 12]
    sun = reader.get("/api/v1/readings?channel=zone-1/pv/irradiance_w_m2&resolution=86400&start=2026-03-01T00:00:00Z")
    first = sun.json()["items"][0]
    assert first["maximum"] == pytest.approx(900.0)
    assert first["minimum"] == 0.0
    assert first["value"] == pytest.approx(900 / np.pi, rel=1e-3)


@pytest.mark.db
def test_openapi_tells_what_an_hour_knows_that_half_an_hour_does_not(site: Site, script: httpx.Client) -> None:
    """A suspect reading at 10:05, and one behind the end that was asked for."""
    minutes = np.array([0, 5, 10, 15, 20, 25, 40])
    with site.connect() as connection:
        number = channel_ids(connection)["zone-5", "tower", "level_m"]
        t_us = round(site.clock.now().replace(minute=0).timestamp() * 1e6) + minutes * 60_000_000
        flags = np.where(minutes == 5, Flag.SUSPECT, Flag.GOOD).astype(np.int16)
        numbers = np.full(len(t_us), number, np.int32)
        ReadingWriter(connection).write(Columns(numbers, t_us, t_us, np.ones(len(t_us)), flags))
    asked = "/api/v1/readings?channel=zone-5/tower/level_m&start=2026-03-02T10:10:00Z&end=2026-03-02T10:30:00Z"
    found = {step: script.get(f"{asked}&resolution={step}").json()["items"] for step in (1800, 3600, 86_400)}
    assert [(one["n"], one["flag"]) for (one,) in found.values()] == [(6, 3), (7, 1), (7, 1)]
    schema = script.get("/api/v1/openapi.json").json()
    told = schema["components"]["schemas"]["ReadingView"]["properties"]["flag"]["description"]
    assert "intervals of whole hours know of bad readings alone" in told
    told = schema["paths"]["/api/v1/readings"]["get"]["description"]
    assert "to the end of the hour or day in which `end` lies" in " ".join(told.split())


@pytest.mark.db
def test_readings_as_csv_by_accept_or_by_name(reader: httpx.Client) -> None:
    named = reader.get(f"{LEVEL}&resolution=raw&limit=2&format=csv")
    assert named.headers["content-type"] == "text/csv; charset=utf-8"
    lines = named.text.splitlines()
    assert lines[0] == "measured_at,value,minimum,maximum,n,flag,failed,device_at"
    assert len(lines) == 3
    accepted = reader.get(f"{LEVEL}&resolution=raw&limit=2", headers={"accept": "text/csv"})
    assert accepted.text == named.text
    following = reader.get(named.headers["link"].split(">")[0].lstrip("<")).text.splitlines()
    assert following[1].startswith("2026-03-01T10:50:00Z")


@pytest.mark.db
def test_mistakes_are_problems_that_name_parameter_value_and_bound(reader: httpx.Client) -> None:
    mistakes = [
        (f"{LEVEL}&resolution=5", 422, "resolution", "5"),
        (f"{LEVEL}&resolution=-1", 422, "resolution", "-1"),
        (f"{LEVEL}&limit=0", 422, "limit", "0"),
        (f"{LEVEL}&start=yesterday", 422, "start", "yesterday"),
        (f"{LEVEL}&start=2026-03-02T10:00:00", 422, "start", "2026-03-02T10:00:00"),
        (f"{LEVEL}&start=2026-03-05T00:00:00Z", 422, "start", "2026-03-05T00:00:00+00:00"),
        (f"{LEVEL}&start=2020-01-01T00:00:00Z", 422, "start", "2020-01-01T00:00:00+00:00"),
        (f"{LEVEL}&end=0001-01-01T00:00:00Z", 422, "end", "0001-01-01T00:00:00+00:00"),
        (f"{LEVEL}&end=0001-01-01T00:00:00%2B14:00", 422, "end", "0001-01-01T00:00:00+14:00"),
        (f"{LEVEL}&start=9999-12-31T23:59:00-14:00", 422, "start", "9999-12-31T23:59:00-14:00"),
        (f"{LEVEL}&cursor=%00", 422, "cursor", "\x00"),
        (f"{LEVEL}&cursor=bm9uc2Vuc2U", 422, "cursor", "bm9uc2Vuc2U"),
        (f"{LEVEL}&format=xml", 422, "format", "xml"),
        ("/api/v1/alerts?state=gone", 422, "state.0", "gone"),
        ("/api/v1/alerts/x", 422, "alert_id", "x"),
    ]
    for address, status, parameter, value in mistakes:
        answer = reader.get(address)
        assert answer.status_code == status, address
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert {"type", "title", "status", "detail", "instance"} <= body.keys()
        assert (body["errors"][0]["parameter"], body["errors"][0]["value"]) == (parameter, value)
        assert body["errors"][0]["bound"]
    unknown = ("zones/zone-9", "alerts/999", "nowhere", "readings?channel=zone-1", "readings?channel=zone-1/tower/x",
               "alerts?zone=zone-9", "phone/x/messages")  # fmt: skip
    for address in (f"/api/v1/{one}" for one in unknown):
        answer = reader.get(address)
        assert (answer.status_code, answer.json()["status"]) == (404, 404), address
    assert reader.delete("/api/v1/zones").status_code == 405


@pytest.mark.db
def test_a_mistyped_parameter_is_named_and_not_passed_over(site: Site, reader: httpx.Client) -> None:
    """Whoever writes `from` for `start` would have the last day's figures and take them for those of January."""
    with site.app() as stranger:
        assert stranger.get("/api/v1/zones?nonsense=1").status_code == 401, "who may not look learns no names"
    paths = reader.get("/api/v1/openapi.json").json()["paths"]
    plain = [
        path for path, operations in paths.items()
        if path.startswith("/api/v1/") and "get" in operations and "{" not in path
    ]  # fmt: skip
    assert len(plain) > 10
    for path in plain:
        answer = reader.get(path, params={"nonsense": "1"})
        if answer.status_code != 403:
            assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "nonsense"), path
    january = {"channel": "zone-3/tower/level_m", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
    answer = reader.get("/api/v1/readings", params=january)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["parameter"], error["value"]) == ("from", "2026-01-01T00:00:00Z")
    assert error["bound"].endswith("there are: channel, cursor, end, format, limit, resolution, start")


@pytest.mark.db
def test_alerts_tell_who_was_told_on_which_route_in_which_words(site: Site, script: httpx.Client) -> None:
    answer = script.get("/api/v1/alerts?state=open&zone=zone-3").json()
    alert = answer["items"][0]
    told = alert["notifications"][0]
    assert (told["name"], told["role"], told["route"]) == ("Alpha Oumar Barry", "exploitant", "phone")
    assert (told["state"], told["text"]) == ("delivered", TEXT)
    assert told["phone"] == "+224\u00a0…\u00a0010"
    assert site.phone not in str(answer)
    first = script.get("/api/v1/alerts?limit=1").json()
    assert [item["code"] for item in first["items"]] == ["A7"]
    second = script.get(f"/api/v1/alerts?limit=1&cursor={first['next']}").json()
    assert [item["code"] for item in second["items"]] == ["A2"]
    assert second["next"] is None
    both = script.get("/api/v1/alerts?state=open&state=resolved").json()
    assert len(both["items"]) == 2


@pytest.mark.db
def test_a_script_takes_an_alert_in_charge_once(site: Site, script: httpx.Client) -> None:
    address = f"/api/v1/alerts/{site.alert_id}"
    first = script.post(f"{address}/acknowledge", json={"who": "Alpha"}).json()
    assert first == {"id": site.alert_id, "changed": True, "state": "acknowledged"}
    assert script.post(f"{address}/acknowledge").json()["changed"] is False
    detail = script.get(address).json()
    assert detail["acknowledged_by"] == f"script {prefix_of(script)} · Alpha (API)"
    assert [event["kind"] for event in detail["events"]] == ["opened", "told", "acknowledged"]
    assert script.post("/api/v1/alerts/999/acknowledge").status_code == 404


@pytest.mark.db
@pytest.mark.parametrize("named", ["Awa (web)", "Awa (API)", "x · other wat_000000", "Awa\n"])
def test_nobody_names_themselves_in_place_of_their_key(site: Site, script: httpx.Client, named: str) -> None:
    refused = script.post(f"/api/v1/alerts/{site.alert_id}/acknowledge", json={"who": named})
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "who")
    script.post(f"/api/v1/alerts/{site.alert_id}/acknowledge", json={"who": "Awa"})
    with site.connect() as connection:
        told = connection.execute("SELECT who FROM written WHERE what = 'alert_acknowledged'").fetchall()
    assert told == [(f"script {prefix_of(script)} · Awa (API)",)]


@pytest.mark.db
def test_a_script_shelves_an_alert_and_says_what_it_was_worth(site: Site, script: httpx.Client) -> None:
    refused = script.post("/api/v1/alerts/1/shelve", json={"hours": 30, "why": "pièce"})
    assert refused.status_code == 422
    (fault,) = refused.json()["errors"]
    assert (fault["parameter"], fault["value"]) == ("hours", 30.0)
    assert "at most 24 for severity 3" in fault["bound"]
    assert script.post("/api/v1/alerts/1/shelve", json={"hours": 6, "why": "pièce"}).json()["changed"]
    alert = script.get("/api/v1/alerts/1").json()
    assert (alert["shelved_why"], alert["times"]) == ("pièce", 1)
    assert alert["shelved_by"] == f"script {prefix_of(script)} (API)"
    assert script.post("/api/v1/alerts/1/unshelve").json() == {"id": 1, "changed": True}
    assert script.post("/api/v1/alerts/1/unshelve").json() == {"id": 1, "changed": False}
    assert script.post("/api/v1/alerts/1/mark", json={"is_true": False}).json()["changed"]
    kinds = [event["kind"] for event in script.get("/api/v1/alerts/1").json()["events"]]
    assert kinds[-3:] == ["shelved", "unshelved", "false_alarm_claimed"]


def test_a_script_tries_and_changes_a_rule(site: Site, script: httpx.Client) -> None:
    name = "pump_not_running.on_delay_min"
    rule = next(one for one in script.get("/api/v1/rules").json()["items"] if one["name"] == name)
    assert (rule["default"], rule["low"], rule["high"], rule["unit"], rule["zones"]) == (60.0, 10.0, 360.0, "min", {})
    refused = script.post(f"/api/v1/rules/{name}/trials", json={"value": 500})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["bound"] == "is not within 10 and 360 min"
    asked = script.post(f"/api/v1/rules/{name}/trials", json={"value": 90, "zone": "zone-3", "days": 7})
    assert (asked.status_code, asked.json()["total"]) == (202, 1)
    deadline = time.monotonic() + 60
    address = f"/api/v1/rules/trials/{asked.json()['id']}"
    while not (trial := script.get(address).json())["is_over"] and time.monotonic() < deadline:
        pass
    assert trial["error"] is None
    assert trial["result"]["after"]["alerts"] == 0
    changed = script.put(f"/api/v1/rules/{name}", json={"value": 90, "zone": "zone-3", "why": "groupe lent"})
    assert changed.json()["zones"] == {"zone-3": 90.0}
    assert (
        script.put(f"/api/v1/rules/{name}", json={"value": None, "zone": "zone-3", "why": "fini"}).json()["zones"] == {}
    )
    assert script.put(f"/api/v1/rules/{name}", json={"value": 90, "zone": "zone-9", "why": "?"}).status_code == 404
    assert script.put("/api/v1/rules/no.such", json={"value": 90, "why": "?"}).status_code == 404


def test_figures_about_our_own_alerts(script: httpx.Client) -> None:
    """Of two alerts one was told; the other was over three hours after it was opened, 62 minutes after its evidence."""
    found = script.get("/api/v1/alerts/metrics?days=7").json()
    assert (found["alerts"], found["untold"], found["marked"], found["false_share"]) == (1, 1, 0, None)
    lasted_h = pytest.approx(4 + 2 / 60)
    assert found["to_resolve"] == {"count": 1, "median_h": lasted_h, "slow_h": lasted_h}
    assert (found["alerts_per_zone_week"], found["sms_per_person_week"]) == (None, None), "no zone was ever heard"
    assert script.get("/api/v1/alerts/metrics?days=0").status_code == 422


def test_a_script_plays_the_committee_member(site: Site, script: httpx.Client) -> None:
    people = script.get("/api/v1/phone").json()["items"]
    mine = next(one for one in people if one["unread"])
    assert mine["phone"] == site.phone
    address = f"/api/v1/phone/{quote(mine['phone'])}"
    assert script.get(f"{address}/messages").json()["items"][0]["text"] == TEXT
    assert script.post(f"{address}/replies", json={"text": "1"}).status_code == 202
    assert script.post(f"{address}/replies", json={"text": ""}).status_code == 422
    assert script.post("/api/v1/phone/+33123456789/replies", json={"text": "1"}).status_code == 404
    directions = [one["direction"] for one in script.get(f"{address}/messages").json()["items"]]
    assert directions == ["out", "in"]
    with site.connect() as connection:
        assert connection.execute("SELECT phone, text, taken FROM phone_reply").fetchall() == [(site.phone, "1", False)]


@pytest.mark.db
def test_health_tells_ages_without_login_and_nothing_about_people(site: Site) -> None:
    with site.connect() as connection:
        connection.execute("INSERT INTO heartbeat (service, beat_at) VALUES ('ingest', %s)", (site.clock.now(),))
        number = channel_ids(connection)["zone-1", "tower", "level_m"]
        at = np.array([int(site.clock.now().timestamp() - 300) * 1_000_000])
        ReadingWriter(connection).write(
            Columns(np.array([number], dtype=np.int32), at, at, np.array([1.0]), np.array([1], dtype=np.int16))
        )
    with site.app() as client:
        body = client.get("/healthz").json()
        asked = client.head("/healthz")
        assert (asked.status_code, asked.content) == (200, b""), "as some monitors ask"
    assert (body["status"], body["database"]) == ("ok", "ok")
    assert body["newest_reading_age_s"] == 300.0
    assert body["heartbeat_age_s"] == {"ingest": 0.0}


@pytest.mark.db
def test_openapi_describes_every_address_with_summary_and_problems(reader: httpx.Client) -> None:
    schema = reader.get("/api/v1/openapi.json").json()
    assert schema["security"] == [{"key": []}]
    assert "/fr/" not in schema["paths"]
    assert {"/healthz", "/api/v1/zones", "/api/v1/readings", "/api/v1/alerts/{alert_id}/acknowledge"} <= set(
        schema["paths"]
    )
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            if path != "/healthz":
                assert {"401", "422", "503"} <= operation["responses"].keys(), path
    assert schema["components"]["schemas"]["ZoneView"]["example"]["id"] == "zone-3"


@pytest.mark.parametrize(
    ("resolution", "span", "expected"),
    [
        pytest.param("raw", timedelta(days=30), None, id="raw"),
        pytest.param("auto", timedelta(days=1), None, id="a-day-needs-no-intervals"),
        pytest.param("auto", timedelta(days=7), timedelta(minutes=30), id="a-week"),
        pytest.param("auto", timedelta(days=30), timedelta(hours=2), id="a-month"),
        pytest.param("auto", timedelta(days=365), timedelta(days=1), id="a-year"),
        pytest.param("10", timedelta(days=1), timedelta(seconds=10), id="smallest"),
    ],
)
def test_resolution(resolution: str, span: timedelta, expected: timedelta | None) -> None:
    assert step_of(resolution, span, 300.0) == expected


@pytest.mark.parametrize("resolution", ["", "9", "2678401", "1e3", "٣٠٠", "99999999999", "hour"])
def test_resolution_that_is_none_is_refused(resolution: str) -> None:
    with pytest.raises(BadParameter, match="is neither raw, auto nor 10 to 2678400 seconds"):
        step_of(resolution, timedelta(days=1), 300.0)


def test_a_cursor_comes_back_as_it_went() -> None:
    at = datetime(2026, 3, 2, 10, 40, 1, 123_456, tzinfo=UTC)
    assert read_cursor(cursor_of(at, 17)) == (at, 17)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "====",
        "bnVsbA",
        "WzEsMl0",
        "WyIyMDI2LTAzLTAyVDEwOjQwOjAwIiwxXQ",
        "W1tbW1tb",
        "é",
        "WyIyMDI2IiwgMWU5OV0",
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(BadParameter, match="is no cursor that this list gave out"):
        read_cursor(cursor)
