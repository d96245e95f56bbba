"""A file of readings is brought, looked at, stored in the background, and told line by line; twice is once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from ingest.backlog import Layout, Target
from ingest.backlog_files import MOST_BYTES, State, find_file, lines_of, store_file, take_interrupted
from tests.web.test_access import csrf_of
from tests.web.test_api_doors import key_with
from tests.web.test_pages import words
from tests.web.web_site import Site
from web.access import Scope
from web.backlogs import layout_of
from web.in_turn import InTurn

pytestmark = pytest.mark.db

LONG = """time,asset,channel,value,unit
2026-03-01T08:00:00Z,tower,level_m,231,cm
2026-03-01T08:05:00Z,tower,level_m,wet,m
"""
WIDE = "Date;Niveau (cm)\r\n01/03/2026 08:00;231\r\n01/03/2026 08:05;2,3e2\r\n"
LEVELS = """
SELECT value FROM reading JOIN channel USING (channel_id)
WHERE zone_id = 'zone-2' AND asset_id = 'tower' AND name = 'level_m' ORDER BY measured_at
"""


def bring(visitor: httpx.Client, name: str, body: bytes) -> httpx.Response:
    return visitor.post(
        "/fr/apporter", data={"csrf": csrf_of(visitor)}, files={"fichier": (name, body, "text/csv")},
        follow_redirects=False,
    )  # fmt: skip


def ended(look: Any) -> Any:
    """What `look` gives once the file is not worked on any more."""
    end_s = time.monotonic() + 20
    while time.monotonic() < end_s:
        if (found := look()) is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("it was never done")


def levels(site: Site) -> list[float]:
    with site.connect() as connection:
        return [row[0] for row in connection.execute(LEVELS).fetchall()]


def test_a_loggers_table_is_told_its_zone_and_columns_looked_at_and_stored(site: Site, visitor: httpx.Client) -> None:
    assert 'href="/fr/apporter"' in visitor.get("/fr/donnees").text
    page = bring(visitor, "logger.csv", WIDE.encode("cp1252")).headers["location"]
    text = words(visitor.get(page))
    assert "Rien n’est encore enregistré." in text
    assert "Ce fichier ne peut pas encore être lu : choisissez la zone." in text
    form = {"csrf": csrf_of(visitor), "zone": "zone-2", "decalage": "0"}
    visitor.post(page, data=form)
    assert "dites quelles colonnes contiennent un canal." in words(visitor.get(page))
    columns = {"colonne-0": "time", "colonne-1": "tower/level_m", "unite-1": "cm"}
    looked_at = visitor.post(page, data=form | columns, follow_redirects=True)
    text = words(looked_at).replace("\u00a0", " ")
    assert "2 zone-2 tower/level_m" in text
    assert "2,310 m une mesure" in text
    assert "Une mesure enregistrée ne se retire pas." in text
    assert levels(site) == [], "nothing so far"
    visitor.post(f"{page}/garder", data={"csrf": csrf_of(visitor)})
    done = ended(lambda: text if "lu jusqu’au bout" in (text := words(visitor.get(page))) else None)
    assert "Valeurs lues 2 = stockées 2 + doublons 0 + conflits 0 + mises de côté 0." in done
    assert levels(site) == [2.31, 2.3]


class _Form(HTMLParser):
    """The form by which a file is told how it is to be read: what a browser sends of it, and where to."""

    def __init__(self, page: httpx.Response) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self.stored_at, self._select = "", ""
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "select":
            self._select = told["name"] or ""
        elif tag == "option" and ("selected" in told or self._select not in self.sent):
            self.sent[self._select] = told.get("value") or ""
        elif tag == "button" and told.get("form") == "lecture":
            self.stored_at = told["formaction"] or ""


def form_of(page: httpx.Response) -> tuple[str, dict[str, str]]:
    """Where to a page's button to store leads, and what it sends as the page stands."""
    found = _Form(page)
    return found.stored_at, found.sent


