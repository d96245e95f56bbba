"""What pages weigh, how soon they can be used on a village's link, and what is left when there is none. In Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Error, Page, expect

from tests.web.test_browser import ADDRESSES, chromium, enter, problems_of
from tests.web.web_site import Site, serving
from web.app import create_app

__all__ = ["chromium"]  # the fixture
pytestmark = [pytest.mark.ui, pytest.mark.db]

OVERVIEW_BYTES, PAGE_BYTES, AGAIN_BYTES = 60_000, 150_000, 12_000
MOST_REQUESTS = 6
SLOW, SLOWER = (300, 400, 3.0), (100, 600, 5.0)  # kbit/s, ms, s until it can be used
CPU = 4
HEAVY = ("/fr/", "/fr/zones/zone-5", "/fr/zones/zone-5/pump?jours=30", "/fr/zones/zone-5/calendrier", "/fr/comparer",
         "/fr/zones/zone-5/graphes?v=pump/flow_m3_h,tower/level_m,pv/irradiance_w_m2&ref=avant")  # fmt: skip


@pytest.fixture(scope="module")
def address(past: Site) -> Iterator[str]:
    """The site with a past."""
    with serving(create_app(past.config, past.clock, wall=past.wall)) as url:
        yield url


@contextmanager
def browsing(chromium: Browser, past: Site, url: str, *, worker: bool = False) -> Iterator[tuple[Page, CDPSession]]:
    """Somebody who has come in, with the browser's own account of the network.

    Without a service worker what a page loads is counted once, where it is loaded.
    """
    context: BrowserContext = chromium.new_context(
        viewport={"width": 360, "height": 800}, locale="fr", base_url=url,
        service_workers="allow" if worker else "block",
    )  # fmt: skip
    page = context.new_page()
    page.goto(past.login_path())
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    yield page, session
    context.close()


def loaded(page: Page, session: CDPSession, path: str) -> tuple[int, int]:
    """Bytes on the wire of one page, and requests, but for its icon, which nobody waits for, and what it carries."""
    sizes: dict[str, int] = {}
    idle: set[str] = set()

    def sent(event: dict[str, Any]) -> None:
        if event["request"]["url"].startswith("data:") or "/icon.svg" in event["request"]["url"]:
            idle.add(event["requestId"])

    def finished(event: dict[str, Any]) -> None:
        sizes[event["requestId"]] = int(event["encodedDataLength"])

    session.on("Network.requestWillBeSent", sent)
    session.on("Network.loadingFinished", finished)
    page.goto(path, wait_until="networkidle")
    session.remove_listener("Network.requestWillBeSent", sent)
    session.remove_listener("Network.loadingFinished", finished)
    return sum(sizes.values()), len(sizes.keys() - idle)


def test_pages_keep_to_their_weight_and_weigh_next_to_nothing_the_second_time(
    chromium: Browser, past: Site, address: str
) -> None:
    with browsing(chromium, past, address) as (page, session):
        for path in dict.fromkeys([*HEAVY, *ADDRESSES]):
            if path.startswith(("/fr/casser", "/fr/regles", "/en/regles", "/fr/telephone")) or path[-2:] == "/1":
                continue  # of stories that this site does not have
            session.send("Network.clearBrowserCache")
            first, requests = loaded(page, session, path)
            assert first <= (OVERVIEW_BYTES if path == "/fr/" else PAGE_BYTES), (path, first)
            assert requests <= MOST_REQUESTS, (path, requests)
        loaded(page, session, "/fr/")
        again, _ = loaded(page, session, "/fr/")
        assert again <= AGAIN_BYTES


@pytest.mark.parametrize(
    ("profile", "paths"), [(SLOW, HEAVY), (SLOWER, ("/fr/", "/fr/zones/zone-5"))], ids=["300-kbit", "100-kbit"]
)
def test_pages_can_be_used_in_time_on_a_slow_link(
    chromium: Browser, past: Site, address: str, profile: tuple[int, int, float], paths: tuple[str, ...]
) -> None:
    *_, limit_s = profile
    for path in paths:
        # The best of three: whatever else this machine does only makes it slower.
        found = (usable_s(chromium, past, f"{address}{path}", profile) for _ in range(3))
        best_s = next((seconds for seconds in found if seconds <= limit_s), None)
        assert best_s is not None, path


def usable_s(chromium: Browser, past: Site, url: str, profile: tuple[int, int, float]) -> float:
    """How long after the click a page's scripts have run, with nothing kept from before."""
    kbit, latency_ms, _ = profile
    with browsing(chromium, past, url.split("/fr/")[0]) as (page, session):
        page.goto("about:blank")
        session.send("Network.clearBrowserCache")
        link = {"downloadThroughput": kbit * 125, "uploadThroughput": kbit * 42, "latency": latency_ms}
        session.send("Network.emulateNetworkConditions", {"offline": False, **link})
        session.send("Emulation.setCPUThrottlingRate", {"rate": CPU})
        page.goto(url, wait_until="load")
        usable_ms = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    assert usable_ms > 0
    return float(usable_ms) / 1000


