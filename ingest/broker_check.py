"""Whether the broker keeps what it takes: the settings that drop messages in silence, found and named.

Two ways to know, because neither tells all. The configuration of a mosquitto on this machine says what holds over a
restart and how far a queue may grow (`broker_conf`). And the running broker is tried by a small client
(`broker_probe`). What neither way can tell is reported as such and does not pass for good.

The client needs the operator's login: on the listener of devices a client's id is its user name, so a client with the
login of ingest would take over the session of ingest, and with a gateway's login that of the gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.config import MqttSettings
from gateway.whole import whole
from ingest.broker_conf import BrokerConf, fetch_broker_conf
from ingest.broker_probe import NotTried, try_broker

TIMEOUT_S = 5.0
UNSET = "not set"
LISTENERS_APART = "per_listener_settings"
LOGIN = "mqtt.operator_url"  # our setting for the probe's login
LOST_WHEN_FULL = "when it is full the broker drops messages that it has confirmed to their sender"


class Kind(StrEnum):
    """What is known about a setting."""

    WEAK = "weak"
    PLUGIN = "plugin"  # weak, unless the plug-in that is loaded does it instead
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WeakSetting:
    """A setting of the broker that can lose messages, or of which nobody can tell; names are mosquitto's."""

    setting: str
    found: str
    wanted: str
    why: str
    kind: Kind = Kind.WEAK

    def __str__(self) -> str:
        if self.kind is not Kind.WEAK:
            return f"cannot tell about the broker's {self.setting} ({self.found}; wanted: {self.wanted}): {self.why}"
        return f"the broker's {self.setting} is {self.found}, wanted {self.wanted}: {self.why}"


@dataclass(frozen=True, slots=True)
class _Rule:
    setting: str
    wanted: str  # as in deploy/mosquitto/ndiyan.conf
    default: str  # of mosquitto 2.0, mosquitto.conf(5)
    is_good: Callable[[str], bool]
    why: str  # what is lost without it
    of_listener: bool = False
    by_plugin: bool = False  # a plug-in may do it instead
    unless: str | None = None  # this other setting, when it is good, covers it

    def weak(self, found: str, kind: Kind = Kind.WEAK) -> WeakSetting:
        return WeakSetting(self.setting, found, self.wanted, self.why, kind)


def _within(low: int, high: int) -> Callable[[str], bool]:
    return lambda value: (number := whole(value)) is not None and low <= number <= high


def _is(*values: str) -> Callable[[str], bool]:
    return lambda value: value.lower() in values


_is_on, _is_off = _is("true", "1"), _is("false", "0")
_ANY = 2**63
_RULES = {
    rule.setting: rule
    for rule in (
        _Rule("persistence", "true", "false", _is_on,
              "a restart of the broker loses every waiting message and the session of ingest", by_plugin=True),
        _Rule("persistence_location", "a folder that stays", UNSET, lambda value: value != UNSET,
              "the store lies where the broker happens to be started, so a restart elsewhere begins without it",
              by_plugin=True),
        # mosquitto reads 0 as "only at the end"; with autosave_on_changes it counts changes instead of seconds.
        _Rule("autosave_interval", "1", "1800", _within(1, 1),
              "what came since the store was last written is lost when the broker is killed or the power fails",
              by_plugin=True),
        # Only a try tells: mosquitto's issue 2618, of 2.0.12 to 2.0.22. Before and after them `true` loses nothing.
        _Rule(LISTENERS_APART, "a mosquitto before 2.0.12 or from 2.0.23 on", "false", _is("true", "1", "false", "0"),
              "what comes while ingest is away is confirmed to its sender and dropped"),
        _Rule("max_queued_messages", "1000000", "1000", _within(1_000_000, _ANY),
              f"while ingest is away its queue grows, and {LOST_WHEN_FULL}"),
        # 2147483648 keeps mosquitto 2.1.2 from starting (RELIABILITY §2.6).
        _Rule("max_queued_bytes", "2000000000", "0", _within(2_000_000_000, 2**31 - 1),
              f"{LOST_WHEN_FULL}; without a limit (0) it fills the memory until the system kills it"),
        _Rule("max_inflight_messages", "500", "20", lambda value: value == "0" or _within(500, _ANY)(value),
              "so few at a time hold up a backlog over a slow link, and the queue behind it grows until it drops"),
        _Rule("max_packet_size", "65536", "0", _within(65_536, 268_435_455),
              "without a limit (0) one device's messages can fill the memory of the broker, and below it packs of"
              " readings never arrive"),
        _Rule("message_size_limit", UNSET, UNSET, _is(UNSET, "0"),
              "a larger message is confirmed to its sender and dropped, or sent again for ever"),
        _Rule("queue_qos0_messages", "true", "false", _is_on,
              "what sensors send at QoS 0 while ingest is away is dropped", unless="upgrade_outgoing_qos"),
        _Rule("upgrade_outgoing_qos", "true", "false", _is_on,
              "what sensors send at QoS 0 reaches ingest unconfirmed, and is lost when it stops before storing it"),
        _Rule("persistent_client_expiration", UNSET, UNSET, _is(UNSET),
              "when ingest is away for longer, its session is deleted with every waiting message"),
        _Rule("retain_available", "true", "true", _is_on,
              "the broker cuts off a gateway that leaves its status, before it has sent a reading"),
        _Rule("max_qos", "2", "2", _is("1", "2"),
              "messages are delivered without confirmation, and what is on the way when a link breaks is lost",
              of_listener=True),
        _Rule("use_username_as_clientid", "true", "false", _is_on,
              "any device can take the client id of ingest, end its session and lose what waits in it",
              of_listener=True),
        _Rule("allow_anonymous", "false", "false", _is_off,
              "anyone can confirm a gateway's readings in the name of ingest, and its outbox forgets them unstored",
              of_listener=True, by_plugin=True),
        _Rule("acl_file", "a file", UNSET, lambda value: value != UNSET,
              "any device can confirm another's readings in the name of ingest, and its outbox forgets them unstored",
              of_listener=True, by_plugin=True),
    )
}  # fmt: skip


