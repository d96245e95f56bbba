"""Exports: what an engineer opens in pandas, in Excel or in QGIS is what was measured, and memory stays small."""

from __future__ import annotations

import io
import re
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import connect, open_pool
from ingest.readings_pg import PgReadings
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from tests.web.web_seed import seed_readings
from tests.web.web_site import Site
from web import exports
from web.access import Scope, create_api_key
from web.exports import Export, Format, Kind, stream
from web.places import water_status

pytestmark = pytest.mark.db

DAY = "/api/v1/exports/readings?from=2026-03-01&to=2026-03-01"


def frame_of(answer: httpx.Response) -> pd.DataFrame:
    assert answer.status_code == 200, answer.text
    return pd.read_csv(io.BytesIO(answer.content), parse_dates=["measured_at", "received_at"])


def test_pandas_reads_a_days_readings_as_they_were_measured(reader: httpx.Client) -> None:
    frame = frame_of(reader.get(f"{DAY}&channel=zone-1/pv/irradiance_w_m2&channel=zone-1/tower/level_m"))
    assert frame.groupby(["asset", "channel", "unit"]).size().to_dict() == {
        ("pv", "irradiance_w_m2", "W/m²"): 288, ("tower", "level_m", "m"): 288,
    }  # fmt: skip
    sun = frame[frame.asset == "pv"]
    # Half a sine from 06:30 to 18:30 with 900 W/m² at 12:30.
    assert sun.loc[sun.value.idxmax(), "measured_at"] == pd.Timestamp("2026-03-01T12:30:00Z")
    assert sun.value.max() == pytest.approx(900.0)
    assert (sun.received_at - sun.measured_at == pd.Timedelta(seconds=2)).all()
    assert sun.measured_at.is_monotonic_increasing
    assert set(frame.flag) == {1}


def test_pandas_reads_the_pages_of_the_api_too(reader: httpx.Client) -> None:
    address = "/api/v1/readings?channel=zone-1/tower/level_m&resolution=raw&start=2026-03-01T00:00:00Z"
    body = reader.get(f"{address}&end=2026-03-02T00:00:00Z").json()
    listed = pd.DataFrame(body["items"])
    exported = frame_of(reader.get(f"{DAY}&channel=zone-1/tower/level_m"))
    assert np.array_equal(listed.value, exported.value)
    assert (pd.to_datetime(listed.measured_at) == exported.measured_at).all()


def test_a_whole_zone_comes_without_naming_its_channels(reader: httpx.Client) -> None:
    frame = frame_of(reader.get(f"{DAY}&zone=zone-1&zone=zone-2"))
    assert set(frame.zone) == {"zone-1", "zone-2"}
    # pv, pump (3), tower, and the taps' counters; zone 2 also has its battery late in the night.
    taps = {asset for asset in frame.asset if asset.startswith("tap-")}
    assert len(taps) > 10
    assert len(frame[(frame.zone == "zone-1") & (frame.asset == "pump")]) == 3 * 288


def test_a_french_excel_opens_what_was_made_for_it(reader: httpx.Client) -> None:
    answer = reader.get(f"{DAY}&channel=zone-1/pump/flow_m3_h&format=excel-fr")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    text = answer.content.decode("utf-8-sig")
    lines = text.splitlines()
    assert lines[0] == "zone;équipement;canal;unité;mesuré à (UTC);reçu à (UTC);valeur;qualité"
    noon = next(line for line in lines if ";01/03/2026 12:30:00;" in line).split(";")
    assert noon[:6] == ["zone-1", "pump", "flow_m3_h", "m³/h", "01/03/2026 12:30:00", "01/03/2026 12:30:02"]
    assert "." not in noon[6]
    frame = pd.read_csv(io.StringIO(text), sep=";", decimal=",")
    assert frame["valeur"].max() == pytest.approx(float(noon[6].replace(",", ".")))
    assert answer.headers["content-disposition"] == 'attachment; filename="ndiyan_zone-1_raw_20260301_20260301.csv"'


def test_rollups_by_day_are_those_of_the_readings(reader: httpx.Client) -> None:
    address = "/api/v1/exports/readings?from=2026-02-27&to=2026-03-01&kind=day&channel=zone-1"
    days = pd.read_csv(io.StringIO(reader.get(f"{address}/pv/irradiance_w_m2").text), parse_dates=["start_at"])
    assert list(days.start_at.dt.day) == [27, 28, 1]
    assert days["mean"].to_numpy() == pytest.approx(900 / np.pi, rel=1e-3)
    assert list(days.n) == [288, 288, 288]
    water = pd.read_csv(io.StringIO(reader.get(f"{address}/pump/volume_m3").text))
    level = reader.get("/api/v1/zones/zone-1").json()
    assert water.steps.iloc[-1] == pytest.approx(level["yesterday"]["volume_m3"], abs=0.01)


