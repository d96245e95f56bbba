"""Sparkplug B 3.0, received only: births give names and aliases, data come by alias, deaths tell nothing of water.

The message is declared here from the numbers of the public specification (Eclipse Sparkplug 3.0.0, §6.4); protobuf
itself is the library's.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import cache
from typing import Any, NamedTuple

from ingest.profiles.formats import Undecodable

KINDS = ("NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH")
MAX_METRICS = 2000
UNSIGNED_FROM_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}  # data types Int8 … Int64: their bits


class Born(NamedTuple):
    """What a birth says of a metric that comes by alias; data type 0 is not known."""

    name: str
    data_type: int = 0


Aliases = MutableMapping[str, dict[int, Born]]
"""`group/node` or `group/node/device` → alias → metric, as the last birth said."""


class NoBirth(ValueError):
    """Data by an alias that no birth has explained yet: the same bytes can be read once one has."""


class Source(NamedTuple):
    """Who sent a message: `spBv1.0/{group}/{kind}/{node}[/{device}]`."""

    kind: str
    name: str


@cache
def payload_class() -> Any:
    """The protobuf message; made, and its library loaded, when the first one comes."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="ndiyan/sparkplug.proto", package="ndiyan.sparkplug", syntax="proto2"
    )
    metric = file.message_type.add(name="Metric")
    for name, number, kind in (
        ("name", 1, field.TYPE_STRING),
        ("alias", 2, field.TYPE_UINT64),
        ("timestamp", 3, field.TYPE_UINT64),
        ("datatype", 4, field.TYPE_UINT32),
        ("is_historical", 5, field.TYPE_BOOL),
        ("is_null", 7, field.TYPE_BOOL),
        ("int_value", 10, field.TYPE_UINT32),
        ("long_value", 11, field.TYPE_UINT64),
        ("float_value", 12, field.TYPE_FLOAT),
        ("double_value", 13, field.TYPE_DOUBLE),
        ("boolean_value", 14, field.TYPE_BOOL),
        ("string_value", 15, field.TYPE_STRING),
    ):
        metric.field.add(name=name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    payload = file.message_type.add(name="Payload")
    payload.field.add(name="timestamp", number=1, type=field.TYPE_UINT64, label=field.LABEL_OPTIONAL)
    payload.field.add(
        name="metrics",
        number=2,
        type=field.TYPE_MESSAGE,
        type_name=".ndiyan.sparkplug.Metric",
        label=field.LABEL_REPEATED,
    )
    payload.field.add(name="seq", number=3, type=field.TYPE_UINT64, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("ndiyan.sparkplug.Payload"))


def source_of(topic: str) -> Source:
    """Take a topic of the name space apart; `Undecodable` when it is none."""
    parts = topic.split("/")
    if len(parts) not in (4, 5) or parts[0] != "spBv1.0" or parts[2] not in KINDS or not all(parts):
        raise Undecodable(f"{topic[:200]} is no Sparkplug topic that is read: spBv1.0/GROUP/KIND/NODE[/DEVICE]")
    return Source(parts[2], "/".join([parts[1], *parts[3:]]))


def birth_of(topic: str) -> str | None:
    """Who is born by a message on this topic; None when it is no birth."""
    try:
        source = source_of(topic)
    except Undecodable:
        return None
    return source.name if source.kind.endswith("BIRTH") else None


def from_sparkplug(payload: bytes, topic: str, aliases: Aliases) -> Any:
    """A payload as `{"device": …, "points": [{"name", "value", "time"}]}`; a birth is learned into `aliases`.

    Raises
    ------
    Undecodable : not protobuf, another topic, or too many metrics
    NoBirth : a metric has an alias alone, and no birth has named it
    """
    source = source_of(topic)
    if source.kind.endswith("DEATH"):
        return {"device": source.name, "points": []}
    from google.protobuf.message import DecodeError

    found = payload_class()()
    try:
        found.ParseFromString(payload)
    except DecodeError as error:
        raise Undecodable(f"not a Sparkplug payload: {error}") from error
    if len(found.metrics) > MAX_METRICS:
        raise Undecodable(f"{len(found.metrics)} metrics, bound {MAX_METRICS}")
    is_birth = source.kind.endswith("BIRTH")
    if is_birth:
        aliases[source.name] = {
            metric.alias: Born(metric.name, metric.datatype) for metric in found.metrics if metric.HasField("alias")
        }
    known = aliases.get(source.name, {})
    points = []
    for metric in found.metrics:
        born = known.get(metric.alias, Born("")) if metric.HasField("alias") else Born("")
        name = metric.name or born.name
        if not name:
            raise NoBirth(f"{source.name}: no birth has said what alias {metric.alias} is")
        tells = next((one for one in (metric, found) if one.HasField("timestamp")), None)
        at_ms = None if tells is None else tells.timestamp
        points.append({"name": name, "value": _value(metric, metric.datatype or born.data_type), "time": at_ms})
    return {"device": source.name, "points": points}


def _value(metric: Any, data_type: int) -> float | str | None:
    if metric.is_null:
        return None
    if metric.HasField("int_value") or metric.HasField("long_value"):
        raw = metric.int_value if metric.HasField("int_value") else metric.long_value
        bits = UNSIGNED_FROM_SIGNED.get(data_type)  # two's complement, in the words of the specification
        if bits is None:
            return float(raw)
        raw &= (1 << bits) - 1
        return float(raw - (1 << bits) if raw >> (bits - 1) else raw)
    for field in ("float_value", "double_value", "boolean_value"):
        if metric.HasField(field):
            return float(getattr(metric, field))
    return str(metric.string_value) if metric.HasField("string_value") else None
