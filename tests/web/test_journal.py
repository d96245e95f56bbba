"""What people write is written down: every route that changes something is tried, then the journal is read."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
import pyotp
import pytest
from PIL import Image
from typer.testing import CliRunner

from gateway.zone_text import zone_text
from gateway.zones import Zone
from ingest.db import Connection
from ingest.profiles.profile import shipped_bodies
from ingest.registry import fetch_registered
from ndiyan.cli import app
from tests.web.test_access import IDS, csrf_of, every_route
from tests.web.test_rights import SAFE
from tests.web.test_settings import PASSWORD
from tests.web.web_seed import seed_alert, seed_files, seed_talk
from tests.web.web_site import Site, prefix_of
from web import audit

pytestmark = pytest.mark.db

LEVELS = b"time,asset,channel,value,unit\n2026-03-01T08:00:00Z,tower,level_m,231,cm\n"
SEEN = 'name="vu" value="([^"]+)"'
TEXT, PUBLISH = (
    rf'/{form}"[^>]*>(?:<input[^>]*>)*<input[^>]* name="vu" value="([^"]+)"' for form in ("texte", "publier")
)
"""The same of a draft, whose page has two forms."""
SECRET = '<code class="command">([A-Z2-7]{32})</code>'
NOT_WRITTEN = {
    "/{language}/entrer": "a log-in: in the log and beside the account",
    "/{language}/sortir": "the end of a session",
    "/sms/{carrier}/{secret}/{kind}": "a route's program, not a person; kept as it came",
    "/sms/{carrier}/events": "a phone's program, not a person; kept as it came",
    "/api/v1/uplinks/the-things-stack": "a network server's messages, as those of the broker",
    "/api/v1/uplinks/chirpstack": "a network server's messages, as those of the broker",
    "/{language}/profils/essayer": "a trial: nothing is kept",
    "/{language}/regles/{name}/essai": "a trial: it changes nothing, and says itself who asked for it",
    "/api/v1/rules/{name}/trials": "a trial: it changes nothing, and says itself who asked for it",
    "/{language}/apporter": "a file that is looked at: it says itself who brought it, and nothing of it is stored yet",
    "/{language}/apporter/{number}": "how a file would be read; nothing of it is stored yet",
    "/{language}/reglages/zones/-/voir": "what files would change; nothing of it is stored yet",
    "/{language}/reglages/zones/{zone_id}": "what a form would change; nothing of it is stored yet",
    "/{language}/casser": "the demo's: a simulated fault says itself who asked for it",
    "/{language}/telephone": "the demo's: an invented phone",
    "/{language}/telephone/appel": "the demo's: an invented phone",
    "/{language}/telephone/reseau": "the demo's: an invented phone",
    "/api/v1/phone/{phone}/replies": "the demo's: an invented phone",
    "/api/v1/phone/{phone}/rings": "the demo's: an invented phone",
    "/api/v1/phone/{phone}/network": "the demo's: an invented phone",
}


class Shown(NamedTuple):
    """What is first to be read on a page; without an address on the answer to the step before."""

    pattern: str
    address: str | None = None


class Step(NamedTuple):
    """A request as somebody sends it, with the template of its route, and what the journal tells of it."""

    template: str
    written: list[str]
    form: Mapping[str, Any] = MappingProxyType({})
    ids: Mapping[str, Any] = MappingProxyType({})
    method: str = "POST"
    files: Mapping[str, tuple[str, bytes]] | None = None
    body: bytes | None = None


def _picture(red: int) -> tuple[str, bytes]:
    into = io.BytesIO()
    Image.new("RGB", (40, 30), (red, 90, 20)).save(into, "PNG")
    return "pompe.png", into.getvalue()


@pytest.fixture
def busy(site: Site, zones: list[Zone]) -> Site:
    """Two live alerts, people who reported a breakdown, a file, and four packs of gw-2 that were set aside."""
    now = site.clock.now()
    with site.connect() as connection:
        seed_alert(connection, "zone-1", "night_leak", code="A9", opened_at=now)
        seed_talk(connection, site.alert_id, now=now)
        seed_files(connection, now)
        topic = f"ndiyan/1/zone-2/{zones[1].gateway_id}/up/senml"
        for seq, reason in enumerate(("unknown_gateway", "unknown_gateway", "unknown_channel", "wrong_unit"), start=1):
            pack = [{"bn": "gateway/", "n": "battery_v", "u": "V", "v": 12.5, "boot": "b", "seq": seq,
                     "bt": now.timestamp() - 60 * seq}]  # fmt: skip
            connection.execute(
                "INSERT INTO set_aside (received_at, topic, zone_id, payload, reason, detail, fingerprint)"
                " VALUES (%s, %s, 'zone-2', %s, %s, '', %s)",
                (now, topic, json.dumps(pack).encode(), reason, bytes([seq])),
            )
    return site


def journey(site: Site, connection: Connection) -> list[Step]:
    """Every route that changes something, in an order in which each has something to change."""

    def number(statement: str) -> int:
        ((found,),) = connection.execute(statement).fetchall()
        return int(found)

    page, api = {"alert_id": site.alert_id}, {"alert_id": number("SELECT alert_id FROM alert WHERE code = 'A9'")}
    report = {"report_id": number("SELECT min(report_id) FROM report WHERE closed_at IS NOT NULL")}
    aside = [row[0] for row in connection.execute("SELECT set_aside_id FROM set_aside ORDER BY 1")]
    calls = [row[0] for row in connection.execute("SELECT call_id FROM call_list ORDER BY alert_id NULLS LAST")]
    file = {"number": number("SELECT backlog_file_id FROM backlog_file WHERE state = 'waiting'")}
    last_month = {"period": "2026-02"}
    rule = {"name": "pump_not_running.on_delay_min"}
    committee, seen = "/{language}/zones/{zone_id}/comite", Shown(r'name="vu" value="(\d+)"', "/fr/zones/zone-3/comite")
    bah = {"nom": "Kadiatou Bah", "telephone": "620 00 07 77", "role": "secretaire", "langue": "fr"}
    ((number_of_treasurer, phone),) = connection.execute(
        "SELECT contact_id, phone FROM contact WHERE zone_id = 'zone-3' AND role = 'tresorier'"
    ).fetchall()
    treasurer = {"contact_id": number_of_treasurer}
    wed = {"nom": "Aminata Bah", "telephone": phone, "role": "tresorier", "langue": "fr"}
    ((_, zone),) = fetch_registered(connection, ["zone-1"]).items()
    grown = zone_text(replace(zone, people=zone.people + 40), remark="")
    here = "/{language}/alertes/{alert_id}/"
    there = "/api/v1/alerts/{alert_id}/"
    return [
        Step(here + "prendre", ["alert_acknowledged"], ids=page),
        Step(here + "endormir", ["alert_shelved"], {"heures": "2", "raison": "pièce commandée"}, page),
        Step(here + "reveiller", ["alert_unshelved"], ids=page),
        Step(here + "juger", ["alert_confirmed"], {"verdict": "vraie"}, page),
        Step(here + "confier", ["alert_assigned"], {"a": "Awa"}, page),
        Step(here + "visite", ["alert_visited"], {"texte": "fusible changé"}, page),
        Step(here + "photos", ["alert_photo"], {"legende": "la pompe"}, page, files={"photo": _picture(200)}),
        Step(here + "clore", ["alert_closed"], {"cause": "part_replaced"}, page),
        Step(here + "rouvrir", ["alert_reopened"], ids=page),
        Step(there + "acknowledge", ["alert_acknowledged"], ids=api),
        Step(there + "shelve", ["alert_shelved"], {"hours": 2, "why": "pièce commandée"}, api),
        Step(there + "unshelve", ["alert_unshelved"], ids=api),
        Step(there + "mark", ["alert_confirmed"], {"is_true": True}, api),
        Step(there + "assign", ["alert_assigned"], {"to": "Awa"}, api),
        Step(there + "visit", ["alert_visited"], {"text": "vanne ouverte"}, api),
        Step(there + "photos", ["alert_photo"], {"shows": "la pompe"}, api, body=_picture(10)[1]),
        Step(there + "close", ["alert_closed"], {"cause": "part_replaced"}, api),
        Step(there + "reopen", ["alert_reopened"], ids=api),
        Step("/{language}/pannes/{report_id}/rouvrir", ["report_reopened"], ids=report),
        Step("/{language}/pannes/{report_id}/clore", ["report_closed"], {"cause": "pipe"}, report),
        Step("/{language}/messages/appeler/{call_id}", ["alert_called"], ids={"call_id": calls[0]}),
        Step("/{language}/messages/appeler/{call_id}", ["zone_called"], ids={"call_id": calls[-1]}),
        Step("/{language}/messages/appeler/{call_id}/annuler", ["alert_uncalled"], ids={"call_id": calls[0]}),
        Step("/{language}/messages/appeler/{call_id}/annuler", ["zone_uncalled"], ids={"call_id": calls[-1]}),
        Step("/{language}/messages/accord/{contact_id}/oublier", ["person_forgotten"],
             ids={"contact_id": site.contact_id}),
        Step("/{language}/mis-de-cote/rejouer", ["set_aside_replayed"],
             {"raison": "unknown_channel", "zone": "zone-2"}),
        Step("/{language}/mis-de-cote/{set_aside_id}/rejouer", ["set_aside_replayed"], ids={"set_aside_id": aside[0]}),
        Step("/api/v1/set-aside/{set_aside_id}/replay", ["set_aside_replayed"], ids={"set_aside_id": aside[1]}),
        Step("/api/v1/set-aside/replay", ["set_aside_replayed"], {"reason": "wrong_unit"}),
        Step("/{language}/rapports/{period}/texte", ["report_written"],
             {"fr": "Bon mois.", "vu": Shown(TEXT, "/fr/rapports/2026-02?version=brouillon")}, last_month),
        Step("/{language}/rapports/{period}/{zone_id}/texte", ["report_written", "takings_noted"],
             {"fr": "Rien à dire.", "recette": "1 250 000",
              "vu": Shown(TEXT, "/fr/rapports/2026-02/zone-3?version=brouillon")}, last_month),
        Step("/{language}/rapports/{period}/publier", ["report_published"],
             {"vu": Shown(PUBLISH, "/fr/rapports/2026-02?version=brouillon")}, last_month),
        Step("/{language}/rapports/{period}/{zone_id}/publier", ["report_published"],
             {"vu": Shown(PUBLISH, "/fr/rapports/2026-02/zone-3?version=brouillon")}, last_month),
        Step("/{language}/regles/{name}/valeur", ["rule_set"], {"valeur": "90", "raison": "essai"}, rule),
        Step("/api/v1/rules/{name}", ["rule_set"], {"value": 100, "why": "essai"}, rule, method="PUT"),
        Step("/{language}/profils/garder", ["profile_kept"], {"profil": shipped_bodies()["victron-gx"]}),
        Step("/{language}/profils/{name}/oublier", ["profile_forgotten"], ids={"name": "victron-gx"}),
        Step("/{language}/apporter/{number}/garder", ["file_stored"], ids=file),
        Step("/api/v1/backlogs", ["file_stored"], {"zone": "zone-2"}, body=LEVELS),
        Step("/{language}/reglages/utilisateurs", ["account_added"], {"nom": "Sira", "role": "viewer"}),
        Step("/{language}/reglages/utilisateurs/role", ["account_changed"], {"compte": "Sira", "role": "engineer"}),
        Step("/{language}/reglages/utilisateurs/adresse", ["account_awaited"],
             {"compte": "Sira", "adresse": "sira@a.example"}),
        Step("/{language}/reglages/utilisateurs/refaire", ["account_reset"], {"compte": "Sira"}),
        Step("/login/{token}", ["password_set"], {"mot": PASSWORD, "encore": PASSWORD},
             {"token": Shown(r"/login/([\w-]+)")}),
        Step("/{language}/reglages/utilisateurs/fermer", ["account_disabled"], {"compte": "Sira"}),
        Step("/{language}/reglages/utilisateurs/rouvrir", ["account_enabled"], {"compte": "Sira"}),
        Step("/{language}/reglages/cles", ["key_made"], {"nom": "QGIS", "portee": ["read"], "jours": "30"}),
        Step("/{language}/reglages/cles/{prefix}/revoquer", ["key_revoked"], ids={"prefix": Shown(r"(wat_[\w-]{6})")}),
        Step("/{language}/compte/mot", ["password_set"], {"mot": PASSWORD, "encore": PASSWORD}),
        Step("/{language}/compte/code", [], {"ancien": PASSWORD}),  # counts for nothing before a code was shown
        Step("/{language}/compte/code/prendre", ["code_set_up"], {"code": Shown(SECRET, "/fr/compte")}),
        Step("/{language}/compte/code/retirer", ["code_removed"], {"ancien": PASSWORD}),
        Step("/{language}/compte/sessions", ["sessions_ended"]),
        Step("/{language}/reglages/zones/-/garder", ["zone_changed"], {"texte": grown}),
        Step(committee, ["person_added"], bah | {"vu": seen}),
        Step(committee + "/compte", ["members_counted"], {"femmes": "20", "hommes": "20", "annee": "2025", "vu": seen}),
        Step(committee + "/{contact_id}/changer", ["person_changed"], wed | {"vu": seen}, treasurer),
        Step(committee + "/{contact_id}/monter", ["person_moved"], {"vu": seen}, treasurer),
        Step(committee + "/{contact_id}/descendre", ["person_moved"], {"vu": seen}, treasurer),
        Step(committee + "/{contact_id}/retirer", ["person_removed"], {"vu": seen}, treasurer),
        Step(committee + "/{contact_id}/remettre", ["person_returned"], {"vu": seen}, treasurer),
    ]  # fmt: skip


def _shown(client: httpx.Client, before: httpx.Response, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a form or an address, with what is first to be read."""

    def read(value: Shown) -> str:
        found = re.search(value.pattern, (client.get(value.address) if value.address else before).text)
        assert found, value
        return found[1]

    return {name: read(value) if isinstance(value, Shown) else value for name, value in values.items()}


