"""The account of messages before everybody's eyes: it adds up, says what is missing, and what was set aside is tried
again."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import date, timedelta

import httpx
import pytest

from gateway.wire import senml_topic
from gateway.zones import Zone
from ingest.admission import Message
from ingest.db import Connection
from ingest.pipeline import Pipeline
from ingest.registry import import_zones
from tests.web.test_access import csrf_of
from tests.web.test_pages import words
from tests.web.web_seed import seed_messages
from tests.web.web_site import Site
from web.account import Line, fetch_days, fetch_gateways, sum_of
from web.cursors import cursor_of_key, read_key
from web.errors import BadParameter

pytestmark = pytest.mark.db
FIRST_S = 1_772_445_600  # 2026-03-02 10:00 UTC


@pytest.fixture
def connection(site: Site, zones: list[Zone]):  # type: ignore[no-untyped-def]
    """The site's database after `seed_messages`."""
    with site.connect() as connection:
        seed_messages(connection, zones[1], now=site.clock.now())
        yield connection


def test_each_days_line_tells_what_came_and_what_was_missing_then(site: Site, connection: Connection) -> None:
    today = site.clock.now().date()
    assert [
        (line.day, line.sent, line.arrived, line.missing, line.received, line.stored, line.duplicate, line.conflict,
         line.set_aside, line.late)
        for line in fetch_days(connection, gateway="gw-2", limit=9)
    ] == [
        (today, 10, 8, 4, 9, 7, 0, 1, 1, 0),
        (today - timedelta(days=1), 12, 12, 2, 16, 12, 4, 0, 0, 12),
        (today - timedelta(days=4), 6, 4, 2, 4, 4, 0, 0, 0, 0),
    ]  # fmt: skip
    assert all(line.adds_up for line in fetch_days(connection, limit=99))


def test_the_page_sums_each_gateway_and_says_in_words_that_it_adds_up(
    site: Site, connection: Connection, visitor: httpx.Client
) -> None:
    text = words(visitor.get("/fr/comptes"))
    assert (
        "Le compte tombe juste. Reçues 31 + rejouées 0 = stockées 23 + doublons 4 + conflits 1 + mises de côté 3."
        in text
    )
    assert "Manquantes en ce moment : 4. En route : 2," in text
    assert "Trou : 2, que la passerelle n’a pas envoyées" in text
    assert "sans passerelle connue" in text
    assert "zone-2 · vue à l’instant" in text
    assert "zone-6 · vue jamais" in text, "a gateway that never spoke has its line too"
    short = words(visitor.get("/fr/comptes?jours=1"))
    assert "Reçues 11 + rejouées 0 = stockées 7 + doublons 0 + conflits 1 + mises de côté 3." in short
    english = words(visitor.get("/en/comptes"))
    assert "The account adds up. Received 31 + replayed 0 = stored 23 + duplicates 4" in english
    assert visitor.get("/fr/comptes?jours=2").status_code == 400


def test_one_gateway_day_by_day_with_the_numbers_that_have_not_come(
    connection: Connection, visitor: httpx.Client
) -> None:
    page = visitor.get("/fr/comptes/zone-2/gw-2")
    text = words(page)
    assert re.findall(r'<th scope="row">(lun|dim|jeu)', page.text) == ["lun", "dim", "jeu"]
    assert "0ld trou 2 sur 6 4–5" in text
    assert "new en route 2 sur 22 15–16" in text
    assert 'href="/fr/zones/zone-2"' in page.text
    nobody = words(visitor.get("/en/comptes/-/-"))
    assert "Received 2 + replayed 0 = stored 0 + duplicates 0 + conflicts 0 + set aside 2." in nobody
    empty = words(visitor.get("/fr/comptes/zone-6/gw-6"))
    assert "Rien n’est encore arrivé de cette passerelle." in empty
    for unknown in ("zone-2/gw-9", "zone-9/gw-2", "zone-2/gw-2%00"):
        assert visitor.get(f"/fr/comptes/{unknown}").status_code == 404, unknown


def test_a_line_that_does_not_add_up_is_called_so(connection: Connection, visitor: httpx.Client) -> None:
    connection.execute("UPDATE gateway_day SET stored = stored - 3 WHERE gateway_id = 'gw-2' AND stored = 7")
    for address in ("/fr/comptes", "/fr/comptes/zone-2/gw-2"):
        text = words(visitor.get(address))
        assert "Le compte ne tombe pas juste." in text
        assert "écart de 3" in text
    line = next(line for line in fetch_days(connection, gateway="gw-2", limit=1))
    assert (line.imbalance, line.adds_up) == (3, False)


