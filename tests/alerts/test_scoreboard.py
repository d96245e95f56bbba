"""The score of a history small enough to count by hand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.backtest import PastAlert
from alerts.errors import HistoryError
from alerts.model import Evidence
from alerts.scoreboard import MONTH, Label, as_json, read_labels, score, told
from gateway.model import Fault, State

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=60)
EVIDENCE = Evidence("", "", {}, {}, (), 0.9)
ZONES = ["zone-1", "zone-2", "zone-3"]


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def label(
    fault: Fault, first: float, last: float, *, zone: str = "zone-1", asset: str = "pump", size: str = "M"
) -> Label:
    severity = 3 if fault is Fault.PUMP_NOT_RUNNING else 2
    return Label(zone, fault, asset, severity, size, day(first), day(first), day(last))


def alert(
    fault: Fault | State, at: float, *, zone: str = "zone-1", asset: str = "pump", explained_by: Fault | None = None,
    sms: int = 1,
) -> PastAlert:  # fmt: skip
    return PastAlert(zone, fault, asset, 2, day(at), None, day(at), EVIDENCE, explained_by, sms)


# zone-1 lives through four faults, zone-2 through one, nothing breaks in zone-3.
LABELS = [
    label(Fault.PUMP_NOT_RUNNING, 10, 12),  # named after 2 h
    label(Fault.TAP_LEFT_OPEN, 20, 21, asset="tap-03", size="S"),  # the alert names another tap
    label(Fault.PV_SOILING, 30, 35, size="L"),  # called a lost string
    label(Fault.NIGHT_LEAK, 40, 41, asset="network"),  # named a day after its end
    label(Fault.SENSOR_DRIFT, 50, 55, zone="zone-2", asset="tower", size="S"),  # never named
]
ALERTS = [
    alert(Fault.PUMP_NOT_RUNNING, 10 + 2 / 24, sms=3),
    alert(State.TOWER_EMPTY, 10.5, asset="tower"),  # a state: no claim
    alert(Fault.TAP_CLOSED, 11, asset="tap-01", explained_by=Fault.PUMP_NOT_RUNNING, sms=0),  # explained: no claim
    alert(Fault.TAP_LEFT_OPEN, 20.5, asset="tap-04"),  # misnamed
    alert(Fault.PV_STRING_LOSS, 31, asset="pv"),  # misnamed
    alert(Fault.NIGHT_LEAK, 42, asset="network"),  # true
    alert(Fault.DRY_RUNNING, 10.2),  # another family than what is broken: false, in days with a fault
    alert(Fault.DRY_RUNNING, 5, zone="zone-3"),  # false, on a clean day
]
SCORE = score(ALERTS, LABELS, zones=ZONES, start=START, end=END, price_gnf=150)


def test_recall_counts_faults_that_were_called_by_their_name() -> None:
    assert (SCORE.named, SCORE.labels, SCORE.recall) == (2, 5, 0.4)
    assert SCORE.recall_by["fault"]["pump_not_running"] == (1, 1)
    assert SCORE.recall_by["fault"]["tap_left_open"] == (0, 1)
    assert SCORE.recall_by["size"] == {"L": (0, 1), "M": (2, 2), "S": (0, 2)}
    assert SCORE.recall_by["severity"] == {"2": (1, 4), "3": (1, 1)}


def test_precision_counts_alerts_that_claim_a_fault_and_are_not_explained() -> None:
    assert (SCORE.true_alerts, SCORE.misnamed, SCORE.false_alerts) == (2, 2, 2)
    assert SCORE.precision == pytest.approx(2 / 6)
    assert SCORE.false_kinds == {"dry_running": 2}


def test_false_alerts_are_counted_by_zone_month_and_again_by_those_without_a_fault() -> None:
    months = timedelta(days=60) / MONTH
    assert SCORE.false_per_zone_month == pytest.approx(2 / (3 * months))
    # Two days around each fault are its own. zone-1: days 8-14, 18-23, 28-37, 38-43; zone-2: 48-57.
    broken_days = 7 + 6 + 10 + 6 + 10
    clean_months = (180 - broken_days) / (MONTH / timedelta(days=1))
    assert SCORE.false_per_clean_zone_month == pytest.approx(1 / clean_months)


def test_how_soon_is_the_median_of_the_named_by_severity() -> None:
    assert SCORE.hours_to_detect == {2: pytest.approx(48.0), 3: pytest.approx(2.0)}


def test_sms_are_counted_of_all_alerts_and_priced() -> None:
    assert SCORE.sms_per_zone_week == pytest.approx(9 / (3 * 60 / 7))
    assert SCORE.sms_price_gnf == 9 * 150


def test_the_confusion_says_what_was_said_instead() -> None:
    assert SCORE.confusion == {
        ("pump_not_running", "pump_not_running"): 1, ("night_leak", "night_leak"): 1,
        ("tap_left_open", "tap_left_open"): 1, ("pv_soiling", "pv_string_loss"): 1, ("sensor_drift", "nothing"): 1,
    }  # fmt: skip


def test_an_alert_counts_until_two_days_after_the_end_and_an_hour_before_the_onset() -> None:
    truth = [label(Fault.YIELD_DROP, 10, 12)]
    for at, named in ((10 - 2 / 24, 0), (10 - 0.5 / 24, 1), (13.9, 1), (14.1, 0)):
        found = score([alert(Fault.YIELD_DROP, at)], truth, zones=ZONES, start=START, end=END, price_gnf=0)
        assert found.named == named, f"day {at}"


def test_nothing_said_and_nothing_broken_has_no_shares() -> None:
    calm = score([], [], zones=ZONES, start=START, end=END, price_gnf=150)
    assert (calm.recall, calm.precision, calm.false_per_zone_month) == (None, None, 0.0)
    assert "named recall                —" in told(calm)


def test_recall_is_never_told_without_false_alarms_beside_it() -> None:
    text = told(SCORE)
    assert "named recall              0.400  (2 of 5)" in text
    assert "2 true, 2 misnamed, 2 false" in text
    assert as_json(SCORE)["false_kinds"] == {"dry_running": 2}


HEAD = "zone,fault,asset,severity,size,onset,start,end\n"


def test_labels_that_never_showed_are_marked_and_those_that_go_on_end_with_the_history(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(
        HEAD
        + "zone-1,pump_wear,pump,2,S,2026-01-03T00:00:00Z,,\n"
        + "zone-1,night_leak,network,2,M,2026-01-04T00:00:00Z,2026-01-05T00:00:00Z,\n"
    )
    hidden, found = read_labels(file, until=END)
    assert (hidden.fault, hidden.start, hidden.shows) == (Fault.PUMP_WEAR, day(2), False)
    assert (found.fault, found.start, found.end, found.shows) == (Fault.NIGHT_LEAK, day(4), END, True)


def test_a_fault_that_nobody_could_see_is_no_miss_and_to_name_it_is_no_false_alarm() -> None:
    """A tap that was closed again before the night: the model's observer saw nothing strange by day."""
    hidden = label(Fault.TAP_LEFT_OPEN, 20, 20.4, asset="tap-03")._replace(shows=False)
    silent = score([], [hidden], zones=ZONES, start=START, end=END, price_gnf=0)
    assert (silent.labels, silent.recall) == (0, None)
    told_of = score(
        [alert(Fault.TAP_LEFT_OPEN, 20.3, asset="tap-03")], [hidden], zones=ZONES, start=START, end=END, price_gnf=0
    )  # fmt: skip
    assert (told_of.true_alerts, told_of.false_alerts) == (1, 0)


def test_labels_may_come_from_a_spreadsheet(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    text = HEAD + "zone-1,night_leak,network,2,M,2026-01-04T00:00:00Z,2026-01-05T00:00:00Z\n"
    file.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert [(one.zone, one.start, one.end) for one in read_labels(file, until=END)] == [("zone-1", day(4), END)]
    file.write_bytes(text.replace("M", "étiage").encode("latin-1"))
    with pytest.raises(HistoryError, match=r"not UTF-8.* at byte"):
        read_labels(file, until=END)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + "zone-1,night_leak,network\n", "line 2"),
        (HEAD.replace("size,", "") + "zone-1,night_leak,network,2,,,\n", "column 'size' is missing"),
        (HEAD + "zone-1,nought,network,2,M,2026-01-04,2026-01-04,\n", "line 2.*nought"),
        (HEAD + "zone-1,night_leak,network,2,M,soon,soon,\n", "line 2"),
    ],
)
def test_labels_that_cannot_be_read_say_where(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(HistoryError, match=says):
        read_labels(file, until=END)
