"""What nobody should write into a form or an address: no error of ours, and no page that shows it as markup."""

from __future__ import annotations

import pytest

from benchmarks.forms import MARK, forms_of, is_page, run
from tests.phones import FOUND
from tests.web.test_access import every_route
from tests.web.web_site import Site
from web.language import Language, Texts


@pytest.mark.db
@pytest.mark.slow
def test_every_form_and_address_takes_what_is_odd_or_refuses_it(full: Site) -> None:
    found = run(full, cases=300, seed=7, say=lambda _: None)
    FOUND.take()  # numbers that look like a phone's are made up, and stand in addresses that nobody would ask for
    assert found.failures == {}
    posts = {template for method, _, template in every_route(full) if method == "POST" and is_page(template)}
    tried = {f"POST {template.replace('{language}', 'fr')}" for template in posts}
    assert len(tried) > 50
    assert tried <= found.sent.keys(), "what is not sent is not tried"
    assert found.statuses[200] > 60, "what is all refused tries nothing"
    assert found.statuses[303] > 20, "nor does what is never stored"


def test_forms_are_read_as_a_browser_reads_them() -> None:
    page = """<form method=post action="garder" enctype="multipart/form-data"><input type=hidden name=csrf value=t>
        <input name=nom value="Awa"><select name=langue><option value=fr>fr<option value=en selected>en</select>
        <textarea name=mots>vu</textarea><input type=file name=photo></form><form id=loin></form>
        <button form=loin name=choisi value=7>ici</button>"""
    first, second = forms_of("http://x/fr/zones/zone-1/comite", page)
    assert (first.method, first.address, first.is_multipart) == ("POST", "http://x/fr/zones/zone-1/garder", True)
    assert first.fields == (("nom", "Awa"), ("langue", "en"), ("mots", "vu"), ("photo", ""))
    assert first.files == {"photo"}
    assert (second.method, second.fields) == ("GET", (("choisi", "7"),))
    assert MARK not in page


@pytest.mark.parametrize(("value", "told"), [(1e14, "100000000000000"), (1e30, "1E30"), (-1.5e308, "-1,5E308")])
def test_a_number_beyond_all_digits_is_told_by_its_power_of_ten(value: float, told: str) -> None:
    texts = Texts(Language.FR)
    assert texts.exact(value) == told
    assert texts.number(value).replace("\u202f", "") == told
