"""Rules as pages and API show them: each number with its bounds and who changed it, and trials."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.errors import SettingRefused
from alerts.parameters import PARAMETERS, Parameter, Setting
from alerts.settings import fetch_settings
from alerts.trials import Trial, find_trial
from ingest.db import Connection
from web.errors import BadParameter, NotThere


@dataclass(frozen=True, slots=True)
class RuleNow:
    """A parameter with what holds: `general` for all zones, `own` for zones that have a value of their own."""

    parameter: Parameter
    general: Setting | None
    own: tuple[Setting, ...]

    @property
    def value(self) -> float:
        """What holds in zones without a value of their own."""
        return self.parameter.default if self.general is None or self.general.value is None else self.general.value


def fetch_rules(connection: Connection) -> list[RuleNow]:
    """All parameters, in the order in which they are declared."""
    settings = fetch_settings(connection)
    return [
        RuleNow(
            parameter,
            next((one for one in settings if one.parameter == name and one.zone_id is None), None),
            tuple(one for one in settings if one.parameter == name and one.zone_id and one.value is not None),
        )
        for name, parameter in PARAMETERS.items()
    ]


def fetch_rule(connection: Connection, name: str) -> RuleNow:
    """One parameter; `NotThere` when there is none of this name."""
    for rule in fetch_rules(connection):
        if rule.parameter.name == name:
            return rule
    raise NotThere("rule", name)


def fetch_trial(connection: Connection, trial_id: int) -> Trial:
    """One trial; `NotThere` when there is none of this id."""
    found = find_trial(connection, trial_id)
    if found is None:
        raise NotThere("trial", trial_id)
    return found


def refused(error: SettingRefused) -> BadParameter:
    """The same mistake as the caller's."""
    return BadParameter(error.name, error.value, error.bound)
