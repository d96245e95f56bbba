"""Zones and their channels."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from alerts.forecast import CannotTell, Forecast
from alerts.lasting import fetch_forecast
from alerts.silent import Silence
from ingest.readings import ChannelRow, LatestRow
from ingest.readings_pg import PgReadings
from web.api.models import (
    AssetView,
    BlindSpotView,
    ChannelView,
    DayView,
    ForecastView,
    Listing,
    ReadingView,
    SilenceView,
    TowerView,
    ZoneDetail,
    ZoneView,
)
from web.api.paging import PagingOf
from web.api.responses import ERRORS
from web.cursors import page_of
from web.daily import Day
from web.dependencies import ConnectionOf, ServicesOf
from web.errors import NotThere
from web.fleet import ZoneNow, ZoneState, fetch_states, fetch_zone, place_of, with_days
from web.notes import NOTHING, Note, notes_of_latest
from web.water import fetch_blind_spots, fetch_seen, fetch_silences

router = APIRouter(tags=["zones"], responses=ERRORS)

Cursor = Annotated[str | None, Query(description="`next` of the page before")]


@router.get("/zones", summary="All zones, gravest first")
def zones(
    paging: PagingOf,
    services: ServicesOf,
    connection: ConnectionOf,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    cursor: Cursor = None,
) -> Listing[ZoneView]:
    """State, tower, yesterday's volume and open alerts of every zone.

    A zone whose state changes while the list is read may be on two pages or on none.
    """
    now = services.clock.now()
    states, more = page_of(fetch_states(connection, now), place_of, cursor=cursor, limit=limit)
    fleet = with_days(connection, states, now)
    troubled = [item.zone.zone_id for item in fleet if item.state is not ZoneState.NORMAL]
    silences = fetch_silences(connection, troubled, now, seen_at=fetch_seen(connection))
    return paging.listing(items=[zone_view(item, now, silences.get(item.zone.zone_id)) for item in fleet], next=more)


@router.get("/zones/{zone_id}", summary="One zone with its parts and its last 30 days")
def zone(services: ServicesOf, connection: ConnectionOf, zone_id: str) -> ZoneDetail:
    """The zone as it is now; 404 when there is none of this id."""
    now = services.clock.now()
    item = fetch_zone(connection, zone_id, now, expect_last=30)
    row = item.zone
    silences = fetch_silences(connection, [zone_id], now, seen_at=fetch_seen(connection))
    return ZoneDetail(
        **zone_view(item, now, silences.get(zone_id)).model_dump(),
        altitude_m=row.altitude_m,
        counted_in=row.counted_in,
        gnf_per_20_l=row.gnf_per_20_l,
        gateway=row.gateway_id,
        assets=[
            AssetView(id=asset.asset_id, kind=asset.kind, interval_s=asset.interval_s, rating=dict(asset.rating))
            for asset in PgReadings(connection).assets(zone_id)
        ],
        days=[day_view(day) for day in item.days],
        forecast=forecast_view(fetch_forecast(connection, item.zone.zone_id, now)),
        cannot_judge=[
            BlindSpotView(channel="/".join(one.channel), faults=list(one.faults))
            for one in fetch_blind_spots(connection, zone_id, now)
        ],
    )


@router.get("/channels", summary="Channels with their newest reading")
def channels(
    paging: PagingOf,
    connection: ConnectionOf,
    zone: Annotated[str | None, Query(description="only this zone's", examples=["zone-3"])] = None,
    retired: Annotated[bool, Query(description="also those that only have a past")] = False,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    cursor: Cursor = None,
) -> Listing[ChannelView]:
    """All active channels, or those of one zone, by zone, asset and name.

    Of a retired one the readings can be asked for, and no newest is told.
    """
    store = PgReadings(connection)
    if zone is not None and zone not in {row.zone_id for row in store.zones()}:
        raise NotThere("zone", zone)
    latest = {row.channel.channel_id: row for row in store.latest(zone)}
    notes = notes_of_latest(connection, zone)
    shown, more = page_of(store.channels(zone, with_retired=retired), _key_of, cursor=cursor, limit=limit)
    return paging.listing(
        items=[
            ChannelView(
                id=f"{row.zone_id}/{row.asset_id}/{row.name}", zone=row.zone_id, asset=row.asset_id, name=row.name,
                unit=row.unit, is_counter=row.is_counter, interval_s=row.interval_s, retired_at=row.retired_at,
                latest=_latest_view(latest.get(row.channel_id), notes.get(row.channel_id, NOTHING)),
            )
            for row in shown
        ],
        next=more,
    )  # fmt: skip


def _key_of(row: ChannelRow) -> tuple[str, str, str]:
    return row.zone_id, row.asset_id, row.name


def zone_view(item: ZoneNow, now: datetime, silence: Silence | None = None) -> ZoneView:
    """A zone as the API tells it."""
    row, seen_at, tower = item.zone, item.last_seen_at, item.tower
    return ZoneView(
        id=row.zone_id, name=row.name, commune=row.commune, is_fictional=row.is_fictional, latitude=row.latitude,
        longitude=row.longitude, people=row.people, state=item.state, last_seen_at=seen_at,
        last_seen_age_s=None if seen_at is None else round((now - seen_at).total_seconds(), 1),
        open_alerts=len(item.alerts),
        tower=None if tower is None else TowerView(
            level_m=tower.level_m, share=_rounded(tower.share), volume_m3=_rounded(tower.volume_m3),
            measured_at=tower.measured_at,
        ),
        yesterday=None if item.yesterday is None else day_view(item.yesterday),
        silence=None if silence is None else SilenceView(
            kind=silence.kind, confidence=silence.confidence,
            sentence={"fr": silence.sentence_fr, "en": silence.sentence_en},
        ),
    )  # fmt: skip


def forecast_view(found: Forecast | CannotTell) -> ForecastView:
    """A forecast as the API tells it."""
    if isinstance(found, CannotTell):
        return ForecastView(cannot_tell=found)
    return ForecastView(
        cannot_tell=None, hours=_hours(found.hours), low_hours=_hours(found.low_h), high_hours=_hours(found.high_h),
        refilled_hours=None if found.refilled_h is None else _hours(found.refilled_h),
        counts_inflow=found.refilled_h is not None, by_weeks=found.by_weeks, stretches=found.stretches,
    )  # fmt: skip


def _hours(hours: float) -> float | None:
    """Null beyond the horizon, which JSON cannot tell otherwise."""
    return round(hours, 1) if math.isfinite(hours) else None


def day_view(day: Day) -> DayView:
    """A day as the API tells it."""
    return DayView(
        on=day.on, volume_m3=_rounded(day.volume_m3), insolation_kwh_m2=_rounded(day.insolation_kwh_m2),
        expected_m3=_rounded(day.expected.volume_m3 if day.expected else None),
        expected_low_m3=_rounded(day.expected.low_m3 if day.expected else None),
        expected_high_m3=_rounded(day.expected.high_m3 if day.expected else None),
    )  # fmt: skip


def _rounded(value: float | None) -> float | None:
    """Computed figures to a litre or a per mille; readings are told as they are stored."""
    return None if value is None else round(value, 3)


def _latest_view(row: LatestRow | None, note: Note) -> ReadingView | None:
    if row is None:
        return None
    return ReadingView(
        measured_at=row.measured_at, value=row.value, minimum=row.value, maximum=row.value, n=1, flag=row.flag,
        failed=note.failed, device_at=note.device_at,
    )  # fmt: skip
