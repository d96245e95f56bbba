"""Answers of the API as their schema; instants are ISO 8601 in UTC, quantities bear their unit in the name."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from alerts.closing import Cause
from alerts.forecast import CannotTell
from alerts.silent import Kind
from ingest.admission import RejectReason
from ingest.backlog_files import State
from ingest.replay import Fate
from web.fleet import ZoneState
from web.letters import NO_LETTER, odd_letter

Item = TypeVar("Item")


class Listing(BaseModel, Generic[Item]):
    """A page of a list; hand `next` back as `cursor` to read on, null means that this was the last page."""

    items: list[Item]
    next: str | None = None


class TowerView(BaseModel):
    """What the tower last said; `share` of the full level."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "level_m": 1.8, "share": 0.56, "volume_m3": 11.3, "measured_at": "2026-11-24T10:40:00Z"
            }
        }
    )  # fmt: skip

    level_m: float
    share: float | None
    volume_m3: float | None
    measured_at: datetime


class DayView(BaseModel):
    """A whole UTC day; null without data, never zero. `expected_m3` follows from the measured sun."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "on": "2026-11-23", "volume_m3": 31.2, "insolation_kwh_m2": 6.1, "expected_m3": 32.0, "expected_low_m3":
                28.4, "expected_high_m3": 35.9
            }
        }
    )  # fmt: skip

    on: date
    volume_m3: float | None
    insolation_kwh_m2: float | None
    expected_m3: float | None
    expected_low_m3: float | None
    expected_high_m3: float | None


class SilenceView(BaseModel):
    """Why no water flows in a zone, or why nothing is heard of it; `confidence` 0 to 1, 0 for `cannot_tell`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "kind": "pump_broken", "confidence": 0.8,
                "sentence": {"fr": "La pompe ne consomme rien.", "en": "The pump draws nothing."},
            }
        }
    )  # fmt: skip

    kind: Kind
    confidence: float
    sentence: dict[str, str] = Field(description="what it rests on, by language")


class BlindSpotView(BaseModel):
    """A channel that a zone lacks or that has said nothing usable for a day, and the faults that nobody would see."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "channel": "borehole/water_depth_m", "faults": ["yield_drop"]
            }
        }
    )  # fmt: skip

    channel: str
    faults: list[str]


class ForecastView(BaseModel):
    """How long the tower lasts at this zone's own use; null hours are more than three days."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "cannot_tell": None, "hours": 5.4, "low_hours": 4.1, "high_hours": 9.0, "refilled_hours": None,
                "counts_inflow": False, "by_weeks": True, "stretches": 5
            }
        }
    )  # fmt: skip

    cannot_tell: CannotTell | None = Field(description="why there is no forecast; null when there is one")
    hours: float | None = Field(default=None, description="if no water comes any more: the middle of past weeks")
    low_hours: float | None = Field(default=None, description="one of ten past weeks would have emptied it sooner")
    high_hours: float | None = Field(default=None, description="nine of ten would have emptied it by then")
    refilled_hours: float | None = Field(default=None, description="with the water that pump and sun should bring")
    counts_inflow: bool = Field(default=False, description="false: what the pump will bring is not known or nothing")
    by_weeks: bool | None = Field(default=None, description="false: from past days, for want of three weeks")
    stretches: int | None = Field(default=None, description="past weeks or days that it rests on")


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
    silence: SilenceView | None = Field(
        default=None, description="null where water flows, where nobody could see it, and in the list for normal zones"
    )


