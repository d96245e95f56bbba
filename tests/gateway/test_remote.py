"""Configuration from afar: signed, checked, tried, and taken back when it is worse."""

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.installation import Installation
from gateway.model import GatewayId, ZoneId
from gateway.remote import MOST_STARTS, RemotePlan, number_in_use, plan_in_use, read_signed, sign
from gateway.service import remote_of
from ndiyan.cli_gateway import main
from tests.gateway.lines import PUMP, installation

KEY = b"a long and secret key"
PLAN = """
interval_s = 600
[[device]]
name = "loops"
link = "bus"
unit_id = 3
map = "waveshare-analog-input-8ch"
[[point]]
asset = "tower"
channel = "level_m"
device = "loops"
register = "ai2"
loop = { at_4_ma = 0, at_20_ma = 5 }
"""


@pytest.fixture
def pump(tmp_path: Path) -> Installation:
    (tmp_path / "key").write_bytes(KEY)
    return installation(tmp_path, 'remote_key_file = "key"\n' + PUMP.format(port=502))


@pytest.fixture
def remote(pump: Installation, tmp_path: Path) -> RemotePlan:
    return RemotePlan(pump, tmp_path / "remote")


def message(config: str = PLAN, number: int = 1, gateway: str = "gw-1", key: bytes = KEY) -> bytes:
    return sign(config, number=number, zone="zone-1", gateway=gateway, key=key)


def points(remote: RemotePlan) -> list[str]:
    return sorted(point.name for point in remote.plan().points)


def measures(remote: RemotePlan, *, before: Collection[str] = ()) -> None:
    """The program takes the plan that has come, and tells what measured until now."""
    remote.has_changed.clear()
    remote.begin(before)


def judge(remote: RemotePlan, *, troubles: Collection[str] = (), has_measured: bool = True) -> None:
    remote.judge(points=points(remote), troubles=troubles, has_measured=has_measured)


def test_a_signed_plan_is_tried_and_kept(remote: RemotePlan) -> None:
    remote.offer(message())
    assert remote.has_changed.is_set()
    assert points(remote) == ["tower/level_m"]
    assert remote.outcome() == {"number": 1, "says": "on trial"}
    measures(remote, before={"tower/level_m"})
    judge(remote)
    assert remote.outcome() == {"number": 1, "says": "in use"}
    assert remote.plan().points[0].register == "ai2"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(message(key=b"the wrong key"), id="key"),
        pytest.param(message(gateway="gw-2"), id="for-another-gateway"),
        pytest.param(message().replace(b"600", b"60"), id="changed-on-the-way"),
        pytest.param(json.dumps({"number": 2, "config": PLAN}).encode(), id="unsigned"),
        pytest.param(b"[" * 5000, id="nonsense"),
        pytest.param(b"", id="taken-away"),
    ],
)
def test_what_nobody_with_the_key_has_signed_changes_nothing(remote: RemotePlan, payload: bytes) -> None:
    remote.offer(payload)
    assert not remote.has_changed.is_set()
    assert remote.outcome() == {}
    assert len(points(remote)) == 4


def test_a_number_counts_once_so_that_no_old_plan_comes_back(remote: RemotePlan) -> None:
    remote.offer(message(number=5))
    remote.has_changed.clear()
    remote.offer(message(PLAN.replace("ai2", "ai3"), number=5))
    remote.offer(message(PLAN.replace("ai2", "ai4"), number=4))
    assert not remote.has_changed.is_set()
    assert remote.plan().points[0].register == "ai2"


def test_a_plan_with_a_mistake_is_refused_with_key_value_and_bound(remote: RemotePlan) -> None:
    remote.offer(message(PLAN.replace('"ai2"', '"ai9"')))
    says = str(remote.outcome()["says"])
    assert says.startswith("refused:")
    assert "point[0].register: 'ai9' is none of ai1" in says
    assert len(points(remote)) == 4


def test_a_plan_under_which_something_falls_silent_is_taken_back(remote: RemotePlan) -> None:
    remote.offer(message())
    measures(remote, before={"tower/level_m"})
    judge(remote, troubles={"tower/level_m"})
    assert remote.outcome() == {"number": 1, "says": "rolled back: tower/level_m no longer measures"}
    assert len(points(remote)) == 4


def test_what_measured_before_is_remembered_over_a_restart_and_a_second_plan(
    pump: Installation, tmp_path: Path
) -> None:
    remote = RemotePlan(pump, tmp_path / "remote")
    remote.offer(message())
    measures(remote, before={"tower/level_m"})
    again = RemotePlan(pump, tmp_path / "remote")
    again.offer(message(PLAN.replace("ai2", "ai3"), number=2))
    measures(again, before=())  # under the first plan nothing measured
    judge(again, troubles={"tower/level_m"})
    assert again.outcome() == {"number": 2, "says": "rolled back: tower/level_m no longer measures"}
    assert len(points(again)) == 4, "what counted before both"


def test_where_nobody_can_tell_what_measured_before_each_point_has_to(remote: RemotePlan) -> None:
    remote.offer(message())
    remote.has_changed.clear()  # it waited at the broker: the program had not looked yet
    judge(remote, troubles={"tower/level_m"})
    assert remote.outcome() == {"number": 1, "says": "rolled back: tower/level_m no longer measures"}


