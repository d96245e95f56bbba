"""SensorThings: a public client reads zones, channels and readings, and QGIS's questions are answered."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import frost_sta_client as fsc
import httpx
import pytest

from ingest.db import connect
from tests.web.web_site import Site
from web.access import Scope, create_api_key
from web.api import sta
from web.api.sta import Reader
from web.api.sta_filter import Bounds, bounds_of, holds, parse_filter, parse_options
from web.errors import NotOffered

STA = "/api/sta/v1.1"
pytestmark = pytest.mark.filterwarnings("ignore:furl")  # what the public client uses is deprecated


@pytest.fixture(scope="module")
def frost(past: Site) -> Iterator[fsc.SensorThingsService]:
    """The client of the FROST project, with an API key as its password."""
    with connect(past.url) as connection:
        key = create_api_key(connection, name="frost", scopes=[Scope.READ])
    with past.app() as client:
        auth = fsc.AuthHandler("anybody", key)
        yield fsc.SensorThingsService(f"{client.base_url}{STA}", auth_handler=auth)


def ask(reader: httpx.Client, address: str) -> Any:
    answer = reader.get(f"{STA}{address}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.db
def test_the_frost_client_lists_things_and_pages_through_a_day(frost: fsc.SensorThingsService) -> None:
    things = frost.things().query().orderby("id", "asc").list()
    assert [thing.id for thing in things] == [f"zone-{number}" for number in range(1, 7)]
    zone = frost.things().find("zone-3")
    assert (zone.name, zone.properties["people"]) == ("Mangol-Dow (fictif)", 2240)
    streams = frost.datastreams().query().filter("name eq 'zone-3/tower/level_m'").list()
    (level,) = list(streams)
    assert level.unit_of_measurement.symbol == "m"
    day = level.get_observations().query().filter("phenomenonTime ge 2026-03-01T00:00:00Z and "
                                                  "phenomenonTime lt 2026-03-02T00:00:00Z")  # fmt: skip
    results = [one.result for one in day.orderby("phenomenonTime", "asc").top(50).list()]
    assert len(results) == 288, "the client follows nextLink by itself"
    # The tower's level swings by 0.4 of 3.2 m about 0.55 of it, once a day, and is at its middle at 11:00 and 23:00.
    assert results[0] == pytest.approx(3.2 * (0.55 + 0.4 * math.sin(2 * math.pi * -11 / 24)))
    assert (max(results), min(results)) == (pytest.approx(3.2 * 0.95, abs=1e-4), pytest.approx(3.2 * 0.15, abs=1e-4))


@pytest.mark.db
def test_the_frost_client_expands_what_belongs_together(frost: fsc.SensorThingsService) -> None:
    (thing,) = list(frost.things().query().filter("id eq 'zone-1'").expand("Locations,Datastreams").list())
    (place,) = thing.locations
    assert place.location["type"] == "Point" if isinstance(place.location, dict) else place.location.type == "Point"
    names = {one.name for one in thing.datastreams}
    assert {"zone-1/pump/power_w", "zone-1/tower/level_m"} <= names


@pytest.mark.db
def test_the_frost_client_reads_a_whole_day_of_what_it_expands(frost: fsc.SensorThingsService) -> None:
    day = "phenomenonTime ge 2026-03-01T00:00:00Z and phenomenonTime lt 2026-03-02T00:00:00Z"
    streams = frost.datastreams().query().filter("name eq 'zone-3/tower/level_m'")
    (level,) = list(streams.expand(f"Observations($filter={day};$orderby=phenomenonTime asc)").list())
    assert len({one.phenomenon_time for one in level.observations}) == 288, "the first answer holds 100 of them"


@pytest.mark.db
def test_a_link_leads_from_what_is_expanded_to_the_rest(reader: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one answer holds no more: each of all is listed once, with the options that were asked for."""
    monkeypatch.setattr(sta, "MOST_EXPANDED", 50)
    named = ask(reader, "/Datastreams?$top=1000&$select=name,id")["value"]
    found = ask(reader, "/Things?$select=name&$expand=Datastreams($top=7;$skip=2;$orderby=id desc;$expand=Thing)")
    names: list[str] = []
    for zone in found["value"]:
        own, address = zone["Datastreams"], zone.get("Datastreams@iot.nextLink")
        while address:
            page = reader.get(address).json()
            assert len(page["value"]) <= 7
            own, address = own + page["value"], page.get("@iot.nextLink")
        assert [one["@iot.id"] for one in own] == sorted((one["@iot.id"] for one in own), reverse=True)
        assert all("name" in one["Thing"] for one in own)
        names += [one["name"] for one in own]
    assert len(names) == len(set(names)) == len(named) - 2 * 6
    assert sum(len(zone["Datastreams"]) for zone in found["value"]) <= 50
    none = ask(reader, "/Things('zone-1')?$expand=Datastreams($top=0;$count=true)")
    assert none["Datastreams@iot.count"] > 0
    assert "Datastreams@iot.nextLink" not in none


