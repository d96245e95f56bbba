"""From settings to routes: without a word nothing leaves; a mistake names key, value and bound."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.carriers import always
from alerts.carriers.android import AndroidConfig
from alerts.carriers.gammu import GammuConfig
from alerts.carriers.http import HttpConfig
from alerts.carriers.opening import doors, open_carrier
from alerts.carriers.orange import OrangeConfig
from alerts.carriers.registry import PhoneConfig
from gateway.clock import SystemClock
from ingest.db import connect
from ndiyan.errors import SettingsError
from ndiyan.settings import load_settings

SECRETS = {
    "NDIYAN_SMS_ORANGE_CLIENT_SECRET": "one-secret",
    "NDIYAN_SMS_ORANGE_WEBHOOK_SECRET": "two-secret-of-twenty-four-letters",
    "NDIYAN_SMS_OLD_PHONE_PASSWORD": "three-secret",
    "NDIYAN_SMS_OLD_PHONE_SIGNING_KEY": "four-secret",
    "NDIYAN_SMS_NIMBA_SECRET_TOKEN": "five-secret",
    "NDIYAN_SMS_NIMBA_WEBHOOK_SECRET": "six-secret-of-twenty-four-letters",
}
FILE = """
[sms]
carriers = "orange gsm old-phone nimba phone"
[sms.orange]
kind = "orange"
client_id = "me"
[sms.gsm]
kind = "gammu"
per_s = 0.5
[sms.old-phone]
kind = "android"
url = "http://192.168.1.20:8080/"
user = "sms"
[sms.nimba]
kind = "http"
template = "nimba"
service_id = "me"
sender_name = "NDIYAN"
[sms.unused]
kind = "smoke"
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "ndiyan.toml"
    file.write_text(text, "utf-8")
    return file


def test_without_a_word_there_is_the_phone_on_the_screen_alone(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, ""), {}).carriers == (PhoneConfig("phone"),)


def test_routes_stand_in_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    carriers = load_settings(write(tmp_path, FILE), SECRETS).carriers
    assert [(type(one), one.name) for one in carriers] == [
        (OrangeConfig, "orange"), (GammuConfig, "gsm"), (AndroidConfig, "old-phone"), (HttpConfig, "nimba"),
        (PhoneConfig, "phone"),
    ]  # fmt: skip
    assert carriers[1] == GammuConfig.from_table("gsm", {"per_s": 0.5}, {})
    assert isinstance(carriers[2], AndroidConfig)
    assert carriers[2].url == "http://192.168.1.20:8080"


def test_no_secret_is_shown_and_only_routes_with_webhooks_have_doors(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, FILE), SECRETS)
    found = doors(list(settings.carriers))
    assert {name: door.is_signed for name, door in found.items()} == {
        "orange": False, "old-phone": True, "nimba": False,
    }  # fmt: skip
    assert "-secret" not in repr(settings) + repr(found)


