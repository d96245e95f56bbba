"""A part of OGC SensorThings 1.1 for reading: zones are Things, channels Datastreams, readings Observations.

Addresses, names and options are the standard's, so errors are too: what is not offered is 501, told as a problem.
docs/api.md has the table of what stands for what.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response

from ingest.db import Connection, queries
from ingest.readings import ChannelRow, ZoneRow
from ingest.readings_pg import PgReadings
from web.api.responses import ERRORS
from web.api.sta_filter import Bounds, Options, bounds_of, holds, parse_options
from web.dependencies import PastOf
from web.errors import NotOffered, NotThere
from web.labels import CHANNELS
from web.language import Language, texts_of

SQL = queries("web", "sta")

ROOT = "/api/sta/v1.1"
TOP, MOST = 100, 1000
MOST_DIGITS = 17  # of a number in an address
MOST_EXPANDED = 20_000  # of all that one answer expands; links lead to the rest
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
SENML_UNITS = "https://www.iana.org/assignments/senml/"
CONFORMANCE = [
    "http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/resource-path/resource-path-to-entities",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data",
]
IDS = ("id", "@iot.id")
SETS = ("Things", "Locations", "Datastreams", "Sensors", "ObservedProperties", "Observations")
OPTIONAL = {"id", "phenomenonTime", "resultTime", "validTime", "observedArea"}  # the standard's, absent where unknown
LINKS: Mapping[str, Mapping[str, tuple[str, bool]]] = {  # set → property → the set it leads to, and whether to many
    "Things": {"Locations": ("Locations", True), "Datastreams": ("Datastreams", True)},
    "Locations": {"Things": ("Things", True)},
    "Datastreams": {
        "Thing": ("Things", False), "Sensor": ("Sensors", False), "ObservedProperty": ("ObservedProperties", False),
        "Observations": ("Observations", True),
    },
    "Sensors": {"Datastreams": ("Datastreams", True)},
    "ObservedProperties": {"Datastreams": ("Datastreams", True)},
    "Observations": {"Datastream": ("Datastreams", False)},
}  # fmt: skip
STEP = re.compile(r"(?P<name>[A-Za-z]+)(?:\((?P<id>-?\d+|'(?:[^']|'')*')\))?")

Entity = dict[str, Any]

ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "As SensorThings 1.1 says",
        "content": {"application/json": {"schema": {"type": "object"}, "example": {"value": []}}},
    },
    501: {**ERRORS[404], "description": "A part of SensorThings that is not offered"},
}
router = APIRouter(prefix=ROOT, tags=["SensorThings"], responses=ERRORS | ANSWERS)


@router.get("", summary="What SensorThings addresses there are")
def root(request: Request) -> Response:
    """The six sets; Ndiyan writes through none of them."""
    base = _base(request)
    listed = [{"name": name, "url": f"{base}/{name}"} for name in SETS]
    return JSONResponse({"value": listed, "serverSettings": {"conformance": CONFORMANCE}})


@router.get("/{path:path}", summary="A set, an entity, or what belongs to one")
def resource(
    request: Request,
    connection: PastOf,
    path: Annotated[str, Path(examples=["Datastreams(12)/Observations"])],
) -> Response:
    """With `$filter`, `$orderby`, `$top`, `$skip`, `$count`, `$select` and `$expand` as docs/api.md tells."""
    if not path:
        return root(request)
    options = parse_options(parse_qsl(request.url.query, keep_blank_values=True))
    return JSONResponse(Reader(connection, _base(request)).answer(path, options, request.url.query))


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/") + ROOT


class Reader:
    """Answers one request; what it has looked up it keeps for the rest of it."""

    def __init__(self, connection: Connection, base: str) -> None:
        self._connection, self._base = connection, base
        store = PgReadings(connection)
        self._zones: dict[str, ZoneRow] = {row.zone_id: row for row in store.zones()}
        self._channels: dict[int, ChannelRow] = {row.channel_id: row for row in store.channels(with_retired=True)}
        self._streams: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for number, row in self._channels.items():
            for owner in (
                ("Things", row.zone_id), ("Sensors", _sensor_id(row)), ("ObservedProperties", _property_id(row)),
            ):  # fmt: skip
                self._streams[owner].append(number)
        self._spans: dict[int, str] = {}
        self._room = MOST_EXPANDED

    def answer(self, path: str, options: Options, query: str) -> Any:
        """Walk the path and answer with what stands at its end."""
        found, kind, is_many = self._walk(path)
        if is_many:
            return self._listed(kind, found, options, f"{self._base}/{path}", query)
        if options.where or options.order or options.top is not None or options.skip or options.is_counted:
            raise NotOffered(f"of one entity there are $select and $expand alone: {path}")
        (entity,) = found
        return self._dressed(kind, [entity], options)[0]

    def _walk(self, path: str) -> tuple[Any, str, bool]:
        """(ids, set, whether many); for many observations the channels that they are of."""
        kind, is_many = "", True
        ids: list[Any] = []
        for place, step in enumerate(_steps(path)):
            name, chosen = step
            if place == 0:
                if name not in SETS:
                    raise NotThere("set", name)
                kind, is_many = name, True
                ids = list(self._channels) if kind == "Observations" else self._ids(kind)
            elif is_many or name not in LINKS[kind]:
                raise NotThere("property", name)
            else:
                (parent,) = ids
                further, is_many = LINKS[kind][name]
                ids, kind = self._related(kind, parent, name), further
            if chosen is not None:
                if not is_many:
                    raise NotThere("property", path)
                ids, is_many = [self._known(kind, chosen, ids)], False
        return ids, kind, is_many

    def _known(self, kind: str, chosen: Any, ids: Sequence[Any]) -> Any:
        if kind == "Observations":
            channel, _, micros = str(chosen).partition("_")
            if _is_number(channel) and int(channel) in ids and _is_number(micros):
                return self._one_observation(int(channel), int(micros))
        elif chosen in ids:
            return chosen
        raise NotThere(kind, chosen)

    def _ids(self, kind: str) -> list[Any]:
        match kind:
            case "Things" | "Locations":
                return list(self._zones)
            case "Datastreams":
                return list(self._channels)
            case _:
                return sorted(one for of, one in self._streams if of == kind)

    def _related(self, kind: str, parent: Any, name: str) -> list[Any]:
        """Ids of what a property of one entity leads to; for observations the channels that they are of."""
        match kind, name:
            case ("Things", "Locations") | ("Locations", "Things"):
                return [parent]
            case (_, "Datastreams"):
                return self._streams.get((kind, parent), [])
            case ("Datastreams", "Thing"):
                return [self._channels[parent].zone_id]
            case ("Datastreams", "Sensor"):
                return [_sensor_id(self._channels[parent])]
            case ("Datastreams", "ObservedProperty"):
                return [_property_id(self._channels[parent])]
            case ("Observations", "Datastream"):
                return [parent["channel"]]
        return [parent]  # observations of a datastream

    def _listed(self, kind: str, ids: Sequence[Any], options: Options, address: str, query: str) -> Entity:
        top = min(TOP if options.top is None else options.top, MOST)
        count: int | None
        if kind == "Observations":
            shown, count, has_more = self._observations(ids, options, top)
        else:
            chosen = self._chosen(kind, ids, options)
            shown, count = chosen[options.skip : options.skip + top], len(chosen)
            has_more = len(chosen) > options.skip + top
        answer: Entity = {"@iot.count": count} if options.is_counted else {}
        if has_more and top:
            pairs = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in ("$skip", "$top")]
            more = [*pairs, *([("$top", str(top))] if options.top is not None else [])]
            answer["@iot.nextLink"] = f"{address}?{urlencode([*more, ('$skip', str(options.skip + top))])}"
        return {**answer, "value": self._dressed(kind, shown, options)}

    def _chosen(self, kind: str, ids: Sequence[Any], options: Options) -> list[Any]:
        """Ids in their order, after `$filter` and `$orderby`."""
        found = list(ids)
        if options.where is not None:
            where = options.where
            found = [one for one in found if holds(where, self._for_filter(kind, one))]
        for path, descends in reversed(options.order):
            field = "@iot.id" if path in IDS else path
            plain = {one: self._plain(kind, one) for one in found}
            if any(field not in entity or isinstance(entity[field], dict) for entity in plain.values()):
                raise NotOffered(f"$orderby: {path} is not offered here")
            found.sort(key=lambda one: plain[one][field], reverse=descends)
        return found

    def _for_filter(self, kind: str, one: Any) -> Entity:
        """An entity with those that belong to it alone, so that `Thing/name eq …` can be asked."""
        entity = self._plain(kind, one)
        for name, (further, is_many) in LINKS[kind].items():
            if not is_many:
                entity[name] = self._plain(further, self._related(kind, one, name)[0])
        return entity

    def _observations(
        self, channels: Sequence[int], options: Options, top: int
    ) -> tuple[list[Entity], int | None, bool]:
        """Observations of one or all channels: (shown, count where it is asked for, whether there are more)."""
        bounds = bounds_of(options.where)
        channels = _within(bounds, channels)
        descends = _descends(options.order)
        if len(channels) > 1 and top and (descends or any(path not in IDS for path, _ in options.order)):
            raise NotOffered("$orderby of Observations: within one Datastream, or with $filter=Datastream/id eq …")
        found: list[Entity] = []
        skip = options.skip
        for channel in channels:  # by channel, then by time; those that are skipped whole are only counted
            if len(found) > top or not top:
                break
            if skip and len(channels) > 1 and skip >= (number := self._count([channel], bounds)):
                skip -= number
                continue
            some = self._some([channel], bounds, descends=descends, limit=top + 1 - len(found), skip=skip)
            found, skip = found + some[channel], 0
        count = self._count(channels, bounds) if options.is_counted else None
        return found[:top], count, len(found) > top

    def _count(self, channels: Sequence[int], bounds: Bounds) -> int:
        return sum(self._counts(channels, bounds).values())

    def _counts(self, channels: Sequence[int], bounds: Bounds) -> dict[int, int]:
        return dict(self._connection.execute(SQL["count_observations"], _parameters(channels, bounds)).fetchall())

    def _some(
        self, channels: Sequence[int], bounds: Bounds, *, descends: bool, limit: int, skip: int
    ) -> dict[int, list[Entity]]:
        found: dict[int, list[Entity]] = {channel: [] for channel in channels}
        parameters = _parameters(channels, bounds) | {"limit": limit, "skip": skip}
        statement = SQL["newest_observations" if descends else "observations"]
        for channel, measured_at, received_at, value, flag in self._connection.execute(statement, parameters):
            found[channel].append(
                {"channel": channel, "at": measured_at, "received_at": received_at, "value": value, "flag": flag}
            )
        return found

    def _one_observation(self, channel: int, micros: int) -> Entity:
        try:
            at = datetime.fromtimestamp(micros / 1e6, UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise NotThere("Observations", f"{channel}_{micros}") from error
        found = self._some([channel], Bounds(start=at, end=at), descends=False, limit=1, skip=0)[channel]
        if not found:
            raise NotThere("Observations", f"{channel}_{micros}")
        return found[0]

    def _dressed(self, kind: str, ids: Sequence[Any], options: Options) -> list[Entity]:
        """Entities as they are sent, with what is expanded; one question a property for all of them together."""
        if kind == "Datastreams":
            self._look_up_spans(ids)
        entities = [self._sent(kind, one) for one in ids]
        known = OPTIONAL | LINKS[kind].keys()
        if entities and (odd := sorted(set(options.select) - known.union(*entities))):
            raise NotOffered(f"$select: {kind} have no {odd[0]}")
        for name, inner in options.expand.items():
            if name not in LINKS[kind]:
                raise NotOffered(f"$expand: {kind} have no {name}")
            further, is_many = LINKS[kind][name]
            for entity, (related, count, has_more) in zip(
                entities, self._expanded(kind, ids, name, inner), strict=True
            ):
                entity.pop(f"{name}@iot.navigationLink")
                dressed = self._dressed(further, related, inner)
                if not is_many and not dressed:
                    raise NotOffered(f"$expand: {name} is one entity, of which $select and $expand alone are offered")
                entity[name] = dressed if is_many else dressed[0]
                if is_many and inner.is_counted:
                    entity[f"{name}@iot.count"] = count
                if is_many and has_more:
                    rest = [pair for pair in inner.parts if pair[0] != "$skip"]
                    rest.append(("$skip", str(inner.skip + len(related))))
                    entity[f"{name}@iot.nextLink"] = f"{entity['@iot.selfLink']}/{name}?{urlencode(rest)}"
        if options.select:
            kept = {"@iot.id" if name == "id" else name for name in options.select} | options.expand.keys()
            kept |= {f"{name}@iot.{told}" for name in options.expand for told in ("count", "nextLink")}
            entities = [{name: value for name, value in one.items() if name in kept} for one in entities]
        return entities

    def _expanded(self, kind: str, ids: Sequence[Any], name: str, inner: Options) -> list[tuple[list[Any], int, bool]]:
        """For each of these what is shown of what belongs to it, how many there are if that is asked for, and whether
        there are more.
        """
        top = min(TOP if inner.top is None else inner.top, MOST)
        further, is_many = LINKS[kind][name]
        if further == "Observations":
            bounds, descends = bounds_of(inner.where), _descends(inner.order)
            limit = min(top, self._room // max(1, len(ids)))
            channels = _within(bounds, ids)
            some = self._some(channels, bounds, descends=descends, limit=limit + 1, skip=inner.skip)
            counts = self._counts(channels, bounds) if inner.is_counted else {}
            found = [(some.get(one, []), counts.get(one, 0), limit) for one in ids]
        else:
            chosen = [self._chosen(further, self._related(kind, one, name), inner) for one in ids]
            limit = min(top, self._room // max(1, len(ids))) if is_many else top
            found = [(one[inner.skip : inner.skip + limit + 1], len(one), limit) for one in chosen]
        answer = [(some[:limit], count, len(some) > limit and top > 0) for some, count, limit in found]
        if is_many:
            self._room -= sum(len(shown) for shown, _, _ in answer)
        return answer

    def _sent(self, kind: str, one: Any) -> Entity:
        entity = self._plain(kind, one)
        number = entity["@iot.id"]
        address = f"{self._base}/{kind}({number if isinstance(number, int) else _quoted(number)})"
        entity["@iot.selfLink"] = address
        if kind == "Datastreams" and one in self._spans:
            entity["phenomenonTime"] = self._spans[one]
        return entity | {f"{name}@iot.navigationLink": f"{address}/{name}" for name in LINKS[kind]}

    def _plain(self, kind: str, one: Any) -> Entity:
        return dict(_PLAIN[kind](self, one))

    def _thing(self, zone_id: str) -> Entity:
        row = self._zones[zone_id]
        return {
            "@iot.id": zone_id, "name": row.name, "description": f"{row.name}, {row.commune}",
            "properties": {"people": row.people, "is_fictional": row.is_fictional},
        }  # fmt: skip

    def _location(self, zone_id: str) -> Entity:
        row = self._zones[zone_id]
        return {
            "@iot.id": zone_id, "name": row.name, "description": f"{row.name}, {row.commune}",
            "encodingType": "application/geo+json", "properties": {"altitude_m": row.altitude_m},
            "location": {"type": "Point", "coordinates": [row.longitude, row.latitude]},
        }  # fmt: skip

    def _datastream(self, channel_id: int) -> Entity:
        row = self._channels[channel_id]
        name = f"{row.zone_id}/{row.asset_id}/{row.name}"
        return {
            "@iot.id": channel_id, "name": name, "description": f"{_english(row.name)}, {name}",
            "observationType": MEASUREMENT,
            "unitOfMeasurement": {"name": row.unit, "symbol": row.unit, "definition": SENML_UNITS},
            "properties": {"is_counter": row.is_counter, "interval_s": row.interval_s},
        }  # fmt: skip

    def _look_up_spans(self, channels: Sequence[int]) -> None:
        """From when to when there are readings of these channels, for all of them in one question."""
        new = [one for one in channels if one not in self._spans]
        for number, first, last in self._connection.execute(SQL["spans"], {"channels": new}) if new else ():
            self._spans[number] = f"{_written(first)}/{_written(last)}"

    def _sensor(self, sensor_id: str) -> Entity:
        row = self._channels[self._streams["Sensors", sensor_id][0]]
        return {
            "@iot.id": sensor_id, "name": f"{row.zone_id}/{row.asset_id}", "encodingType": "text/plain",
            "description": f"What measures {row.asset_id} of {row.zone_id}", "metadata": f"every {row.interval_s:g} s",
            "properties": {},
        }  # fmt: skip

    def _observed_property(self, property_id: str) -> Entity:
        row = self._channels[self._streams["ObservedProperties", property_id][0]]
        return {
            "@iot.id": property_id, "name": row.name, "description": _english(row.name), "properties": {},
            "definition": f"urn:ndiyan:channel:{property_id}",
        }  # fmt: skip

    def _observation(self, found: Entity) -> Entity:
        at = _written(found["at"])
        return {
            "@iot.id": f"{found['channel']}_{round(found['at'].timestamp() * 1e6)}", "phenomenonTime": at,
            "resultTime": at, "result": found["value"], "resultQuality": found["flag"],
            "parameters": {"received_at": _written(found["received_at"])},
        }  # fmt: skip


_PLAIN: Mapping[str, Callable[[Reader, Any], Entity]] = {
    "Things": Reader._thing, "Locations": Reader._location, "Datastreams": Reader._datastream,
    "Sensors": Reader._sensor, "ObservedProperties": Reader._observed_property,
    "Observations": Reader._observation,
}  # fmt: skip


def _steps(path: str) -> list[tuple[str, Any]]:
    """`Datastreams(12)/Observations` as names with the id in brackets."""
    found = []
    at = 0
    while at < len(path):
        match = STEP.match(path, at)
        if match is None or path[match.end() : match.end() + 1] not in ("", "/"):
            raise NotThere("address", path)
        text = match["id"]
        chosen: Any = None
        if text is not None and text.startswith("'"):
            chosen = text[1:-1].replace("''", "'")
        elif text is not None:
            chosen = int(text) if _is_number(text.removeprefix("-")) else text  # as a text it is nobody's id
        found.append((match["name"], chosen))
        at = match.end() + 1
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS


def _within(bounds: Bounds, channels: Sequence[int]) -> list[int]:
    return [one for one in channels if bounds.datastream in (None, one)]


def _descends(order: Sequence[tuple[str, bool]]) -> bool:
    """Whether the newest observations come first; within a Datastream ids are in the order of time."""
    if any(path not in ("phenomenonTime", "resultTime", *IDS) for path, _ in order):
        raise NotOffered("$orderby of Observations: phenomenonTime is offered")
    return bool(order) and order[0][1]


def _parameters(channels: Sequence[int], bounds: Bounds) -> dict[str, Any]:
    return {
        "channels": list(channels), "start": bounds.start or FIRST, "end": bounds.end or LAST,
        "low": bounds.low, "high": bounds.high,
    }  # fmt: skip


def _sensor_id(row: ChannelRow) -> str:
    return f"{row.zone_id}.{row.asset_id}"


def _property_id(row: ChannelRow) -> str:
    kind = "tap" if row.asset_id.startswith("tap-") else row.asset_id
    return f"{kind}.{row.name}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _english(name: str) -> str:
    return texts_of(Language.EN).gettext(CHANNELS.get(name, name))


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