def send(
    site: Site, visitor: httpx.Client, script: httpx.Client, step: Step, before: httpx.Response, token: str
) -> httpx.Response:
    ids = {name: str(value) for name, value in (IDS | _shown(visitor, before, step.ids)).items()}
    address, form = step.template.format_map(ids), _shown(visitor, before, step.form)
    if step.template.startswith("/api/"):
        sent: dict[str, Any] = {"content": step.body, "params": form} if step.body else {"json": form or None}
        return script.request(step.method, address, **sent)
    if step.template.startswith("/login/"):
        with site.app() as somebody:
            return somebody.post(address, data=form)
    if step.template.endswith("/code/prendre"):
        form["code"] = pyotp.TOTP(form["code"]).at(site.wall.now())
    return visitor.post(address, data=form | {"csrf": token}, files=step.files)


def test_whatever_a_person_changes_is_in_the_journal(busy: Site, visitor: httpx.Client, script: httpx.Client) -> None:
    token, answer, told = csrf_of(visitor), visitor.get("/fr/"), set()
    by_key = f"script {prefix_of(script)} (API)"
    with busy.connect() as connection:
        for step in journey(busy, connection):
            answer = send(busy, visitor, script, step, answer, token)
            assert answer.status_code in (200, 202, 303), f"{step.template}: {answer.text[:300]}"
            rows = connection.execute("SELECT number, who, what FROM written ORDER BY at, number").fetchall()
            new = [row for row in rows if row[0] not in told]
            assert [what for _, _, what in new] == step.written, f"{step.template}: {answer.headers.get('location')}"
            assert {who for _, who, _ in new} <= {"Awa", "Awa (web)", by_key, "Sira (web)"}, step.template
            told = {row[0] for row in rows}


