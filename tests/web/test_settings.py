"""What administrators change, what is written down of it, and one's own account, on the pages."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import httpx
import pyotp
import pytest

from tests.web.test_access import csrf_of
from tests.web.web_site import Site
from web.accounts import find_account, let_in
from web.rights import DOORS, Role

pytestmark = pytest.mark.db

HIDDEN = r'<input type="hidden" name="(\w+)" value="([^"]*)"'
PASSWORD = "quatre chevaux sous la pluie"


def _link(text: str) -> str:
    found = re.search(r"http://testserver(/login/[\w-]+)", text)
    assert found
    return found[1]


def test_an_administrator_adds_a_secretary_who_sets_a_password_and_sees_one_zone(
    site: Site, visitor: httpx.Client
) -> None:
    token = csrf_of(visitor)
    form = {"csrf": token, "nom": "Sira", "role": "secretary", "zone": "zone-1"}
    link = _link(visitor.post("/fr/reglages/utilisateurs", data=form).text)
    assert "Sira" in visitor.get("/fr/reglages/utilisateurs").text
    with site.app() as client:
        assert client.post(link, data={"mot": PASSWORD, "encore": PASSWORD}).status_code == 303
        assert "Mangol-Dow" not in client.get("/fr/").text
        own = client.get("/fr/compte")
        assert "secrétaire de comité" in own.text
        assert client.get("/fr/reglages/utilisateurs").status_code == 403
        assert "/fr/reglages/utilisateurs" not in own.text
    again = visitor.post("/fr/reglages/utilisateurs", data=form)
    assert again.status_code == 400
    assert "« Sira » existe déjà" in again.text
    assert 'value="Sira"' in again.text.partition("Ajouter quelqu’un")[2], "what was typed stays"
    assert 'value="secretary" selected' in again.text.partition("Ajouter quelqu’un")[2]
    fresh = _link(visitor.post("/fr/reglages/utilisateurs/refaire", data={"csrf": token, "compte": "Sira"}).text)
    assert fresh != link
    address = "/fr/reglages/utilisateurs/fermer"
    assert visitor.post(address, data={"csrf": token, "compte": "Sira"}).status_code == 303
    last = visitor.post(address, data={"csrf": token, "compte": "Awa"})
    assert "« Awa » est le dernier administrateur" in last.text
    journal = visitor.get("/fr/reglages/journal?quoi=sira").text
    for words in ("compte ajouté", "mot de passe à refaire", "compte fermé", "zone-1", "Awa (web)"):
        assert words in journal, words


@pytest.mark.parametrize("name", ["Awa / Labé", "..", "a/fermer", "50 % ?", '<b>"Sow"</b>', "sira/x@a.example"])
def test_an_account_is_changed_and_closed_by_the_forms_of_the_page_whatever_its_name(
    site: Site, visitor: httpx.Client, name: str
) -> None:
    with site.connect() as connection:
        let_in(connection, name, Role.VIEWER, now_wall=site.wall.now())

        def sends(what: str, **form: str) -> httpx.Response:
            """The form of this account that ends in `what`, with what the page put into it."""
            page = visitor.get("/fr/reglages/utilisateurs").text
            forms = re.findall(rf'<form[^>]* action="([^"]*/{what})"(.*?)</form>', page, flags=re.DOTALL)
            hidden = [
                (unescape(address), {key: unescape(value) for key, value in re.findall(HIDDEN, inner)})
                for address, inner in forms
            ]
            ((address, fields),) = [one for one in hidden if one[1].get("compte") == name]
            return visitor.post(address, data=fields | form)

        assert sends("role", role="engineer").status_code == 303
        assert find_account(connection, name).role is Role.ENGINEER
        assert _link(sends("refaire").text)
        assert sends("fermer").status_code == 303
        assert find_account(connection, name).disabled_at is not None
        assert sends("rouvrir").status_code == 303
        assert find_account(connection, name).disabled_at is None


def test_a_key_is_shown_once_and_revoked_for_good(site: Site, visitor: httpx.Client) -> None:
    token = csrf_of(visitor)
    form = {"csrf": token, "nom": "QGIS", "portee": ["read", "export"], "jours": "30"}
    made = visitor.post("/fr/reglages/cles", data=form)
    assert made.headers["cache-control"] == "no-store"
    found = re.search(r"wat_[\w-]{43}", made.text)
    assert found
    assert found[0] not in visitor.get("/fr/reglages/cles").text
    with site.app() as client:
        headers = {"authorization": f"Bearer {found[0]}"}
        assert client.get("/api/v1/zones", headers=headers).status_code == 200
        address = f"/fr/reglages/cles/{found[0][:10]}/revoquer"
        assert visitor.post(address, data={"csrf": token}).status_code == 303
        assert client.get("/api/v1/zones", headers=headers).status_code == 401
        assert visitor.post(address, data={"csrf": token}).status_code == 400
    for change, bound in (
        ({"jours": "0"}, "« 0 » ne va pas : une clé vaut de 1 à 3660 jours"), ({"nom": " "}, "de 1 à 60 lettres"),
        ({"portee": []}, "Cochez au moins une portée"),
    ):  # fmt: skip
        refused = visitor.post("/fr/reglages/cles", data=form | change)
        assert refused.status_code == 400
        assert bound in unescape(refused.text)
        if "portee" not in change:
            assert refused.text.count('name="portee" value="read" checked') == 1
            assert refused.text.count('name="portee" value="export" checked') == 1
        if "nom" not in change:
            assert 'value="QGIS"' in refused.text, "what was typed stays"
    assert "clé révoquée" in visitor.get("/fr/reglages/journal?qui=awa&quoi=QGIS").text


def test_the_journal_joins_what_alerts_and_rules_tell_of_themselves(site: Site, visitor: httpx.Client) -> None:
    token = csrf_of(visitor)
    assert "Personne n’a encore rien changé." in visitor.get("/fr/reglages/journal").text
    visitor.post(f"/fr/alertes/{site.alert_id}/prendre", data={"csrf": token})
    visitor.post(f"/fr/alertes/{site.alert_id}/visite", data={"csrf": token, "texte": "rappeler le +224600000010"})
    site.clock.advance(timedelta(minutes=1))
    rule = "/fr/regles/pump_not_running.on_delay_min/valeur"
    for value in ("90", "120"):
        visitor.post(rule, data={"csrf": token, "valeur": value, "raison": "essai", "zone": "zone-1"})
    shown = visitor.get("/fr/reglages/journal").text
    assert shown.index("règle changée") < shown.index("Prise en charge")
    assert "value 90" in shown
    assert "600000010" not in shown
    told = visitor.get("/fr/reglages/journal?format=csv&quoi=zone-1").text.splitlines()
    assert told[0] == "at,who,what,subject,zone,before,after"
    assert told[1].split(",", 1)[1] == (
        'Awa (web),rule_set,pump_not_running.on_delay_min,zone-1,value 90,"why essai, value 120"'
    )
    assert len(told) == 3
    assert "Personne n’a rien changé de tel." in visitor.get("/fr/reglages/journal?qui=personne").text


def test_the_journal_taken_along_runs_nothing_in_a_spreadsheet(site: Site, visitor: httpx.Client) -> None:
    token = csrf_of(visitor)
    for name in ('=HYPERLINK("http://evil.example")', "+1", "@SUM(A1)", "-2+3", "＝1+1"):
        form = {"csrf": token, "nom": name, "role": "viewer"}
        assert visitor.post("/fr/reglages/utilisateurs", data=form).status_code == 200
    visitor.post(f"/fr/alertes/{site.alert_id}/visite", data={"csrf": token, "texte": "=1+1"})
    told = list(csv.reader(visitor.get("/fr/reglages/journal?format=csv").text.splitlines()))
    assert len(told) == 7
    begun = {line[3][:3] for line in told[1:]}
    assert begun == {"A7", "'＝1", "'-2", "'@S", "'+1", "'=H"}
    assert not [cell for line in told for cell in line if cell[:1] in tuple("=+-@＝")]


def test_one_changes_ones_own_password_and_sets_up_a_code(site: Site, visitor: httpx.Client) -> None:
    token = csrf_of(visitor)

    def post(where: str, **form: str) -> httpx.Response:
        return visitor.post(f"/fr/compte/{where}", data=form | {"csrf": token})

    with site.app() as elsewhere:
        assert elsewhere.get(site.login_path()).status_code == 303
        assert post("mot", mot=PASSWORD, encore=PASSWORD).status_code == 303  # came by a link: there is no old one
        assert elsewhere.get("/fr/").status_code == 401
    assert visitor.get("/fr/").status_code == 200
    assert "ne va pas" in post("mot", ancien="faux", mot=PASSWORD, encore=PASSWORD).text
    assert "5 caractères" in post("mot", ancien=PASSWORD, mot="court", encore="court").text
    assert post("code", ancien="faux").status_code == 400
    assert post("code", ancien=PASSWORD).status_code == 303
    found = re.search(r'<code class="command">([A-Z2-7]{32})</code>', visitor.get("/fr/compte").text)
    assert found
    assert post("code/prendre", code="1").status_code == 400
    spare = post("code/prendre", code=pyotp.TOTP(found[1]).at(site.wall.now())).text
    assert len(re.findall(r"<code>([a-z2-9]{5}-[a-z2-9]{5})</code>", spare)) == 10
    with site.app() as again:
        form = {"nom": "awa", "mot": PASSWORD}
        assert "Le code manque" in again.post("/fr/entrer", data=form).text
        code = re.findall(r"<code>([a-z2-9]{5}-[a-z2-9]{5})</code>", spare)[0]
        assert again.post("/fr/entrer", data=form | {"code": code}).status_code == 303
    assert post("code/retirer", ancien=PASSWORD).status_code == 303


def test_whoever_finds_an_open_browser_cannot_guess_the_password_for_ever(site: Site, visitor: httpx.Client) -> None:
    token = csrf_of(visitor)
    visitor.post("/fr/compte/mot", data={"csrf": token, "mot": PASSWORD, "encore": PASSWORD})
    for _ in range(5):
        assert visitor.post("/fr/compte/code", data={"csrf": token, "ancien": "faux"}).status_code == 400
    assert visitor.post("/fr/compte/code", data={"csrf": token, "ancien": PASSWORD}).status_code == 400


def test_whoever_tries_too_many_codes_while_setting_up_a_phone_is_told_to_wait(
    site: Site, visitor: httpx.Client
) -> None:
    token = csrf_of(visitor)
    visitor.post("/fr/compte/mot", data={"csrf": token, "mot": PASSWORD, "encore": PASSWORD})
    assert visitor.post("/fr/compte/code", data={"csrf": token, "ancien": PASSWORD}).status_code == 303
    tries = [visitor.post("/fr/compte/code/prendre", data={"csrf": token, "code": "1"}) for _ in range(6)]
    assert [one.status_code for one in tries] == [400] * 6
    assert "Le code manque, ne va pas" in tries[4].text
    assert "Il y a eu trop d’essais : attendez trois minutes." in tries[5].text


def test_the_documents_show_what_each_address_asks_for() -> None:
    for file in ("docs/access.md", "docs/fr/access.md"):
        text = Path(file).read_text("utf-8")
        for door in DOORS:
            assert f"| `{door.address}` | {door.read} | {door.write} |" in text, f"{file}: {door.address}"
        for role in Role:
            assert f"`{role}`" in text
