"""Every form of every page, filled in with what nobody should write: no error of the server, then or on any page after.

The forms are found as a browser finds them: each page is fetched, what it offers to fill in is read out of it, with
the values that it shows. Some of these are replaced, left out, told twice or joined by others, and the form is sent.
What was stored must be shown: all pages are fetched again at the end. `make bench-forms` does it to the application on
a real server over a PostgreSQL of its own; the suite sends a few.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote_from_bytes, urljoin, urlsplit

import httpx
import hypothesis
import tinyhtml5
from fastapi.routing import APIRoute, iter_route_contexts
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from benchmarks.api import own_server, seeded
from tests.web.test_access import IDS, csrf_of, every_route
from tests.web.web_site import Site, fill
from web.dependencies import offered
from web.routes import routes

MARK = "<i id=hostile>"
"""A page that shows it as it was written would run what a stranger writes."""
HOSTILE = (
    "", " ", "0", "-1", "1", "2", "0,5", "1e308", "1e309", "nan", "inf", "-inf", "9" * 400, "2147483648",
    "9223372036854775808", "9" * 5_000, "--5", "²", "٣", "½", "1_000", "true", "on", "zone-1", "zone-3", "zone-9",
    "pump/power_w", "zone-3/pump/power_w", "../../etc/passwd", "2026-02-30", "2026-02", "0001-01-01", "9999-12-31",
    "9999-12-31T23:59", "2026-03-02T10:40", "24:61", "-P1D", "0000-00", "+224600000010", "+2246000000100", "+",
    "a" * 5_000, "é" * 200, "\u202eabc", "\x00", "a\x00b", "\r\n.\r\n", MARK, "'; DROP TABLE zone; --", "%", "%s%(x)s",
    "{}", "{{7*7}}", "[zone]\nid = 1", "\\", "fr", "en", "json", "csv",
)  # fmt: skip
NO_LETTERS = (b"\xff\xfe", b"\xed\xa0\x80", b"\xc3")
PLACE = re.compile(r"{(\w+)}")
LEAVES = re.compile(r"/(?:sortir|entrer|casser)(?:$|[/?])")
"""Who logs out is nobody afterwards; what the demo breaks has to be broken by a demo."""
BOUNDARY = "ndiyan-forms"


class Form(NamedTuple):
    """What a page offers to fill in: names and values as shown, which of them are files, and what may come besides."""

    method: str
    address: str
    is_multipart: bool = False
    fields: tuple[tuple[str, str], ...] = ()
    files: frozenset[str] = frozenset()
    others: tuple[str, ...] = ("autre",)

    @property
    def kind(self) -> tuple[str, str, tuple[str, ...]]:
        """Forms that ask for the same at the same place, whichever row of a list they belong to."""
        path = re.sub(r"/(?:\d+|zone-\d)(?=/|$)", "/N", urlsplit(self.address).path)
        return self.method, path, tuple(sorted({name for name, _ in self.fields} | {*self.others}))


@dataclass
class Found:
    """What the forms came to: how many of each address, answers by status, each failure once."""

    sent: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    def take(self, what: str, answer: httpx.Response, told: str) -> None:
        """Count an answer, and note what is wrong with it."""
        self.statuses[answer.status_code] += 1
        wrong = ""
        if answer.status_code >= 500 and answer.status_code != 501:
            wrong = str(answer.status_code)
        elif answer.headers.get("content-type", "").startswith("text/html") and MARK in answer.text:
            wrong = "shows what was written as it was written"
        if wrong:
            self.failures.setdefault((what, wrong), told[:1500])


def forms_of(address: str, page: str) -> Iterator[Form]:
    """The forms of a page that was fetched from an address."""
    tree = tinyhtml5.parse(page, namespace_html_elements=False)
    for form in tree.iter("form"):
        fields, files = [], set()
        outside = [one for one in tree.iter() if form.get("id") and one.get("form") == form.get("id")]
        for one in [*form.iter(), *outside]:
            if one.tag not in ("input", "select", "textarea", "button") or one.get("name") in (None, "", "csrf"):
                continue
            options = list(one.iter("option"))
            shown = [option for option in options if option.get("selected") is not None] or options[:1]
            value = shown[0].get("value") if shown else one.get("value") or one.text
            fields.append((one.get("name"), value or ""))
            if one.get("type") == "file":
                files.add(one.get("name"))
        yield Form(
            (form.get("method") or "get").upper(), urljoin(address, form.get("action") or address),
            form.get("enctype") == "multipart/form-data", tuple(fields), frozenset(files),
        )  # fmt: skip


def run(site: Site, *, cases: int, seed: int, say: Callable[[str], None] = print) -> Found:
    """About so many forms, spread evenly over all kinds that pages offer; the same for the same seed."""
    found = Found()
    with site.app(requests_per_minute=10_000_000) as client:
        client.get(site.login_path())
        pages = [path for method, path, template in every_route(site) if method == "GET" and is_page(template)]
        forms = [*addresses(IDS | {"contact_id": str(site.contact_id)}), *_offered(client, pages, found)]
        for form in forms:
            began = time.monotonic()
            _fill_in(site, client, form, max(1, cases // len(forms)), seed, found)
            names = ", ".join([name for name, _ in form.fields] or form.others)
            say(f"{form.method:<5}{form.kind[1]:<45}{time.monotonic() - began:>6.1f} s  {names:.80}")
        _token(site, client)
        for path in pages:
            found.take(path, client.get(path, follow_redirects=True), "after what was stored")
    return found


def is_page(template: str) -> bool:
    """Whether a route is one of the pages' that can be tried."""
    return template.startswith("/{language}") and not LEAVES.search(template)