class AssetView(BaseModel):
    """One part of a zone; the names of `rating` bear their units."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "tower", "kind": "tower", "interval_s": 300.0, "rating": {"volume_m3": 20.0, "full_level_m": 3.2}
            }
        }
    )  # fmt: skip

    id: str
    kind: str
    interval_s: float
    rating: dict[str, float]


class ZoneDetail(ZoneView):
    """A zone with its parts and its last 30 whole days."""

    altitude_m: float = Field(examples=[1047.0])
    counted_in: int = Field(examples=[2025])
    gnf_per_20_l: int | None = Field(examples=[100])
    gateway: str = Field(examples=["gw-3"])
    assets: list[AssetView]
    days: list[DayView]
    forecast: ForecastView
    cannot_judge: list[BlindSpotView]


class ReadingView(BaseModel):
    """One reading, or one interval of `resolution_s` that begins at `measured_at`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "measured_at": "2026-11-24T10:40:00Z", "value": 1.84, "minimum": 1.84, "maximum": 1.84, "n": 1, "flag":
                1, "failed": None, "device_at": None
            }
        }
    )  # fmt: skip

    measured_at: datetime
    value: float
    minimum: float
    maximum: float
    n: int = Field(description="readings within the interval; 1 for a raw reading")
    flag: int = Field(
        description="1 good, 2 not evaluated, 3 suspect, 4 bad, 9 missing; of an interval the worst, but intervals of"
        " whole hours know of bad readings alone: 4 where one was left out, else 1"
    )
    failed: list[str] | None = Field(
        default=None,
        description="tests that a raw reading failed: range, spike, rate, flat, counter, clock; null for an interval",
        examples=[["clock"]],
    )
    device_at: datetime | None = Field(
        default=None,
        description="the gateway's clock, of a reading that failed `clock`: `measured_at` is then our estimate",
    )


class ChannelView(BaseModel):
    """A channel and its newest reading."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "zone-3/tower/level_m", "zone": "zone-3", "asset": "tower", "name": "level_m", "unit": "m",
                "is_counter": False, "interval_s": 300.0, "retired_at": None
            }
        }
    )  # fmt: skip

    id: str = Field(description="zone/asset/channel", examples=["zone-3/tower/level_m"])
    zone: str
    asset: str
    name: str
    unit: str
    is_counter: bool
    interval_s: float
    retired_at: datetime | None = Field(description="since when its zone no longer has it; its past stays")
    latest: ReadingView | None


class ReadingListing(Listing[ReadingView]):
    """Readings of one channel in the order of measured time."""

    channel: str = Field(examples=["zone-3/tower/level_m"])
    unit: str = Field(examples=["m"])
    resolution_s: float | None = Field(description="length of an interval; null for raw readings")


class NotificationView(BaseModel):
    """Who was told what, on which route, and what became of it; phones show their last three digits."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 112, "alert": 37, "zone": "zone-3", "contact_id": 7, "name": "Alpha Oumar Barry",
                "role": "exploitant", "phone": "+224\u00a0…\u00a0010", "kind": "opened", "step": "first",
                "reason": "first_on_the_ladder", "route": "smpp", "state": "no_receipt",
                "text": "NDIYAN A7 MANGOL-DOW: POMPE ARRETEE … Appelez Ibrahima …013.", "language": "fr", "segments": 1,
                "attempts": 1, "error": None, "possible_duplicate": False, "settled_by": None,
                "created_at": "2026-11-24T10:40:00Z", "submitted_at": "2026-11-24T10:40:01Z",
                "accepted_at": "2026-11-24T10:40:02Z", "delivered_at": None, "valid_until": "2026-11-25T10:40:00Z",
            }
        }
    )  # fmt: skip

    id: int
    alert: int | None = Field(description="null: an answer that belongs to no alert")
    zone: str | None
    contact_id: int | None
    name: str
    role: str
    phone: str
    kind: str
    step: str
    reason: str
    route: str
    state: str
    text: str = Field(description="phone numbers in it show their last three digits")
    language: str
    segments: int
    attempts: int
    error: str | None
    possible_duplicate: bool = Field(description="sent again while nobody knew whether it had left")
    settled_by: str | None = Field(description="how an uncertain one was settled: receipt, carrier or nobody")
    created_at: datetime
    submitted_at: datetime | None
    accepted_at: datetime | None
    delivered_at: datetime | None = Field(description="when a handset had it; null while nobody knows")
    valid_until: datetime = Field(description="what has not left by then never leaves")


class AttemptView(BaseModel):
    """One hand-over to a route; without an outcome nobody knows it yet."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "route": "smpp", "began_at": "2026-11-24T10:40:01Z", "ended_at": "2026-11-24T10:40:02Z", "outcome":
                "accepted", "provider_id": "4711", "detail": None
            }
        }
    )  # fmt: skip

    route: str
    began_at: datetime
    ended_at: datetime | None
    outcome: str | None = Field(description="accepted, refused, refused_for_good, throttled or uncertain")
    provider_id: str | None
    detail: str | None


class ReceiptView(BaseModel):
    """A receipt as it came; phones in it show their last three digits."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "route": "smpp", "provider_ids": ["4711"], "fate": "delivered", "at": "2026-11-24T10:40:20Z",
                "received_at": "2026-11-24T10:40:21Z", "raw": "id:4711 stat:DELIVRD"
            }
        }
    )  # fmt: skip

    route: str
    provider_ids: list[str]
    fate: str = Field(description="on_the_network, delivered, undelivered, expired or unknown")
    at: datetime
    received_at: datetime
    raw: str