def test_what_is_chosen_and_not_looked_at_is_shown_first_and_not_stored(site: Site, visitor: httpx.Client) -> None:
    """Whoever chose the hour and pressed "store" had every reading an hour off, for good."""
    page = bring(visitor, "logger.csv", b"time,asset,channel,value\n2026-03-01 08:00:00,tower,level_m,2.31\n")
    where = page.headers["location"]
    visitor.post(where, data={"csrf": csrf_of(visitor), "zone": "zone-2", "decalage": "0"})
    button, form = form_of(visitor.get(where))
    assert button == f"{where}/garder"
    hour = {"csrf": csrf_of(visitor)} | form | {"decalage": "60"}
    shown = visitor.post(button, data=hour, follow_redirects=True)
    assert "Rien n’est encore enregistré." in words(shown)
    assert 'datetime="2026-03-01T07:00:00Z"' in shown.text
    assert form_of(shown)[1]["decalage"] == "60"
    visitor.post(button, data=hour)
    ended(lambda: text if "lu jusqu’au bout" in (text := words(visitor.get(where))) else None)
    with site.connect() as connection:
        (at,) = connection.execute("SELECT measured_at FROM reading JOIN channel USING (channel_id) "
                                   "WHERE zone_id = 'zone-2' AND name = 'level_m'").fetchone() or (None,)  # fmt: skip
    assert at == datetime(2026, 3, 1, 7, tzinfo=UTC)


def test_what_a_page_shows_is_what_its_form_says(visitor: httpx.Client) -> None:
    """Else "store" would show the same page for ever: here a zone for each row, and columns that bear our names."""
    wide = b"time,zone,tower/level_m,quality/turbidity_ntu\n2026-03-01 08:00:00,zone-2,2.31,1\n"
    where = bring(visitor, "wide.csv", wide).headers["location"]
    button, form = form_of(visitor.get(where))
    assert (form["colonne-0"], form["colonne-2"], form["colonne-3"]) == (
        "time", "tower/level_m", "quality/turbidity_ntu",
    )  # fmt: skip
    stored = visitor.post(button, data={"csrf": csrf_of(visitor)} | form, follow_redirects=True)
    assert "Rien n’est encore enregistré." not in words(stored)


def test_a_file_with_a_nul_in_its_head_is_shown_and_laid_out(visitor: httpx.Client) -> None:
    """UTF-16 whose mark got lost: to say which column holds what ended in an error of ours."""
    where = bring(visitor, "nul.csv", "Date;Niveau\n01/03/2026 08:00;2,31\n".encode("utf-16-le")).headers["location"]
    said = {"csrf": csrf_of(visitor), "zone": "zone-2", "colonne-0": "time", "colonne-1": "tower/level_m"}
    shown = visitor.post(where, data=said, follow_redirects=True)
    assert shown.status_code == 200
    assert form_of(shown)[1]["colonne-1"] == "tower/level_m"


def test_of_two_columns_of_one_name_the_one_that_was_chosen_is_stored(site: Site, visitor: httpx.Client) -> None:
    where = bring(visitor, "two.csv", b"Date;Niveau;Niveau\n01/03/2026 08:00;2,31;0,17\n").headers["location"]
    said = {"csrf": csrf_of(visitor), "zone": "zone-2", "decalage": "0", "colonne-0": "time"}
    shown = visitor.post(where, data=said | {"colonne-1": "tower/level_m"}, follow_redirects=True)
    assert "Niveau (3)" in words(shown)
    button, form = form_of(shown)
    assert (form["colonne-1"], form["colonne-2"]) == ("tower/level_m", "")
    visitor.post(button, data={"csrf": csrf_of(visitor)} | form)
    ended(lambda: levels(site) or None)
    assert levels(site) == [2.31]


def test_the_same_file_twice_changes_nothing_and_what_is_wrong_is_told_by_its_line(
    site: Site, visitor: httpx.Client
) -> None:
    for stored, duplicate in ((1, 0), (0, 1)):
        page = bring(visitor, "logger.csv", LONG.encode()).headers["location"]
        visitor.post(page, data={"csrf": csrf_of(visitor), "zone": "zone-2"})
        visitor.post(f"{page}/garder", data={"csrf": csrf_of(visitor)})
        done = ended(lambda page=page: text if "lu jusqu’au bout" in (text := words(visitor.get(page))) else None)
        assert f"stockées {stored} + doublons {duplicate} + conflits 0 + mises de côté 1." in done
        assert "3 tower/level_m wet mesure mal formée la valeur n’est pas un nombre" in done
    assert levels(site) == [2.31]
    with site.connect() as connection:
        assert connection.execute("SELECT count(*) FROM set_aside").fetchone() == (1,)
        assert connection.execute(
            "SELECT bool_and(received + replayed = stored + duplicate + conflict + set_aside) FROM gateway_day"
        ).fetchone() == (True,)
    listed = words(visitor.get("/fr/apporter"))
    assert listed.count("lu jusqu’au bout") == 2