def addresses(ids: Mapping[str, str]) -> Iterator[Form]:
    """Each route of the pages as a form: of what stands in its address, and what it may be told besides.

    So those are tried as well whose form no page shows until something has happened.
    """
    for route in iter_route_contexts(routes()):
        template, page = route.path or "", route.original_route
        if not is_page(template) or not isinstance(page, APIRoute):
            continue
        path = template.replace("{language}", "fr")
        places = tuple((name, ids[name]) for name in PLACE.findall(path))
        told = {field.alias for field in page.dependant.body_params}
        for method, names in (("GET", offered(page.dependant) - {"language"}), ("POST", told)):
            if method in (route.methods or ()) and (places or names or method == "POST"):
                yield Form(method, path, fields=places, others=tuple(sorted(names)) or ("autre",))


def _offered(client: httpx.Client, pages: Sequence[str], found: Found) -> list[Form]:
    """One form of each kind."""
    kinds: dict[tuple[str, str, tuple[str, ...]], Form] = {}
    for path in pages:
        answer = client.get(path, follow_redirects=True)
        found.take(path, answer, "as it stands")
        if answer.headers.get("content-type", "").startswith("text/html"):
            for form in forms_of(path, answer.text):
                kinds.setdefault(form.kind, form)
    return [form for form in kinds.values() if not LEAVES.search(form.address)]


def _token(site: Site, client: httpx.Client) -> str:
    """The form's token of who is logged in; anew when what was sent has ended the session."""
    if client.get("/fr/").status_code != 200:
        client.cookies.clear()
        client.get(site.login_path())
    return csrf_of(client)


def _fill_in(site: Site, client: httpx.Client, form: Form, each: int, seed: int, found: Found) -> None:
    token = _token(site, client)

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=each, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(fields=_filled(form))
    def one(fields: list[tuple[str, bytes]]) -> None:
        nonlocal token
        answer = _send(client, form, fields if form.method == "GET" else [("csrf", token.encode()), *fields])
        found.sent[f"{form.method} {form.kind[1]}"] += 1
        found.take(f"{form.method} {form.kind[1]}", answer, f"{fields}\n{answer.text[:600]}")
        if answer.status_code in (401, 403):
            token = _token(site, client)

    one()


def _filled(form: Form) -> st.SearchStrategy[list[tuple[str, bytes]]]:
    """What is sent: mostly as shown, so that one odd value comes as far as it can."""
    odd = st.one_of(
        st.sampled_from([text.encode() for text in HOSTILE]), st.sampled_from(NO_LETTERS),
        st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace")),
        st.floats().map(lambda number: repr(number).encode()), st.integers().map(lambda number: str(number).encode()),
    )  # fmt: skip

    def sent(changes: Sequence[tuple[int, str, bytes]]) -> list[tuple[str, bytes]]:
        fields = [(name, value.encode()) for name, value in form.fields]
        for place, how, value in changes:
            if how == "another" or not fields:
                fields.append((form.others[place % len(form.others)], value))
                continue
            at = place % len(fields)
            if how == "replaced":
                fields[at] = (fields[at][0], value)
            elif how == "twice":
                fields.append((fields[at][0], value))
            else:
                del fields[at]
        return fields

    how = st.sampled_from(("replaced",) * 8 + ("twice", "left out", "another"))
    most = max(len(form.fields), len(form.others))
    return st.lists(st.tuples(st.integers(0, most - 1), how, odd), min_size=1, max_size=4).map(sent)


def _send(client: httpx.Client, form: Form, fields: Sequence[tuple[str, bytes]]) -> httpx.Response:
    quoted = [
        (quote_from_bytes(name.encode("utf-8", "replace"), ""), quote_from_bytes(value, "")) for name, value in fields
    ]
    places = dict(quoted)
    address = PLACE.sub(lambda place: places.get(place[1], ""), form.address)
    told = "&".join(f"{name}={value}" for name, value in quoted if f"{{{name}}}" not in form.address)
    if form.method == "GET":
        return client.get(f"{address.partition('?')[0]}?{told}")
    if not form.is_multipart:
        return client.post(address, content=told, headers={"content-type": "application/x-www-form-urlencoded"})
    parts = []
    for name, value in fields:
        file = b'; filename="a"' if name in form.files else b""
        label = name.encode("utf-8", "replace").replace(b'"', b"%22")
        parts.append(
            b'--%b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
            % (BOUNDARY.encode(), label, file, value)
        )
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return client.post(
        form.address, content=body, headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    )


def main() -> int:
    """Send the forms and print what they came to; 1 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))  # noqa: S311 - a start, no secret
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with own_server() as url:
        site = seeded(url)
        fill(site)
        found = run(site, cases=options.cases, seed=options.seed)
    print(f"{found.sent.total()} forms of {len(found.sent)} addresses: {dict(sorted(found.statuses.items()))}")
    print(f"{len(found.failures)} kinds of failure")
    for (what, wrong), told in found.failures.items():
        print(f"\n{what}: {wrong}\n{told}")
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