@pytest.mark.db
def test_qgis_asks_and_is_answered(reader: httpx.Client) -> None:
    # The requests that its provider sends (qgssensorthingsshareddata.cpp): what there is, how many, page by page.
    root = ask(reader, "")
    assert [one["name"] for one in root["value"]] == [
        "Things", "Locations", "Datastreams", "Sensors", "ObservedProperties", "Observations",
    ]  # fmt: skip
    assert all(httpx.URL(one["url"]).path == f"{STA}/{one['name']}" for one in root["value"])
    assert ask(reader, "/Locations?$top=0&$count=true") == {"@iot.count": 6, "value": []}
    polygon = "geography'POLYGON((-12.5 11.3, -12.3 11.3, -12.3 11.4, -12.5 11.4, -12.5 11.3))'"
    found = ask(reader, f"/Locations?$top=200&$count=false&$filter=geo.intersects(location, {polygon})")["value"]
    inside = {one["@iot.id"] for one in found}
    assert "zone-3" in inside
    everywhere = ask(reader, "/Locations")["value"]
    for one in everywhere:
        x, y = one["location"]["coordinates"]
        assert (one["@iot.id"] in inside) == (-12.5 < x < -12.3 and 11.3 < y < 11.4)
    expand = "Things($orderby=id;$top=100;$expand=Datastreams($orderby=id;$top=100;$expand=Observations($top=2;$orderby=phenomenonTime desc)))"  # noqa: E501
    (place,) = ask(reader, f"/Locations?$filter=id eq 'zone-1'&$expand={expand}")["value"]
    streams = {one["name"]: one for one in place["Things"][0]["Datastreams"]}
    newest = streams["zone-1/tower/level_m"]["Observations"]
    assert [one["phenomenonTime"] for one in newest] == ["2026-03-02T10:40:00Z", "2026-03-02T10:35:00Z"]
    assert streams["zone-1/gateway/battery_v"]["Observations"] == []
    assert streams["zone-1/tower/level_m"]["phenomenonTime"].endswith("/2026-03-02T10:40:00Z")
    assert "phenomenonTime" not in streams["zone-1/gateway/battery_v"]


