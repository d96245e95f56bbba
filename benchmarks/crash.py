"""Crash loop: kill -9, freezes and double faults over gateways, broker, ingest and database under load.

`make bench-chaos` does the same to alerts, sender, pages and keeper as well, while people write SMS and upload files,
and a zone has a script by which it is known which alerts must be opened.
`make bench-crash` with ARGS="--cycles 1000 --seed 7" runs the loop, ARGS=--planted plants one defect after another
until the loop finds it, ARGS="--power 60" cuts the power and then does the same with settings that are too weak,
ARGS=--workers has three workers of ingest share the zones (docs/scale.md). Exit status 1 when anything was found, or a
planted defect was not. Everything that happens is drawn from the seed; when it happens within the traffic is not, so a
run is repeated in kind and not to the instant.

With --minutes a run ends by then at the latest. SIGTERM or Ctrl-C ends it after the cycle or cut that has begun, judged
and told like any other; twice, at once.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeVar

from benchmarks.endings import Ending
from gateway.zones import load_zones
from ndiyan.embedded_broker import broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.shipped_files import shipped
from tests.alerts.carriers.peers import NoPeer, Smsc
from tests.scenarios import planted, powercut_harness
from tests.scenarios.chaos_harness import Commune, People, ScriptedCommune, Sums
from tests.scenarios.crash_harness import (
    WORKERS,
    Load,
    Report,
    SharedVillage,
    Village,
    WatchedBroker,
    crash_loop,
    deeds,
)
from tests.scenarios.oracle import Finding, Kind, Tally
from tests.scenarios.powercut_fs import NoFuse
from tests.scenarios.powercut_harness import PoweredVillage, outages, powercut_series
from tests.surroundings import ROOT

TOLD_EVERY = 25  # cycles
TOLD_EVERY_CUTS = 10
SETTLE_WITHIN_S = 180.0  # a machine that is only slow must not look like a defect
SHOWN = 10  # findings
ZONES = load_zones([shipped("zones")])
C = TypeVar("C", bound=Commune)


class Search(NamedTuple):
    """How a planted defect fared: what it was to be found by, what was found, after how many cycles or cuts."""

    name: str
    wanted: frozenset[Kind]
    found: frozenset[Kind]
    after: int
    seconds: float

    @property
    def is_found(self) -> bool:
        """Whether the harness saw it, and as what it is."""
        return bool(self.wanted & self.found)


def main() -> None:
    """Run what was asked for and say what it came to."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="make bench-crash", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=1000, help="of the crash loop")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    other = parser.add_mutually_exclusive_group()
    other.add_argument(
        "--planted",
        nargs="*",
        metavar="DEFECT",
        choices=list(planted.DEFECTS),
        help="find these defects (all) instead",
    )
    other.add_argument("--power", type=int, metavar="CUTS", help="cut the power instead, and find the weak settings")
    other.add_argument("--workers", action="store_true", help="three workers of ingest share the zones")
    other.add_argument(
        "--everything", action="store_true", help="evaluation, sender, pages and keeper are struck as well"
    )
    parser.add_argument("--minutes", type=float, metavar="M", help="end after so long, if it is not through before")
    arguments = parser.parse_args()
    mosquitto = find_mosquitto()
    if mosquitto is None:
        sys.exit("the crash loop needs mosquitto: apt-get install mosquitto")
    print(f"seed {arguments.seed}, commit {commit()}, {time.strftime('%Y-%m-%d')}", flush=True)
    if arguments.planted is not None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and what was started is ended
        is_fine = _plant(arguments.planted or list(planted.DEFECTS), arguments.seed)
    elif arguments.power:
        try:
            ending = Ending(arguments.minutes)
            is_fine = _cut_power(mosquitto, ending, seed=arguments.seed, cuts=arguments.power)
        except NoFuse as error:
            sys.exit(f"power cuts need a file system of our own: {error}")
    else:
        kind = ScriptedCommune if arguments.everything else SharedVillage if arguments.workers else Village
        is_fine = _crash(mosquitto, kind, Ending(arguments.minutes), seed=arguments.seed, cycles=arguments.cycles)
    sys.exit(0 if is_fine else 1)


def commit() -> str:
    """The commit of this checkout, and whether it was changed since."""
    shown = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return shown.stdout.strip() or "unknown"