class InboundView(BaseModel):
    """What came in: an SMS, or a call that nobody answered."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 41, "kind": "sms", "route": "phone", "phone": "+224\u00a0…\u00a0010", "text": "1",
                "received_at": "2026-11-24T10:52:40Z", "contact_id": 7, "name": "Alpha Oumar Barry",
                "role": "exploitant", "alert": 37, "intention": "seen", "is_sure": True,
                "handled_at": "2026-11-24T10:52:41Z", "may_be_repeat": False,
            }
        }
    )  # fmt: skip

    id: int
    kind: str = Field(description="sms or call")
    route: str
    phone: str
    text: str
    received_at: datetime
    contact_id: int | None = Field(description="null: of nobody we know, or not read yet")
    name: str
    role: str
    alert: int | None = Field(description="what it was about, where that is known")
    intention: str | None
    is_sure: bool | None
    handled_at: datetime | None = Field(description="null: stored, not read yet")
    may_be_repeat: bool = Field(description="the route may have handed over twice what was written once")


class NotificationDetail(NotificationView):
    """A notification with all that happened to it."""

    attempt_list: list[AttemptView]
    receipts: list[ReceiptView]
    answers: list[InboundView] = Field(description="what its owner sent about the same alert after it")


class RouteView(BaseModel):
    """How a route was when it was last asked."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "route": "gammu", "is_up": True, "since": "2026-11-20T06:12:00Z", "detail": "", "balance": 48500.0,
                "balance_unit": "GNF", "expires_at": "2026-12-31T00:00:00Z", "asked_at": "2026-11-24T10:40:00Z",
                "is_stale": False, "low_since": None,
            }
        }
    )  # fmt: skip

    route: str
    is_up: bool
    since: datetime = Field(description="when it came up or went down")
    detail: str
    balance: float | None = Field(description="null where the route does not tell")
    balance_unit: str
    expires_at: datetime | None
    asked_at: datetime
    is_stale: bool = Field(description="nobody has asked it lately: nothing is known of it now")
    low_since: datetime | None = Field(description="since when there is too little credit, or it ends soon")


class CallView(BaseModel):
    """Somebody is to be called by hand about a live alert."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 4, "alert": 37, "code": "A37", "zone": "zone-3", "why": "nobody_answered",
                "since": "2026-11-24T14:40:00Z", "name": "Mamadou Saliou Sow", "role": "exploitant",
                "phone": "+224 … 010",
            }
        }
    )  # fmt: skip

    id: int
    alert: int | None = Field(description="null where it is about the zone")
    code: str | None
    zone: str
    why: str = Field(description="the reason of the ladder's step")
    since: datetime
    name: str | None = Field(description="null where the zone has nobody of a fitting role")
    role: str | None
    phone: str | None = Field(description="masked; the page has it whole")


class PurseView(BaseModel):
    """What one committee's SMS came to in one month."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "month": "2026-11-01", "zone": "zone-3", "notifications": 12, "answers": 2, "hand_overs": 13,
                "segments": 13, "price_gnf": 150.0, "cost_gnf": 1950.0, "delivered": 11, "unknown": 1,
            }
        }
    )  # fmt: skip

    month: date = Field(description="its first day")
    zone: str
    notifications: int = Field(description="that a route took or may have taken")
    answers: int = Field(description="of these, answers to what people wrote")
    hand_overs: int = Field(description="each is paid for: more where something was sent again")
    segments: int
    price_gnf: float = Field(description="of one segment; an assumption unless `sms.price_gnf` is set")
    cost_gnf: float
    delivered: int
    unknown: int = Field(description="nobody knows whether a handset had them")


