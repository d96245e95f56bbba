"""Rules that may be changed, and trials of a change over past readings."""

from __future__ import annotations

from fastapi import APIRouter

from alerts.errors import SettingRefused
from alerts.settings import change
from alerts.trials import Trial, ask
from web.api.models import Listing, RuleBody, RuleView, TrialBody, TrialResult, TrialView
from web.api.responses import ERRORS
from web.dependencies import ConnectionOf, KeyOf, ServicesOf
from web.errors import NotThere
from web.rules import RuleNow, fetch_rule, fetch_rules, fetch_trial, refused

router = APIRouter(tags=["rules"], responses=ERRORS)


@router.get("/rules", summary="Numbers of rules that may be changed")
def rules(connection: ConnectionOf) -> Listing[RuleView]:
    """Each with its unit, its bounds and what holds."""
    return Listing(items=[_rule_view(rule) for rule in fetch_rules(connection)])


@router.get("/rules/trials/{trial_id}", summary="What a change would have done")
def trial(connection: ConnectionOf, trial_id: int) -> TrialView:
    """`result` is null while it is worked on; `done` of `total` zones are judged."""
    return _trial_view(fetch_trial(connection, trial_id))


@router.put("/rules/{name}", summary="Change a number of a rule")
def set_it(services: ServicesOf, connection: ConnectionOf, key: KeyOf, name: str, body: RuleBody) -> RuleView:
    """It holds from the next evaluation on; null undoes it."""
    fetch_rule(connection, name)
    _require_zone(connection, body.zone)
    who, now = key.written(body.who), services.clock.now()
    try:
        change(connection, name, zone=body.zone, value=body.value, who=who, why=body.why, now=now)
    except SettingRefused as error:
        raise refused(error) from error
    return _rule_view(fetch_rule(connection, name))


@router.post("/rules/{name}/trials", summary="Try a value on past readings", status_code=202)
def try_it(services: ServicesOf, connection: ConnectionOf, key: KeyOf, name: str, body: TrialBody) -> TrialView:
    """Both settings are judged over the last days in the background; ask for the trial until it has a result."""
    fetch_rule(connection, name)
    try:
        number = ask(
            connection, name, value=body.value, zone=body.zone, who=key.written(), now=services.clock.now(),
            days=body.days,
        )  # fmt: skip
    except SettingRefused as error:
        raise refused(error) from error
    services.trials.start(number)
    return _trial_view(fetch_trial(connection, number))


def _require_zone(connection: ConnectionOf, zone: str | None) -> None:
    if zone is not None and not connection.execute("SELECT 1 FROM zone WHERE zone_id = %s", (zone,)).fetchone():
        raise NotThere("zone", zone)


def _rule_view(rule: RuleNow) -> RuleView:
    one = rule.parameter
    return RuleView(
        name=one.name, fault=one.fault, unit=one.unit, default=one.default, low=one.low, high=one.high,
        value=rule.value, zones={own.zone_id: own.value for own in rule.own if own.zone_id and own.value is not None},
    )  # fmt: skip


def _trial_view(trial: Trial) -> TrialView:
    return TrialView(
        id=trial.rule_trial_id, rule=trial.parameter, zone=trial.zone_id, value=trial.value, start_at=trial.start_at,
        end_at=trial.end_at, asked_by=trial.asked_by, asked_at=trial.asked_at, done=trial.done, total=trial.total,
        is_over=trial.is_over, is_interrupted=trial.is_interrupted, error=trial.error,
        result=None if trial.result is None else TrialResult.model_validate(trial.result),
    )  # fmt: skip
