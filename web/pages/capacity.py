"""What a server for so many zones must be, and what it costs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from web.capacity import COEFFICIENTS, HEADROOM, MOST_CHANNELS, MOST_YEARS, MOST_ZONES, Wish, capacity
from web.errors import BadParameter
from web.pages.page import PageOf

router = APIRouter()

USUAL = Wish()
LIMITS = {"zones": MOST_ZONES, "channels": MOST_CHANNELS, "years": MOST_YEARS}


@router.get("/ndiyan/capacite")
def sizes(
    page: PageOf,
    zones: Annotated[int, Query()] = USUAL.zones,
    voies: Annotated[int, Query()] = USUAL.channels,
    minutes: Annotated[float, Query()] = USUAL.interval_min,
    annees: Annotated[float, Query()] = USUAL.years,
    colonnes: Annotated[str, Query()] = "non",
    sms: Annotated[float, Query()] = USUAL.sms_eur,
) -> Response:
    """Cores, memory, disk, SMS and euros, with the source of each coefficient."""
    if colonnes not in ("oui", "non"):
        raise BadParameter("colonnes", colonnes, "is neither oui nor non")
    wish = Wish(zones, voies, minutes, annees, colonnes == "oui", sms)
    if (wrong := wish.why_not()) is not None:
        raise BadParameter(wrong, str(getattr(wish, wrong)), "is out of bounds")
    return page.render(
        "capacity.html", wish=wish, found=capacity(wish), coefficients=COEFFICIENTS, limits=LIMITS, headroom=HEADROOM
    )