@pytest.mark.db
def test_all_routes_open_and_close(tmp_path: Path, database_url: str) -> None:
    settings = load_settings(
        write(tmp_path, FILE.replace('"http://192.168.1.20:8080/"', '"http://127.0.0.1:9"')), SECRETS
    )
    only_local = [one for one in settings.carriers if one.name in ("gsm", "old-phone", "phone")]
    with connect(database_url) as connection:
        routes = [open_carrier(one, connection, SystemClock(), wake=lambda: None, is_ours=always) for one in only_local]
        assert [type(route).__name__ for route in routes] == ["GammuCarrier", "HttpCarrier", "PhoneCarrier"]
        for route in routes:
            route.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('carriers = ""', r"sms\.carriers: '' names no route", id="none"),
        pytest.param('carriers = "gsm"', r"sms\.carriers: there is no table \[sms\.gsm\]", id="no-table"),
        pytest.param('carriers = "phone phone"', r"sms\.carriers: 'phone' stands twice", id="twice"),
        pytest.param('carriers = "Gsm"', r"sms\.carriers: 'Gsm' is no name", id="name"),
        pytest.param('carrier = "gsm"', r"sms\.carrier is no setting", id="unknown-setting"),
        pytest.param('carriers = "gsm"\n[sms.gsm]\nkind = "smoke"', r"sms\.gsm\.kind: 'smoke' is none of", id="kind"),
        pytest.param('carriers = "gsm"\n[sms.gsm]\n', r"sms\.gsm\.kind is not set", id="no-kind"),
        pytest.param(
            'carriers = "gsm"\n[sms.gsm]\nkind = "gammu"\nphone = "x"',
            r"sms\.gsm\.phone is no setting; known are kind, per_s, phone_id, receipt_within_s, window",
            id="unknown-key",
        ),
        pytest.param(
            'carriers = "gsm"\n[sms.gsm]\nkind = "gammu"\nper_s = 11', r"sms\.gsm\.per_s: 11 is above 10", id="above"
        ),
        pytest.param(
            'carriers = "gsm"\n[sms.gsm]\nkind = "gammu"\nwindow = 0.5',
            r"sms\.gsm\.window: 0\.5 is below 1",
            id="below",
        ),
        pytest.param(
            'carriers = "gsm"\n[sms.gsm]\nkind = "gammu"\nwindow = true',
            r"window: True is not a number",
            id="no-number",
        ),
        pytest.param(
            'carriers = "o"\n[sms.o]\nkind = "orange"\nclient_id = "x"',
            "sms.o: the variable NDIYAN_SMS_O_CLIENT_SECRET is not set",
            id="secret",
        ),
        pytest.param(
            'carriers = "o"\n[sms.o]\nkind = "orange"\nclient_id = "x"\nclient_secret = "y"',
            "NDIYAN_SMS_O_CLIENT_SECRET is not set",
            id="a-secret-in-the-file-is-none",
        ),
        pytest.param(
            'carriers = "h"\n[sms.h]\nkind = "http"\ntemplate = "twilio"',
            "'twilio' is none of kannel, nimba, rapidpro and no file",
            id="template",
        ),
        pytest.param(
            'carriers = "a"\n[sms.a]\nkind = "android"\nurl = "192.168.1.1"',
            "does not begin with http://HOST",
            id="address",
        ),
    ],
)
def test_a_mistake_stops_the_start_with_key_value_and_bound(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(write(tmp_path, f"[sms]\n{text}\n"), {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('[send]\nmethod = "GET"\nurl = "x"\n[answer]\naccepted = [200]', r"has no \[caps\]", id="no-caps"),
        pytest.param("[send]\n[colour]\n", "has no", id="parts"),
        pytest.param("CAPS[send]\nmethod = 'GET'\n[answer]\naccepted = [1]", r"send\.url is missing", id="no-url"),
        pytest.param(
            "CAPS[send]\nmethod = 'GET'\nurl = 'http://x/{who}'\n[answer]\naccepted = [1]",
            "nobody knows {who}",
            id="word",
        ),
        pytest.param(
            "CAPS[send]\nmethod = 'GET'\nurl = 'x'\nbody = 'y'\n[answer]\naccepted = [1]",
            r"send\.body is no key of a template",
            id="key",
        ),
        pytest.param(
            "CAPS[send]\nmethod = 'GET'\nurl = 'x'\n[answer]\naccepted = [1]\n[receipt]\nstatus = 's'\n"
            "[receipt.fates]\n1 = 'arrived'",
            "receipt.fates: 'arrived' is none of delivered, expired",
            id="fate",
        ),
        pytest.param(
            "CAPS[send]\nmethod = 'GET'\nurl = 'x'\n[answer]\naccepted = [1]\n[inbound]\nphone = 'from'\ntext = 'text'",
            "inbound has neither id nor at: a second 1 would be taken for the first",
            id="repeats",
        ),
    ],
)
def test_a_template_of_ones_own_is_checked_when_it_is_read(tmp_path: Path, text: str, message: str) -> None:
    caps = "[caps]\ntwo_way = false\nreceipts = 'none'\nper_s = 1\nwindow = 1\nreceipt_within_s = 60\n"
    template = tmp_path / "own.toml"
    template.write_text(text.replace("CAPS", caps), "utf-8")
    secrets = {"NDIYAN_SMS_OWN_WEBHOOK_SECRET": "six-secret-of-twenty-four-letters"}
    settings = f'[sms]\ncarriers = "own"\n[sms.own]\nkind = "http"\ntemplate = "{template}"\n'
    with pytest.raises(SettingsError, match=message):
        load_settings(write(tmp_path, settings), secrets)
