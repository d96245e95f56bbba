"""The power fails on the server, at the gateways, on both: what was taken is there afterwards and nothing is broken."""

import os
import random
import tempfile
from pathlib import Path

import pytest

from gateway.zones import Zone
from ndiyan.embedded_broker import find_mosquitto
from tests.conftest import skip_without
from tests.scenarios.powercut_fs import PAGE, Disk, NoFuse
from tests.scenarios.powercut_harness import DEFECTS, Defect, PoweredVillage, Report, powercut_series

CUTS = int(os.environ.get("NDIYAN_POWER_CUTS", "4"))
SEED = int(os.environ.get("NDIYAN_POWER_SEED", "20261124"))
CUTS_TO_FIND = 10
SETTLE_WITHIN_S = 120.0


@pytest.fixture
def folder(request: pytest.FixtureRequest, server_folder: Path) -> Path:
    """An empty folder on a machine where disks can lose their power."""
    folder = Path(tempfile.mkdtemp(prefix="powercut-", dir=server_folder))
    folder.chmod(0o711)
    trial = Disk(folder / "trial")
    try:
        trial.mount(seed=0, is_torn=False)
    except NoFuse as error:
        skip_without(request.config, "FUSE", str(error))
    trial.cut()
    return folder


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_when_the_power_fails_nothing_is_lost_and_everything_starts_again_by_itself(
    request: pytest.FixtureRequest, folder: Path, zones: list[Zone]
) -> None:
    report = _series(request, folder, zones, cuts=CUTS)
    print(f"\nseed {SEED}, {dict(report.cuts)}, {report.torn} of them torn\n{report.tally}")
    assert report.findings == []
    assert report.tally is not None
    assert report.tally.accepted > 50 * CUTS, "there was real traffic"


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize("name", ["outbox-off", "outbox-normal", "commit-off", "fsync-off"])
def test_what_does_not_wait_for_the_disk_is_found(
    name: str, request: pytest.FixtureRequest, folder: Path, zones: list[Zone]
) -> None:
    report = _series(request, folder, zones, cuts=CUTS_TO_FIND, defect=DEFECTS[name])
    assert {finding.kind for finding in report.findings} & DEFECTS[name].found_by, report


@pytest.mark.parametrize("is_torn", [False, True])
def test_a_disk_forgets_what_was_not_synced_and_nothing_else(folder: Path, is_torn: bool) -> None:
    disk, pages = Disk(folder / "one"), 200
    try:
        disk.mount(seed=SEED, is_torn=is_torn)
        with (disk.path / "log").open("wb", buffering=0) as file:
            file.write(b"a" * PAGE * pages)
            os.fsync(file.fileno())
            file.write(b"b" * PAGE * pages)
        disk.cut()
        disk.mount(seed=SEED, is_torn=is_torn)
        synced, unsynced = (data := (disk.path / "log").read_bytes())[: PAGE * pages], data[PAGE * pages :]
    finally:
        disk.cut()
    assert synced == b"a" * PAGE * pages
    kept = [unsynced[at : at + PAGE] for at in range(0, len(unsynced), PAGE)]
    assert set(kept) <= {b"b" * PAGE, bytes(PAGE)}, "a page is whole, or a hole"
    survivors = kept.count(b"b" * PAGE)
    assert (0.3 * pages < survivors < 0.7 * pages) if is_torn else survivors == 0


@pytest.mark.parametrize("is_torn", [False, True])
def test_while_there_is_power_a_disk_reads_as_any_other(folder: Path, is_torn: bool) -> None:
    dice, disk, other = random.Random(SEED), Disk(folder / "one"), folder / "other"
    files: list[int] = []
    try:
        disk.mount(seed=SEED, is_torn=is_torn)
        files = [os.open(path, os.O_RDWR | os.O_CREAT) for path in (disk.path / "file", other)]
        for step in range(2000):
            offset, size = dice.randrange(60_000), dice.randrange(1, 9_000)
            os.posix_fadvise(files[0], 0, 0, os.POSIX_FADV_DONTNEED)  # the kernel's copy would hide ours
            match dice.choice(["write", "write", "write", "read", "read", "truncate", "sync", "rename"]):
                case "write":
                    data = dice.randbytes(size)
                    assert [os.pwrite(file, data, offset) for file in files] == [size, size]
                case "read":
                    ours, theirs = (os.pread(file, size, offset) for file in files)
                    assert ours == theirs, f"step {step}: {size} bytes at {offset}"
                case "truncate":
                    for file in files:
                        os.ftruncate(file, offset)
                case "sync":
                    os.fsync(files[0])
                case "rename":
                    (disk.path / "file").rename(disk.path / "elsewhere")
                    (disk.path / "elsewhere").rename(disk.path / "file")
        assert (disk.path / "file").read_bytes() == other.read_bytes()
    finally:
        for file in files:
            os.close(file)
        disk.cut()


def _series(
    request: pytest.FixtureRequest, folder: Path, zones: list[Zone], *, cuts: int, defect: Defect | None = None
) -> Report:
    mosquitto = find_mosquitto()
    if mosquitto is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    village = PoweredVillage(folder, zones, mosquitto, defect=defect)
    return powercut_series(village, seed=SEED, cuts=cuts, settle_within_s=SETTLE_WITHIN_S)
