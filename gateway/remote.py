"""Configuration from afar: what is asked how often may be changed by a signed, retained message; no port is open.

The message on `down/config` is JSON: `{"number": 7, "config": "…TOML…", "signature": "…"}`, the signature HMAC-SHA256
with the key of the gateway's own file over zone, gateway, number and text, so that no message can be changed, sent to
another gateway, or sent again: a number counts once. A plan that is sound is tried; when within the trial a point that
measured before no longer does, or the program does not stay up, the plan before it comes back. Whoever changes the plan
in the gateway's own file stands before the instruments: from then on that one counts.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import threading
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gateway.errors import ConfigError
from gateway.installation import Installation, Plan, load_plan

log = logging.getLogger(__name__)

TRIAL_S = 900.0  # three intervals of five minutes
MOST_STARTS = 3  # of the program within a trial
MOST_BYTES = 65_536


def sign(config: str, *, number: int, zone: str, gateway: str, key: bytes) -> bytes:
    """The message that a gateway accepts."""
    signature = _signature(config, number, zone, gateway, key)
    return json.dumps({"number": number, "config": config, "signature": signature}, separators=(",", ":")).encode()


def _signature(config: str, number: int, zone: str, gateway: str, key: bytes) -> str:
    return hmac.new(key, f"{zone}/{gateway}/{number}\n{config}".encode(), hashlib.sha256).hexdigest()


def read_signed(payload: bytes, *, zone: str, gateway: str, key: bytes) -> tuple[int, str]:
    """Number and text of a message; `ConfigError` when it is not from somebody who has the key."""
    try:
        message = json.loads(payload) if len(payload) <= MOST_BYTES else None
        number, config, signature = message["number"], message["config"], message["signature"]  # type: ignore[index] # caught below
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"configuration from afar: not a signed message: {payload[:60]!r}") from error
    if not (type(number) is int and 1 <= number <= 2**53 and isinstance(config, str) and isinstance(signature, str)):
        raise ConfigError("configuration from afar: number, config or signature is of a wrong kind")
    if not hmac.compare_digest(signature.encode(), _signature(config, number, zone, gateway, key).encode()):
        raise ConfigError(f"configuration from afar: number {number} bears a wrong signature")
    return number, config


@dataclass(frozen=True, slots=True)
class _State:
    """What is remembered over restarts; plan 0 is the one in the gateway's own file."""

    seen: int = 0  # the highest number that was ever looked at
    active: int = 0
    before: int = 0  # to which a trial goes back
    is_trial: bool = False
    measured: list[str] | None = None  # the points that measured before the trial; None: nobody could tell
    starts: int = 0
    told: int = 0  # whose outcome `says` is; 0: that of `seen`
    says: str = ""
    whose: str = ""  # zone and gateway to which all this belongs; "", as below: from before it was kept
    own_print: str = ""  # of the own file's plan that the active one stands in for


def _state_of(installation: Installation, folder: Path) -> _State:
    try:
        state = _State(**json.loads((folder / "state.json").read_text("utf-8")))
    except FileNotFoundError:
        return _State()
    except (OSError, ValueError, TypeError) as error:
        log.error("%s: the state of configuration from afar is lost, our own file counts: %s", folder, error)
        return _State()
    if state.whose not in ("", _whose(installation)):
        return _State()
    if state.active and state.own_print not in ("", installation.plan_print):
        return replace(
            state, active=0, before=0, is_trial=False, told=state.active, says="over: the box's own file was changed"
        )
    return state


def _whose(installation: Installation) -> str:
    return f"{installation.zone}/{installation.gateway}"


def number_in_use(installation: Installation, folder: Path) -> int:
    """Which plan counts now, for whoever only looks: 0 is the one in the gateway's own file."""
    return _state_of(installation, folder).active


def plan_in_use(installation: Installation, folder: Path) -> Plan:
    """The plan that counts now, for whoever only looks; the own file's where it cannot be read."""
    number = number_in_use(installation, folder)
    try:
        return load_plan(folder / _file_name(number), installation) if number else installation.plan
    except ConfigError:
        return installation.plan


def _file_name(number: int) -> str:
    return f"plan-{number}.toml"