class EventView(BaseModel):
    """One line of an alert's story."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "at": "2026-11-24T10:40:00Z", "kind": "opened", "who": "ndiyan", "detail": {}
            }
        }
    )  # fmt: skip

    at: datetime
    kind: str
    who: str
    detail: dict[str, Any]


class AlertView(BaseModel):
    """An alert and the notifications that it caused."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 37, "code": "A37", "zone": "zone-3", "fault": "pump_not_running", "asset": "pump", "severity": 3,
                "state": "open", "first_evidence_at": "2026-11-24T09:38:00Z", "last_evidence_at":
                "2026-11-24T10:38:00Z", "opened_at": "2026-11-24T10:40:00Z", "acknowledged_at": None, "acknowledged_by":
                None, "resolved_at": None, "is_late": False, "confidence": 0.9, "evidence": {"values": {"power_w": 0.0,
                "irradiance_w_m2": 780.0}}, "explained_by": None, "times": 1, "shelved_until": None, "shelved_by": None,
                "shelved_why": None
            }
        }
    )  # fmt: skip

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
    times: int = Field(description="how often it came, when it came back soon after it was gone")
    shelved_until: datetime | None = Field(description="nobody is told before")
    shelved_by: str | None
    shelved_why: str | None
    assigned_to: str | None
    cause: str | None = Field(description="why it came, once somebody has closed it")
    closed_at: datetime | None
    closed_by: str | None
    ended_by_hand: bool = Field(description="somebody ended it; no reading had shown its end", examples=[False])
    notifications: list[NotificationView]


class PhotoView(BaseModel):
    """A picture of an alert; GET `/alerts/{id}/photos/{photo}` gives it as JPEG."""

    photo: int = Field(examples=[3])
    added_at: datetime = Field(examples=["2026-03-02T15:10:00Z"])
    added_by: str = Field(examples=["Awa (web)"])
    shows: str = Field(examples=["le disjoncteur remis"])
    width: int = Field(examples=[1280])
    height: int = Field(examples=[960])


class AlertDetail(AlertView):
    """An alert with its story."""

    events: list[EventView]
    explains: list[int] = Field(description="alerts of which this one is the cause; nobody was told", examples=[[38]])
    photos: list[PhotoView]


Named = Annotated[
    str | None,
    Field(
        min_length=1, max_length=80, pattern=r"^[^()·\x00-\x1f\x7f]+$",
        description="for whom the key acts; written down behind the key's own name and beginning",
    ),
]  # fmt: skip


class Sent(BaseModel):
    """What a caller sends as JSON; a field with a letter that is none is refused by its name."""

    @field_validator("*")
    @classmethod
    def _letters(cls, value: Any) -> Any:
        odd = odd_letter(value) if isinstance(value, str) else None
        if odd is not None:
            raise ValueError(f"{odd!r} {NO_LETTER}")
        return value


class AcknowledgeBody(Sent):
    """Who takes the alert in charge; the key is written down in any case."""

    model_config = ConfigDict(json_schema_extra={"example": {"who": "Alpha Oumar Barry"}})

    who: Named = None


class ShelveBody(Sent):
    """How long nobody is to be told, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "hours": 6, "why": "pièce commandée à Conakry", "who": "Awa"
            }
        }
    )  # fmt: skip

    hours: float = Field(gt=0, le=720, description="at most 24 for severity 3")
    why: str = Field(min_length=1, max_length=300)
    who: Named = None


class MarkBody(Sent):
    """Whether an alert was right; the key is written down in any case."""

    model_config = ConfigDict(json_schema_extra={"example": {"is_true": False, "who": "Awa"}})

    is_true: bool
    who: Named = None


class AssignBody(Sent):
    """Whom a live alert is given to, by name; no SMS leaves for it."""

    to: str = Field(min_length=1, max_length=80, examples=["Mamadou Saliou Sow"])
    who: Named = None


class CloseBody(Sent):
    """Why an alert came; `other` needs words."""

    cause: Cause = Field(examples=["set_right"])
    words: str = Field(default="", max_length=300, examples=["disjoncteur remis"])
    who: Named = None


class VisitBody(Sent):
    """What somebody saw or did on the spot; without `on` it was today."""

    text: str = Field(min_length=1, max_length=1000, examples=["Vanne ouverte, pompe repartie"])
    on: date | None = Field(default=None, examples=["2026-03-02"])
    who: Named = None


class PhotoKept(BaseModel):
    """`changed` is false, and `photo` null, when the same picture was there."""

    id: int = Field(examples=[41])
    changed: bool = Field(examples=[True])
    photo: int | None = Field(examples=[3])


class Changed(BaseModel):
    """`changed` is false when it was so before, or is not possible any more."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": 37, "changed": True}})

    id: int
    changed: bool


