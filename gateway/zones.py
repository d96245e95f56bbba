"""Zones are data: one TOML file per zone, checked key by key.

A mistake names file, key, value and bound: `zones/zone-1.toml: tower.volume_m3: -4 is below 0.5`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.devices import ForeignDevice, device
from gateway.errors import ZoneFileError
from gateway.model import CHANNELS, ENDS, AssetId, AssetKind, ChannelSpec, GatewayId, ZoneId
from gateway.tables import Table, read_toml, values_from_toml

ROLES = (
    "president", "exploitant", "secretaire", "tresorier", "fontainier", "hygiene",
    "reparateur", "commune", "ingenieur",
)  # fmt: skip
LANGUAGES = ("fr", "en", "ff")
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
PHONE = re.compile(r"\+[1-9][0-9]{7,14}")  # E.164
GUINEA, GUINEAN_DIGITS = "+224", 9  # a mobile number of Guinea has nine digits and begins with 6
MOST_CHANGES = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Asset:
    """One part of a zone with its ratings and the channels that its hardware gives.

    `rating` holds the numbers of the asset's table in the zone file by their own names, for example
    `volume_m3` of the tower; every name bears its unit.
    """

    asset_id: AssetId
    kind: AssetKind
    interval_s: float
    channels: tuple[ChannelSpec, ...]
    rating: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Contact:
    """One person of a committee; `phone` is in E.164."""

    name: str
    role: str
    phone: str
    language: str
    tap: AssetId | None = None


@dataclass(frozen=True, slots=True)
class Members:
    """Who sits in a zone's committee; SNAPE wants one woman and one man for each water point."""

    women: int
    men: int
    counted_in: int


@dataclass(frozen=True, slots=True)
class Zone:
    """One village system as its file describes it.

    `version` is the registry's count of changes when the file was written from it; None of a file that people wrote.
    """

    zone_id: ZoneId
    name: str
    commune: str
    latitude: float
    longitude: float
    altitude_m: float
    is_fictional: bool
    people: int
    counted_in: int
    gnf_per_20_l: int | None
    gateway_id: GatewayId
    assets: tuple[Asset, ...]
    committee: tuple[Contact, ...]
    devices: tuple[ForeignDevice, ...] = ()
    members: Members | None = None
    version: int | None = None

    def asset(self, asset_id: str) -> Asset:
        """The asset with this id; `KeyError` when the zone has none."""
        for asset in self.assets:
            if asset.asset_id == asset_id:
                return asset
        raise KeyError(f"{self.zone_id}: no asset {asset_id!r}")

    @property
    def taps(self) -> tuple[Asset, ...]:
        """The zone's taps in the order of their numbers."""
        return tuple(asset for asset in self.assets if asset.kind is AssetKind.TAP)


# Bounds of each rating: (smallest, largest, default or None when the file must say it).
RATINGS: dict[AssetKind, dict[str, tuple[float, float, float | None]]] = {
    AssetKind.PV: {
        "peak_w": (100, 100_000, None),
        "strings": (1, 40, None),
        "tilt_deg": (0, 60, 12),
        "azimuth_deg": (0, 360, 180),
    },
    AssetKind.PUMP: {
        "rated_flow_m3_h": (0.2, 100, None),
        "rated_head_m": (5, 400, None),
        "rated_power_w": (100, 60_000, None),
        "max_speed_rpm": (500, 12_000, 2900),
        "start_irradiance_w_m2": (50, 600, 200),
    },
    AssetKind.BOREHOLE: {
        "depth_m": (5, 300, None),
        "pump_intake_m": (4, 290, None),
        "static_water_depth_m": (0, 200, None),
        "specific_capacity_m3_h_m": (0.02, 50, None),
    },
    AssetKind.TOWER: {
        "volume_m3": (0.5, 500, None),
        "full_level_m": (0.5, 12, None),
        "base_height_m": (1, 60, 10),
        "start_level_m": (0.2, 12, None),
    },
    AssetKind.NETWORK: {"length_m": (10, 60_000, 2000)},
    AssetKind.GATEWAY: {},
    AssetKind.QUALITY: {},
    AssetKind.WEATHER: {},
}


def load_zone(path: Path) -> Zone:
    """Read and check one zone file.

    Raises
    ------
    ZoneFileError : unreadable, not TOML, or a key is missing, unknown or out of bounds
    """
    return zone_from_values(read_toml(path, ZoneFileError), str(path))