def test_before_anything_came_the_pages_say_so(visitor: httpx.Client) -> None:
    assert "Aucun message n’est arrivé pendant ces jours." in words(visitor.get("/fr/comptes"))
    assert "Aucun message n’est arrivé sans passerelle connue." in words(visitor.get("/fr/comptes/-/-"))
    assert "Aucun conflit" in words(visitor.get("/fr/conflits"))
    assert "Aucun message n’attend" in words(visitor.get("/fr/mis-de-cote"))
    assert "Aucun message ici." in words(visitor.get("/fr/mis-de-cote?etat=tous"))


@pytest.mark.parametrize("page", ["comptes", "profils"])
def test_a_sensor_without_our_gateway_is_said_to_have_the_brokers_guarantee_only(
    visitor: httpx.Client, page: str
) -> None:
    sentences = {
        "fr": "Un capteur sans notre passerelle n’a que la garantie du courtier MQTT : ce que le courtier perd",
        "en": "A sensor without our gateway has the MQTT broker’s guarantee only: what the broker loses",
    }
    for language, sentence in sentences.items():
        assert sentence in words(visitor.get(f"/{language}/{page}"))


def test_the_way_to_the_account_is_marked(connection: Connection, visitor: httpx.Client) -> None:
    for address in ("/fr/", "/fr/zones/zone-2", "/fr/mis-de-cote", "/fr/comptes"):
        assert '<a href="/fr/donnees"' in visitor.get(address).text
    data = visitor.get("/fr/donnees").text
    assert 'href="/fr/comptes"' in data
    assert 'href="/fr/mis-de-cote"' in data
    assert 'href="/fr/comptes/zone-2/gw-2"' in visitor.get("/fr/zones/zone-2").text


def test_the_api_tells_the_same_line_by_line_and_page_by_page(connection: Connection, script: httpx.Client) -> None:
    whole = script.get("/api/v1/account").json()
    assert whole["next"] is None
    assert [(line["gateway"], line["day"]) for line in whole["items"]] == [
        (None, "2026-03-02"), ("gw-2", "2026-03-02"), ("gw-2", "2026-03-01"), ("gw-2", "2026-02-26")
    ]  # fmt: skip
    first = whole["items"][1]
    assert first == {
        "zone": "zone-2", "gateway": "gw-2", "day": "2026-03-02", "sent": 10, "arrived": 8, "declared": 0,
        "received": 9, "replayed": 0, "stored": 7, "duplicate": 0, "conflict": 1, "set_aside": 1, "late": 0,
        "missing": 4, "clock_offset_s": first["clock_offset_s"], "adds_up": True,
    }  # fmt: skip
    assert first["clock_offset_s"] < -1e9, "the gateway's clock stood in 1970"
    pages, cursor = [], ""
    while cursor is not None:
        page = script.get(f"/api/v1/account?limit=1{cursor and f'&cursor={cursor}'}").json()
        pages += page["items"]
        cursor = page["next"]
    assert pages == whole["items"]
    some = script.get("/api/v1/account?zone=zone-2&gateway=gw-2&from=2026-02-27&to=2026-03-01").json()["items"]
    assert [line["day"] for line in some] == ["2026-03-01"]
    for address, parameter in (
        ("account?from=2026-03-02&to=2026-03-01", "from"), ("account?from=yesterday", "from"),
        ("account?cursor=bm9uc2Vuc2U", "cursor"), ("account?limit=0", "limit"), ("conflicts?cursor=WyIxIl0", "cursor"),
    ):  # fmt: skip
        answer = script.get(f"/api/v1/{address}")
        assert answer.status_code == 422, address
        assert answer.json()["errors"][0]["parameter"] == parameter
    for unknown in ("account?zone=zone-9", "account?gateway=gw-9", "account?zone=zone-1&gateway=gw-2",
                    "account/gaps?zone=zone-9", "conflicts?zone=zone-9"):  # fmt: skip
        assert script.get(f"/api/v1/{unknown}").status_code == 404, unknown


def test_the_api_tells_gaps_from_what_is_on_its_way(connection: Connection, script: httpx.Client) -> None:
    gaps = script.get("/api/v1/account/gaps?gateway=gw-2").json()["items"]
    assert [(gap["boot"], gap["ranges"], gap["is_gap"]) for gap in gaps] == [
        ("new", [[15, 16]], False), ("0ld", [[4, 5]], True)
    ]  # fmt: skip
    assert script.get("/api/v1/account/gaps?zone=zone-1").json()["items"] == []