@pytest.mark.db
@pytest.mark.parametrize(
    "query", ["$top=100", "$filter=Thing/id eq 'zone-3'", "$top=2&$filter=ObservedProperty/id eq 'tower.level_m'"]
)
def test_a_list_of_streams_is_one_question_however_many_there_are(
    past: Site, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    with connect(past.url) as connection:
        execute = connection.execute
        monkeypatch.setattr(
            connection, "execute", lambda *given, **more: asked.append(given) or execute(*given, **more)
        )
        found = Reader(connection, STA).answer("Datastreams", parse_options(parse_qsl(query)), query)
    assert len(found["value"]) > 1
    assert len(asked) == 3, "zones, channels, spans"


@pytest.mark.db
def test_every_link_leads_to_what_it_names(reader: httpx.Client) -> None:
    seen = 0
    for name in ("Things", "Locations", "Datastreams", "Sensors", "ObservedProperties"):
        for entity in ask(reader, f"/{name}?$top=2")["value"]:
            for key, address in entity.items():
                if key.endswith("Link"):
                    answer = reader.get(address)
                    assert answer.status_code == 200, address
                    seen += 1
                    if key == "@iot.selfLink":
                        assert answer.json() == entity
    assert seen > 20
    (observation,) = ask(reader, "/Datastreams?$filter=name eq 'zone-1/tower/level_m'&$expand=Observations($top=1)")[
        "value"
    ][0]["Observations"]
    assert reader.get(observation["@iot.selfLink"]).json() == observation
    assert reader.get(observation["Datastream@iot.navigationLink"]).json()["name"] == "zone-1/tower/level_m"


@pytest.mark.db
def test_all_observations_come_channel_by_channel_and_each_once(reader: httpx.Client) -> None:
    span = "phenomenonTime ge 2026-03-01T00:00:00Z and phenomenonTime lt 2026-03-01T00:10:00Z"
    whole = ask(reader, f"/Observations?$count=true&$top=1000&$filter={span}")
    ids = [one["@iot.id"] for one in whole["value"]]
    assert whole["@iot.count"] == len(ids) == len(set(ids)) > 100
    found: list[str] = []
    address = f"/Observations?$top=33&$filter={span}"
    while address:
        page = ask(reader, address)
        found += [one["@iot.id"] for one in page["value"]]
        more = page.get("@iot.nextLink")
        address = more.partition(STA)[2] if more else ""
    assert found == ids


@pytest.mark.db
def test_select_keeps_what_is_named_and_filters_compare_with_relations(reader: httpx.Client) -> None:
    address = "/Datastreams?$select=id,name&$filter=Thing/id eq 'zone-2' and substringof('level', name)"
    assert [one["name"] for one in ask(reader, address)["value"]] == ["zone-2/tower/level_m"]
    (one,) = ask(reader, address)["value"]
    assert one.keys() == {"@iot.id", "name"}
    low = ask(reader, f"/Datastreams({one['@iot.id']})/Observations?$count=true&$top=0&$filter=result lt -1")
    assert low == {"@iot.count": 0, "value": []}


@pytest.mark.db
def test_a_stream_is_told_of_by_its_whole_number_alone(reader: httpx.Client) -> None:
    level, counter = (
        ask(reader, f"/Datastreams?$filter=name eq 'zone-1/{name}'")["value"][0]["@iot.id"]
        for name in ("tower/level_m", "pump/volume_m3")
    )
    nothing = {"@iot.count": 0, "value": []}
    for text in (f"{level}.5", f"{level} and Datastream/id eq {counter}", "1e30"):
        assert ask(reader, f"/Observations?$count=true&$filter=Datastream/id eq {text}") == nothing, text
    same = f"/Observations?$count=true&$top=0&$filter=Datastream/id eq {level}.0 and Datastream/id eq {level}"
    assert ask(reader, same)["@iot.count"] == 9 * 288 + 1
    expand = f"$expand=Observations($top=1;$filter=Datastream/id eq {counter})"
    found = ask(reader, f"/Datastreams?$filter=Thing/id eq 'zone-1'&{expand}")["value"]
    assert [one["@iot.id"] for one in found if one["Observations"]] == [counter]


@pytest.mark.db
def test_what_is_expanded_is_in_the_order_asked_for_and_is_counted(reader: httpx.Client) -> None:
    (stream,) = ask(reader, "/Datastreams?$filter=name eq 'zone-1/tower/level_m'")["value"]
    number = stream["@iot.id"]
    day = "phenomenonTime ge 2026-03-01T00:00:00Z and phenomenonTime lt 2026-03-02T00:00:00Z"
    expand = f"$select=name&$expand=Observations($count=true;$top=2;$orderby=id desc;$filter={day})"
    found = ask(reader, f"/Datastreams({number})?{expand}")
    assert [one["phenomenonTime"][11:16] for one in found["Observations"]] == ["23:55", "23:50"]
    assert found["Observations@iot.count"] == 288
    listed = ask(reader, f"/Datastreams({number})/Observations?$top=2&$orderby=id desc&$filter={day}")
    assert listed["value"] == found["Observations"]
    (zone,) = ask(reader, "/Things?$filter=id eq 'zone-1'&$expand=Datastreams($count=true;$top=1)")["value"]
    all_of_it = ask(reader, "/Things('zone-1')/Datastreams?$count=true&$top=0")["@iot.count"]
    assert (len(zone["Datastreams"]), zone["Datastreams@iot.count"]) == (1, all_of_it)
    for address in (
        f"Datastreams({number})?$expand=Observations($orderby=result desc)",
        "Observations?$orderby=id desc",
    ):
        assert reader.get(f"{STA}/{address}").status_code == 501, address


@pytest.mark.db
def test_a_stream_begins_and_ends_with_its_first_and_last_observation(reader: httpx.Client) -> None:
    (stream,) = ask(reader, "/Datastreams?$filter=name eq 'zone-4/tower/level_m'")["value"]
    address = f"/Datastreams({stream['@iot.id']})/Observations?$top=1&$orderby=phenomenonTime"
    first, last = (ask(reader, f"{address} {way}")["value"][0]["phenomenonTime"] for way in ("asc", "desc"))
    # Nine days before 10:40; silent since 05:00.
    assert stream["phenomenonTime"] == f"{first}/{last}" == "2026-02-21T10:40:00Z/2026-03-02T04:55:00Z"


@pytest.mark.db
def test_a_stream_whose_readings_were_all_dropped_as_too_old_is_listed_with_its_newest(site: Site) -> None:
    with site.connect() as connection:
        connection.execute(
            "INSERT INTO latest (channel_id, measured_at, received_at, value, flag)"
            " SELECT channel_id, '2014-03-02 10:40Z', '2014-03-02 10:41Z', 1, 1 FROM channel"
            " WHERE zone_id = 'zone-1' AND asset_id = 'tower' AND name = 'level_m'"
        )
        key = create_api_key(connection, name="old", scopes=[Scope.READ])
    with site.app() as client:
        client.headers["authorization"] = f"Bearer {key}"
        (stream,) = ask(client, "/Datastreams?$filter=name eq 'zone-1/tower/level_m'")["value"]
    assert stream["phenomenonTime"] == "2014-03-02T10:40:00Z/2014-03-02T10:40:00Z"


@pytest.mark.db
def test_what_is_not_offered_is_501_and_what_is_not_there_404(reader: httpx.Client) -> None:
    not_offered = (
        "Things?$filter=name in ('a','b')", "Things?$filter=year(name) eq 1", "Things?$apply=x", "Things?$top=-1",
        "Observations?$orderby=phenomenonTime desc", "Observations?$filter=result gt 1 or result lt 0",
        "Things?$expand=Locations/Things/Locations/Things", "Things?$orderby=properties", "Things?$filter=(name eq 'a'",
        "Observations?$filter=Datastream/id eq 1e999", f"Observations?$filter={'1 eq 1 and ' * 1500}1 eq 1",
        f"Things?$filter={'name eq 1 or ' * 1500}1 eq 1", f"Things?$filter={'not ' * 900}name eq 1",
        "Observations?$filter=during(phenomenonTime, 2026-03-01T00:00:00Z/",
        "Locations?$filter=geo.intersects(properties, geography'POLYGON((0 0, 0 1, 1 1, 0 0))')",
        "Datastreams?$filter=nothing eq 1", "Observations?$resultFormat=dataArray", "Things?$expand=Sensors",
        "Datastreams?$select=nmae", "Things('zone-1')?$filter=name eq 'x'", "Things('zone-1')?$top=1",
        "Datastreams?$expand=Thing($filter=name eq 'x')", "Datastreams?$expand=Thing($skip=1)",
        "Datastreams?$expand=Thing($top=0)",
    )  # fmt: skip
    for address in not_offered:
        answer = reader.get(f"{STA}/{address}")
        assert (answer.status_code, answer.headers["content-type"]) == (501, "application/problem+json"), address
        assert answer.json()["type"] == "urn:ndiyan:problem:not_offered"
    assert reader.get(f"{STA}/Datastreams?$select=observedArea,name").status_code == 200
    missing = (
        "Nothing", "Things('zone-9')", "Things(1)", "Datastreams('a')", "Things/Locations", "Things('zone-1')/x",
        f"Datastreams({'9' * 5000})", f"Observations('{'9' * 5000}_1')", "Observations('²_1')", "Observations('1_²')",
        "Observations('1_x')", "Observations('1_1')", "Things('zone-1'", "Datastreams(1)/Thing('zone-1')",
    )  # fmt: skip
    for address in missing:
        assert reader.get(f"{STA}/{address}").status_code == 404, address
    assert reader.post(f"{STA}/Things", json={}).status_code == 405, "nothing is written"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name eq 'a'", True),
        ("name ne 'a'", False),
        ("not name eq 'b' and (number gt 2 or number lt 0)", True),
        ("number ge 3 and number le 3", True),
        ("startswith(name, 'b') or endswith(name,'a')", True),
        ("name gt 5", False),
        ("name eq 'it''s'", False),
        ("inner/deep eq 7", True),
    ],
)
def test_conditions(text: str, expected: bool) -> None:
    assert holds(parse_filter(text), {"name": "a", "number": 3, "inner": {"deep": 7}}) is expected


