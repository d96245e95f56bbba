"""French first, English complete, numbers and ages as people write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from web.labels import (
    ALERT_STATES,
    CHANNELS,
    EVENTS,
    FATES,
    NOTIFICATION_STATES,
    RATINGS,
    REASONS,
    ROLES,
    STEPS,
    TOLD_BECAUSE,
    WHY_NOT,
    ZONE_STATES,
    Labels,
    unit_of,
)
from web.language import Language, texts_of

WEB = Path(str(files("web")))
FR, EN = texts_of(Language.FR), texts_of(Language.EN)
PLACES = re.compile(r"%\(\w+\)s|%%")
NOW = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)


def texts_of_sources() -> set[str]:
    """Every text of templates and Python that is marked for translation."""
    methods = [("**/templates/**.html", "jinja2"), ("**.py", "python")]
    options = {"**/templates/**.html": {"newstyle_gettext": "true", "silent": "false"}}
    found = extract_from_dir(str(WEB), methods, options_map=options)
    return {str(message) for _, _, message, _, _ in found}


def test_every_text_has_its_english_and_no_english_is_left_over() -> None:
    with (WEB / "locale/en/LC_MESSAGES/web.po").open("rb") as file:
        catalogue = read_po(file, locale="en")
    written = {str(message.id): str(message.string) for message in catalogue if message.id}
    wanted = texts_of_sources()
    assert len(wanted) > 250
    assert wanted - written.keys() == set(), "texts without English"
    assert written.keys() - wanted == set(), "English of texts that are gone"
    for french, english in written.items():
        assert english.strip(), french
        assert sorted(PLACES.findall(french)) == sorted(PLACES.findall(english)), french


def test_templates_hold_no_text_that_is_not_marked() -> None:
    names = "Ndiyan,ndiyan G,English,Français,API,UTC,CSV,PDF,m³,kWhm²,kWhm³,PR,ndiyan zones import zones,OpenAPI"
    names += ",ndiyan doctor,ndiyan web apikey NOM scope read scope export"
    for template in sorted((WEB / "templates").glob("*.html")):
        text = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", " ", template.read_text("utf-8"), flags=re.DOTALL)
        text = re.sub(r"<[^>]*>| [a-z]+-\w+=\"[^\"]*\"", "\n", text)
        words = {re.sub(r"[^\w ]|\d|_", "", line).strip() for line in text.splitlines()}
        assert {word for word in words if re.search(r"\w\w", word)} - set(names.split(",")) == set(), template.name


def test_words_for_codes_cover_what_the_rest_of_the_house_writes() -> None:
    from alerts.ladder import Step
    from alerts.model import AlertState
    from alerts.routing import Why, WhyNot
    from gateway.model import CHANNELS as MODEL_CHANNELS
    from gateway.zones import RATINGS as MODEL_RATINGS
    from gateway.zones import ROLES as MODEL_ROLES
    from ingest.admission import RejectReason
    from ingest.replay import Fate
    from web.fleet import ZoneState

    assert {state.value for state in ZoneState} == ZONE_STATES.keys()
    assert {state.value for state in AlertState} == ALERT_STATES.keys()
    assert {reason.value for reason in RejectReason} == REASONS.keys()
    assert {fate.value for fate in Fate} == FATES.keys()
    assert {why.value for why in Why} <= TOLD_BECAUSE.keys()
    assert {why.value for why in WhyNot} == WHY_NOT.keys()
    assert STEPS.keys() <= {step.value for step in Step}
    assert set(MODEL_ROLES) == ROLES.keys()
    assert {name for specs in MODEL_CHANNELS.values() for name in specs} == CHANNELS.keys()
    assert {name for ratings in MODEL_RATINGS.values() for name in ratings} == RATINGS.keys()
    assert {"opened", "told", "delivered", "reply", "acknowledged", "resolved"} <= EVENTS.keys()
    assert {"queued", "uncertain", "delivered", "expired"} <= NOTIFICATION_STATES.keys()


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert Labels(EN).event("from_next_year") == "from_next_year"


@pytest.mark.parametrize(
    ("span", "french", "english"),
    [
        pytest.param(timedelta(seconds=4), "à l’instant", "just now", id="now"),
        pytest.param(timedelta(seconds=-90), "à l’instant", "just now", id="dated-into-the-future"),
        pytest.param(timedelta(seconds=59), "il y a 59\u00a0s", "59\u00a0s ago", id="seconds"),
        pytest.param(timedelta(minutes=4, seconds=40), "il y a 4\u00a0min", "4\u00a0min ago", id="minutes"),
        pytest.param(timedelta(hours=6, minutes=20), "il y a 6\u00a0h\u00a020", "6\u00a0h\u00a020 ago", id="hours"),
        pytest.param(
            timedelta(days=2, hours=3), "il y a 2\u00a0j\u00a03\u00a0h", "2\u00a0d\u00a03\u00a0h ago", id="days"
        ),
        pytest.param(timedelta(days=40, hours=3), "il y a 40\u00a0j", "40\u00a0d ago", id="many-days"),
    ],
)
def test_ages(span: timedelta, french: str, english: str) -> None:
    assert FR.age(NOW - span, NOW) == french
    assert EN.age(NOW - span, NOW) == english


def test_a_fine_duration_tells_seconds_too() -> None:
    assert FR.duration(timedelta(seconds=65), fine=True) == "1\u00a0min\u00a005\u00a0s"
    assert FR.duration(timedelta(seconds=65)) == "1\u00a0min"


def test_lengths_of_days_agree_with_their_sum() -> None:
    """Two zones without water for 119 h each: 4 j and 4 j were 9 j together."""
    hour = timedelta(hours=1)
    told = [FR.duration(span).replace("\u00a0", " ") for span in (119 * hour, 238 * hour, 119.6 * hour, 1010 * hour)]
    assert told == ["4 j 23 h", "9 j 22 h", "5 j", "42 j"]
    assert FR.age(NOW - 119 * hour, NOW) == "il y a 4\u00a0j"


def test_what_never_was_has_no_age() -> None:
    assert (FR.age(None, NOW), EN.age(None, NOW)) == ("jamais", "never")


def test_numbers_as_people_there_write_them() -> None:
    assert FR.quantity(1234.56, "m³") == "1\u202f234,6\u00a0m³"
    assert EN.quantity(1234.56, "m³") == "1,234.6\u00a0m³"
    assert FR.quantity(-0.01, "W") == "0\u00a0W"
    assert FR.quantity(0.0, "m³") == "0,0\u00a0m³"
    assert FR.quantity(None, "m³") == "pas de données"
    assert FR.percent(0.824) == "82\u00a0%"
    assert FR.percent(None) == "pas de données"
    assert [FR.at_least(share) for share in (0.797, 0.8, 0.29, 0.9999, 1.0)] == [
        f"{share}\u00a0%" for share in (79, 80, 29, 99, 100)
    ]


def test_instants_name_their_day_unless_it_is_today() -> None:
    today = str(FR.instant(NOW.replace(hour=9, minute=12), NOW))
    assert today == '<time datetime="2026-03-02T09:12:00Z" title="10:12 à Bruxelles">09:12</time>'
    assert ">dim.\u00a01\u00a0mars\u00a009:12<" in str(FR.instant(NOW.replace(day=1, hour=9, minute=12), NOW))
    assert ">Sun\u00a01\u00a0Mar\u00a009:12<" in str(EN.instant(NOW.replace(day=1, hour=9, minute=12), NOW))
    assert FR.short_day(date(2026, 3, 1)) == "1\u00a0mars"


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("power_w", 0.0, "0\u00a0W"),
        ("irradiance_w_m2", 780.4, "780,40\u00a0W/m²"),
        ("for_s", 3600.0, "60\u00a0min"),
        ("off_s", 14_400.0, "4,0\u00a0h"),
        ("specific_capacity_m3_h_m", 0.42, "0,42\u00a0m³/h/m"),
        ("since", "09:12", "09:12"),
        ("nights", 4, "4"),
        ("level_pct", 64.0, "64\u00a0%"),
        ("hours", 1.0, "1\u00a0h"),
    ],
)
def test_evidence_is_written_with_the_unit_its_name_tells(name: str, value: object, written: str) -> None:
    assert Labels(FR).measured(name, value) == written


def test_unit_of_a_name_without_unit_is_nothing() -> None:
    assert (unit_of("nights"), unit_of("flow_m3_h"), unit_of("level_m")) == ("", "m³/h", "m")