def test_files_of_january_and_february_bear_no_day_twice(reader: httpx.Client) -> None:
    base = "/api/v1/exports/readings?kind=day&zone=zone-1"
    named = [
        reader.get(f"{base}&from={first}&to={last}").headers["content-disposition"]
        for first, last in (("2026-01-01", "2026-01-31"), ("2026-02-01", "2026-02-28"))
    ]
    assert named == [
        f'attachment; filename="ndiyan_zone-1_day_{days}.csv"' for days in ("20260101_20260131", "20260201_20260228")
    ]


def test_parquet_comes_back_as_it_was_and_is_not_squeezed_twice(reader: httpx.Client) -> None:
    address = f"{DAY}&zone=zone-1"
    answer = reader.get(f"{address}&format=parquet")
    assert "content-encoding" not in answer.headers
    table = pq.read_table(io.BytesIO(answer.content))
    assert str(table.schema.field("measured_at").type) == "timestamp[us, tz=UTC]"
    written = frame_of(reader.get(address))
    read = table.to_pandas()
    assert np.array_equal(read.value, written.value)
    assert (read.measured_at == written.measured_at).all()


def test_nothing_to_export_is_an_empty_file_with_its_columns(reader: httpx.Client) -> None:
    address = "/api/v1/exports/readings?from=2020-01-01&to=2020-01-31&zone=zone-6"
    assert reader.get(address).text == "zone,asset,channel,unit,measured_at,received_at,value,flag\n"
    table = pq.read_table(io.BytesIO(reader.get(f"{address}&format=parquet").content))
    assert (len(table), table.column_names[-1]) == (0, "flag")


def test_an_impossible_export_is_refused_before_it_begins(reader: httpx.Client) -> None:
    base = "/api/v1/exports/readings"
    refused = [
        (f"{base}?from=2026-03-01&to=2026-03-01", 422, "zone"),
        (f"{base}?from=2026-03-02&to=2026-03-01&zone=zone-1", 422, "from"),
        (f"{base}?from=2001-03-02&to=2026-03-01&zone=zone-1", 422, "to"),
        (f"{base}?from=0001-01-01&to=9999-12-31&zone=zone-1", 422, "to"),
        (f"{base}?from=9999-12-31&to=9999-12-31&zone=zone-1", 422, "to"),
        (f"{base}?from=2026-03-01&zone=zone-1", 422, "to"),
        (f"{DAY}&zone=zone-9", 404, None),
        (f"{DAY}&channel=zone-1/tower/nothing", 404, None),
        (f"{DAY}&zone=zone-1&format=xlsx", 422, "format"),
    ]
    for address, status, parameter in refused:
        answer = reader.get(address)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), address
        if parameter:
            assert answer.json()["errors"][0]["parameter"] == parameter, address


def test_a_key_that_may_only_read_takes_no_export(site: Site) -> None:
    with connect(site.url) as connection:
        read, export = (create_api_key(connection, name=scope, scopes=[scope]) for scope in (Scope.READ, Scope.EXPORT))
    with site.app() as client:
        for key, status in ((read, 403), (export, 200)):
            client.headers["authorization"] = f"Bearer {key}"
            assert client.get("/api/v1/exports/zones.geojson").status_code == status


