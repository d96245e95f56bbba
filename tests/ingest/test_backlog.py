"""A technician brings a file home: what is right in it is stored, what is wrong is set aside, twice is once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gateway.zones import Zone
from ingest.backlog import Layout, Problem, Target, header_of, preview, store_backlog
from ingest.backlog_files import lines_from
from ingest.db import Connection, connect
from ingest.errors import BacklogUnreadable
from ingest.registry import import_zones

pytestmark = pytest.mark.db
NOW = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
FILE = """time,zone,asset,channel,value,unit
2026-03-01T08:00:00Z,zone-1,tower,level_m,2.31,m
2026-03-01 09:00:00,zone-1,tower,level_m,231,cm
1772359200,zone-1,pump,flow_m3_h,3.7,m³/h
2026-03-01T08:00:00Z,zone-2,tap-01,volume_m3,118.25,
"""


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as connection:
        import_zones(connection, zones[:2])
        yield connection


def store(connection: Connection, text: str, zone: str | None = None) -> tuple[int, int, int, int, int]:
    found = (0, 0, 0, 0, 0)
    for progress in store_backlog(connection, text.splitlines(keepends=True), layout=Layout(zone), now=NOW):
        found = progress[:5]
    return found


def stored(connection: Connection) -> list[tuple[str, str, str, str, float]]:
    rows = connection.execute(
        "SELECT c.zone_id, c.asset_id, c.name, r.measured_at, r.value FROM reading r JOIN channel c USING (channel_id)"
        " ORDER BY c.zone_id, c.name, r.measured_at"
    ).fetchall()
    return [(zone, asset, name, f"{at:%d %H:%M}", value) for zone, asset, name, at, value in rows]


def test_a_file_of_two_zones_in_three_kinds_of_time_and_unit_is_stored_once(connection: Connection) -> None:
    assert store(connection, FILE) == (4, 4, 0, 0, 0)
    assert stored(connection) == [
        ("zone-1", "pump", "flow_m3_h", "01 10:00", 3.7),
        ("zone-1", "tower", "level_m", "01 08:00", 2.31),
        ("zone-1", "tower", "level_m", "01 09:00", 2.31),
        ("zone-2", "tap-01", "volume_m3", "01 08:00", 118.25),
    ]
    assert store(connection, FILE) == (4, 0, 4, 0, 0), "again"


def test_a_first_line_that_is_no_csv_is_refused_in_a_sentence(connection: Connection) -> None:
    """Found by the fuzzer: a carriage return within a line stopped the page that shows the file."""
    broken = ["time\rasset\r", "1\r2\r", "3,4\n"]
    assert header_of(broken) == ([], [["3", "4"]])
    with pytest.raises(BacklogUnreadable, match="the first line names no time, asset, channel, value"):
        preview(connection, broken, layout=Layout("zone-1"), now=NOW, limit=5)


def test_lines_that_end_as_on_a_macintosh_of_old_are_lines() -> None:
    parts = [b"time,asset,channel,value\r2026-03-01T08:00:00Z,tower,le", b"vel_m,2.31\r"]
    assert list(lines_from(parts)) == ["time,asset,channel,value\r", "2026-03-01T08:00:00Z,tower,level_m,2.31\r"]
    assert list(lines_from([b"a\r\nb\n", b"d\xe9bit"])) == ["a\r\n", "b\n", "débit"]


def test_a_file_of_one_line_is_refused_and_no_more_of_it_held_than_shows_that() -> None:
    """32 MB of commas without an end took 700 MB of the pages' memory."""
    parts = (b"ab," * 333_333 for _ in range(8))
    tracemalloc.start()
    try:
        with pytest.raises(BacklogUnreadable, match="line 1 is longer than 65536 letters"):
            header_of(lines_from(parts))
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert next(parts, None) is None, "it was read to its end"


def test_a_line_is_as_long_as_the_bound_allows_and_no_longer() -> None:
    longest = ",".join(["time", "asset", "channel", "value", "é" * (65_535 - 27), "x"])
    assert len(longest) == 65_535
    for part in (longest.encode() + b"\n", longest.encode() + b"x"):
        assert header_of(lines_from([part[:70_001], part[70_001:]]))[0][:2] == ["time", "asset"]
    with pytest.raises(BacklogUnreadable, match="longer than 65536"):
        header_of(lines_from([longest.encode() + b"x\n"]))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_later_line_that_is_too_long_is_set_aside_and_its_neighbours_are_stored(
    connection: Connection, end: str
) -> None:
    good = [f"2026-03-01T0{hour}:00:00Z,tower,level_m,2.{hour}" for hour in range(3)]
    whole = end.join(["time,asset,channel,value", good[0], "7," * 1_200_000, good[1], "8," * 40_000, good[2]]) + end
    sent = whole.encode()
    parts = [sent[at : at + 1_000_000] for at in range(0, len(sent), 1_000_000)]
    (told,) = store_backlog(connection, lines_from(parts), layout=Layout("zone-1"), now=NOW)
    assert (told.rows, told.stored) == (5, 3)
    assert [(one.line, one.value) for one in sorted(told.problems)] == [
        (3, "line 3 is longer than 65536 letters"), (5, "line 5 is longer than 65536 letters"),
    ]  # fmt: skip
    assert [row[3:] for row in stored(connection)] == [("01 00:00", 2.0), ("01 01:00", 2.1), ("01 02:00", 2.2)]


