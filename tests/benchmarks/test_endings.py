"""A run over night that is ended in the morning tells what it did until then; what it found it tells at once."""

from __future__ import annotations

import itertools
import os
import random
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from benchmarks import crash
from benchmarks.endings import Ending
from tests.scenarios.crash_harness import Report, Village, deeds
from tests.scenarios.oracle import Finding, Kind, Tally
from tests.scenarios.powercut_harness import Place, outages


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def crashed(monkeypatch: pytest.MonkeyPatch, ending: Ending, *, after: int = 0, finds: int = 0) -> bool:
    """A crash loop of a hundred cycles in a village of paper: SIGTERM comes in cycle `after`, a finding in `finds`."""

    def loop(village: object, *, cycles: int, told: Any, plan: Any, **_: object) -> Report:
        report = Report(tally=Tally(*[0] * 9, 0.0))
        for number, deed in enumerate(itertools.islice(plan(random.Random(1), ("ingest", "broker")), cycles), 1):
            if number == after:
                os.kill(os.getpid(), signal.SIGTERM)
            report.cycles += 1
            report.deeds[deed] += 1
            report.findings += [Finding(Kind.LOST, "gw-1: 7")] * (number == finds)
            told(report)
            if report.findings:
                break
        return report

    monkeypatch.setattr(crash, "crash_loop", loop)
    monkeypatch.setattr(crash, "database_server", lambda folder: nullcontext())
    monkeypatch.setattr(crash, "watched_broker", lambda *_: None)
    monkeypatch.setattr(Village, "__init__", lambda *_: None)
    return crash._crash(Path(), Village, ending, seed=1, cycles=100)


def test_a_run_that_is_ended_does_its_cycle_is_judged_and_says_what_it_did(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert crashed(monkeypatch, Ending(), after=3) is True
    said = capfd.readouterr()
    assert "cycles              3\n" in said.out
    assert "lost                0" in said.out
    assert "this one to its end" in said.err


def test_a_run_that_has_time_for_no_more_says_so_likewise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert crashed(monkeypatch, Ending(minutes=0)) is True
    assert "cycles              0\n" in capsys.readouterr().out


def test_what_is_found_is_told_before_it_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert crashed(monkeypatch, Ending(), finds=2) is False
    said = capsys.readouterr().out
    assert 0 <= said.index("FOUND lost: gw-1: 7") < said.index("cycles              2\n")


def test_who_asks_twice_does_not_wait() -> None:
    ending = Ending()
    os.kill(os.getpid(), signal.SIGINT)
    assert ending.has_come
    with pytest.raises(SystemExit, match="130"):
        os.kill(os.getpid(), signal.SIGINT)


def test_without_an_ending_a_plan_is_what_it_was() -> None:
    ending = Ending()
    assert list(itertools.islice(ending.cuts(deeds)(random.Random(7)), 50)) == list(
        itertools.islice(deeds(random.Random(7)), 50)
    )
    cuts = list(itertools.islice(ending.cuts(outages)(random.Random(7)), 3))
    assert set(cuts) == {(Place.SERVER,), (Place.FIELD,), (Place.SERVER, Place.FIELD)}