def test_a_year_of_a_zone_streams_in_bounded_memory(
    database_url: str, zones: list[Zone], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A year by the minute of two channels is a million rows; each piece and each row group is bounded, so is the sum.
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
        numbers = channel_ids(connection)
        start = datetime(2025, 1, 1, tzinfo=UTC)
        t_us = np.arange(365 * 1440, dtype=np.int64) * 60_000_000 + int(start.timestamp() * 1e6)
        for name in ("pv", "irradiance_w_m2"), ("tower", "level_m"):
            number = np.full(len(t_us), numbers["zone-1", *name], dtype=np.int32)
            value = np.sin(np.arange(len(t_us)) / 100) + 1
            ReadingWriter(connection).write(Columns(number, t_us, t_us, value, np.ones(len(t_us), dtype=np.int16)))
    pool = open_pool(database_url, size=1)
    channels = [row for row in PgReadings(pool).channels("zone-1") if row.name in ("irradiance_w_m2", "level_m")]
    for format_ in Format:
        export = Export(channels, start, start + timedelta(days=365), Kind.RAW, format_)
        sink, largest = io.BytesIO(), 0
        tracemalloc.start()
        for piece in stream(pool, export):
            largest = max(largest, len(piece))
            if format_ is Format.PARQUET:
                sink.write(piece)
        peak = tracemalloc.get_traced_memory()[1] - len(sink.getvalue())
        tracemalloc.stop()
        assert largest < 8e6, format_
        assert peak < 40e6, format_
        assert pool.get_stats()["pool_available"] == 1, "nothing is held"
    table = pq.read_table(sink)
    assert len(table) == 2 * len(t_us)
    assert np.array_equal(table["measured_at"].to_numpy()[: len(t_us)], t_us.astype("datetime64[us]"))
    pool.close()


def test_pieces_that_end_on_a_reading_lose_and_repeat_none(
    reader: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = reader.get(f"{DAY}&zone=zone-1").text
    for rows in (1, 7, 96, 288):
        monkeypatch.setattr(exports, "PIECE_ROWS", rows)
        address = f"{DAY}&channel=zone-1/tower/level_m"
        lines = reader.get(address).text.splitlines()[1:]
        assert lines == [line for line in whole.splitlines() if ",level_m," in line], rows


def test_places_are_geojson_that_a_map_reads(reader: httpx.Client) -> None:
    zones = reader.get("/api/v1/exports/zones.geojson")
    assert zones.headers["content-type"] == "application/geo+json"
    by_id = {feature["id"]: feature for feature in zones.json()["features"]}
    assert by_id["zone-3"]["geometry"] == {"type": "Point", "coordinates": [-12.402, 11.352]}
    told = by_id["zone-3"]["properties"]
    assert (told["state"], told["updated_at"], told["is_fictional"]) == ("fault", "2026-03-02T10:40:00Z", True)
    assert by_id["zone-6"]["properties"]["updated_at"] is None
    taps = reader.get("/api/v1/exports/taps.geojson").json()["features"]
    assert len([one for one in taps if one["properties"]["zone"] == "zone-3"]) == 20
    assets = reader.get("/api/v1/exports/assets.geojson").json()["features"]
    tower = next(one for one in assets if one["id"] == "zone-3/tower")
    assert tower["properties"]["rating"]["volume_m3"] == 20.0
    assert tower["properties"]["position_of"] == "zone"
    assert not any(one["properties"]["kind"] == "tap" for one in assets)


def test_wpdx_leaves_out_what_does_not_exist_and_tells_its_rule(past: Site, reader: httpx.Client) -> None:
    assert len(reader.get("/api/v1/exports/wpdx.csv").text.splitlines()) == 1
    rows = pd.read_csv(io.StringIO(reader.get("/api/v1/exports/wpdx.csv?fictional=true").text)).set_index("activity_id")
    # Tap 1 of each zone counts 0 m³ an hour, tap 2 counts 0.01; zone 6 never spoke.
    assert rows.loc["zone-1/tap-01", "status_id"] == "No"
    assert rows.loc["zone-1/tap-02", "status_id"] == "Yes"
    assert rows.loc["zone-6/tap-02", "status_id"] == "Unknown"
    assert rows.loc["zone-3/tap-02", "lat_deg"] == 11.352
    assert rows.report_date.unique().tolist() == ["2026-03-02"]
    assert rows.notes.str.contains("within the 24 h before the report").all()
    assert rows.notes.str.contains("never publish").all()
    assert water_status(None, 288) == "Unknown"


def test_of_what_moved_a_counter_before_a_silence_of_days_wpdx_says_nothing(
    site: Site, visitor: httpx.Client, zones: list[Zone]
) -> None:
    now = site.clock.now()
    with site.connect() as connection:
        silent = [(now - timedelta(days=3), now - timedelta(minutes=4))]
        seed_readings(connection, zones[0], now=now, days=5, skip=silent)
    rows = pd.read_csv(io.StringIO(visitor.get("/api/v1/exports/wpdx.csv?fictional=true").text))
    assert rows.set_index("activity_id").loc["zone-1/tap-02", "status_id"] == "Unknown"


def test_the_page_offers_channels_and_its_form_works_without_javascript(reader: httpx.Client) -> None:
    page = reader.get("/fr/donnees").text
    assert "CSV Excel français" in page
    assert 'href="/fr/comptes"' in page
    assert 'href="/fr/mis-de-cote"' in page
    one = reader.get("/en/donnees?canaux=zone-1").text
    assert 'value="zone-1/tower/level_m" checked' in one
    sent = dict(re.findall(r'<(?:input|button)[^>]* name="(\w+)"[^>]* value="([^"]+)"', one))
    sent |= {"channel": "zone-1/tower/level_m", "from": "2026-03-01", "to": "2026-03-01", "kind": "raw"}
    sent |= {"format": "csv", "emporter": "true"}
    assert sent["canaux"] == "zone-1"
    assert len(frame_of(reader.get("/en/donnees", params=sent, follow_redirects=True))) == 288
    assert reader.get("/fr/donnees?canaux=zone-9").status_code == 404


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"zone": []}, "Cochez au moins une zone ou un canal"),
        ({"from": "2026-03-02"}, "La première date est après la dernière."),
        ({"from": "2016-01-01"}, "au plus 3660 jours à la fois"),
    ],
)
def test_a_half_filled_form_says_what_is_missing_and_keeps_the_rest(
    reader: httpx.Client, changed: dict[str, Any], said: str
) -> None:
    sent = {"zone": "zone-3", "from": "2026-03-01", "to": "2026-03-01", "kind": "hour", "format": "parquet", "q": ""}
    answer = reader.get("/fr/donnees", params=sent | changed | {"emporter": "true"})
    assert answer.status_code == 400
    assert said in answer.text
    assert 'value="hour" selected' in answer.text
    assert ('value="zone-3" checked' in answer.text) == ("zone" not in changed)