def test_what_never_measured_is_no_reason_to_take_a_plan_back(remote: RemotePlan) -> None:
    remote.offer(message())
    measures(remote, before={"pump/speed_rpm"})
    judge(remote, troubles={"tower/level_m"})
    assert remote.outcome() == {"number": 1, "says": "in use"}


def test_a_plan_that_comes_while_another_is_judged_is_not_blessed_with_it(remote: RemotePlan) -> None:
    remote.offer(message())
    measures(remote)
    remote.offer(message(PLAN.replace("ai2", "ai3"), number=2))
    judge(remote)
    assert remote.outcome() == {"number": 2, "says": "on trial"}


def test_a_second_plan_is_taken_back_to_the_first(remote: RemotePlan) -> None:
    remote.offer(message())
    measures(remote)
    judge(remote)
    remote.offer(message(PLAN.replace("ai2", "ai3"), number=2))
    assert remote.plan().points[0].register == "ai3"
    measures(remote)
    judge(remote, has_measured=False)
    assert remote.plan().points[0].register == "ai2"
    assert remote.outcome() == {"number": 2, "says": "rolled back: nothing was measured"}


def test_a_plan_that_is_refused_leaves_the_one_on_trial_alone(pump: Installation, tmp_path: Path) -> None:
    refusals: list[None] = []
    remote = RemotePlan(pump, tmp_path / "remote", on_refusal=lambda: refusals.append(None))
    remote.offer(message())
    measures(remote)
    remote.offer(message("nonsense", number=2))
    assert not remote.has_changed.is_set(), "nothing else is measured"
    assert len(refusals) == 1
    assert remote.outcome()["number"] == 2
    assert str(remote.outcome()["says"]).startswith("refused: ")
    judge(remote)
    assert remote.outcome() == {"number": 1, "says": "in use"}


def test_a_plan_with_which_the_program_does_not_stay_up_is_taken_back(pump: Installation, tmp_path: Path) -> None:
    RemotePlan(pump, tmp_path / "remote").offer(message())
    for _ in range(MOST_STARTS):
        assert points(RemotePlan(pump, tmp_path / "remote")) == ["tower/level_m"], "a restart may have other causes"
    last = RemotePlan(pump, tmp_path / "remote")
    assert len(points(last)) == 4
    assert str(last.outcome()["says"]).startswith("rolled back: the program was started 4 times")


def test_a_technician_who_changes_the_boxs_own_file_is_measured_by_it(pump: Installation, tmp_path: Path) -> None:
    remote = RemotePlan(pump, tmp_path / "remote")
    remote.offer(message(number=7))
    measures(remote)
    judge(remote)
    same = 'remote_key_file = "key"\nkeepalive_s = 60\n' + PUMP.format(port=502)
    assert points(RemotePlan(installation(tmp_path, same), tmp_path / "remote")) == ["tower/level_m"]

    other_probe = installation(tmp_path, same.replace("at_20_ma = 5", "at_20_ma = 10"))
    assert number_in_use(other_probe, tmp_path / "remote") == 0
    assert plan_in_use(other_probe, tmp_path / "remote") == other_probe.plan
    changed = RemotePlan(other_probe, tmp_path / "remote")
    assert changed.plan() == other_probe.plan
    assert changed.outcome() == {"number": 7, "says": "over: the box's own file was changed"}
    before = RemotePlan(installation(tmp_path, same), tmp_path / "remote")
    assert len(points(before)) == 4, "who takes the change back has not asked for the plan from afar"
    before.offer(message(number=7))
    assert len(points(before)) == 4, "it is still retained at the broker"
    before.offer(message(number=8))
    assert points(before) == ["tower/level_m"]


def test_check_says_that_a_plan_from_afar_counts(pump: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    remote = RemotePlan(pump, remote_of(pump))
    remote.offer(message(number=7))
    assert main(["check", "--config", str(pump.path)]) == 0
    assert "configuration 7 from afar counts instead of them" in capsys.readouterr().out


def test_a_plan_from_afar_that_counted_before_an_upgrade_counts_on(pump: Installation, tmp_path: Path) -> None:
    remote = RemotePlan(pump, tmp_path / "remote")
    remote.offer(message())
    measures(remote)
    judge(remote)
    state = tmp_path / "remote" / "state.json"
    kept = json.loads(state.read_text())
    state.write_text(json.dumps({key: value for key, value in kept.items() if key not in ("whose", "own_print")}))
    assert plan_in_use(pump, tmp_path / "remote") == RemotePlan(pump, tmp_path / "remote").plan() != pump.plan
    assert json.loads(state.read_text()) == kept, "and a change from now on is noticed"


def test_a_box_that_is_put_up_elsewhere_takes_no_plan_along(pump: Installation, tmp_path: Path) -> None:
    RemotePlan(pump, tmp_path / "remote").offer(message(number=7))
    moved = replace(pump, zone=ZoneId("zone-2"), gateway=GatewayId("gw-2"))
    remote = RemotePlan(moved, tmp_path / "remote")
    assert remote.plan() == pump.plan
    remote.offer(sign(PLAN, number=1, zone="zone-2", gateway="gw-2", key=KEY))
    assert points(remote) == ["tower/level_m"], "there numbers begin anew"


def test_a_signed_message_is_read_by_whoever_has_the_key() -> None:
    assert read_signed(message(), zone="zone-1", gateway="gw-1", key=KEY) == (1, PLAN)
    with pytest.raises(ConfigError, match="number 1 bears a wrong signature"):
        read_signed(message(), zone="zone-2", gateway="gw-1", key=KEY)