def _crash(mosquitto: Path, kind: type[Village], ending: Ending, *, seed: int, cycles: int) -> bool:
    begin_s = time.monotonic()

    def tell(report: Report) -> None:
        _tell_found(report.findings)
        if report.cycles % TOLD_EVERY == 0:
            pace_s = (time.monotonic() - begin_s) / report.cycles
            left_s = pace_s * (cycles - report.cycles)
            print(f"{report.cycles} of {cycles} cycles, {pace_s:.2f} s each, {left_s / 60:.0f} min left", flush=True)

    with bench_folder() as folder, database_server(folder) as postgres, ExitStack() as peers:
        broker = watched_broker(folder, mosquitto)
        village: Village
        people = None
        if kind is not ScriptedCommune:
            village = kind(folder, ZONES, postgres, broker)
        else:
            village = ScriptedCommune(folder, ZONES, postgres, broker, peers.enter_context(message_centre(folder)))
            people = People(village)
        report = crash_loop(
            village,
            seed=seed,
            cycles=cycles,
            settle_within_s=SETTLE_WITHIN_S,
            told=tell,
            bystanders=people,
            plan=ending.cuts(deeds),
        )
        print("\n" + deeds_told(report) + sums_told(report.tally, report.findings))
        if people:
            print(done_told(people.sums()))
        return says_fine(report.findings, folder)


def _tell_found(findings: Sequence[Finding]) -> None:
    """What ends the run, before it is counted what it came to."""
    for finding in findings:
        print(f"FOUND {finding.kind}: {finding.detail}", flush=True)


def done_told(sums: Sums) -> str:
    """What people did and what they were told, for people."""
    recovery = "".join(
        f"  {name:<17} {len(took_s):>4} times, median {median(took_s):5.1f} s, worst {max(took_s):5.1f} s\n"
        for name, took_s in sorted(sums.recovery_s.items())
    )
    alerts = sums.alerts
    demanded = "" if alerts is None else (
        f"alerts of the script {alerts.opened} opened, {alerts.lost} lost, {alerts.twice} twice"
        f" ({alerts.overtaken} not demanded, their readings were overtaken)\n"
    )  # fmt: skip
    return (
        f"SMS from people     {sums.written}; taken by the message centre {sums.answers}, marked as possibly twice"
        f" {sums.flagged}\n"
        f"files taken         {sums.uploaded}\n{demanded}"
        f"ways back\n{recovery}".rstrip()
    )


def _plant(names: Sequence[str], seed: int) -> bool:
    """Each defect in a village of its own, until it is found."""
    searches = []
    with bench_folder() as folder, database_server(folder) as postgres:
        for name in names:
            place = folder / name
            place.mkdir(mode=0o711)

            def search(name: str = name, place: Path = place) -> tuple[Sequence[Finding], int]:
                report = planted.crash_with(name, place, ZONES, postgres, seed=seed)
                return report.findings, report.cycles

            searches.append(_searched(name, frozenset({planted.DEFECTS[name].found_by}), search))
        print(_table(searches, "cycles"))
        return _all_found(searches, folder)


def _cut_power(mosquitto: Path, ending: Ending, *, seed: int, cuts: int) -> bool:
    """The product first, which must lose nothing, and then each setting that does not wait for the disk."""

    def tell(report: powercut_harness.Report) -> None:
        _tell_found(report.findings)
        if (done := report.cuts.total()) % TOLD_EVERY_CUTS == 0:
            print(f"{done} of {cuts} power cuts", flush=True)

    with bench_folder() as folder:
        village = PoweredVillage(folder, ZONES, mosquitto)
        report = powercut_series(
            village, seed=seed, cuts=cuts, settle_within_s=SETTLE_WITHIN_S, told=tell, plan=ending.cuts(outages)
        )
        print(
            f"\npower cuts          {report.cuts.total()}: {_listed(report.cuts)}; {report.torn} with torn pages\n"
            + sums_told(report.tally, report.findings)
        )
        if not says_fine(report.findings, folder):
            return False
    if ending.has_come:
        print("\nended early: no weak setting was tried")
        return True
    searches = []
    for name, defect in powercut_harness.DEFECTS.items():
        with bench_folder() as folder:
            village = PoweredVillage(folder, ZONES, mosquitto, defect=defect)

            def search(village: PoweredVillage = village) -> tuple[Sequence[Finding], int]:
                report = powercut_series(village, seed=seed, cuts=cuts, settle_within_s=SETTLE_WITHIN_S)
                return report.findings, report.cuts.total()

            searches.append(_searched(name, defect.found_by, search))
    print(_table(searches, "cuts"))
    return all(search.is_found for search in searches)


def _searched(name: str, wanted: frozenset[Kind], search: Callable[[], tuple[Sequence[Finding], int]]) -> Search:
    begin_s = time.monotonic()
    findings, after = search()
    found = Search(name, wanted, frozenset(one.kind for one in findings), after, time.monotonic() - begin_s)
    shown = findings[0].detail[:120].replace("\n", " ") if findings else "NOT FOUND"
    print(f"{name}: {shown} (after {after}, {found.seconds:.0f} s)", flush=True)
    return found


