"""The power is cut at every write of the outbox, at any byte: what `append` returned is there, once, and adds up."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.outbox import Outbox
from ndiyan.children import spawn
from tests.conftest import skip_without
from tests.gateway.recorded_disk import Did, Plate, recorded

MOUNT_TIMEOUT_S = 10.0
# Rounds of three readings with a count that is kept beside them; some are confirmed, and once all is thinned.
PROGRAM = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from gateway.model import AssetId, Reading
from gateway.outbox import Outbox

folder = Path(sys.argv[1])
outbox = Outbox(folder / "o.db")
diary = (folder / "diary").open("ab", buffering=0)
noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
for n in range(16):
    names = [("tower", "level_m"), ("pump", "power_w"), ("pump", "volume_m3")]
    at = noon + timedelta(minutes=5 * n)
    readings = [Reading(AssetId(asset), channel, at, float(n)) for asset, channel in names]
    diary.write(b"try %d\\n" % n)
    outbox.append(readings, uptime_s=300.0 * n, kept={"count:pump/volume_m3": str(n)})
    diary.write(b"took %d\\n" % n)
    if n in (5, 9):
        diary.write(b"confirm %d\\n" % n)
        outbox.confirm(outbox.boot, [(3 * n - 8, 3 * n)])
    if n == 12:
        diary.write(b"thin %d\\n" % n)
        outbox.thin(before=noon + timedelta(days=1), most=1000)
diary.write(b"end\\n")
"""


@pytest.fixture(scope="module")
def record(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Did]]:
    """All that an outbox did to its disk, and between it what it told its diary."""
    folder = tmp_path_factory.mktemp("recorded")
    plate, mount, log = folder / "plate", folder / "disk", folder / "log"
    plate.mkdir()
    mount.mkdir()
    if not os.access("/dev/fuse", os.R_OK | os.W_OK) or shutil.which("fusermount3") is None:
        skip_without(request.config, "FUSE", "apt-get install fuse3, and /dev/fuse")
    server = spawn(
        [sys.executable, "-m", "tests.gateway.recorded_disk", str(plate), str(mount), str(log)],
        log=folder / "fuse.log",
        env={**os.environ, "FUSE_LIBRARY_NAME": "fuse3", "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    try:
        end_s = time.monotonic() + MOUNT_TIMEOUT_S
        while not mount.is_mount():
            if server.poll() is not None or time.monotonic() > end_s:
                skip_without(request.config, "FUSE", (folder / "fuse.log").read_text("utf-8", "replace")[-200:])
            time.sleep(0.01)
        subprocess.run([sys.executable, "-c", PROGRAM, str(mount)], check=True)
        yield recorded(log)
    finally:
        server.kill()
        server.wait()
        subprocess.run(["fusermount3", "-u", "-z", "-q", mount], check=False)


class Told:
    """What the diary says that must be there, and what may be."""

    def __init__(self) -> None:
        self.tried = self.took = -1
        self.confirmed: set[int] = set()
        self.is_thinned = False

    def hear(self, line: bytes) -> None:
        word, _, number = line.decode().strip().partition(" ")
        n = int(number or 0)
        if word == "try":
            self.tried = n
        elif word == "took":
            self.took = n
        elif word == "confirm":
            self.confirmed |= set(range(3 * n - 8, 3 * n + 1))
        elif word == "thin":
            self.is_thinned = True


def look(found: dict[str, bytes], told: Told, folder: Path) -> None:
    """Open the outbox of a disk after a cut, and hold it against what was told."""
    folder.mkdir()
    for path, data in found.items():
        if not path.endswith("-shm"):
            (folder / path[1:]).write_bytes(data)
    with closing(Outbox(folder / "o.db")) as outbox:
        assert not list(folder.glob("*damaged*"))
        groups, _ = outbox.peek(1000)
        waiting = {entry.seq for _, entries in groups for entry in entries}
        declared = sum(high - low + 1 for _, ranges in [outbox.undeclared(1000) or ("", [])] for low, high in ranges)
        account, count = outbox.account(), outbox.kept("count:").get("count:pump/volume_m3", "-1")
    must = set(range(1, 3 * (told.took + 1) + 1)) - told.confirmed
    if told.is_thinned:  # the last of each hour and channel stays, and the whole hour that came after
        must = {seq for seq in must if seq > 36}
    assert must <= waiting
    assert waiting <= set(range(1, 3 * (told.tried + 1) + 1))
    assert account["taken"] == account["confirmed"] + account["thinned"] + account["waiting"]
    assert declared == account["thinned"], "what went and what is to be declared are there together"
    assert account["taken"] == 3 * (int(count) + 1), "the count and its readings are there together"
    assert told.took <= int(count) <= told.tried
    shutil.rmtree(folder)


def test_the_power_may_fail_at_every_write_and_at_any_byte_of_it(record: list[Did], tmp_path: Path) -> None:
    plate, told, dice, cuts = Plate(), Told(), random.Random(7), 0
    for number, did in enumerate(record):
        if did.path == "/diary":
            if did.what == "write":
                told.hear(did.data)
            continue
        if "/o.db" in plate.synced and not did.path.endswith("-shm"):
            for kept in ("none", "all", "some"):
                cuts += 1
                look(plate.after_a_cut(kept, did, dice), told, tmp_path / f"{number}-{kept}")
        plate.do(did)
    print(f"{cuts} power cuts at {len(record)} writes")
    assert told.took == 15
    assert cuts > 300