class Acknowledged(BaseModel):
    """`changed` is false when somebody had taken it before."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": 37, "changed": True, "state": "acknowledged"}})

    id: int
    changed: bool
    state: str


class PersonView(BaseModel):
    """Somebody fictional with an on-screen phone."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "contact_id": 7, "name": "Alpha Oumar Barry", "role": "exploitant", "phone": "+224600000010",
                "language": "fr", "zone": "zone-3", "unread": 1
            }
        }
    )  # fmt: skip

    contact_id: int
    name: str
    role: str
    phone: str
    language: str
    zone: str
    unread: int


class SmsView(BaseModel):
    """A message on the phone; `direction` is `in` (to the phone), `out` (from it) or `rang` (its owner rang us)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "direction": "in", "text": "MANGOL-DOW: pompe arretee. Rep: 1 vu", "sent_at": "2026-11-24T10:40:00Z",
                "delivered_at": "2026-11-24T10:40:02Z", "read_at": None
            }
        }
    )  # fmt: skip

    direction: str
    text: str
    sent_at: datetime
    delivered_at: datetime | None
    read_at: datetime | None


class ReplyBody(Sent):
    """What is typed on the phone."""

    model_config = ConfigDict(json_schema_extra={"example": {"text": "1"}})

    text: str = Field(min_length=1, max_length=160)


class NetworkBody(Sent):
    """The handset and the network around it; what is left out is as it is on a good day."""

    model_config = ConfigDict(json_schema_extra={"example": {"is_on": True, "bars": 1, "delay_s": 90, "loss_pct": 10}})

    is_on: bool = True
    bars: int = Field(default=4, ge=0, le=4, description="0: out of reach")
    delay_s: float = Field(default=0, ge=0, le=86_400, description="of every SMS, on top of the usual seconds")
    loss_pct: int = Field(default=0, ge=0, le=100, description="of the SMS to this phone that are lost on the way")
    repeats: bool = Field(default=False, description="the handset shows every SMS twice")


class ReplySent(BaseModel):
    """The answer is on its way through the carrier."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": 12}})

    id: int


class AccountLine(BaseModel):
    """What one gateway sent on one UTC day of receipt and what became of it, counted in readings.

    received + replayed = stored + duplicate + conflict + set_aside.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "zone": "zone-3", "gateway": "gw-3", "day": "2026-11-24", "sent": 9246, "arrived": 9210, "declared": 30,
                "received": 9300, "replayed": 0, "stored": 9206, "duplicate": 90, "conflict": 0, "set_aside": 4,
                "late": 288, "missing": 6, "clock_offset_s": -0.4, "adds_up": True,
            }
        }
    )  # fmt: skip

    zone: str | None = Field(description="null with `gateway`: what came under no gateway of the registry")
    gateway: str | None
    day: date = Field(description="the UTC day on which it came, whenever it was measured")
    sent: int = Field(description="how far the gateway's sequence numbers went on")
    arrived: int = Field(description="sequence numbers that came for the first time")
    declared: int = Field(
        description="sequence numbers of readings that the gateway, its outbox full, thinned away and declared, "
        "less those that came after all: below 0 when more came than were declared that day"
    )
    received: int = Field(description="readings that came, again or for the first time; an unreadable message is one")
    replayed: int = Field(description="readings of messages that were set aside before and were tried again")
    stored: int
    duplicate: int = Field(description="already there with the same value")
    conflict: int = Field(description="already there with another value; both are kept")
    set_aside: int
    late: int = Field(description="of the stored: measured more than an hour before they came")
    missing: int = Field(description="at the end of the day: sent until then, less arrived and declared until then")
    clock_offset_s: float | None = Field(description="the gateway's clock less ours, at its best of the day")
    adds_up: bool


class GapView(BaseModel):
    """Numbers of one start of a gateway that have not come."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "zone": "zone-3", "gateway": "gw-3", "boot": "1a2b3c4d", "sent": 9216, "missing": 6,
                "ranges": [[101, 104], [230, 231]], "is_gap": False,
                "first_received_at": "2026-11-20T06:00:00Z", "last_received_at": "2026-11-24T10:40:00Z",
            }
        }
    )  # fmt: skip

    zone: str
    gateway: str
    boot: str
    sent: int = Field(description="the highest number that has come")
    missing: int
    ranges: list[list[int]] = Field(description="the first 20 ranges of missing numbers, both ends included")
    is_gap: bool = Field(
        description="true when the gateway has spoken for more than a day since without sending them; "
        "false: on their way, the gateway keeps them until they are confirmed"
    )
    first_received_at: datetime
    last_received_at: datetime


