"""What the field in the header finds."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from alerts.words import asset_label
from web.labels import Labels
from web.pages.page import PageOf
from web.search import MOST, find

router = APIRouter()

LONGEST = 200


@router.get("/chercher")
def search(page: PageOf, q: Annotated[str, Query(max_length=LONGEST)] = "") -> Response:
    """Zones, alerts, people, parts and channels that hold all the words."""
    found = find(
        page.connection, q,
        asset_label=partial(asset_label, language=page.language.value), channel_label=Labels(page.texts).channel,
    )  # fmt: skip
    return page.render("search.html", asked=q.strip(), found=found, most=MOST)
