"""The explorer: any channels of a zone, any time, against another time or another zone. The address says it all."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import Response
from markupsafe import Markup

from ingest.hours import LIFTED, POWER
from ingest.readings import ChannelRow
from ingest.readings_pg import PgReadings
from web.charts.frame import Axis
from web.charts.scale import Span, round_up, value_ticks
from web.charts.series import Other, series_panel, time_axis
from web.curves import span_name, values_address
from web.daily import midnight
from web.dependencies import PastOf
from web.errors import NotThere
from web.explore import BACK, DAY, Answer, Question, Track, fetch_answer, question_of, with_derived, written
from web.language import Texts
from web.pages.page import Page, PageOf

router = APIRouter()

LENGTHS = {"1": DAY, "7": 7 * DAY, "30": 30 * DAY, "90": 90 * DAY, "365": 365 * DAY}


@dataclass(frozen=True, slots=True)
class Drawn:
    """One channel as the page shows it; `values` is the API's address of the rows behind it.

    Of what was worked out from other channels it is the explorer's address of those.
    """

    track: Track
    drawing: Markup
    values: str
    total: float | None


@router.get("/zones/{zone_id}/graphes")
def explorer(
    page: PageOf,
    past: PastOf,
    zone_id: str,
    v: Annotated[list[str] | None, Query()] = None,
    du: Annotated[str, Query()] = "",
    au: Annotated[str, Query()] = "",
    ref: Annotated[str, Query()] = "",
) -> Response:
    """Draw what was asked for; a form that leaves things out gets the usual ones."""
    store = PgReadings(past)
    zones = {row.zone_id: row for row in store.zones()}
    if zone_id not in zones:
        raise NotThere("zone", zone_id)
    channels = with_derived(_by_name(store.channels(zone_id, with_retired=True)))
    retired = {name for name, row in channels.items() if row.retired_at is not None}
    question = question_of(v or [], du, au, ref, known=list(channels), zones=list(zones), now=page.now, retired=retired)
    others = with_derived(_by_name(store.channels(ref, with_retired=True))) if ref in zones else {}
    answer = fetch_answer(past, question, channels, others, now=page.now)
    month = midnight(page.now.date().replace(day=1))
    span = Span(question.start.timestamp(), question.end.timestamp())
    groups: dict[str, list[ChannelRow]] = {}
    for row in channels.values():
        groups.setdefault(row.asset_id, []).append(row)
    assets = dict.fromkeys(row.asset_id for name, row in channels.items() if name not in retired)
    return page.render(
        "explorer.html",
        zone=zones[zone_id],
        zones=zones,
        question=question,
        groups=groups,
        assets=assets,
        has_taps=any(asset.startswith("tap-") for asset in assets),
        drawn=[_draw(track, answer, question, span, page) for track in answer.tracks],
        axis=Markup(time_axis(span, partial(span_name, question.length, page.texts))),  # noqa: S704 - our own chart
        answer=answer,
        lengths={key: question.last(length).query for key, length in LENGTHS.items()},
        this_month=replace(question, start=month, end=midnight(page.now.date()) + DAY),
        before=question.moved(-question.length).query,
        after=question.moved(question.length).query if question.end < page.now else None,
        first_day=written(question.start),
        last_day=written(question.end, is_end=True),
        times=BACK,
        rows=_rows(answer),
        columns=columns_of(answer),
    )


def _by_name(rows: list[ChannelRow]) -> dict[str, ChannelRow]:
    return {f"{row.asset_id}/{row.name}": row for row in rows}


def _draw(track: Track, answer: Answer, question: Question, span: Span, page: Page) -> Drawn:
    texts = page.texts
    found = [value for value in (track.value, track.reference) if value is not None]
    axis = axis_of(np.concatenate(found), texts)
    middle_s = answer.t_s + answer.step_s / 2
    gap_s = 1.5 * answer.step_s
    others = [] if track.reference is None else [Other(middle_s, track.reference, gap_s)]
    drawing = series_panel(
        middle_s, track.value, span=span, axis=axis, max_gap_s=gap_s, others=others,
        label=texts.gettext("Courbe ; les valeurs sont dans le tableau lié"), no_data=texts.gettext("pas de données"),
    )  # fmt: skip
    step = None if answer.step_s <= track.channel.interval_s else timedelta(seconds=answer.step_s)
    return Drawn(
        track=track,
        drawing=Markup(drawing),  # noqa: S704 - our own chart
        values=_behind(track, step, question, page),
        total=track.column.total,
    )


def axis_of(value: np.ndarray[tuple[int], np.dtype[np.float64]], texts: Texts) -> Axis:
    """From zero where that shows the values well, else from just under the lowest."""
    known = value[np.isfinite(value)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if high <= low:
        high = low + 1.0
    if 0 <= low < 0.7 * high:
        low, high = 0.0, round_up(high)
    ticks = value_ticks(low, high)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else high - low
    decimals = int(np.clip(np.ceil(-np.log10(step) - 1e-9), 0, 3)) if step > 0 else 0
    return Axis(low, high, lambda one: texts.number(one, decimals))


def _behind(track: Track, step: timedelta | None, question: Question, page: Page) -> str:
    if not track.is_derived:
        return values_address(track.channel, step, question.start, question.end)
    parts = replace(question, channels=(POWER, LIFTED), compare="")
    return page.path("zones", track.channel.zone_id, "graphes") + "?" + parts.query


def _rows(answer: Answer) -> list[tuple[datetime, list[tuple[float | None, float | None]]]]:
    """The table, newest first: each step of which anything is known, with its values and references."""
    columns = [(track.value, track.reference) for track in answer.tracks]
    rows = []
    for place in range(len(answer.t_s) - 1, -1, -1):
        cells = [(_number(value, place), _number(reference, place)) for value, reference in columns]
        if any(cell != (None, None) for cell in cells):
            rows.append((datetime.fromtimestamp(float(answer.t_s[place]), UTC), cells))
    return rows


def _number(column: np.ndarray[tuple[int], np.dtype[np.float64]] | None, place: int) -> float | None:
    return None if column is None or not np.isfinite(column[place]) else float(column[place])


def columns_of(answer: Answer) -> str:
    """The answer as columns for the browser's own drawing: first time, step, and numbers of four digits."""
    tracks = [
        {
            "unit": track.unit, "value": _short(track.value),
            "reference": None if track.reference is None else _short(track.reference),
        }
        for track in answer.tracks
    ]  # fmt: skip
    found = {"t0": float(answer.t_s[0]), "dt": answer.step_s, "tracks": tracks}
    return json.dumps(found, separators=(",", ":"))


def _short(column: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float | None]:
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in column.tolist()]