def test_what_is_no_file_is_refused_in_words_and_nothing_is_kept(site: Site, visitor: httpx.Client) -> None:
    for body in (b"", b"x" * (MOST_BYTES + 1)):
        page = bring(visitor, "empty.csv", body).headers["location"]
        assert "Fichier refusé" in words(visitor.get(page))
    assert bring(visitor, "huge.csv", b"x" * (MOST_BYTES + 70_000)).status_code == 413
    with site.connect() as connection:
        assert connection.execute("SELECT count(*) FROM backlog_part").fetchone() == (0,)
    assert visitor.get("/fr/apporter/99").status_code == 404


@pytest.fixture
def sender(site: Site) -> Iterator[httpx.Client]:
    with site.app() as client:
        client.headers["authorization"] = f"Bearer {key_with(site, Scope.SEND)}"
        yield client


def test_a_program_sends_a_file_and_asks_how_far_it_is(site: Site, sender: httpx.Client) -> None:
    answer = sender.post("/api/v1/backlogs?zone=zone-2&name=logger.csv", content=LONG)
    assert answer.status_code == 202
    number = answer.json()["id"]
    done = ended(
        lambda: found if (found := sender.get(f"/api/v1/backlogs/{number}").json())["state"] == "done" else None
    )
    assert {key: done[key] for key in ("rows", "stored", "set_aside", "share")} == {
        "rows": 2, "stored": 1, "set_aside": 1, "share": 1.0,
    }  # fmt: skip
    (problem,) = done["problems"]
    assert (problem["line"], problem["what"], problem["value"]) == (3, "tower/level_m", "wet")
    assert levels(site) == [2.31]


def test_a_file_by_a_name_that_nothing_can_have_is_refused_by_it(sender: httpx.Client) -> None:
    """Found by 10,000 cases out of the OpenAPI: a NUL in the name was an error of ours."""
    answer = sender.post("/api/v1/backlogs?zone=zone-2&name=log%00ger.csv", content=LONG)
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "name")