def test_no_route_that_changes_something_is_without_a_line_in_the_journal_or_a_reason(busy: Site) -> None:
    """A new route fails here until a step above shows what it writes."""
    with busy.connect() as connection:
        tried = {(step.method, step.template) for step in journey(busy, connection)}
    changing = {
        (method, template.replace(":path", "")) for method, _, template in every_route(busy) if method not in SAFE
    }
    reasoned = {(method, template) for method, template in changing if template in NOT_WRITTEN}
    assert tried & reasoned == set()
    assert changing - reasoned == tried
    assert {template for _, template in reasoned} == NOT_WRITTEN.keys()


def test_the_journal_tells_what_was_before_and_after(busy: Site, visitor: httpx.Client) -> None:
    token, address = csrf_of(visitor), "/fr/rapports/2026-02/zone-3"
    for words, takings in (("Bon mois.", "900"), ("Bon mois.", "900"), ("Mois moyen.", "")):
        (seen,) = re.findall(TEXT, visitor.get(f"{address}?version=brouillon").text)
        visitor.post(f"{address}/texte", data={"csrf": token, "fr": words, "recette": takings, "vu": seen})
    with busy.connect() as connection:
        rows = connection.execute("SELECT what, subject, zone_id, before, after FROM audit_log ORDER BY audit_id")
        assert rows.fetchall() == [
            ("report_written", "2026-02", "zone-3", {"fr": "", "en": ""}, {"fr": "Bon mois.", "en": ""}),
            ("takings_noted", "2026-02", "zone-3", {"gnf": None}, {"gnf": 900}),
            ("report_written", "2026-02", "zone-3", {"fr": "Bon mois.", "en": ""}, {"fr": "Mois moyen.", "en": ""}),
            ("takings_noted", "2026-02", "zone-3", {"gnf": 900}, {"gnf": None}),
        ]


