"""Named times: TOML files that read like a story, checked key by key.

A scenario tells when it happens, what breaks and how large, what the network does and how people behave. Times are
told relative to T0: midnight of `start` where the file names one, else the moment at which the live run begins
(`days = -12` is twelve days before). See docs/simulator.md for every key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path

from gateway.model import AssetKind, Fault, kind_of_asset
from gateway.tables import values_from_toml
from gateway.zones import Zone
from simulator.campaign import Campaign, places_in, read_campaign
from simulator.errors import ScenarioError
from simulator.faults import CATALOGUE, SIZES, Broken
from simulator.network import EVERY_ZONE, Network, begins_after, read_network
from simulator.people import Committee, read_committee
from simulator.tables import Table

FOLDER = files("simulator") / "scenarios"
SKIES = ("season", "clear")


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault of the story; it begins `begins_after` T0 (before it when negative) and ends by itself or never.

    `zone` is a zone's id, or `every`.
    """

    zone: str
    fault: Fault
    size: str
    begins_after: timedelta
    lasts: timedelta | None
    place: str = ""  # as in `Broken.at`

    def broken(self, start: datetime, zone: str | None = None) -> Broken:
        """The fault in a run whose T0 is `start`, in `zone` where it is in every one."""
        begin_s = (start + self.begins_after).timestamp()
        end_s = None if self.lasts is None else begin_s + self.lasts.total_seconds()
        return Broken(zone or self.zone, self.fault, self.size, begin_s, end_s, self.place)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story; `clear_from_start` takes the clouds away from the day of T0 on."""

    name: str
    says: str
    clear_from_start: bool = False
    faults: tuple[PlannedFault, ...] = ()
    start: date | None = None
    days: int = 30
    network: Network = field(default_factory=Network)
    committee: Committee = field(default_factory=Committee)
    campaign: Campaign | None = None

    @property
    def past_faults(self) -> tuple[PlannedFault, ...]:
        """What happened before T0."""
        return tuple(fault for fault in self.faults if fault.begins_after < timedelta(0))

    @property
    def live_faults(self) -> tuple[PlannedFault, ...]:
        """What happens from T0 on."""
        return tuple(fault for fault in self.faults if fault.begins_after >= timedelta(0))

    @property
    def begins_at(self) -> datetime | None:
        """T0, where the file names it."""
        return None if self.start is None else datetime.combine(self.start, time(), UTC)

    def broken(self, zones: Sequence[Zone], start: datetime, *, until: datetime, seed: int) -> list[Broken]:
        """All that breaks in these zones in a run whose T0 is `start`; what chance draws falls in [start, until).

        A fault of every zone spares those that have not what it strikes.

        Raises
        ------
        ScenarioError : a zone that a fault names has not what it strikes
        """
        foreseen = [fault.broken(start, zone.zone_id) for fault, zone, strikes in self._aims(zones) if strikes]
        if self.campaign is None:
            return foreseen
        drawn = self.campaign.draw(zones, start_s=start.timestamp(), end_s=until.timestamp(), seed=seed)
        return foreseen + drawn

    def spared(self, zones: Sequence[Zone]) -> Counter[Fault]:
        """How many of `zones` have not what a fault of every zone strikes."""
        return Counter(fault.fault for fault, _, strikes in self._aims(zones) if not strikes)

    def zones_left_out(self, zones: Sequence[Zone]) -> list[str]:
        """Zones of which the story tells and that are not among `zones`."""
        told = {fault.zone for fault in self.faults} | {event.zone for event in self.network.events}
        return sorted(told - {EVERY_ZONE, *(zone.zone_id for zone in zones)})

    def _aims(self, zones: Sequence[Zone]) -> Iterator[tuple[PlannedFault, Zone, bool]]:
        """Each fault of the story with each of its zones, and whether that has what it strikes."""
        for fault in self.faults:
            place = fault.place or CATALOGUE[fault.fault].places[0]
            for zone in (zone for zone in zones if fault.zone in (zone.zone_id, EVERY_ZONE)):
                has = places_in(zone, fault.fault)
                if place not in has and fault.zone != EVERY_ZONE:
                    known = ", ".join(has) or "nothing that it strikes"
                    raise ScenarioError(f"{self.name}: {fault.fault}: {zone.zone_id} has no {place}, but {known}")
                yield fault, zone, place in has


def scenario_names() -> list[str]:
    """The shipped scenarios."""
    return sorted(entry.name.removesuffix(".toml") for entry in FOLDER.iterdir() if entry.name.endswith(".toml"))


def load_scenario(name: str) -> Scenario:
    """Read a shipped scenario, or one of your own: `name` is then the path of a file that ends with `.toml`.

    Raises
    ------
    ScenarioError : no such scenario, or a mistake in it
    """
    if name.endswith(".toml"):
        try:
            return scenario_from_toml(Path(name).read_text("utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{name}: cannot be read: {error}") from error
    if name not in scenario_names():
        raise ScenarioError(f"scenario {name!r} is none of {', '.join(scenario_names())}")
    return scenario_from_toml((FOLDER / f"{name}.toml").read_text("utf-8"), f"{name}.toml")


def scenario_from_toml(text: str, path: str) -> Scenario:
    """Check the text of one scenario; `path` is what errors call it."""
    values = values_from_toml(text, path, ScenarioError)
    table = Table(path, "", values)
    weather = table.table("weather")
    sky, start = weather.choice("sky", SKIES, "season"), table.day("start")
    weather.done()
    network, committee, campaign = table.table("network"), table.table("committee"), table.table("campaign")
    scenario = Scenario(
        name=path.rpartition("/")[2].removesuffix(".toml"),
        says=table.sentence("says"),
        clear_from_start=sky == "clear",
        faults=tuple(_fault(one, start is not None) for one in table.tables("fault")),
        start=start,
        days=int(table.number("days", 1, 3660, 30)),
        network=read_network(network, is_dated=start is not None),
        committee=read_committee(committee),
        campaign=read_campaign(campaign) if "campaign" in values else None,
    )
    table.done()
    return scenario


def _fault(table: Table, is_dated: bool) -> PlannedFault:
    zone = table.get("zone")
    if not isinstance(zone, str):
        raise table.error("zone", f"{zone!r} is not a zone's id")
    fault = Fault(table.choice("fault", [fault.value for fault in CATALOGUE]))
    size = table.choice("size", SIZES, "L")
    begins, hours = begins_after(table, is_dated=is_dated), table.maybe("hours", 0.1, 10_000)
    places, place = CATALOGUE[fault].places, table.get("place")
    is_tap = places[0].startswith("tap-") and isinstance(place, str) and kind_of_asset(place) is AssetKind.TAP
    if place is not None and place not in places and not is_tap:
        raise table.error("place", f"{place!r} is none of {', '.join(places)}")
    table.done()
    return PlannedFault(zone, fault, size, begins, None if hours is None else timedelta(hours=hours), place or "")