class RemotePlan:
    """Which plan counts, and what became of the last one that came. `offer` may be called from another thread."""

    def __init__(
        self,
        installation: Installation,
        folder: Path,
        *,
        on_change: Callable[[], None] = lambda: None,
        on_refusal: Callable[[], None] = lambda: None,
    ) -> None:
        self._installation, self._folder = installation, folder
        self._on_change, self._on_refusal = on_change, on_refusal
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        found = _state_of(installation, folder)
        self._state = replace(found, whose=_whose(installation), own_print=installation.plan_print)
        if found not in (_State(), self._state):
            self._put()
        self.has_changed = threading.Event()
        if self._state.is_trial:
            self._put(starts=self._state.starts + 1)
            if self._state.starts > MOST_STARTS:
                self.roll_back(f"the program was started {self._state.starts} times within the trial")

    @property
    def is_trial(self) -> bool:
        """Whether the plan that counts is still tried."""
        return self._state.is_trial

    def outcome(self) -> dict[str, object]:
        """The last that became of a plan that came, for the status."""
        return {"number": self._state.told or self._state.seen, "says": self._state.says} if self._state.seen else {}

    def plan(self) -> Plan:
        """The plan that counts now; what can no longer be read is rolled back."""
        while self._state.active:
            try:
                return load_plan(self._file(self._state.active), self._installation)
            except ConfigError as error:
                self.roll_back(str(error))
        return self._installation.plan

    def offer(self, payload: bytes) -> None:
        """A message came; a new and sound plan counts from now on, on trial."""
        key = self._installation.remote_key
        if key is None or not payload:  # an empty one is a retained message that was taken away
            return
        try:
            number, config = read_signed(
                payload, zone=self._installation.zone, gateway=self._installation.gateway, key=key
            )
        except ConfigError as error:
            log.warning("%s", error)
            return
        with self._lock:
            if number <= self._state.seen:
                return
            _write(self._file(number), config.encode())
            try:
                load_plan(self._file(number), self._installation)
            except ConfigError as error:
                self._put(seen=number, told=number, says=f"refused: {error}")
                log.warning("configuration %d is refused: %s", number, error)
                self._on_refusal()
            else:
                if not self._state.is_trial:
                    self._put(before=self._state.active, measured=None)
                self._put(seen=number, told=number, active=number, is_trial=True, starts=0, says="on trial")
                log.info("configuration %d is tried", number)
                self.has_changed.set()
                self._on_change()

    def begin(self, measured: Collection[str]) -> None:
        """The plan on trial is measured by from now on; `measured` are the points that measured under the one before.

        It is kept over restarts, and of a second plan within a trial what was kept with the first counts.
        """
        with self._lock:
            if self._state.is_trial and self._state.measured is None:
                self._put(measured=sorted(measured))

    def judge(self, *, points: Collection[str], troubles: Collection[str], has_measured: bool) -> None:
        """End a trial: keep the plan of these points, or go back when it is worse than the one before.

        Where nobody could tell what measured before, each of its points has to.
        """
        with self._lock:
            if self.has_changed.is_set():
                return  # by now another one is tried
            before = points if self._state.measured is None else self._state.measured
            lost = sorted(set(before) & set(points) & set(troubles))
            if lost or not has_measured:
                self._roll_back(f"{lost[0]} no longer measures" if lost else "nothing was measured")
            else:
                self._put(is_trial=False, told=self._state.active, says="in use")
                log.info("configuration %d is in use", self._state.active)

    def roll_back(self, why: str) -> None:
        """The plan before counts again."""
        with self._lock:
            self._roll_back(why)

    def _roll_back(self, why: str) -> None:
        log.warning("configuration %d is rolled back: %s", self._state.active, why)
        before = self._state.before if self._state.before != self._state.active else 0
        self._put(told=self._state.active, active=before, before=0, is_trial=False, says=f"rolled back: {why}")
        self.has_changed.set()
        self._on_change()

    def _file(self, number: int) -> Path:
        return self._folder / _file_name(number)

    def _put(self, **changes: int | bool | str | list[str] | None) -> None:
        self._state = replace(self._state, **changes)  # type: ignore[arg-type] # by the names of its fields
        _write(self._folder / "state.json", json.dumps(asdict(self._state)).encode())


def _write(file: Path, data: bytes) -> None:
    """The whole file or none of it, also when the power fails."""
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