def test_the_journal_says_who_took_whole_numbers_along(busy: Site, visitor: httpx.Client) -> None:
    """Nothing changes by it, and the number stands in the file alone."""
    for address in (
        f"messages/accord/{busy.contact_id}/donnees?format=csv", "reglages/zones/zone-1/fichier",
        "reglages/zones/-/tout",
    ):  # fmt: skip
        assert visitor.get(f"/fr/{address}").headers["cache-control"] == "no-store"
    with busy.connect() as connection:
        rows = connection.execute("SELECT who, what, subject, zone_id, after FROM audit_log ORDER BY audit_id")
        assert rows.fetchall() == [
            ("Awa (web)", "person_taken_along", str(busy.contact_id), None, {"format": "csv"}),
            ("Awa (web)", "zones_taken_along", "zone-1.toml", "zone-1", None),
            ("Awa (web)", "zones_taken_along", "zones.zip", None, None),
        ]


def test_the_journal_says_which_key_was_made_and_revoked(
    busy: Site, visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two keys may have one name; how they begin tells them apart, on the pages and by the command."""
    form = {"csrf": csrf_of(visitor), "nom": "QGIS", "portee": "read", "jours": "30"}
    (begins,) = re.findall(r"(wat_[\w-]{6})[\w-]{20,}", visitor.post("/fr/reglages/cles", data=form).text)
    assert visitor.post(f"/fr/reglages/cles/{begins}/revoquer", data=form).status_code == 303
    monkeypatch.setenv("NDIYAN_DATABASE_URL", busy.url)
    made = CliRunner().invoke(app, ["web", "api-key", "QGIS"])
    by_hand = made.stdout.strip()[: len(begins)]
    revoked = CliRunner().invoke(app, ["web", "revoke-api-key", by_hand])
    assert (made.exit_code, revoked.exit_code) == (0, 0), (made.output, revoked.output)
    with busy.connect() as connection:
        rows = connection.execute(
            "SELECT what, before ->> 'prefix', after ->> 'prefix' FROM audit_log WHERE subject = 'QGIS'"
            " ORDER BY audit_id"
        ).fetchall()
    assert rows == [
        ("key_made", None, begins), ("key_revoked", begins, None),
        ("key_made", None, by_hand), ("key_revoked", by_hand, None),
    ]  # fmt: skip


def test_what_was_changed_is_told_to_the_last_digit() -> None:
    change = {"value": 4080.0, "latitude": 11.318912, "litres": 2500000.0, "people": ["Awa", "Sira"], "zone": None}
    assert audit.told(change) == "value 4080, latitude 11.318912, litres 2500000, people Awa Sira, zone —"


def test_a_replay_is_written_down_with_what_became_of_it(busy: Site, visitor: httpx.Client) -> None:
    """Trying what is gone already changes nothing, and is no line."""
    with busy.connect() as connection:
        ((number,),) = connection.execute("SELECT min(set_aside_id) FROM set_aside").fetchall()
        for _ in range(2):
            visitor.post(f"/fr/mis-de-cote/{number}/rejouer", data={"csrf": csrf_of(visitor)})
        rows = connection.execute("SELECT who, what, subject, zone_id, before, after FROM audit_log").fetchall()
    after = {"stored": 1, "duplicate": 0, "conflict": 0, "set_aside": 0}
    assert rows == [
        ("Awa (web)", "set_aside_replayed", f"set-aside-{number}", "zone-2", {"reason": "unknown_gateway"}, after)
    ]
    shown = visitor.get("/fr/reglages/journal").text
    assert "message rejoué" in shown
    assert "stored 1" in shown