def _table(searches: Sequence[Search], unit: str) -> str:
    rows = [f"\n{'defect':<20} {'found by':<24} {unit:>6} {'s':>5}"]
    for one in searches:
        kinds = ", ".join(sorted(one.found & one.wanted)) or f"NOT FOUND ({', '.join(sorted(one.found)) or 'nothing'})"
        rows.append(f"{one.name:<20} {kinds:<24} {one.after:>6} {one.seconds:>5.0f}")
    return "\n".join(rows)


def _all_found(searches: Sequence[Search], folder: Path) -> bool:
    missed = [search.name for search in searches if not search.is_found]
    if missed:
        print(f"\nNOT FOUND: {', '.join(missed)}; the logs are in {kept(folder)}")
    return not missed


def says_fine(findings: Sequence[Finding], folder: Path) -> bool:
    """Whether nothing was found; says what was, and keeps the logs."""
    if findings:
        print(f"\nFOUND {len(findings)}; the logs are in {kept(folder)}")
        for finding in findings[:SHOWN]:
            print(f"  {finding.kind}: {finding.detail}")
    return not findings


def deeds_told(report: Report) -> str:
    """What was done to whom, for people."""
    by_act: Counter[str] = Counter()
    by_victim: Counter[str] = Counter()
    for deed, count in report.deeds.items():
        by_act[deed.act] += count
        by_victim.update(dict.fromkeys(deed.victims, count))
    wiped = sum(count for deed, count in report.deeds.items() if deed.wipes)
    return (
        f"cycles              {report.cycles}\n"
        f"  by act            {_listed(by_act)}\n"
        f"  by victim         {_listed(by_victim)}, broker's store wiped {wiped}\n"
        f"  a service ended by itself and was started again {len(report.ended_by_itself)} times\n"
        + "".join(f"    {words}\n" for words in report.ended_by_itself)
    )


def sums_told(tally: Tally | None, findings: Sequence[Finding]) -> str:
    """What the oracle counted, for people."""
    if tally is None:
        return "the traffic was never counted"
    account = [one.detail for one in findings if one.kind in (Kind.ACCOUNT, Kind.ROLLUP)]
    broken = sum(one.kind in (Kind.CORRUPT, Kind.NO_START) for one in findings)
    return "\n".join(
        [
            f"accepted            {tally.accepted} by gateways, {tally.confirmed_to_sensor} confirmed to the sensor",
            f"stored              {tally.stored}",
            f"lost                {tally.lost} (of {tally.accepted}, and of {tally.judged} of the sensor's)",
            f"twice               {tally.twice}",
            f"foreign             {tally.foreign}",
            f"corrupt             {broken}",
            f"conflicts           {tally.conflicts}",
            f"set aside           {tally.set_aside} (the value that the database refuses)",
            f"account, rollups    {'; '.join(account) or 'add up'}",
            f"longest recovery    {tally.longest_recovery_s:.1f} s",
        ]
    )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


@contextmanager
def bench_folder() -> Iterator[Path]:
    """A folder that every account can enter; gone at the end, unless it was `kept`."""
    folder = Path(tempfile.mkdtemp(prefix="ndiyan-crash-"))
    folder.chmod(0o711)
    yield folder
    if not (folder / "kept").exists():
        shutil.rmtree(folder, ignore_errors=True)


def kept(folder: Path) -> Path:
    """The folder, which stays from now on."""
    (folder / "kept").touch()
    return folder


def watched_broker(folder: Path, mosquitto: Path) -> WatchedBroker:
    """A broker for all zones that has not been started."""
    return WatchedBroker(
        folder, ZONES, secret_file=folder / "mq", log=folder / "mq.log", account=broker_account(), mosquitto=mosquitto,
        workers=WORKERS,
    )  # fmt: skip


@contextmanager
def database_server(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A database server that has not been started; stopped at the end."""
    server = EmbeddedPostgres(folder, secret_file=folder / "pg", log=folder / "pg.log", account=postgres_account())
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def message_centre(folder: Path) -> Iterator[Smsc]:
    """An operator's; without one there is nothing to run."""
    try:
        smsc = Smsc(folder)
    except NoPeer as error:
        sys.exit(f"there is no message centre: {error}")
    with smsc:
        yield smsc


@contextmanager
def commune_of(kind: type[C], mosquitto: Path, load: Load) -> Iterator[tuple[C, People]]:
    """A commune that has not been started, in a folder of its own, and its people."""
    with bench_folder() as folder, database_server(folder) as postgres, message_centre(folder) as smsc:
        commune = kind(folder, ZONES, postgres, watched_broker(folder, mosquitto), smsc)
        commune.load = load
        yield commune, People(commune)


if __name__ == "__main__":
    main()