def test_without_a_link_the_last_overview_opens_and_says_its_age(chromium: Browser, past: Site) -> None:
    with serving(create_app(past.config, past.clock, wall=past.wall)) as url:
        context = enter(chromium, past, url, 360)
        page = context.new_page()
        page.goto("/fr/")
        expect(page.locator(".offline")).to_be_hidden()
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        page.reload(wait_until="networkidle")  # now through the worker
        page.wait_for_function("caches.keys().then(names => names.length === 1)")
        page.wait_for_function(
            "caches.keys().then(n => caches.open(n[0])).then(c => c.keys()).then(k => k.length >= 4)"
        )
    # The server is gone: nothing answers at this address any more.
    page.goto(f"{url}/fr/zones/zone-3")
    expect(page.locator(".offline")).to_contain_text(
        re.compile(r"Hors ligne\. Vue de lundi 2 mars 2026.*, reçue .*minute")
    )
    expect(page.locator("table.fleet tbody tr")).to_have_count(6)
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.top')).borderBottomWidth") == "1px"
    )  # with its style
    context.close()


def test_when_the_link_is_back_the_page_that_was_asked_for_takes_the_place_of_the_kept_overview(
    chromium: Browser, past: Site, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past.clock, "speed", 60.0)  # so that pages are renewed often
    with browsing(chromium, past, address, worker=True) as (page, _session):
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        page.goto("/fr/", wait_until="networkidle")
        page.wait_for_function("caches.keys().then(names => names.length === 1)")
        page.context.set_offline(True)
        page.goto("/fr/rapports")
        expect(page.locator(".offline")).to_contain_text("Hors ligne. Vue de")
        expect(page.get_by_role("heading", level=1)).to_contain_text("À faire")
        page.context.set_offline(False)
        expect(page.get_by_role("heading", level=1)).to_have_text("Rapports", timeout=15_000)
        expect(page.locator(".offline")).to_be_hidden()


def test_an_overview_left_open_says_its_age_as_soon_as_nothing_new_comes(
    chromium: Browser, past: Site, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past.clock, "speed", 60.0)
    with browsing(chromium, past, address) as (page, _session):
        page.goto("/fr/")
        expect(page.locator(".offline")).to_be_hidden()
        page.context.set_offline(True)
        expect(page.locator(".offline")).to_contain_text(re.compile(r"Hors ligne\. Vue de .*, reçue "), timeout=15_000)
        page.context.set_offline(False)
        expect(page.locator(".offline")).to_be_hidden(timeout=10_000)
        page.route("**/fr/", lambda route: route.fulfill(status=500, body="away"))
        expect(page.locator(".offline")).to_be_visible(timeout=15_000)
        page.unroute_all()


def test_a_view_of_last_week_is_not_kept(chromium: Browser, past: Site, address: str) -> None:
    with browsing(chromium, past, address, worker=True) as (page, _session):
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        page.goto("/fr/", wait_until="networkidle")
        page.wait_for_function("caches.keys().then(names => names.length === 1)")
        page.evaluate(AGED)
        page.context.set_offline(True)
        with pytest.raises(Error, match="ERR_"):
            page.goto("/fr/")
        page.context.set_offline(False)
        page.goto("/fr/")
        page.wait_for_function("caches.keys().then(names => names.length === 1)")


AGED = """(async () => {
  const cache = await caches.open((await caches.keys())[0]);
  const kept = await cache.match("/fr/");
  const headers = new Headers(kept.headers);
  headers.set("date", new Date(Date.now() - 8 * 86400e3).toUTCString());
  await cache.put("/fr/", new Response(await kept.text(), { headers }));
})()"""


def test_logging_out_drops_what_was_kept_and_another_session_sees_only_its_own(
    chromium: Browser, past: Site, address: str
) -> None:
    with browsing(chromium, past, address, worker=True) as (page, _session):
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        page.goto("/fr/", wait_until="networkidle")
        page.wait_for_function("caches.keys().then(names => names.length === 1)")
        first = page.evaluate("caches.keys()")
        page.goto(past.login_path())
        page.wait_for_function("n => caches.keys().then(names => names.length === 1 && names[0] !== n)", arg=first[0])
        page.get_by_role("button", name="Sortir").click()
        page.wait_for_function("caches.keys().then(names => names.length === 0)")