class ConflictView(BaseModel):
    """Two values for one channel and moment; the first that came stays in the readings."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "channel": "zone-3/tower/level_m", "unit": "m", "measured_at": "2026-11-24T10:40:00Z", "stored": 1.84,
                "stored_received_at": "2026-11-24T10:40:02Z", "other": 1.92,
                "other_received_at": "2026-11-24T10:45:02Z",
            }
        }
    )  # fmt: skip

    channel: str
    unit: str
    measured_at: datetime
    stored: float
    stored_received_at: datetime
    other: float
    other_received_at: datetime


class SetAsideView(BaseModel):
    """A message that could not be accepted, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 17, "received_at": "2026-11-24T10:40:02Z", "topic": "ndiyan/1/zone-3/gw-3/up/senml",
                "zone": "zone-3", "gateway": "gw-3", "reason": "wrong_unit", "size": 62, "replayed_at": None,
                "detail": "zone-3/tower level_m: unit 'bar' is none of 'm'", "text": "[{\"n\":\"tower/level_m\" …",
            }
        }
    )  # fmt: skip

    id: int
    received_at: datetime
    topic: str
    zone: str | None
    gateway: str | None
    reason: str
    detail: str
    size: int = Field(description="bytes")
    text: str = Field(description="its beginning as text, or in hexadecimal where it is none")
    replayed_at: datetime | None = Field(description="null: it waits")


class SetAsideDetail(SetAsideView):
    """A set-aside message with all its bytes."""

    payload: str = Field(description="all bytes, in base64", examples=["W3sibiI6InRvd2VyL2xldmVsX20i"])


class ReplayBody(Sent):
    """Which messages to try again; without anything the oldest that wait."""

    model_config = ConfigDict(json_schema_extra={"example": {"zone": "zone-3", "reason": "unknown_channel"}})

    zone: str | None = Field(default=None, max_length=64, description="empty: of no zone that is known")
    reason: RejectReason | None = None
    since: AwareDatetime | None = Field(default=None, description="received at or after")
    limit: int = Field(default=100, ge=1, le=500)
    cursor: str | None = Field(default=None, max_length=200, description="the `next` of an answer: those behind them")


class ReplayedView(BaseModel):
    """What became of a message that was tried again."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 17, "fate": "accepted", "stored": 12, "duplicate": 0, "conflict": 0, "set_aside": 0,
                "reason": None, "detail": None,
            }
        }
    )  # fmt: skip

    id: int
    fate: Fate = Field(
        description="accepted; partly: what is still refused stands set aside by itself; refused: nothing changed; "
        "gone: somebody had replayed it before"
    )
    stored: int
    duplicate: int
    conflict: int
    set_aside: int
    reason: str | None = Field(description="why it is still refused")
    detail: str | None


class UplinkTaken(BaseModel):
    """What became of a message of a device, counted in readings; a message that nobody can read counts as one."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"stored": 1, "duplicate": 0, "conflict": 0, "set_aside": 0}}
    )

    stored: int
    duplicate: int = Field(description="already there with the same value: the message was sent before")
    conflict: int = Field(description="already there with another value; both are kept")
    set_aside: int = Field(description="kept with its bytes and the reason, to be replayed once the cause is mended")


