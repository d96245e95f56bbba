"""May these data be trusted? Zones, their channels, and the readings behind each number."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape

import httpx
import numpy as np
import pytest

from gateway.zones import Zone
from ingest.admission import Message
from ingest.columns import Columns
from ingest.pipeline import Pipeline
from ingest.registry import channel_ids
from ingest.writer import ReadingWriter
from tests.web.test_pages import words
from tests.web.web_seed import seed_readings
from tests.web.web_site import Site
from web.rights import Role

pytestmark = pytest.mark.db
QUALITY = "/fr/donnees/qualite"


def row_of(page: httpx.Response, name: str) -> str:
    """The words of the table's row that begins with `name`."""
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", page.text, flags=re.DOTALL)
    said = [re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", row))).replace("\u202f", " ").strip() for row in rows]
    return next(one for one in said if one.startswith(name))


def follow(client: httpx.Client, page: httpx.Response, what: str) -> httpx.Response:
    """The page behind the first link whose address holds `what`."""
    address = next(one for one in map(unescape, re.findall(r'href="([^"]+)"', page.text)) if what in one)
    return client.get(page.url.join(address))


def test_zones_tell_what_came_of_what_was_due(reader: httpx.Client, zones: list[Zone]) -> None:
    page = reader.get(f"{QUALITY}?du=2026-03-02&au=2026-03-02")
    # Zone 6 never spoke: nothing is due of it.
    # Zone 2 has no late reading of this day, one that was dated anew because its gateway said 1970,
    # and one moment with two values.
    assert row_of(page, zones[5].name) == f"{zones[5].name} pas de données {zones[5].name} 0 — 0 0 —"
    name = zones[1].name
    assert row_of(page, name).endswith(f"0 0 % {name} 1 {name} 1 {name} −20 514 j {name}")
    page = reader.get(f"{QUALITY}?du=2026-03-01&au=2026-03-01")
    # The twelve readings of two days before came on 1 March, of which the first four once more.
    assert f"100 % {name} 0 0" in row_of(page, name)


def test_every_number_of_a_channel_opens_the_readings_that_it_counts(reader: httpx.Client) -> None:
    page = reader.get(f"{QUALITY}/zone-2?du=2026-02-26&au=2026-03-02")
    late = follow(reader, page, "battery_v?du=2026-02-26&au=2026-03-02&quoi=retard")
    # The present start of the gateway sent 1 to 12 two days after they were measured.
    assert len(re.findall(r'<tr><th scope="row">', late.text)) == 12
    assert "Mesures en retard" in words(late)
    conflict = words(follow(reader, page, "quoi=conflit"))
    assert "12,500 V" in conflict
    assert "11,900 V" in conflict
    clock = words(follow(reader, page, "quoi=clock"))
    assert "Mesures signalées : date estimée" in clock
    assert "1 janv. 1970" in clock
    chart = follow(reader, page, "graphes?v=gateway/battery_v")
    assert 'value="2026-02-26"' in chart.text


def test_the_last_good_value_stands_with_its_age_whatever_came_since(site: Site, zones: list[Zone]) -> None:
    now = site.clock.now()
    with site.connect() as connection:
        seed_readings(connection, zones[4], now=now - timedelta(hours=2), days=1)
        pack = [
            {"bn": "tower/", "n": "level_m", "u": "m", "v": 99.0, "bt": now.timestamp() - 60, "boot": "a", "seq": 1}
        ]
        topic = f"ndiyan/1/zone-5/{zones[4].gateway_id}/up/senml"
        Pipeline(connection).store([Message(topic, json.dumps(pack).encode(), round(now.timestamp() * 1e6), 1, 1)])
    with site.app() as client:
        client.get(site.login_path())
        page = client.get(f"{QUALITY}/zone-5?du=2026-03-02&au=2026-03-02")
        row = row_of(page, "Château d'eau : niveau")
        # From midnight to 08:40 every five minutes 105 readings and the bad one, of 128 that were due until 10:40.
        assert "83 % Château d'eau : niveau 106" in row.replace("\u00a0", " ")
        assert "hors de ce qui est possible 1" in row
        assert row.replace("\u00a0", " ").endswith("il y a 2 h")
        behind = words(follow(client, page, "quoi=range"))
        assert "99,000 m mauvaise, hors de ce qui est possible" in behind.replace("\u00a0", " ")


def test_many_rows_come_page_by_page_and_each_once(site: Site) -> None:
    at_us = np.array(
        [
            round((site.clock.now() - timedelta(hours=30) + timedelta(minutes=5 * k)).timestamp() * 1e6)
            for k in range(130)
        ]
    )
    with site.connect() as connection:
        number = channel_ids(connection)["zone-5", "tower", "level_m"]
        late_us = at_us + 3_601_000_000
        ReadingWriter(connection).write(
            Columns(np.full(130, number, np.int32), at_us, late_us, np.arange(130) / 100, np.ones(130, np.int16))
        )
    with site.app() as client:
        client.get(site.login_path())
        first = client.get(f"{QUALITY}/zone-5/tower/level_m?quoi=retard")
        rest = follow(client, first, "suite=")
        values = [re.findall(r"(\d,\d\d0)\u00a0m<", page.text) for page in (first, rest)]
        assert [len(some) for some in values] == [100, 30]
        assert values[0] + values[1] == [f"{k / 100:.2f}0".replace(".", ",") for k in range(130)]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("?du=x", 400), ("?du=2026-03-02&au=2026-03-01", 400), ("?du=2025-01-01", 400), ("?page=2", 400),
        ("/zone-9", 404), ("/zone-1/tower/level_m?quoi=x", 400), ("/zone-1/tower/colour?quoi=retard", 404),
        ("/zone-1/tower/level_m?quoi=retard&suite=x", 400),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(reader: httpx.Client, address: str, status: int) -> None:
    assert reader.get(QUALITY + address).status_code == status


def test_a_secretary_sees_the_quality_of_their_own_zone_alone(site: Site, zones: list[Zone]) -> None:
    with site.connect() as connection:
        seed_readings(connection, zones[2], now=site.clock.now(), days=1)
    with site.app() as client:
        client.get(site.login_path(Role.SECRETARY, "zone-3"))
        assert client.get(QUALITY).status_code == 403
        assert "Pompe : puissance" in words(client.get(f"{QUALITY}/zone-3"))
        assert client.get(f"{QUALITY}/zone-1").status_code == 404
        assert "Pompe : puissance" in words(client.get("/fr/zones/zone-3/gateway"))