def test_both_values_of_a_conflict_are_shown_for_ever(
    connection: Connection, visitor: httpx.Client, script: httpx.Client
) -> None:
    (found,) = script.get("/api/v1/conflicts?zone=zone-2").json()["items"]
    assert (found["channel"], found["stored"], found["other"]) == ("zone-2/gateway/battery_v", 12.5, 11.9)
    assert found["measured_at"] == "2026-03-02T09:53:00Z"
    text = words(visitor.get("/fr/conflits"))
    assert "Boîtier, Batterie zone-2" in text
    assert "12,500 V 11,900 V" in text.replace("\u00a0", " ")


def test_many_conflicts_are_read_page_by_page(connection: Connection, script: httpx.Client) -> None:
    connection.execute(
        "INSERT INTO reading_conflict SELECT channel_id, measured_at, n, received_at"
        " FROM reading_conflict, generate_series(1, 60) AS n"
    )
    first = script.get("/api/v1/conflicts?limit=40").json()
    second = script.get(f"/api/v1/conflicts?limit=40&cursor={first['next']}").json()
    assert second["next"] is None
    values = [one["other"] for one in first["items"] + second["items"]]
    assert values == sorted([*range(1, 61), 11.9], reverse=True)


def test_what_was_set_aside_is_replayed_by_a_button_and_each_fate_told(
    site: Site, connection: Connection, visitor: httpx.Client, zones: list[Zone]
) -> None:
    connection.execute("INSERT INTO gateway (gateway_id, zone_id) VALUES ('gw-stranger', 'zone-2')")
    group = {"csrf": csrf_of(visitor), "raison": "unknown_gateway", "zone": "zone-2"}
    assert 'name="raison" value="unknown_gateway"' in visitor.get("/fr/mis-de-cote").text
    text = words(visitor.post("/fr/mis-de-cote/rejouer", data=group))
    assert "Acceptés : 1 sur 1." in text
    assert "accepté 1 0 0 0 —" in text
    assert "Plus rien n’attendait." in words(visitor.post("/fr/mis-de-cote/rejouer", data=group))
    wrong = group | {"raison": "wrong_unit"}
    text = words(visitor.post("/fr/mis-de-cote/rejouer", data=wrong))
    assert "Acceptés : 0 sur 1." in text
    assert "encore refusé 0 0 0 0 unité inattendue zone-2/gateway battery_v : l’unité 'm' n’est aucune de" in text
    assert visitor.post("/fr/mis-de-cote/rejouer", data=group | {"raison": "x"}).status_code == 400
    assert all(line.adds_up for line in fetch_days(connection, limit=99))
    text = words(visitor.get("/fr/mis-de-cote?etat=rejoues"))
    assert "passerelle inconnue" in text
    assert "unité inattendue" not in text


def test_one_message_is_replayed_from_its_page_and_offers_no_button_afterwards(
    connection: Connection, visitor: httpx.Client
) -> None:
    ((number,),) = connection.execute("SELECT set_aside_id FROM set_aside WHERE reason = 'unknown_gateway'").fetchall()
    connection.execute("INSERT INTO gateway (gateway_id, zone_id) VALUES ('gw-stranger', 'zone-2')")
    address = f"/fr/mis-de-cote/{number}"
    assert f'action="{address}/rejouer"' in visitor.get(address).text
    assert "Acceptés : 1 sur 1." in words(visitor.post(f"{address}/rejouer", data={"csrf": csrf_of(visitor)}))
    assert "rejouer" not in visitor.get(address).text
    assert visitor.get(f"{address}/rejouer").headers["location"] == address
    assert "déjà rejoué" in words(visitor.post(f"{address}/rejouer", data={"csrf": csrf_of(visitor)}))
    assert visitor.post("/fr/mis-de-cote/999/rejouer", data={"csrf": csrf_of(visitor)}).status_code == 404


