"""Register maps: numbers as they lie in devices, the shipped maps by their samples, and mistakes that are told."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.maps import SHIPPED, RegisterMap, find_map, load_map
from gateway.model import PumpState
from gateway.registers import Order, RegisterType, crc16, decode, encode

GOOD = """
map = "a-meter"
says = "a meter"
source = "its manual"

[[register]]
name = "power"
table = "input"
address = 12
type = "f32"
unit = "W"

[[sample]]
origin = "the manual's example"
request = "01 04 00 0c 00 02 b1 c8"
response = "01 04 04 44 be 10 00 82 90"
gives = { power = 1520.5 }
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "a-meter.toml"
    file.write_text(text, "utf-8")
    return file


@pytest.mark.parametrize(
    ("words", "kind", "order", "number"),
    [
        # 230.2 V as Eastron's protocol prints it: 43 66 33 34
        ([0x4366, 0x3334], RegisterType.F32, Order.ABCD, 230.2),
        ([0x3334, 0x4366], RegisterType.F32, Order.CDAB, 230.2),
        ([0x6643, 0x3433], RegisterType.F32, Order.BADC, 230.2),
        ([0x3433, 0x6643], RegisterType.F32, Order.DCBA, 230.2),
        # Advantech: counter = (40002) x 65536 + (40001), so 1 x 65536 + 34464
        ([34464, 1], RegisterType.U32, Order.CDAB, 100_000),
        ([0xFFFF], RegisterType.S16, Order.ABCD, -1),
        ([0xFFFF, 0xFFFE], RegisterType.S32, Order.ABCD, -2),
        ([0, 0, 0, 7], RegisterType.U64, Order.ABCD, 7),
    ],
)
def test_a_number_is_read_from_its_registers_and_written_back(
    words: list[int], kind: RegisterType, order: Order, number: float
) -> None:
    assert decode(words, kind, order) == pytest.approx(number, rel=1e-6)
    assert encode(decode(words, kind, order), kind, order) == words


def test_the_check_of_a_frame_is_that_of_the_standard() -> None:
    # Modbus over serial line, and Eastron's printed answer of 230.2 V: … 1B 38
    assert crc16(bytes.fromhex("01 04 04 43 66 33 34")) == bytes.fromhex("1b 38")


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.toml")), ids=lambda file: file.stem)
def test_a_shipped_map_gives_what_its_samples_say(file: Path) -> None:
    found = load_map(file)
    assert found.name == file.stem
    assert found.source
    assert all(sample.origin.startswith(("recorded", "documented", "worked out")) for sample in found.samples)


def test_a_pump_on_three_phases_is_read_whole_and_a_meter_of_one_is_not_asked_for_three() -> None:
    meter = load_map(SHIPPED / "eastron-sdm.toml")
    whole, one = meter.registers["total_power"], meter.registers["power"]
    assert whole.value(encode(4561.5, whole.kind)).number == 4561.5
    assert [block.address for block in meter.blocks(["power", "current"])] == [6, 12]
    assert [block.registers for block in meter.blocks(["power", "total_power"])] == [(one,), (whole,)]


def test_a_recorded_inverter_that_stands_tells_no_cause_that_it_does_not_know() -> None:
    state = find_map("invt-goodrive100-pv", Path()).registers["state"]
    assert state.value([3]).number is None
    assert state.value([4]).number == PumpState.TRIPPED
    assert state.value([9]).why == "code 9 is not in the map"


def test_neighbours_are_read_together_and_gaps_are_not(tmp_path: Path) -> None:
    inverter = find_map("invt-goodrive100-pv", tmp_path)
    blocks = inverter.blocks(["bus_voltage", "speed", "output_voltage", "output_current", "state"])
    assert [(block.address, block.words) for block in blocks] == [(0x2100, 1), (0x3002, 4)]


def test_no_block_is_longer_than_the_device_bears(tmp_path: Path) -> None:
    registers = "".join(
        f'\n[[register]]\nname = "r{n}"\ntable = "input"\naddress = {100 + n}\ntype = "u16"\n' for n in range(5)
    )
    found = load_map(written(tmp_path, "at_once = 2\n" + GOOD + registers))
    assert [block.words for block in found.blocks([f"r{n}" for n in range(5)])] == [2, 2, 1]


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        pytest.param("1520.5 }", "1520.6 }", r"gives\.power: 1520\.6 is wanted, the frame gives 1520\.5", id="value"),
        pytest.param("82 90", "82 91", r"response: ends with 82 91, but its check is 82 90", id="check"),
        pytest.param('"f32"', '"f33"', r"register\[0\]\.type: 'f33' is none of u16", id="type"),
        pytest.param('"input"', '"holding"', r"gives\.power: is not among the registers", id="table"),
        pytest.param(
            "address = 12", "address = 65535", r"address: 65535 and 2 registers end above 65535", id="address"
        ),
        pytest.param('source = "its manual"', "", "source: is missing", id="source"),
        pytest.param('unit = "W"', 'unit = "W"\ncolour = 3', r"colour: is not a key of a register map", id="unknown"),
        pytest.param('unit = "W"', 'unit = "W"\nscale = 0', r"scale: 0 makes nothing of everything", id="scale"),
        pytest.param('unit = "W"', 'unit = "W"\nvalid = [5, 2]', r"valid: 5 is not below 2", id="range"),
        pytest.param(
            "[[sample]]",
            '[[register]]\nname = "level"\ntable = "input"\naddress = 3\ntype = "u16"\nsentinels = [-1]\n[[sample]]',
            r"register\[1\]\.sentinels: -1 is no raw number of u16",
            id="sentinel",
        ),
    ],
)
def test_a_mistake_in_a_map_is_told_with_file_key_and_value(tmp_path: Path, wrong: str, right: str, told: str) -> None:
    assert wrong in GOOD
    with pytest.raises(ConfigError, match=rf"a-meter\.toml: .*{told}"):
        load_map(written(tmp_path, GOOD.replace(wrong, right)))


def test_a_map_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sample: is missing"):
        load_map(written(tmp_path, GOOD[: GOOD.index("[[sample]]")]))


def test_a_sentinel_of_a_float_is_known_as_32_bits_have_it(tmp_path: Path) -> None:
    text = GOOD.replace('unit = "W"', 'unit = "W"\nsentinels = [-9999.9, 3.4028235e38]')
    power = load_map(written(tmp_path, text)).registers["power"]
    for no_value in (-9999.9, 3.4028234663852886e38):
        assert power.value(encode(no_value, power.kind)).number is None


def test_a_sentinel_and_a_number_out_of_range_are_no_values(tmp_path: Path) -> None:
    text = GOOD.replace('type = "f32"\nunit = "W"', 'type = "u16"\nunit = "W"\nsentinels = [0xFFFF]\nvalid = [0, 5000]')
    text = text.replace("00 02 b1 c8", "00 01 f1 c9").replace("04 04 44 be 10 00 82 90", "04 02 05 f0 ba 24")
    found: RegisterMap = load_map(written(tmp_path, text.replace("1520.5", "1520")))
    power = found.registers["power"]
    assert power.value([65535]).why == "raw 65535 means: no value"
    assert power.value([5001]).why == "5001 is not within 0..5000"
    assert power.value([5000]).number == 5000
