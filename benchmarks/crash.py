"""Crash loop: kill -9, freezes and double faults over gateways, broker, ingest and database under load.

`make bench-crash ARGS="--cycles 1000 --seed 7"`; exit status 1 when anything was found. Everything that happens is
drawn from the seed; when it happens within the traffic is not, so a run is repeated in kind and not to the instant.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from gateway.zones import load_zones
from ndiyan.embedded_broker import EmbeddedBroker, broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.shipped_files import shipped
from tests.scenarios.crash_harness import ROOT, Report, Village, crash_loop

TOLD_EVERY = 25  # cycles
SETTLE_WITHIN_S = 60.0
SHOWN = 10  # findings


def main() -> None:
    """Run the loop and say what it came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ndiyan-crash-"))
    folder.chmod(0o711)
    report = _crash(folder, seed=arguments.seed, cycles=arguments.cycles)
    print(f"\nseed {arguments.seed}, commit {commit()}")
    print(_told(report))
    if report.findings:
        print(f"\nFOUND {len(report.findings)}; the logs are in {folder}")
        for finding in report.findings[:SHOWN]:
            print(f"  {finding.kind}: {finding.detail}")
        sys.exit(1)
    shutil.rmtree(folder)


def commit() -> str:
    """The commit of this checkout, and whether it was changed since."""
    shown = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return shown.stdout.strip() or "unknown"


def _crash(folder: Path, *, seed: int, cycles: int) -> Report:
    mosquitto = find_mosquitto()
    if mosquitto is None:
        sys.exit("the crash loop needs mosquitto: apt-get install mosquitto")
    zones = load_zones([shipped("zones")])
    postgres = EmbeddedPostgres(folder, secret_file=folder / "pg", log=folder / "pg.log", account=postgres_account())
    broker = EmbeddedBroker(
        folder, zones, secret_file=folder / "mq", log=folder / "mq.log", account=broker_account(), mosquitto=mosquitto
    )
    begin_s = time.monotonic()

    def tell(report: Report) -> None:
        if report.cycles % TOLD_EVERY == 0:
            pace_s = (time.monotonic() - begin_s) / report.cycles
            left_s = pace_s * (cycles - report.cycles)
            print(f"{report.cycles} of {cycles} cycles, {pace_s:.2f} s each, {left_s / 60:.0f} min left", flush=True)

    try:
        village = Village(folder, zones, postgres, broker)
        return crash_loop(village, seed=seed, cycles=cycles, settle_within_s=SETTLE_WITHIN_S, told=tell)
    finally:
        postgres.stop()


def _told(report: Report) -> str:
    tally = report.tally
    if tally is None:
        return f"cycles              {report.cycles}\nthe traffic was never counted"
    by_act: Counter[str] = Counter()
    by_victim: Counter[str] = Counter()
    for deed, count in report.deeds.items():
        by_act[deed.act] += count
        by_victim.update(dict.fromkeys(deed.victims, count))
    wiped = sum(count for deed, count in report.deeds.items() if deed.wipes)
    account = [one.detail for one in report.findings if one.kind == "account"]
    return "\n".join(
        [
            f"cycles              {report.cycles}",
            f"  by act            {_listed(by_act)}",
            f"  by victim         {_listed(by_victim)}, broker's store wiped {wiped}",
            f"accepted            {tally.accepted} by gateways, {tally.confirmed_to_sensor} confirmed to the sensor",
            f"stored              {tally.stored}",
            f"lost                {tally.lost} (of {tally.accepted}, and of {tally.judged} of the sensor's)",
            f"twice               {tally.twice}",
            f"foreign             {tally.foreign}",
            f"conflicts           {tally.conflicts}",
            f"set aside           {tally.set_aside} (the value that the database refuses)",
            f"the account         {'; '.join(account) or 'adds up'}",
            f"longest recovery    {tally.longest_recovery_s:.1f} s",
        ]
    )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