@pytest.mark.parametrize("lost", [[5], [28], [30], [5, 8], [5, 6, 30]])
def test_a_quotation_mark_that_nobody_closes_costs_its_own_line_alone(connection: Connection, lost: list[int]) -> None:
    """A stray one took up to 131,072 letters of good rows with it, and of two all rows between them, without a word."""
    rows = ["time,asset,channel,value"] + [f"2026-03-01T08:{minute:02d}:00Z,tower,level_m,2.31" for minute in range(29)]
    for line in lost:
        rows[line - 1] = rows[line - 1].replace(",tower", ',"tower')
    (told,) = store_backlog(connection, lines_from(["\n".join(rows).encode()]), layout=Layout("zone-1"), now=NOW)
    assert (told.rows, told.stored) == (29, 29 - len(lost))
    assert [(one.line, one.value) for one in told.problems] == [
        (line, f"line {line} opens a quotation mark that nothing closes") for line in lost
    ]


def test_a_cell_with_line_breaks_is_a_cell(connection: Connection) -> None:
    text = (
        'time,asset,channel,value,"unit\n(as read)",unit,note\n'
        '2026-03-01T08:00:00Z,tower,level_m,231,,cm,"a ""dry"" day\n\nand, then, rain"\n'
        '2026-03-01T09:00:00Z,tower,level_m,2.3,,,"5" pipe"\n'
    )
    assert store(connection, text, "zone-1") == (2, 2, 0, 0, 0)
    assert [row[3:] for row in stored(connection)] == [("01 08:00", 2.31), ("01 09:00", 2.3)]


def test_parts_that_end_within_a_line_or_between_its_two_ends_are_one_file() -> None:
    sent = "time,é\r\n1,2\r3,4\n\r\n5,6".encode()
    lines = ["time,é\r\n", "1,2\r", "3,4\n", "\r\n", "5,6"]
    for at in range(9, len(sent)):
        assert list(lines_from([sent[:at], sent[at:]])) == lines, at
    assert list(lines_from([sent[:9], b"", *(bytes([one]) for one in sent[9:])])) == lines


def test_an_accent_that_comes_late_in_what_a_french_excel_wrote_is_read(connection: Connection) -> None:
    levels = [f"{day:02d}/02/2026 {minute // 60:02d}:{minute % 60:02d};tower;level_m;2,5;m"
              for day in range(1, 29) for minute in range(0, 1440, 2)]  # fmt: skip
    flows = [f"01/03/2026 0{hour}:00;pump;flow_m3_h;3,7;m³/h" for hour in range(3)]
    sent = "\r\n".join(["time;asset;channel;value;unit", *levels[:20_000], *flows]).encode("cp1252")
    parts = [sent[at : at + 500_000] for at in range(0, len(sent), 500_000)]
    assert b"\xb3" not in b"".join(parts[:-1])
    *_, told = store_backlog(connection, lines_from(parts), layout=Layout("zone-1"), now=NOW)
    assert (told.rows, told.stored) == (20_003, 20_003)


def test_what_a_french_excel_wrote_is_read(connection: Connection) -> None:
    text = "\ufefftime;asset;channel;value\r\n2026-03-01T08:00:00Z;tower;level_m;2,31\r\n\r\n"
    assert store(connection, text, "zone-1") == (1, 1, 0, 0, 0)
    assert stored(connection)[0][4] == 2.31


@pytest.mark.parametrize(("coding", "mark"), [("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")])
def test_what_excel_calls_unicode_text_is_read(connection: Connection, coding: str, mark: bytes) -> None:
    text = "time\tasset\tchannel\tvalue\tunit\r\n01/03/2026 08:00\tpump\tflow_m3_h\t3.7\tm³/h\r\n"
    sent = mark + text.encode(coding)
    for parts in ([sent], [sent[:9], sent[9:]], [sent + b"7"]):
        lines = list(lines_from(parts))
        assert lines[:2] == text.splitlines(keepends=True)
    (told,) = store_backlog(connection, lines[:2], layout=Layout("zone-1"), now=NOW)
    assert (told.stored, stored(connection)[0][4]) == (1, 3.7)


