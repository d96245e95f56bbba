"""Answers of the API as their schema; instants are ISO 8601 in UTC, quantities bear their unit in the name."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from web.fleet import ZoneState

Item = TypeVar("Item")


class Listing(BaseModel, Generic[Item]):
    """A page of a list; hand `next` back as `cursor` to read on, null means that this was the last page."""

    items: list[Item]
    next: str | None = None


class TowerView(BaseModel):
    """What the tower last said; `share` of the full level."""

    level_m: float
    share: float | None
    volume_m3: float | None
    measured_at: datetime


class DayView(BaseModel):
    """A whole UTC day; null without data, never zero. `expected_m3` follows from the measured sun."""

    on: date
    volume_m3: float | None
    insolation_kwh_m2: float | None
    expected_m3: float | None
    expected_low_m3: float | None
    expected_high_m3: float | None


class ZoneView(BaseModel):
    """A zone as it is now."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "zone-3", "name": "Mangol-Dow (fictif)", "commune": "Labé (lieu inventé)", "is_fictional": True,
                "latitude": 11.352, "longitude": -12.402, "people": 2240, "state": "fault",
                "last_seen_at": "2026-11-24T10:40:00Z", "last_seen_age_s": 212.0, "open_alerts": 1,
                "tower": {"level_m": 1.8, "share": 0.56, "volume_m3": 11.3, "measured_at": "2026-11-24T10:40:00Z"},
                "yesterday": {"on": "2026-11-23", "volume_m3": 31.2, "insolation_kwh_m2": 6.1, "expected_m3": 32.0,
                              "expected_low_m3": 28.4, "expected_high_m3": 35.9},
            }
        }
    )  # fmt: skip

    id: str
    name: str
    commune: str
    is_fictional: bool = Field(description="true for zones that do not exist")
    latitude: float
    longitude: float
    people: int
    state: ZoneState
    last_seen_at: datetime | None = Field(description="measured time of the newest reading of any channel")
    last_seen_age_s: float | None
    open_alerts: int = Field(description="alerts that are not resolved and not explained by another")
    tower: TowerView | None
    yesterday: DayView | None


class AssetView(BaseModel):
    """One part of a zone; the names of `rating` bear their units."""

    id: str
    kind: str
    interval_s: float
    rating: dict[str, float]


class ZoneDetail(ZoneView):
    """A zone with its parts and its last 30 whole days."""

    altitude_m: float
    counted_in: int
    gnf_per_20_l: int
    gateway: str
    assets: list[AssetView]
    days: list[DayView]


class ReadingView(BaseModel):
    """One reading, or one interval of `resolution_s` that begins at `measured_at`."""

    measured_at: datetime
    value: float
    minimum: float
    maximum: float
    n: int = Field(description="readings within the interval; 1 for a raw reading")
    flag: int = Field(description="1 good, 2 not evaluated, 3 suspect, 4 bad, 9 missing; of an interval the worst")


class ChannelView(BaseModel):
    """A channel and its newest reading."""

    id: str = Field(description="zone/asset/channel", examples=["zone-3/tower/level_m"])
    zone: str
    asset: str
    name: str
    unit: str
    is_counter: bool
    interval_s: float
    latest: ReadingView | None


class ReadingListing(Listing[ReadingView]):
    """Readings of one channel in the order of measured time."""

    channel: str
    unit: str
    resolution_s: float | None = Field(description="length of an interval; null for raw readings")


class NotificationView(BaseModel):
    """Who was told what, on which route, and what became of it; phones show their last three digits."""

    id: int
    contact_id: int | None
    name: str
    role: str
    phone: str
    kind: str
    step: str
    reason: str
    route: str
    state: str
    text: str
    language: str
    segments: int
    attempts: int
    error: str | None
    created_at: datetime
    submitted_at: datetime | None
    accepted_at: datetime | None
    delivered_at: datetime | None


class EventView(BaseModel):
    """One line of an alert's story."""

    at: datetime
    kind: str
    who: str
    detail: dict[str, Any]


class AlertView(BaseModel):
    """An alert and the notifications that it caused."""

    id: int
    code: str
    zone: str
    fault: str
    asset: str
    severity: int = Field(description="3 people go without water now or soon, 2 to be watched, 1 for information")
    state: str = Field(description="open, acknowledged or resolved")
    first_evidence_at: datetime
    last_evidence_at: datetime
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    is_late: bool = Field(description="found in a backlog after it was over; nobody was told")
    confidence: float
    evidence: dict[str, Any]
    explained_by: int | None
    notifications: list[NotificationView]


class AlertDetail(AlertView):
    """An alert with its story."""

    events: list[EventView]


class AcknowledgeBody(BaseModel):
    """Who takes the alert in charge; without it the name of the API key."""

    who: str | None = Field(default=None, min_length=1, max_length=80, examples=["Alpha Oumar Barry"])


class Acknowledged(BaseModel):
    """`changed` is false when somebody had taken it before."""

    id: int
    changed: bool
    state: str


class PersonView(BaseModel):
    """Somebody fictional with an on-screen phone."""

    contact_id: int
    name: str
    role: str
    phone: str
    language: str
    zone: str
    unread: int


class SmsView(BaseModel):
    """A message on the phone; `direction` is `in` (to the phone) or `out` (from it)."""

    direction: str
    text: str
    sent_at: datetime
    delivered_at: datetime | None
    read_at: datetime | None


class ReplyBody(BaseModel):
    """What is typed on the phone."""

    text: str = Field(min_length=1, max_length=160, examples=["1"])


class ReplySent(BaseModel):
    """The answer is on its way through the carrier."""

    id: int


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[dict[str, Any]] | None = None
