"""Remake the screenshots of docs/pages.md from a running demo: `make screens ARGS=ready.json`.

`ndiyan demo --ready-file ready.json` writes where it answers. Needs Chromium; pictures are small on purpose.
"""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import sync_playwright

from ingest.db import connect
from web.access import create_login_link
from web.accounts import let_in
from web.rights import Role

FOLDER = Path(__file__).parent.parent / "docs" / "images" / "pages"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
WIDE, NARROW = (1280, 860), (360, 640)
MOST_BYTES = 80_000
ZONE = "zones/zone-5"  # the one that has every channel
SCREENS = {
    "overview": ("", WIDE, None),
    "overview-phone": ("", NARROW, None),
    "zone": (f"{ZONE}?span=3d", WIDE, None),
    "pump": (f"{ZONE}/pump", WIDE, None),
    "pump-plots": (f"{ZONE}/pump", (1280, 700), "#curve"),
    "tower": (f"{ZONE}/tower", WIDE, None),
    "taps": (f"{ZONE}/bornes", WIDE, None),
    "calendar": (f"{ZONE}/calendrier", WIDE, None),
    "gateway": (f"{ZONE}/gateway", WIDE, None),
    "explorer": (f"{ZONE}/graphes?ref=avant", WIDE, None),
    "compare": ("comparer", WIDE, None),
}
"""File → address, size, and what is scrolled to."""


def main(ready: Path) -> None:
    """Take all of them."""
    demo = json.loads(ready.read_text("utf-8"))
    with connect(demo["database_url"]) as connection:
        let_in(connection, "Awa", Role.ENGINEER, now_wall=datetime.now(UTC))
        token = create_login_link(connection, person="Awa", now_wall=datetime.now(UTC))
    FOLDER.mkdir(parents=True, exist_ok=True)
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        context = browser.new_context(locale="fr", device_scale_factor=0.6, base_url=demo["url"])
        page = context.new_page()
        page.goto(f"/login/{token}")
        for name, (address, (width, height), anchor) in SCREENS.items():
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"/fr/{address}", wait_until="networkidle")
            if anchor:
                page.locator(anchor).scroll_into_view_if_needed()
                page.evaluate(f"document.querySelector('{anchor}').scrollIntoView()")
            file = FOLDER / f"{name}.png"
            page.screenshot(path=file)
            size = file.stat().st_size
            print(f"{file.name}: {size} bytes" + (" IS TOO LARGE" if size > MOST_BYTES else ""))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