def test_a_bad_row_is_set_aside_with_its_reason_and_its_neighbours_are_stored(connection: Connection) -> None:
    bad = (
        "2026-03-01T08:00:00Z,zone-1,tower,level_m,wet,m\n"
        "yesterday,zone-1,tower,level_m,2,m\n"
        "2026-03-01T08:00:00Z,zone-1,tower,level_m,2,bar\n"
        "2026-03-01T08:00:00Z,zone-1,tower,height,2,m\n"
        "2026-03-01T08:00:00Z,zone-9,tower,level_m,2,m\n"
        "2026-03-01T08:00:00Z\n"
        "2029-03-01T08:00:00Z,zone-1,tower,level_m,2,m\n"
        "12,zone-1,tower,level_m,2,m\n"
    )
    assert store(connection, FILE + bad)[:2] == (12, 4)
    reasons = sorted(row[0] for row in connection.execute("SELECT reason FROM set_aside"))
    assert reasons == [
        "bad_record", "bad_record", "bad_record", "time_in_future", "unknown_channel",
        "unknown_gateway", "unknown_gateway", "wrong_unit",
    ]  # fmt: skip
    assert connection.execute(
        "SELECT bool_and(received + replayed = stored + duplicate + conflict + set_aside) FROM gateway_day"
    ).fetchone() == (True,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "names no time, asset, channel, value", id="empty"),
        pytest.param("time,asset,channel\n", "names no value", id="column"),
        pytest.param("time,asset,channel,value\n", "no column tells the zone", id="zone"),
    ],
)
def test_a_file_without_its_columns_is_refused_whole(connection: Connection, text: str, problem: str) -> None:
    with pytest.raises(BacklogUnreadable, match=problem):
        store(connection, text)


def test_a_large_file_tells_how_far_it_is(connection: Connection) -> None:
    rows = "".join(f"{1_772_000_000 + n},zone-1,tower,level_m,{n / 10_000}\n" for n in range(25_000))
    told = [
        progress.rows
        for progress in store_backlog(
            connection, ("time,zone,asset,channel,value\n" + rows).splitlines(keepends=True), layout=Layout(), now=NOW
        )
    ]
    assert told == [10_000, 20_000, 25_000]
    assert len(stored(connection)) == 25_000


WIDE = """Date;Niveau (cm);Debit;Rien
01/03/2026 10:00;231;3,7;x
01/03/2026 10:05:30;;3,9;x
2026-03-01T08:10:00Z;230;sec;x
"""
COLUMNS = {"Niveau (cm)": Target("tower", "level_m", "cm"), "Debit": Target("pump", "flow_m3_h", "m3/h")}
CONAKRY_PLUS_2 = Layout("zone-1", 120, "Date", COLUMNS)


def test_a_loggers_table_is_read_as_its_columns_are_told_and_in_the_time_that_is_told(connection: Connection) -> None:
    (told,) = store_backlog(connection, WIDE.splitlines(keepends=True), layout=CONAKRY_PLUS_2, now=NOW)
    assert told[:5] == (5, 4, 0, 0, 1), "an empty cell is no reading"
    assert stored(connection) == [
        ("zone-1", "pump", "flow_m3_h", "01 08:00", 3.7),
        ("zone-1", "pump", "flow_m3_h", "01 08:05", 3.9),
        ("zone-1", "tower", "level_m", "01 08:00", 2.31),
        ("zone-1", "tower", "level_m", "01 08:10", 2.3),
    ]
    (problem,) = told.problems
    assert problem[:4] == (4, "pump/flow_m3_h", "sec", "bad_record"), "by its line, the names of the columns being 1"


def test_what_a_file_would_become_is_shown_value_by_value_and_nothing_is_stored(connection: Connection) -> None:
    seen = preview(connection, WIDE.splitlines(keepends=True), layout=CONAKRY_PLUS_2, now=NOW, limit=50)
    assert [(one.line, one.what, one.value, one.unit) for one in seen] == [
        (2, "tower/level_m", 2.31, "m"), (2, "pump/flow_m3_h", 3.7, "m³/h"), (3, "pump/flow_m3_h", 3.9, "m³/h"),
        (4, "tower/level_m", 2.3, "m"), (4, "pump/flow_m3_h", None, ""),
    ]  # fmt: skip
    assert seen[0].at == datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
    assert seen[-1].problem == Problem(
        4, "pump/flow_m3_h", "sec", "bad_record", "Expected `float | null`, got `str` - at `$.v`"
    )
    assert stored(connection) == []
    assert connection.execute("SELECT count(*) FROM set_aside").fetchone() == (0,)


