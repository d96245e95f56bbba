"""Three days without a network, with power cuts in them: all is there afterwards, once, and live data did not wait."""

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from gateway.maps import find_map
from gateway.outbox import Outbox
from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.registry import channel_ids, import_zones
from ndiyan.children import spawn
from ndiyan.embedded_broker import EmbeddedBroker
from simulator.modbus import Serial, Unit
from tests.conftest import skip_without
from tests.gateway.lines import COUNTERS, LOOPS, LOOPS_AND_COUNTERS, serial_pair, serving
from tests.ingest.process import IngestProcess, wait_until
from tests.scenarios.cut_gateway import INTERVAL_S
from tests.scenarios.gateway_harness import diary_of, is_same
from tests.scenarios.powercut_fs import Disk, NoFuse
from tests.surroundings import environment

HOURS, POWER_CUTS, SEED = 72, 12, 7
ROUNDS = round(HOURS * 3600 / INTERVAL_S)
LIVE_S = 0.5  # a round, when the link is back
LIVE_WITHIN_S = 15.0
POINTS = [
    ("tower", "level_m", "loops", "ai1", "loop = { at_4_ma = 0, at_20_ma = 5 }"),
    ("borehole", "water_depth_m", "loops", "ai2", "loop = { at_4_ma = 48, at_20_ma = -2 }"),
    ("pump", "pressure_bar", "loops", "ai3", "loop = { at_4_ma = 0, at_20_ma = 10 }"),
    ("network", "pressure_bar", "loops", "ai4", "loop = { at_4_ma = 0, at_20_ma = 6 }"),
    ("pv", "irradiance_w_m2", "loops", "ai5", "loop = { at_4_ma = 0, at_20_ma = 1600 }"),
    ("pv", "current_a", "loops", "ai6", "loop = { at_4_ma = 0, at_20_ma = 20 }"),
    ("pump", "flow_m3_h", "loops", "ai7", "loop = { at_4_ma = 0, at_20_ma = 10 }"),
    ("gateway", "battery_v", "loops", "ai8", "loop = { at_4_ma = 0, at_20_ma = 20 }"),
    ("pump", "volume_m3", "counters", "counter0", "pulse = { litres = 10, most_hz = 1000 }"),
    ("tap-01", "volume_m3", "counters", "counter1", "pulse = { litres = 1, most_hz = 1000 }"),
]
STORED = """
SELECT channel_id, (extract(epoch FROM measured_at) * 1000)::int8, value, flag,
       extract(epoch FROM received_at)::float8
FROM reading JOIN channel USING (channel_id) WHERE zone_id = %s
"""
NOTED = "SELECT DISTINCT test FROM reading_note"
BOOK = "SELECT sum(sent - arrived), sum(conflict), sum(set_aside) FROM gateway_day WHERE zone_id = %s"


@pytest.fixture
def disk(request: pytest.FixtureRequest, server_folder: Path) -> Iterator[Disk]:
    """A disk that forgets what was not synced when its power is cut."""
    found = Disk(Path(tempfile.mkdtemp(prefix="long-cut-", dir=server_folder)))
    try:
        found.mount(seed=SEED, is_torn=True)
    except NoFuse as error:
        skip_without(request.config, "FUSE", str(error))
    yield found
    found.cut()