@pytest.mark.parametrize(
    ("query", "body", "says"),
    [
        pytest.param("zone=zone-2", b"", "the file is empty", id="empty"),
        pytest.param("zone=zone-2", b"a,b\n1,2\n", "no column is told to hold a channel", id="columns"),
        pytest.param("", LONG.encode(), "no column tells the zone", id="zone"),
        pytest.param("zone=zone-2", b"ab," * 40_000, "line 1 is longer than 65536 letters", id="one-line"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_at_once_and_not_kept(
    site: Site, sender: httpx.Client, query: str, body: bytes, says: str
) -> None:
    answer = sender.post(f"/api/v1/backlogs?{query}", content=body)
    assert answer.status_code == 422
    assert says in answer.text
    with site.connect() as connection:
        kept = connection.execute("SELECT (SELECT count(*) FROM backlog_file) + (SELECT count(*) FROM backlog_part)")
        assert kept.fetchone() == (0,)


def test_a_file_of_one_line_is_shown_with_why_it_cannot_be_read(visitor: httpx.Client) -> None:
    page = bring(visitor, "one.csv", b"ab," * 400_000).headers["location"]
    found = visitor.get(page)
    assert found.status_code == 200
    assert "Ce fichier ne peut pas encore être lu : la ligne 1 a plus de 65536 lettres" in words(found)
    assert len(found.content) < 40_000
    assert visitor.post(page, data={"csrf": csrf_of(visitor), "zone": "zone-2"}).status_code == 303
    assert visitor.post(f"{page}/garder", data={"csrf": csrf_of(visitor)}).status_code == 303
    assert "Rien n’est encore enregistré." in words(visitor.get(page))


def test_a_table_that_bears_our_names_is_stored_as_it_was_shown(
    site: Site, visitor: httpx.Client, sender: httpx.Client
) -> None:
    """It was accepted, and failed each time it was read: what its names let one guess had not been kept."""
    first, second = (f"Horodatage;ZONE;tower/level_m\n01/03/2026 0{hour}:00;zone-2;2,3{hour}\n" for hour in (8, 9))
    where = bring(visitor, "wide.csv", first.encode()).headers["location"]
    button, form = form_of(visitor.get(where))
    visitor.post(button, data={"csrf": csrf_of(visitor)} | form)
    ended(lambda: levels(site) or None)
    number = sender.post("/api/v1/backlogs", content=second.encode()).json()["id"]
    done = ended(
        lambda: (
            found if (found := sender.get(f"/api/v1/backlogs/{number}").json())["state"] in ("done", "failed") else None
        )
    )
    assert (done["state"], done["stored"], done["error"]) == ("done", 1, None)
    assert levels(site) == [2.38, 2.39]


def test_only_who_may_send_brings_files(site: Site) -> None:
    with site.app() as client:
        client.headers["authorization"] = f"Bearer {key_with(site, Scope.READ, Scope.WRITE)}"
        assert client.post("/api/v1/backlogs?zone=zone-2", content=LONG).status_code == 403


def test_what_was_interrupted_is_taken_up_again_and_stored_once(site: Site, visitor: httpx.Client) -> None:
    rows = "".join(f"{1_771_000_000 + 60 * n},tower,level_m,{n / 10_000}\n" for n in range(12_000))
    page = bring(visitor, "long.csv", ("time,asset,channel,value\n" + rows).encode()).headers["location"]
    number = int(page.rsplit("/", 1)[1])
    visitor.post(page, data={"csrf": csrf_of(visitor), "zone": "zone-2"})
    with site.connect() as connection:  # a process that had stored the first 10,000 when it was killed
        connection.execute(
            "UPDATE backlog_file SET state = 'asked', beat_at = now() - interval '2 minutes', rows = 10000"
        )
        assert len(list(lines_of(connection, number))) == 12_001
    assert "interrompu" in words(visitor.get(page))
    store_file(site.url, number, site.clock)
    with site.connect() as connection:
        connection.execute("UPDATE backlog_file SET state = 'asked', beat_at = now() - interval '2 minutes'")
    visitor.post(f"{page}/garder", data={"csrf": csrf_of(visitor)})
    text = ended(lambda: text if "lu jusqu’au bout" in (text := words(visitor.get(page))) else None)
    assert "Valeurs lues 12 000 = stockées 0 + doublons 12 000" in text.replace("\u00a0", " ")
    assert len(levels(site)) == 12_000


def test_what_was_interrupted_goes_on_without_anybody(site: Site, visitor: httpx.Client) -> None:
    page = bring(visitor, "logger.csv", LONG.encode()).headers["location"]
    number = int(page.rsplit("/", 1)[1])
    with site.connect() as connection:  # as a process leaves it that was killed before it had read a line
        layout = '{"zone": "zone-2", "utc_offset_min": 0, "time": "time", "targets": {}}'
        connection.execute(
            "UPDATE backlog_file SET state = 'asked', beat_at = now() - interval '2 minutes', layout = %s", [layout]
        )
    with InTurn(
        "backlogs", partial(store_file, site.url, clock=site.clock), left=partial(take_interrupted, site.url),
        look_every_s=0.01,
    ):  # fmt: skip
        ended(lambda: levels(site) or None)
    with site.connect() as connection:
        ended(lambda: ((found := find_file(connection, number)) is not None and found.state is State.DONE) or None)
    assert levels(site) == [2.31]


def test_two_who_look_after_files_do_not_take_the_same(site: Site, visitor: httpx.Client) -> None:
    bring(visitor, "logger.csv", LONG.encode())
    with site.connect() as connection:
        connection.execute("UPDATE backlog_file SET state = 'asked', beat_at = now() - interval '2 minutes'")
    assert len(take_interrupted(site.url)) == 1
    assert take_interrupted(site.url) == []


def test_what_goes_wrong_with_one_does_not_keep_the_next_waiting() -> None:
    done = []

    def work(number: int) -> None:
        if number == 1:
            raise ValueError("a defect of ours")
        done.append(number)

    with InTurn("backlogs", work) as turn:
        turn.start(1)
        turn.start(2)
        assert ended(lambda: done or None) == [2]


def test_a_form_that_names_no_channel_of_ours_is_not_believed() -> None:
    names = ["Date", "a", "b", "c"]
    form = {
        "zone": "zone-2", "decalage": "9999", "colonne-0": "time", "colonne-1": "tower/level_m", "colonne-2": "tower/x",
        "colonne-3": "<script>", "unite-1": "cm",
    }  # fmt: skip
    assert layout_of(form, names) == Layout("zone-2", 0, "Date", {"a": Target("tower", "level_m", "cm")})