def test_names_with_a_separator_of_their_own_are_shown_and_stored_as_what_they_name(connection: Connection) -> None:
    text = (
        "time,asset,channel,value,unit\n2026-03-01T08:00:00Z,tower/,level_m,231,cm\n"
        "2026-03-01T09:00:00Z,,tower//level_m,2.4,\n"
    )
    seen = preview(connection, text.splitlines(keepends=True), layout=Layout("zone-1"), now=NOW, limit=5)
    assert [(one.what, one.value, one.unit) for one in seen] == [
        ("tower/level_m", 2.31, "m"), ("tower/level_m", 2.4, "m"),
    ]  # fmt: skip
    assert store(connection, text, "zone-1") == (2, 2, 0, 0, 0)
    assert stored(connection) == [
        ("zone-1", "tower", "level_m", "01 08:00", 2.31), ("zone-1", "tower", "level_m", "01 09:00", 2.4),
    ]  # fmt: skip


def test_every_value_that_is_set_aside_is_told_with_its_line_and_what_stands_there(connection: Connection) -> None:
    lines = FILE + (
        "2026-03-01T08:00:00Z,zone-1,tower,level_m,nan,m\n"
        "2026-03-01T08:00:00Z,zone-1,tower,level_m,1e999,m\n"
        "2026-03-01T08:00:00Z,zone-9,tower,level_m,2,m\n"
        f"2026-03-01T08:00:00Z,zone-1,tower,level_m,{'9' * 140_000},m\n"
        "2026-03-01T08:00:00Z,zone-1,tower,level_m,2,bar\n"
    )
    (told,) = store_backlog(connection, lines.splitlines(keepends=True), layout=Layout(), now=NOW)
    assert told.stored == 4
    found = {(one.line, one.value[:5], one.reason) for one in told.problems}
    assert found == {
        (6, "nan", "bad_record"), (7, "1e999", "bad_record"), (8, "2.0", "unknown_gateway"),
        (9, "line ", "unknown_gateway"), (10, "2.0", "wrong_unit"),
    }  # fmt: skip
    assert "unit 'bar' is none of" in next(one.detail for one in told.problems if one.line == 10)
    open_quote = FILE + "".join(f"{'' if n else chr(34)}{'9' * 60_000}\n" for n in range(3))
    (told,) = store_backlog(connection, open_quote.splitlines(keepends=True), layout=Layout(), now=NOW)
    found_in = [(one.line, one.value[:12]) for one in told.problems]
    assert found_in == [(6, "line 6 opens"), (7, ""), (8, "")], "each of the three by itself"


def test_of_two_columns_of_one_name_the_one_that_was_meant_is_read(connection: Connection) -> None:
    """Loggers that call each probe "Niveau", or none anything: the last column was read, whichever was told."""
    lines = ["Date;Niveau;;niveau;;Niveau (4)\n", "01/03/2026 08:00;231;x;17;y;z\n"]
    assert header_of(lines)[0] == ["Date", "Niveau", "", "niveau (4)", "(5)", "Niveau (4) (6)"]
    for column, level_m in (("Niveau", 2.31), ("niveau (4)", 0.17)):
        layout = Layout("zone-1", 0, "Date", {column: Target("tower", "level_m", "cm")})
        (seen,) = preview(connection, lines, layout=layout, now=NOW, limit=5)
        assert (seen.value, seen.problem) == (level_m, None)
    assert store(connection, "time,asset,channel,value,Value\n2026-03-01T08:00:00Z,tower,level_m,2.3,9\n", "zone-1")[1]
    assert stored(connection)[0][4] == 2.3


def test_a_column_that_is_not_there_is_refused_whole(connection: Connection) -> None:
    layout = Layout("zone-1", 0, "Date", {"Pression": Target("pump", "pressure_bar")})
    with pytest.raises(BacklogUnreadable, match="names no Pression; it must name Date, Pression"):
        list(store_backlog(connection, WIDE.splitlines(keepends=True), layout=layout, now=NOW))


def test_a_file_of_which_hardly_anything_is_right_is_told_value_by_value(connection: Connection) -> None:
    wrong = "".join(f"{1_771_000_000 + n},zone-1,tower,level_m,2,bar\n" for n in range(450))
    text = "time,zone,asset,channel,value,unit\n" + wrong + "1771009999,zone-1,tower,level_m,2,m\n"
    (told,) = store_backlog(connection, text.splitlines(keepends=True), layout=Layout(), now=NOW)
    assert told[:5] == (451, 1, 0, 0, 450)
    assert [one.line for one in told.problems] == list(range(2, 452))
    assert connection.execute("SELECT count(*) FROM set_aside").fetchone() == (52,), "two packs whole, the last in 50"