def find_weak_settings(
    settings: MqttSettings, *, operator: MqttSettings | None = None, timeout_s: float = TIMEOUT_S
) -> list[WeakSetting]:
    """What the broker's settings can lose, one entry per setting; empty when all of them were seen to be good.

    Blocks for `timeout_s` and a second at most; 107 kB go over the wire. Raises nothing because of the broker:
    what does not answer is an entry of kind UNKNOWN.

    Parameters
    ----------
    settings : how ingest reaches the broker; its port is looked for in the configuration, its login is never used
    operator : the login for the probe, another user than that of ingest; without it only the configuration is read,
        unless the broker asks nobody for a name
    timeout_s : bound on the probe [s]
    """
    conf = fetch_broker_conf(settings.host, settings.port)
    weak = {} if conf is None else {found.setting: found for found in find_weak_lines(conf, settings.port)}
    seen: dict[str, str] = {}
    try:
        seen = try_broker(_login(settings, operator), door=settings, timeout_s=timeout_s)
    except NotTried as error:
        weak[LOGIN] = WeakSetting(
            LOGIN, str(error), "a login that may write and read ndiyan/#",
            "what the running broker does with messages was not tried", Kind.UNKNOWN,
        )  # fmt: skip
    for setting, found in seen.items():
        if not _RULES[setting].is_good(found):
            weak.setdefault(setting, _RULES[setting].weak(found))
    if conf is None:
        untold = ", ".join(name for name in _RULES if name not in seen)
        weak[untold] = WeakSetting(
            untold, "its configuration cannot be read here", "as in deploy/mosquitto/ndiyan.conf",
            "what waits for ingest may be lost in a restart or when the queue is full", Kind.UNKNOWN,
        )  # fmt: skip
    return list(weak.values())


def _login(settings: MqttSettings, operator: MqttSettings | None) -> MqttSettings:
    if operator is not None and (operator.username is None or operator.username != settings.username):
        return operator
    if operator is None and settings.username is None:
        return settings  # nobody has a name, so no session can be taken over by it
    raise NotTried("not set" if operator is None else f"{operator.username} is the user of ingest")


def find_weak_lines(conf: BrokerConf, port: int) -> list[WeakSetting]:
    """What a configuration can lose, of the broker and of its listener for devices."""
    return list(_weak_in(conf, port))


def _weak_in(conf: BrokerConf, port: int) -> Iterator[WeakSetting]:
    for rule in _RULES.values():
        if rule.unless and not list(_bad_values(conf, _RULES[rule.unless], port)):
            continue
        for value in _bad_values(conf, rule, port):
            found = value or (rule.default if rule.default == UNSET else f"{rule.default} (the default)")
            yield rule.weak(found, Kind.PLUGIN if rule.by_plugin and conf.has_plugin else Kind.WEAK)


def _bad_values(conf: BrokerConf, rule: _Rule, port: int) -> Iterator[str | None]:
    """What is set against the rule; None where nothing is set, and mosquitto's default is against it."""
    for value in conf.values(rule.setting, port if rule.of_listener else None):
        if not rule.is_good(rule.default if value is None else value):
            yield value