def load_zones(paths: Iterable[Path]) -> list[Zone]:
    """Read zone files and folders of them, in the order of zone ids; two files of one zone are refused."""
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob("*.toml")) if path.is_dir() else [path]
        if not found:
            raise ZoneFileError(f"{path}: holds no zone file (*.toml)")
        files.extend(found)
    return zones_together((str(file), load_zone(file)) for file in files)


def zones_together(named: Iterable[tuple[str, Zone]]) -> list[Zone]:
    """Zones with the files they come from, in the order of their ids; what two of them claim is refused."""
    zones: dict[str, tuple[Zone, str]] = {}
    gateways: dict[str, str] = {}
    devices: dict[tuple[str, str], str] = {}
    for file, zone in named:
        if zone.zone_id in zones:
            raise ZoneFileError(f"{file}: zone: {zone.zone_id!r} is already in {zones[zone.zone_id][1]}")
        if zone.gateway_id in gateways:
            raise ZoneFileError(f"{file}: gateway.id: {zone.gateway_id!r} is already in {gateways[zone.gateway_id]}")
        for one in zone.devices:
            if (before := devices.setdefault((one.profile, one.device_id), file)) != file:
                raise ZoneFileError(f"{file}: devices: {one.profile} {one.device_id!r} is already in {before}")
        zones[zone.zone_id] = zone, file
        gateways[zone.gateway_id] = file
    return [zones[key][0] for key in sorted(zones)]


def zone_from_text(text: str, path: str) -> Zone:
    """Read and check the text of a zone file; `path` is what errors call it.

    Raises
    ------
    ZoneFileError : no TOML, or a key is missing, unknown or out of bounds
    """
    return zone_from_values(values_from_toml(text, path, ZoneFileError), path)


def zone_from_values(values: Mapping[str, Any], path: str) -> Zone:
    """Check the values of one zone file; `path` is what errors call it."""
    top = Table(path, "", values, what="zone file", error_type=ZoneFileError)
    zone_id = ZoneId(top.text("zone", pattern=SLUG))
    name = top.text("name")
    fictional = top.flag("fictional", default=False)
    version = top.whole("version", 1, MOST_CHANGES) if top.has("version") else None
    place = top.table("place")
    commune = place.text("commune")
    latitude = place.number("latitude", -90, 90)
    longitude = place.number("longitude", -180, 180)
    altitude_m = place.number("altitude_m", -400, 6000)
    served = top.table("served")
    people = served.whole("people", 1, 100_000)
    counted_in = served.whole("counted_in", 1990, 2100)
    gnf, members = _tariff(top), _members(top)
    gateway_table = top.table("gateway")
    gateway_id = GatewayId(gateway_table.text("id", pattern=SLUG))
    interval_s = gateway_table.number("interval_s", 10, 86_400, 300)
    assets: list[Asset] = []
    for kind, ratings in RATINGS.items():
        if kind.value not in values:
            top.asked.add(kind.value)
            continue
        table = gateway_table if kind is AssetKind.GATEWAY else top.table(kind.value)
        assets.append(_asset(table, AssetId(kind.value), kind, ratings, interval_s))
    assets.extend(_taps(top, interval_s))
    committee = tuple(_contact(table, zone_id, assets) for table in top.tables("committee"))
    known = {str(asset.asset_id): [spec.name for spec in asset.channels] for asset in assets}
    devices = tuple(device(table, known) for table in top.tables("devices"))
    _check_unique(top, "committee", [contact.phone for contact in committee])
    _check_unique(top, "devices", [f"{one.profile} {one.device_id}" for one in devices])
    for table in (place, served, gateway_table, top):
        table.done()
    _check_together(top, assets)
    return Zone(
        zone_id, name, commune, latitude, longitude, altitude_m, fictional, people, counted_in, gnf,
        gateway_id, tuple(assets), committee, devices, members, version,
    )  # fmt: skip


def _tariff(top: Table) -> int | None:
    """What a can costs; None where the file does not say it."""
    if "tariff" not in top.values:
        top.asked.add("tariff")
        return None
    table = top.table("tariff")
    gnf = table.whole("gnf_per_20_l", 0, 100_000)
    table.done()
    return gnf


def _members(top: Table) -> Members | None:
    if "ugspe" not in top.values:
        top.asked.add("ugspe")
        return None
    table = top.table("ugspe")
    women, men = (table.whole(key, 0, 1000) for key in ("women", "men"))
    counted_in = table.whole("counted_in", 1990, 2100)
    table.done()
    return Members(women, men, counted_in)