class BacklogProblem(BaseModel):
    """Why something on a line of a file was set aside."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "line": 17, "what": "tower/level_m", "value": "wet", "reason": "bad_record",
                "detail": "Expected `float | null`, got `str` - at `$.v`",
            }
        }
    )  # fmt: skip

    line: int = Field(description="counted from 1, the names of the columns included")
    what: str
    value: str = Field(description="what stands there")
    reason: RejectReason
    detail: str


class BacklogView(BaseModel):
    """A file of readings, and how far it is; counts are of values."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 4, "name": "logger.csv", "state": "done", "share": 1.0, "rows": 25000, "stored": 24999,
                "duplicate": 0, "conflict": 0, "set_aside": 1, "error": None,
            }
        }
    )  # fmt: skip

    id: int
    name: str
    state: State = Field(description="interrupted: send it again, or take it up on its page; nothing is stored twice")
    share: float = Field(description="how much of the file is read, from 0 to 1")
    rows: int
    stored: int
    duplicate: int
    conflict: int
    set_aside: int
    problems: list[BacklogProblem] = Field(description="the first 1000")
    error: str | None = Field(description="why the file as a whole cannot be read")


class RuleView(BaseModel):
    """A number of a rule that may be changed, within its bounds and in its unit."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "pump_not_running.on_delay_min", "fault": "pump_not_running", "unit": "min", "default": 60.0,
                "low": 10.0, "high": 360.0, "value": 60.0, "zones": {"zone-3": 90.0}
            }
        }
    )  # fmt: skip

    name: str
    fault: str
    unit: str
    default: float
    low: float
    high: float
    value: float = Field(description="what holds in zones without a value of their own")
    zones: dict[str, float] = Field(description="zones with a value of their own")


class RuleBody(Sent):
    """What is to hold, where, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "value": 90, "zone": "zone-3", "why": "groupe lent à démarrer", "who": "Awa"
            }
        }
    )  # fmt: skip

    value: float | None = Field(description="null: as it was before anybody changed it")
    zone: str | None = Field(default=None, description="null: all zones")
    why: str = Field(min_length=1, max_length=300)
    who: Named = None


class TrialBody(Sent):
    """Which value to try, where, and over how many of the last days."""

    model_config = ConfigDict(json_schema_extra={"example": {"value": 90, "zone": "zone-3", "days": 30}})

    value: float
    zone: str | None = Field(default=None, description="null: all zones")
    days: int = Field(default=90, ge=7, le=90)


class TrialSide(BaseModel):
    """What one setting does over the readings; explained alerts are told to nobody and are in no other count."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "alerts": 14, "true": 6, "false": 3, "unsaid": 5, "explained": 2, "sms": 41, "price_gnf": 6150.0,
                "missed": 0
            }
        }
    )  # fmt: skip

    alerts: int
    true: int = Field(description="recorded alerts at the same time were right, as people said last")
    false: int
    unsaid: int = Field(description="nobody said anything of it")
    explained: int
    sms: int = Field(description="of all alerts: one more or less changes who is told of others")
    price_gnf: float
    missed: int = Field(description="recorded alerts that were right and that this setting would not have raised")


class TrialDifference(BaseModel):
    """An alert that only one of the settings raises."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "zone": "zone-3", "asset": "pump", "opened_at": "2026-11-20T10:40:00Z", "closed_at":
                "2026-11-20T12:10:00Z", "is_new": False, "is_true": False
            }
        }
    )  # fmt: skip

    zone: str
    asset: str
    opened_at: datetime
    closed_at: datetime | None
    is_new: bool
    is_true: bool | None


class TrialResult(BaseModel):
    """The rules as they are (`before`) and with the change (`after`); the newest 50 of `differing` alerts."""

    model_config = ConfigDict(json_schema_extra={"example": {"differing": 2}})

    before: TrialSide
    after: TrialSide
    differing: int
    differences: list[TrialDifference]