def test_bounds_of_observations_are_closed_whatever_compares_them() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    found = bounds_of(parse_filter("phenomenonTime gt 2026-03-01T00:00:00Z and result lt 2 and Datastream/id eq 7"))
    assert found.start == at.replace(microsecond=1)
    assert found.high == math.nextafter(2.0, -math.inf)
    assert found.datastream == 7
    assert bounds_of(parse_filter("2026-03-01T01:00:00+01:00 le phenomenonTime")) == Bounds(start=at)
    ends = "phenomenonTime gt 9999-12-31T23:59:59.999999Z and phenomenonTime lt 0001-01-01T00:00:00Z"
    assert bounds_of(parse_filter(ends)).start > bounds_of(parse_filter(ends)).end, "no time is past all times"
    during = bounds_of(parse_filter("during(phenomenonTime, 2026-03-01T00:00:00Z/2026-03-02T00:00:00Z)"))
    assert (during.start, during.end) == (at, at.replace(day=2))


@pytest.mark.parametrize(
    "text", ["", "name", "name eq", "eq 1", "name eq 'a' name", "name eq 'a", "((", "5 5 5", "é eq 1", "(" * 3000]
)
def test_a_condition_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NotOffered, match=r"^\$filter"):
        parse_filter(text)


def test_a_condition_of_a_hundred_comparisons_is_asked_and_a_longer_one_refused() -> None:
    hundred = " or ".join(f"number eq {one}" for one in range(100))
    assert holds(parse_filter(hundred), {"number": 99})
    assert holds(parse_filter(f"{'(' * 20}{hundred}{')' * 20}"), {"number": 99})
    with pytest.raises(NotOffered, match=r"nested deeper than 20"):
        parse_filter(f"{'(' * 21}{hundred}{')' * 21}")
    with pytest.raises(NotOffered, match=r"more than 600 words"):
        parse_filter(f"{hundred} or {hundred}")


def test_options_within_an_expand_are_its_own() -> None:
    found = parse_options([("$expand", "Things($top=1;$expand=Locations),Sensor"), ("$orderby", "name desc,id")])
    assert found.expand["Things"].top == 1
    assert "Locations" in found.expand["Things"].expand
    assert found.expand["Sensor"].top is None
    assert found.order == (("name", True), ("id", False))


def test_of_one_property_expanded_twice_nothing_is_lost() -> None:
    things = parse_options([("$expand", "Things/Locations,Things($top=1;$skip=3),Things/Datastreams")]).expand["Things"]
    assert (things.top, things.skip, sorted(things.expand)) == (1, 3, ["Datastreams", "Locations"])