@pytest.fixture(params=["tcp", "rtu"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Loops and counters, on Modbus TCP or a serial line, as the gateway's file names the way to them."""
    units = {
        LOOPS: Unit(find_map("waveshare-analog-input-8ch", tmp_path)),
        COUNTERS: Unit(find_map("advantech-adam-6051", tmp_path)),
    }
    for at in range(8):
        units[LOOPS].say(f"ai{at + 1}", 5.0 + at)
    if request.param == "tcp":
        with serving(units) as bus:
            yield f'kind = "modbus-tcp"\nhost = "127.0.0.1"\nport = {bus.port}'
        return
    with serial_pair() as (ours, theirs), serving(units, Serial(theirs, 115_200)):
        yield f'kind = "modbus-rtu"\npath = "{ours}"\nbaud = 115200'


def config(folder: Path, zone: Zone, *, mqtt: str, state: Path, link: str, every_s: float) -> Path:
    """The gateway's file, for the cut or for afterwards."""
    text = f"""
zone = "{zone.zone_id}"
gateway = "{zone.gateway_id}"
mqtt = "{mqtt}"
folder = "{state}"
rtc = true
every_s = {every_s}
interval_s = {every_s}
[link.bus]
{link}
{LOOPS_AND_COUNTERS}"""
    for asset, channel, device, register, more in POINTS:
        text += f'[[point]]\nasset = "{asset}"\nchannel = "{channel}"\n'
        text += f'device = "{device}"\nregister = "{register}"\n{more}\n'
    file = folder / f"{zone.gateway_id}.toml"
    file.write_text(text, "utf-8")
    return file


def live_without_a_link(disk: Disk, file: Path, start_s: float) -> int:
    """Three days, with power cuts at random moments; returns how many there were."""
    dice, first, cuts = random.Random(SEED), 0, 0
    log = file.with_suffix(".log")
    while True:
        machine = file.with_name(f"machine-{cuts}")
        machine.write_text(machine.name, "ascii")
        arguments = [str(file), str(first), str(ROUNDS), str(start_s), str(machine)]
        child = spawn(
            [sys.executable, "-m", "tests.scenarios.cut_gateway", *arguments], log=log,
            env=environment(),
        )  # fmt: skip
        if cuts == POWER_CUTS:
            assert child.wait(120) == 0, log.read_text("utf-8")
            return cuts
        share = ROUNDS // (POWER_CUTS + 1)
        until = first + dice.randrange(share // 2, share)
        wait_until(partial(has_reached, file, start_s, until), partial(log.read_text, "utf-8"))
        child.kill()
        child.wait()
        disk.cut()
        disk.mount(seed=SEED + cuts, is_torn=True)
        cuts += 1
        first = last_round(file, start_s) + 1


def last_round(file: Path, start_s: float) -> int:
    """The round of which the diary speaks last, -1 before the first."""
    diary = file.with_suffix(".diary")
    lines = diary.read_text("utf-8").splitlines() if diary.exists() else []
    return round((int(lines[-1].split()[2]) / 1000 - start_s) / INTERVAL_S) if lines else -1


def has_reached(file: Path, start_s: float, number: int) -> bool:
    """Whether the gateway has come so far."""
    return last_round(file, start_s) >= number


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_three_days_without_network_and_twelve_power_cuts_lose_nothing_and_live_data_goes_first(
    broker: EmbeddedBroker, database_url: str, zones: list[Zone], disk: Disk, link: str, tmp_path: Path
) -> None:
    zone = zones[0]
    with connect(database_url) as connection:
        import_zones(connection, [zone])
    start_s = time.time() // 1 - HOURS * 3600
    mqtt, state = broker.settings_for(zone.gateway_id).url(), disk.path / "state"
    ingest = None
    try:
        nowhere = "mqtt://127.0.0.1:1"
        file = config(tmp_path, zone, mqtt=nowhere, state=state, link=link, every_s=INTERVAL_S)
        cuts = live_without_a_link(disk, file, start_s)
        assert cuts == POWER_CUTS
        backlog = account(state)
        assert backlog["waiting"] >= (ROUNDS - POWER_CUTS) * len(POINTS)

        ingest = IngestProcess(database_url, broker.ingest_settings, tmp_path / "ingest.log")
        ingest.wait_for("connected")
        config(tmp_path, zone, mqtt=mqtt, state=state, link=link, every_s=LIVE_S)
        program = spawn(
            [sys.executable, "-m", "tests.scenarios.gateway_program", str(file)], log=file.with_suffix(".log"),
            env=environment(),
        )  # fmt: skip
        up_s = time.time()
        with connect(database_url) as connection:
            wait_until(lambda: past(connection, zone, up_s) >= backlog["waiting"], file.with_suffix(".log").read_text)
        program.terminate()
        assert program.wait(30) == 0
        judge(database_url, zone, file, state, up_s)
    finally:
        if ingest is not None:
            ingest.end()


def past(connection: Connection, zone: Zone, up_s: float) -> int:
    """How many readings of the time without a link are stored."""
    return sum(ms < up_s * 1000 for _, ms, *_ in connection.execute(STORED, [zone.zone_id]).fetchall())


def account(state: Path) -> dict[str, int]:
    """The outbox's own account, which must add up."""
    outbox = Outbox(state / "outbox.db")
    found = outbox.account()
    outbox.close()
    assert found["taken"] == found["confirmed"] + found["thinned"] + found["waiting"]
    return found


def judge(url: str, zone: Zone, file: Path, state: Path, up_s: float) -> None:
    """Everything that was taken is stored, once and at its time, or waits; live readings came first."""
    tried, took = diary_of(file)
    with connect(url) as connection:
        names = {
            n: f"{asset}/{name}" for (where, asset, name), n in channel_ids(connection).items() if where == zone.zone_id
        }
        rows = connection.execute(STORED, [zone.zone_id]).fetchall()
        assert connection.execute(BOOK, [zone.zone_id]).fetchone() == (0, 0, 0), "missing, conflicts, set aside"
        # Levels that stand still for three days are suspect, if those of the days before came before the newest.
        assert {test for (test,) in connection.execute(NOTED)} <= {"flat"}, "the dates were certain"
    stored = {(names[number], ms): value for number, ms, value, *_ in rows}
    assert len(stored) == len(rows)
    lost = [key for key, value in took.items() if not is_same(stored.get(key), value) and key[1] < up_s * 1000]
    assert lost == []
    assert all(is_same(tried.get(key), value) for key, value in stored.items())
    account(state)
    came_s = {(names[number], ms): received for number, ms, _, _, received in rows}
    live = {key: received for key, received in came_s.items() if key[1] >= up_s * 1000}
    ended_s = max(received for key, received in came_s.items() if key[1] < up_s * 1000)
    during = [received - key[1] / 1000 for key, received in live.items() if received < ended_s]
    print(f"{len(stored) - len(live)} readings of {HOURS} h with {POWER_CUTS} power cuts: {ended_s - up_s:.1f} s after")
    print(f"the link; meanwhile {len(during)} live ones, at most {max(during):.1f} s old when they came")
    assert during, "live readings did not wait for the backlog"
    assert max(during) < LIVE_WITHIN_S