def _asset(
    table: Table,
    asset_id: AssetId,
    kind: AssetKind,
    ratings: Mapping[str, tuple[float, float, float | None]],
    interval_s: float,
) -> Asset:
    names = table.get("channels", [])
    if not isinstance(names, list):
        raise table.error("channels", f"{names!r} is not a list of channel names")
    for channel in names:
        if channel not in CHANNELS[kind]:
            raise table.error("channels", f"{channel!r} is none of {', '.join(CHANNELS[kind])}")
    channels = _with_ends(table, [CHANNELS[kind][name] for name in names])
    rating = {key: table.number(key, *bounds) for key, bounds in ratings.items()}
    interval = table.number("interval_s", 10, 86_400, interval_s)
    if kind is not AssetKind.GATEWAY:
        table.done()
    return Asset(asset_id, kind, interval, channels, rating)


def _with_ends(table: Table, specs: Collection[ChannelSpec]) -> tuple[ChannelSpec, ...]:
    """The channels of an asset, its counters with the number at which they begin anew where `wraps_at` tells it."""
    if "wraps_at" not in table.values:
        table.asked.add("wraps_at")
        return tuple(specs)
    ends, counters = table.table("wraps_at"), {spec.name for spec in specs if spec.is_counter}
    for name in ends.values:
        if name not in counters:
            raise ends.error(name, f"is no counter of this asset; those are {', '.join(sorted(counters)) or 'none'}")
    return tuple(
        replace(spec, wraps_at=ends.number(spec.name, *ENDS)) if spec.name in ends.values else spec for spec in specs
    )


def _taps(top: Table, interval_s: float) -> list[Asset]:
    if "taps" not in top.values:
        top.asked.add("taps")
        return []
    table = top.table("taps")
    count = table.whole("count", 0, 99)
    metered = table.flag("metered", default=True)
    channels = _with_ends(table, CHANNELS[AssetKind.TAP].values() if metered else ())
    interval = table.number("interval_s", 10, 86_400, interval_s)
    table.done()
    return [
        Asset(AssetId(f"tap-{number:02d}"), AssetKind.TAP, interval, channels, {}) for number in range(1, count + 1)
    ]


def _contact(table: Table, zone_id: ZoneId, assets: list[Asset]) -> Contact:
    tap = table.values.get("tap")
    if tap is not None and tap not in {asset.asset_id for asset in assets if asset.kind is AssetKind.TAP}:
        raise table.error("tap", f"{tap!r} is no tap of {zone_id}")
    table.asked.add("tap")
    contact = Contact(
        name=table.text("name"),
        role=table.choice("role", ROLES),
        phone=_phone(table),
        language=table.choice("language", LANGUAGES, "fr"),
        tap=None if tap is None else AssetId(tap),
    )
    table.done()
    return contact


def _phone(table: Table) -> str:
    phone = table.text("phone", pattern=PHONE)
    if phone.startswith(GUINEA) and not is_mobile(phone):
        digits = phone.removeprefix(GUINEA)
        raise table.error(
            "phone",
            f"{phone!r} has {len(digits)} digits after {GUINEA} and begins with {digits[0]};"
            f" a mobile has {GUINEAN_DIGITS} and begins with 6",
        )
    return phone


def is_mobile(phone: str) -> bool:
    """Whether an E.164 number may be a mobile: of other countries than Guinea nothing more is known."""
    if not phone.startswith(GUINEA):
        return PHONE.fullmatch(phone) is not None
    digits = phone.removeprefix(GUINEA)
    return len(digits) == GUINEAN_DIGITS and digits.isascii() and digits.isdigit() and digits[0] == "6"


def _check_unique(top: Table, key: str, names: list[str]) -> None:
    for number, name in enumerate(names):
        if (before := names.index(name)) != number:
            raise top.error(f"{key}[{number}]", f"{name!r} is already in {key}[{before}]")


def _check_together(top: Table, assets: list[Asset]) -> None:
    rating = {asset.kind: asset.rating for asset in assets}
    tower, borehole = rating.get(AssetKind.TOWER), rating.get(AssetKind.BOREHOLE)
    if tower and tower["start_level_m"] >= tower["full_level_m"]:
        raise top.error(
            "tower.start_level_m",
            f"{tower['start_level_m']:g} is not below full_level_m {tower['full_level_m']:g}",
        )
    if borehole and borehole["pump_intake_m"] >= borehole["depth_m"]:
        raise top.error(
            "borehole.pump_intake_m",
            f"{borehole['pump_intake_m']:g} is not below depth_m {borehole['depth_m']:g}",
        )
    if borehole and borehole["static_water_depth_m"] >= borehole["pump_intake_m"]:
        raise top.error(
            "borehole.static_water_depth_m",
            f"{borehole['static_water_depth_m']:g} is not above the intake {borehole['pump_intake_m']:g}",
        )