def test_the_explorer_speaks_french_and_keeps_conakrys_time_whatever_the_browser_thinks(
    chromium: Browser, past: Site, address: str
) -> None:
    context = chromium.new_context(
        viewport={"width": 1280, "height": 900}, locale="en-US", timezone_id="America/New_York", base_url=address
    )
    page = context.new_page()
    page.goto(past.login_path())
    said = problems_of(page)
    page.goto("/fr/zones/zone-5/graphes?v=pump/flow_m3_h,tower/level_m&du=2026-02-27&au=2026-03-01&ref=zone-3")
    expect(page.locator("canvas")).to_have_count(2)
    plot = page.locator(".u-over").first
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30)
    # The middle of three days from 27 February on, in Guinea's time; 5.5 m³/h with a comma.
    expect(page.locator(".u-legend").first).to_contain_text(re.compile(r"Heure:? ?28 févr\. 1[12]:\d\d"))
    expect(page.locator(".u-legend").first).to_contain_text(re.compile(r"valeur:? ?5,\d+"))
    # A drag over the second day is a new address, asked for once, whose answer is put in place; back leads back.
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/graphes?" in request.url else None)
    drag_over_the_second_of_three_days(page)
    page.wait_for_url(re.compile(r"du=2026-0[23]-2[78]T"))
    expect(page.locator("canvas")).to_have_count(2)
    expect(page.locator("#du")).to_have_attribute("type", "datetime-local")
    assert len(asked) == 1
    page.go_back()
    expect(page.locator("#du")).to_have_value("2026-02-27")
    assert len(asked) == 2
    page.evaluate("location.hash = '#main'")  # the link past the menu
    expect(page.locator("canvas")).to_have_count(2)
    assert len(asked) == 2
    assert said == []
    context.close()


def drag_over_the_second_of_three_days(page: Page) -> None:
    """With the mouse, on the first drawing of the explorer."""
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 2 * box["width"] / 3, box["y"] + 40, steps=4)
    page.mouse.up()


def test_a_zoom_without_a_link_leaves_the_drawing_and_says_so(chromium: Browser, past: Site, address: str) -> None:
    with browsing(chromium, past, address, worker=True) as (page, _session):
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto("/fr/zones/zone-5/graphes?v=pump/flow_m3_h,tower/level_m&du=2026-02-27&au=2026-03-01")
        expect(page.locator("canvas")).to_have_count(2)
        before = page.url
        page.context.set_offline(True)
        drag_over_the_second_of_three_days(page)
        expect(page.locator("#answer .hint")).to_contain_text("Pas de réponse")
        expect(page.locator("canvas")).to_have_count(2)
        assert page.url == before
        page.context.set_offline(False)
        drag_over_the_second_of_three_days(page)
        page.wait_for_url(re.compile(r"du=2026-0[23]-2[78]T"))
        expect(page.locator("#answer .hint")).to_contain_text("Glissez sur un dessin")


def test_the_explorer_is_whole_on_paper_and_where_its_drawing_library_did_not_come(
    chromium: Browser, past: Site, address: str
) -> None:
    with browsing(chromium, past, address) as (page, _session):
        page.route("**/uPlot*.js*", lambda route: route.abort())
        page.goto("/fr/zones/zone-5/graphes?v=pump/flow_m3_h&du=2026-02-27&au=2026-03-01", wait_until="load")
        page.evaluate("dispatchEvent(new Event('beforeprint')); dispatchEvent(new Event('afterprint'))")
        expect(page.locator(".still").first).to_be_visible()
        page.unroute_all()
        page.reload(wait_until="load")
        expect(page.locator("canvas")).to_have_count(1)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        expect(page.locator(".still").first).to_be_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        expect(page.locator(".still").first).to_be_hidden()


def test_a_phone_is_not_told_to_drag(chromium: Browser, past: Site, address: str) -> None:
    context = chromium.new_context(
        viewport={"width": 360, "height": 800}, locale="fr", base_url=address, is_mobile=True, has_touch=True
    )
    page = context.new_page()
    page.goto(past.login_path())
    page.goto("/fr/zones/zone-5/graphes")
    expect(page.locator("#answer .hint")).to_contain_text("choisissez les dates")
    context.close()


def test_the_explorer_works_without_javascript(chromium: Browser, past: Site, address: str) -> None:
    context = enter(chromium, past, address, 360, script=False)
    page = context.new_page()
    page.goto("/fr/zones/zone-5/graphes")
    page.get_by_label("comparer avec").select_option("zone-3")
    page.get_by_label("du", exact=True).fill("2026-02-27")
    page.get_by_role("button", name="Dessiner").click()
    expect(page.locator(".line.reference").first).to_be_attached()
    assert "ref=zone-3" in page.url
    assert "du=2026-02-27" in page.url
    context.close()


def test_a_drawn_day_leads_to_its_rows(chromium: Browser, past: Site, address: str) -> None:
    with browsing(chromium, past, address) as (page, _session):
        page.goto("/fr/zones/zone-5")
        page.locator(".panel a").last.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Graphes")
        assert "du=2026-03-01" in page.url
        page.get_by_role("link", name=re.compile("^valeurs")).first.click()
        assert "/api/v1/readings" in page.url


def test_pages_print_on_a4(chromium: Browser, past: Site, address: str) -> None:
    with browsing(chromium, past, address) as (page, _session):
        for path in HEAVY:
            page.goto(path)
            page.emulate_media(media="print")
            page.set_viewport_size({"width": 703, "height": 1000})  # 186 mm between the margins, at 96 dpi
            assert page.evaluate("document.documentElement.scrollWidth") <= 703, path
            assert page.pdf(format="A4")[:4] == b"%PDF"
            page.emulate_media(media="screen")
            page.set_viewport_size({"width": 360, "height": 800})
