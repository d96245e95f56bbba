"""Settings: what is refused, in which words, and that the documents list them all."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from gateway.clock import FastClock, SystemClock
from ndiyan import settings as settings_module
from ndiyan.errors import SettingsError
from ndiyan.settings import PLACES, SETTINGS, load_settings, settings_file
from web.rights import Role

DOCS = Path(__file__).parents[2] / "docs"


def test_without_a_file_everything_has_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ndiyan.settings.PLACES", PLACES[:-1])  # that of this machine
    settings = load_settings(environment={})
    assert (settings.web_port, settings.log_level, settings.demo) == (8000, "info", False)
    assert isinstance(settings.make_clock(), SystemClock)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "ndiyan.toml"
    file.write_text('demo = true\n[web]\nport = 8100\n[database]\nurl = "postgresql://a@localhost/b"\n', "utf-8")
    settings = load_settings(file, {"NDIYAN_WEB_PORT": "8200"})
    assert (settings.web_port, settings.demo, settings.database_url) == (8200, True, "postgresql://a@localhost/b")


def test_a_webhook_has_its_address_in_the_file_and_its_secret_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "ndiyan.toml"
    file.write_text('[webhooks.office]\nurl = "https://example.org/ndiyan"\n', "utf-8")
    (webhook,) = load_settings(file, {"NDIYAN_WEBHOOKS_OFFICE_SECRET": "a-secret-of-twenty-four-letters"}).webhooks
    assert (webhook.name, webhook.url) == ("office", "https://example.org/ndiyan")


def test_every_command_reads_the_secrets_that_systemd_gives_the_services(tmp_path: Path) -> None:
    file, secrets = tmp_path / "ndiyan.toml", tmp_path / "secrets.env"
    file.write_text('[webhooks.office]\nurl = "https://example.org/ndiyan"\n', "utf-8")
    with pytest.raises(SettingsError, match="NDIYAN_WEBHOOKS_OFFICE_SECRET: the secret has 0 bytes"):
        load_settings(file, {})
    secrets.write_text(
        "# of the webhook\n\nNDIYAN_WEBHOOKS_OFFICE_SECRET='a secret of = and twenty-four letters'\n"
        'NDIYAN_WEB_PORT = "8200"\n; NDIYAN_DEMO=true\nHTTPS_PROXY=http://proxy:3128\n',
        "utf-8",
    )
    settings = load_settings(file, {})
    assert settings.webhooks[0].secret == "a secret of = and twenty-four letters"
    assert (settings.web_port, settings.demo) == (8200, False)
    assert load_settings(file, {"NDIYAN_WEB_PORT": "8300"}).web_port == 8300, "the environment wins"
    (secrets.parent / "ndiyan-web.env").write_text("NDIYAN_WEB_PORT=8250\n", "utf-8")
    assert load_settings(file, {}, service="web").web_port == 8250, "a service's own file counts before"
    assert load_settings(file, {"NDIYAN_WEB_PORT": "8300"}, service="web").web_port == 8300
    assert load_settings(file, {}, service="alerts").web_port == load_settings(file, {}).web_port == 8200
    secrets.write_bytes(b"NDIYAN_WEB_PORT=\xff")
    with pytest.raises(SettingsError, match=r"secrets\.env: 'utf-8' codec"):
        load_settings(file, {})


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param("NDIYAN_WATCH_MAILBOXS=a@example.org", "sets nothing: NDIYAN_WATCH_MAILBOXES?", id="letter-less"),
        pytest.param("NDYIAN_WATCH_PHONES=+224620000000", "sets nothing: NDIYAN_WATCH_PHONES?", id="letters-swapped"),
        pytest.param("NDIYAN_PAINT=red", "NDIYAN_PAINT sets nothing$", id="nothing-like-it"),
        pytest.param("NDIYAN_SMS_CARRIER=orange", "sets nothing: NDIYAN_SMS_CARRIERS?", id="no-route"),
        pytest.param("export NDIYAN_WEB_PORT=8200", "is no NAME=value", id="as-in-a-shell"),
        pytest.param("NDIYAN_WEB_PORT: 8200", "is no NAME=value", id="no-assignment"),
    ],
)
def test_a_secret_that_nothing_would_read_stops_the_start_with_file_and_line(
    tmp_path: Path, line: str, told: str
) -> None:
    file, secrets = tmp_path / "ndiyan.toml", tmp_path / "secrets.env"
    file.touch()
    secrets.write_text(f"# ours\n{line}\n", "utf-8")
    with pytest.raises(SettingsError, match=f"{secrets}: line 2.* {told}"):
        load_settings(file, {})
    secrets.write_text("NDIYAN_SMS_ORANGE_CLIENT_SECRET=x\nNDIYAN_WEBHOOKS_MY_OFFICE_SECRET=x\n", "utf-8")
    load_settings(file, {})  # of a route and a webhook that are switched off


def test_files_that_windows_has_written_are_read(tmp_path: Path) -> None:
    file = tmp_path / "ndiyan.toml"
    file.write_text("[web]\nport = 8300\n", "utf-8-sig")
    (tmp_path / "secrets.env").write_text("NDIYAN_WEB_HOST=10.0.0.1\n", "utf-8-sig")
    settings = load_settings(file, {})
    assert (settings.web_port, settings.web_host) == (8300, "10.0.0.1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may hand files to others")
def test_root_obeys_no_settings_of_the_folder_where_it_happens_to_stand_but_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "etc"
    elsewhere.mkdir()
    (elsewhere / "ndiyan.toml").touch()
    monkeypatch.setattr(settings_module, "PLACES", (Path("ndiyan.toml"), elsewhere / "ndiyan.toml"))
    (here := tmp_path / "ndiyan.toml").write_text('[broker]\nreload = "sh -c mine"\n', "utf-8")
    assert settings_file({}) == Path("ndiyan.toml")
    (secrets := tmp_path / "secrets.env").touch()
    for one in (here, secrets):
        os.chown(one, 65534, 65534)
        assert settings_file({}) == elsewhere / "ndiyan.toml"
        os.chown(one, 0, 0)
    os.chown(elsewhere / "ndiyan.toml", 65534, 65534)
    here.unlink()
    assert settings_file({}) == elsewhere / "ndiyan.toml", "that one is where it is on purpose"


def test_a_group_of_the_openid_provider_gives_the_highest_role_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "ndiyan.toml"
    file.write_text(
        '[oidc]\nissuer = "https://sso.example/realms/water"\nclient_id = "ndiyan"\n'
        'mail_domains = "a.example b.example"\nviewer_groups = "All of us, water"\nengineer_groups = "water"\n'
        'only_for = "engineer administrator"\n',
        "utf-8",
    )
    provider = load_settings(file, {"NDIYAN_OIDC_CLIENT_SECRET": "hunter2"}).provider()
    assert provider is not None
    assert provider.groups == {"All of us": Role.VIEWER, "water": Role.ENGINEER}
    assert provider.mail_domains == ("a.example", "b.example")
    assert provider.only_for == {Role.ENGINEER, Role.ADMINISTRATOR}
    assert "hunter2" not in repr(provider)
    with pytest.raises(SettingsError, match=r"oidc\.client_secret is not set: write client_secret under \[oidc\]"):
        load_settings(file, {}).provider()
    assert load_settings(_empty(tmp_path), {}).provider() is None


def test_the_clock_of_the_demo_comes_through_the_environment(tmp_path: Path) -> None:
    spec = "2026-11-24T10:40:00+00:00@2026-11-24T13:00:00+00:00x60"
    clock = load_settings(_empty(tmp_path), {"NDIYAN_CLOCK": spec}).make_clock()
    assert isinstance(clock, FastClock)
    assert clock.speed == 60


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[web]\nport = 99999", r"web\.port: 99999 is above 65535", id="above"),
        pytest.param("[web]\nport = 0", r"web\.port: 0 is below 1", id="below"),
        pytest.param('[web]\nport = "80"', r"web\.port: '80' is not a whole number", id="wrong-kind"),
        pytest.param("[web]\nprot = 80", r"web\.prot is no setting; known are database\.url, ", id="unknown-key"),
        pytest.param("[wbe]\nport = 80", r"wbe\.port is no setting", id="unknown-table"),
        pytest.param("[wbe]", "wbe is no setting", id="unknown-empty-table"),
        pytest.param("colour = 1", "colour is no setting", id="unknown-top-key"),
        pytest.param('[log]\nlevel = "loud"', r"log\.level: 'loud' is none of debug, info", id="choice"),
        pytest.param('[mqtt]\nurl = "tcp://x"', r"mqtt\.url: mqtt url tcp://x: it does not begin with", id="mqtt"),
        pytest.param('clock = "fast"', "clock: clock: 'fast' is neither 'system' nor", id="clock"),
        pytest.param('[web]\npublic_url = "example.org"', "does not begin with http", id="address"),
        pytest.param('[watch]\nping_url = "https://h:44e/x"', r"watch\.ping_url: https://h:44e/x: Port", id="port"),
        pytest.param("[web", "is not valid TOML", id="not-toml"),
        pytest.param('[webhooks.office]\nurl = "x"', r"webhooks\.office\.url: 'x' does not begin", id="webhook"),
        pytest.param('[oidc]\nissuer = "http://sso.example"', r"http://sso\.example is no issuer", id="issuer"),
        pytest.param('[oidc]\nmail_domains = "@a.example"', r"@a\.example is no domain in small letters", id="domain"),
        pytest.param('[oidc]\nonly_for = "boss"', r"oidc\.only_for: boss is none of viewer, secretary,", id="roles"),
        pytest.param('[watch]\nalive_at = "07:00Z"', r"watch\.alive_at: 07:00Z has a zone: write .* in UTC", id="zone"),
        pytest.param('[backup]\nat = "02:30+01:00"', r"backup\.at: 02:30\+01:00 has a zone", id="offset"),
        pytest.param('[backup]\nfolder = "backups"', r"backup\.folder: backups is no whole path", id="relative-folder"),
        pytest.param('[backup]\npaths = "/etc/a etc/b"', r"backup\.paths: etc/b is no whole path", id="relative-path"),
        pytest.param('[backup]\npaths = "/srv/my zones"', "zones is no whole path .* a space stands", id="space"),
        pytest.param("webhooks = 3", "webhooks: 3 is no table of webhooks", id="webhooks"),
    ],
)
def test_a_mistake_stops_the_start_with_file_key_value_and_bound(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "ndiyan.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings(file, {})
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("table", sorted({setting.key.partition(".")[0] for setting in SETTINGS if "." in setting.key}))
def test_a_table_whose_last_line_was_made_a_comment_is_none(tmp_path: Path, table: str) -> None:
    file = tmp_path / "ndiyan.toml"
    file.write_text(f'[{table}]\n# key = ""\n', "utf-8")
    assert load_settings(file, {}) == load_settings(_empty(tmp_path), {})


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="NDIYAN_WEB_PORT: 'many' is not a whole number"):
        load_settings(_empty(tmp_path), {"NDIYAN_WEB_PORT": "many"})


def test_a_password_is_not_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(_empty(tmp_path), {"NDIYAN_DATABASE_URL": "postgresql://me:hunter2@host:port:1/x?y"})
    assert "hunter2" not in str(caught.value)


def test_what_must_be_set_says_where(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"database\.url is not set: write url under \[database\] .*NDIYAN_DATABASE"
    ):
        load_settings(_empty(tmp_path), {}).required("database.url")


@pytest.mark.parametrize("page", ["settings.md", "fr/settings.md"])
def test_the_documents_list_every_setting_with_its_default_and_variable(page: str) -> None:
    rows = {}
    for line in (DOCS / page).read_text("utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if line.startswith("| `") and re.fullmatch(r"[a-z._]+", cells[0]):
            rows[cells[0]] = (cells[1], cells[2])
    expected = {setting.key: (setting.variable, _shown(setting.default)) for setting in SETTINGS}
    assert rows == expected


def _shown(default: object) -> str:
    return {"": "–", "False": "false"}.get(str(default), str(default))


def _empty(folder: Path) -> Path:
    file = folder / "empty.toml"
    file.write_text("", "utf-8")
    return file