def test_a_program_lists_reads_and_replays_what_was_set_aside(connection: Connection, script: httpx.Client) -> None:
    items = script.get("/api/v1/set-aside?state=waiting").json()["items"]
    assert {one["reason"] for one in items} == {"wrong_unit", "unknown_gateway", "unknown_topic"}
    (stranger,) = script.get("/api/v1/set-aside?reason=unknown_gateway&zone=zone-2").json()["items"]
    detail = script.get(f"/api/v1/set-aside/{stranger['id']}").json()
    assert b64decode(detail["payload"]).decode() == detail["text"]
    refused = script.post(f"/api/v1/set-aside/{stranger['id']}/replay").json()
    assert (refused["fate"], refused["reason"]) == ("refused", "unknown_gateway")
    connection.execute("INSERT INTO gateway (gateway_id, zone_id) VALUES ('gw-stranger', 'zone-2')")
    answer = script.post("/api/v1/set-aside/replay", json={"zone": "zone-2"}).json()["items"]
    assert sorted((one["fate"], one["stored"] + one["duplicate"] + one["conflict"]) for one in answer) == [
        ("accepted", 1), ("refused", 0)
    ]  # fmt: skip
    assert script.post(f"/api/v1/set-aside/{stranger['id']}/replay").json()["fate"] == "gone"
    (unread,) = script.post("/api/v1/set-aside/replay", json={"zone": "", "reason": "unknown_topic"}).json()["items"]
    assert unread["fate"] == "refused"
    first = script.get("/api/v1/set-aside?limit=2").json()
    rest = script.get(f"/api/v1/set-aside?limit=2&cursor={first['next']}").json()
    assert len({one["id"] for one in first["items"] + rest["items"]}) == 3
    for address, status in (("999", 404), ("x", 422), ("?reason=x", 422), ("?zone=zone-9", 404), ("?since=now", 422),
                            (str(2**63), 404)):  # fmt: skip
        joined = address if address.startswith("?") else f"/{address}"
        assert script.get(f"/api/v1/set-aside{joined}").status_code == status, address
    for body in ({"reason": "x"}, {"limit": 501}, {"since": "2026-03-02T10:00:00"}):
        assert script.post("/api/v1/set-aside/replay", json=body).status_code == 422, body


@pytest.fixture
def behind_two(connection: Connection) -> None:
    """Of three gateways of zone-2 that nobody knew, the one whose message came last is registered now."""
    pipeline = Pipeline(connection)
    for gateway in ("gw-other", "gw-late"):
        record = f'[{{"bn":"gateway/","n":"battery_v","u":"V","v":12.5,"bt":{FIRST_S}}}]'
        pipeline.store([Message(senml_topic("zone-2", gateway), record.encode(), round(FIRST_S * 1e6), 1, 1)])
    connection.execute("INSERT INTO gateway (gateway_id, zone_id) VALUES ('gw-late', 'zone-2')")


@pytest.mark.usefixtures("behind_two")
def test_a_program_goes_on_behind_what_stays_refused(script: httpx.Client) -> None:
    asked = {"reason": "unknown_gateway", "limit": 2}
    first = script.post("/api/v1/set-aside/replay", json=asked).json()
    assert [one["fate"] for one in first["items"]] == ["refused", "refused"]
    rest = script.post("/api/v1/set-aside/replay", json=asked | {"cursor": first["next"]}).json()
    assert [one["fate"] for one in rest["items"]] == ["accepted"]
    assert rest["next"] is None
    for wrong in ("x", cursor_of_key("x"), cursor_of_key(2**63)):
        assert script.post("/api/v1/set-aside/replay", json=asked | {"cursor": wrong}).status_code == 422, wrong