class TrialView(BaseModel):
    """A trial; without a result it is worked on, has failed (`error`) or was interrupted."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 5, "rule": "pump_not_running.on_delay_min", "zone": "zone-3", "value": 90.0, "start_at":
                "2026-10-25T00:00:00Z", "end_at": "2026-11-24T00:00:00Z", "asked_by": "script wat_q7RkZ1 (API)",
                "asked_at": "2026-11-24T10:40:00Z", "done": 1, "total": 1, "is_over": True, "is_interrupted": False,
                "error": None
            }
        }
    )  # fmt: skip

    id: int
    rule: str
    zone: str | None
    value: float
    start_at: datetime
    end_at: datetime
    asked_by: str
    asked_at: datetime
    done: int = Field(description="zones judged")
    total: int
    is_over: bool
    is_interrupted: bool
    error: str | None
    result: TrialResult | None


class SpansView(BaseModel):
    """Lengths of time in hours: the median and what nine of ten stay under; null without any."""

    model_config = ConfigDict(json_schema_extra={"example": {"count": 12, "median_h": 1.5, "slow_h": 9.2}})

    count: int
    median_h: float | None
    slow_h: float | None


class FloodView(BaseModel):
    """Ten alerts or more within ten minutes; without a zone over all of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "zone": "zone-3", "start_at": "2026-11-20T10:40:00Z", "end_at": "2026-11-20T10:49:00Z", "alerts": 11
            }
        }
    )  # fmt: skip

    zone: str | None
    start_at: datetime
    end_at: datetime
    alerts: int


class FaultFigures(BaseModel):
    """How often a rule spoke, and how often people called it false."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "fault": "pump_not_running", "alerts": 9, "marked": 5, "false": 1
            }
        }
    )  # fmt: skip

    fault: str
    alerts: int
    marked: int
    false: int


class CauseFigures(BaseModel):
    """How long alerts of one cause lasted."""

    cause: Cause | None = Field(examples=["part_replaced"])
    alerts: int = Field(examples=[3])
    median_h: float = Field(examples=[9.5])
    longest_h: float = Field(examples=[31.0])


class MetricsView(BaseModel):
    """Figures about our own alerts; one of which no SMS left (late, explained) is in `untold`, and in repairs."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "start_at": "2026-10-25T10:40:00Z", "end_at": "2026-11-24T10:40:00Z", "alerts": 14, "untold": 2,
                "alerts_per_zone_week": 0.54, "sms_per_person_week": 0.4, "chattering": [31], "stale": [], "marked": 9,
                "false": 3, "false_share": 0.33
            }
        }
    )  # fmt: skip

    start_at: datetime
    end_at: datetime
    alerts: int
    untold: int
    alerts_per_zone_week: float | None = Field(description="of each zone from its first reading on; null without any")
    sms_per_person_week: float | None
    floods: list[FloodView]
    chattering: list[int] = Field(description="alerts that came more than once, most often first")
    stale: list[int] = Field(description="alerts open for more than seven days, longest first")
    to_acknowledge: SpansView
    to_resolve: SpansView = Field(description="of the repairs in `by_cause`")
    marked: int = Field(description="alerts of which people said whether they were right")
    false: int
    false_share: float | None
    noisiest: list[FaultFigures]
    by_cause: list[CauseFigures] = Field(
        description="of alerts of severity 2 and 3 that ended in the span, without false ones: from first evidence to "
        "end; a `cause` of null is not closed"
    )


class ReportLine(BaseModel):
    """What was published of a month or a year: its last version."""

    period: str = Field(description="a month or a year", examples=["2026-10"])
    zone: str | None = Field(description="null: all together", examples=["zone-3"])
    version: int = Field(examples=[2])
    published_at: datetime = Field(examples=["2026-11-04T09:12:00Z"])


class ReportFigure(BaseModel):
    """One figure of a report, as its CSV has it; null is "not known", never zero."""

    zone: str = Field(examples=["zone-3"])
    figure: str = Field(examples=["delivered"])
    value: str | None = Field(examples=["612.4"])
    unit: str = Field(examples=["m3"])


class ReportView(BaseModel):
    """A report: a published version, which never changes, or the draft with the figures of now (`version` null)."""

    period: str = Field(examples=["2026-10"])
    zone: str | None = Field(description="null: all together", examples=["zone-3"])
    version: int | None = Field(examples=[2])
    published_at: datetime | None = Field(examples=["2026-11-04T09:12:00Z"])
    program: str = Field(description="the version of Ndiyan that worked the figures out", examples=["1.0.0"])
    words_fr: str = Field(examples=["Mois calme."])
    words_en: str = Field(examples=["A calm month."])
    figures: list[ReportFigure]


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank", "title": "Not Found", "status": 404, "detail": "zone 'zone-9' does not exist",
                "instance": "/api/v1/zones/zone-9", "errors": None
            }
        }
    )  # fmt: skip

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[dict[str, Any]] | None = Field(default=None, description="of 422: `parameter`, `value` and `bound`")