@pytest.mark.usefixtures("behind_two")
def test_a_button_goes_on_behind_what_stays_refused(visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.pages.set_aside.REPLAYED_AT_ONCE", 2)
    group = {"csrf": csrf_of(visitor), "raison": "unknown_gateway", "zone": "zone-2"}
    answer = visitor.post("/fr/mis-de-cote/rejouer", data=group)
    assert "Acceptés : 0 sur 2. D’autres attendent encore derrière eux." in words(answer)
    (mark,) = re.findall('name="apres" value="([^"]+)"', answer.text)
    answer = visitor.post("/fr/mis-de-cote/rejouer", data=group | {"apres": mark})
    assert "Acceptés : 1 sur 1." in words(answer)
    assert "apres" not in answer.text
    assert visitor.post("/fr/mis-de-cote/rejouer", data=group | {"apres": "x"}).status_code == 400


def test_a_session_may_read_the_api_but_not_replay_with_it(connection: Connection, visitor: httpx.Client) -> None:
    assert visitor.get("/api/v1/set-aside").status_code == 200
    assert visitor.post("/api/v1/set-aside/replay").status_code == 401


def test_a_database_that_refuses_the_schema_leaves_everything_waiting(
    connection: Connection, script: httpx.Client
) -> None:
    connection.execute("INSERT INTO gateway (gateway_id, zone_id) VALUES ('gw-stranger', 'zone-2')")
    connection.execute("ALTER TABLE gateway_day RENAME COLUMN late TO tardy")
    assert script.post("/api/v1/set-aside/replay", json={"reason": "unknown_gateway"}).status_code == 500
    waiting = connection.execute("SELECT count(*) FROM set_aside WHERE replayed_at IS NULL").fetchone()
    assert waiting == (3,)


def test_raw_readings_keep_their_flag_the_tests_they_failed_and_what_the_device_said(
    connection: Connection, script: httpx.Client
) -> None:
    address = "/api/v1/readings?channel=zone-2/gateway/battery_v&start=2026-03-02T10:30:00Z"
    (redated,) = script.get(f"{address}&resolution=raw").json()["items"]
    # Sent at uptime 600 s and measured at 300 s: five minutes before it came.
    assert redated == {
        "measured_at": "2026-03-02T10:35:00Z", "value": 12.4, "minimum": 12.4, "maximum": 12.4, "n": 1, "flag": 3,
        "failed": ["clock"], "device_at": "1970-01-01T00:05:00Z",
    }  # fmt: skip
    csv = script.get(f"{address}&resolution=raw&format=csv").text.splitlines()
    assert csv[1] == "2026-03-02T10:35:00Z,12.4,12.4,12.4,1,3,clock,1970-01-01T00:05:00Z"
    (interval,) = script.get(f"{address}&resolution=1800").json()["items"]
    assert (interval["failed"], interval["device_at"]) == (None, None)
    good = script.get(f"{address[: -len('2026-03-02T10:30:00Z')]}2026-03-02T09:50:00Z&resolution=raw").json()["items"]
    assert (good[0]["failed"], good[0]["device_at"]) == ([], None)
    latest = {one["id"]: one["latest"] for one in script.get("/api/v1/channels?zone=zone-2").json()["items"]}
    assert latest["zone-2/gateway/battery_v"]["failed"] == ["clock"]


def test_the_zone_page_says_how_much_of_its_window_is_estimated_or_flagged(
    connection: Connection, visitor: httpx.Client
) -> None:
    text = words(visitor.get("/fr/zones/zone-2"))
    assert "dont la date est estimée parce que l’horloge de la passerelle était fausse : 1." in text
    assert "Aucune n’est signalée pour une autre raison." in text
    assert "Aucune mesure de cette fenêtre n’a été re-datée ni signalée." in words(visitor.get("/fr/zones/zone-1"))
    connection.execute("INSERT INTO reading_note SELECT channel_id, measured_at, 'spike' FROM reading LIMIT 2")
    assert "Essais non passés : pic isolé 2." in words(visitor.get("/fr/zones/zone-2?span=30d"))


def test_a_sum_of_lines_adds_everything_but_the_clocks() -> None:
    line = Line("zone-1", "gw-1", date(2026, 3, 2), 13, 9, 3, 12, 1, 8, 2, 1, 2, 3, -4.0, 1)
    total = sum_of([line, line], day=line.day)
    assert (total.sent, total.declared, total.received, total.stored, total.late, total.missing) == (
        26,
        6,
        24,
        16,
        6,
        2,
    )
    assert total.adds_up
    assert total.clock_offset_s is None
    assert sum_of([], day=line.day).adds_up


def test_gateways_of_the_registry_stand_in_the_list_before_they_speak(
    site: Site, connection: Connection, zones: list[Zone]
) -> None:
    import_zones(connection, zones)
    today = site.clock.now().date()
    lines = fetch_gateways(connection, today, today)
    assert [line.gateway_id for line in lines] == ["gw-1", "gw-2", "gw-3", "gw-4", "gw-5", "gw-6", ""]
    assert (lines[0].received, lines[0].missing, lines[1].missing) == (0, 0, 4)


@pytest.mark.parametrize("cursor", ["", "x", "bnVsbA", "WzFd", "WyIyMDI2LTAzLTAyIl0", "WyJ4IiwieSIsInoiXQ"])
def test_a_key_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(BadParameter, match="is no cursor that this list gave out"):
        read_key(cursor, date.fromisoformat, str, str)


def test_a_key_comes_back_as_it_went() -> None:
    key = (date(2026, 3, 2), "zone-1", "")
    assert read_key(cursor_of_key(*key), date.fromisoformat, str, str) == key
