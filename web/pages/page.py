"""One page for one visitor in one language: what every handler needs and every template shows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from alerts.words import asset_label, fault_label, first_action
from ingest.db import Connection, queries
from web.access import Visitor
from web.dependencies import ConnectionOf, Services, ServicesOf, VisitorOf
from web.labels import Labels
from web.language import Language, Texts, texts_of
from web.replica import SHOWN_FROM
from web.rights import Right
from web.templating import environment
from web.turns import SAFE_METHODS

SQL = queries("web", "frame")

LOGIN_HEADER = "ndiyan-login"  # names the session to the service worker, which keeps one overview for each

EVALUATION_LATE = timedelta(minutes=15)  # alerts are evaluated every minute of platform time
REFRESH_WALL_S = (3.0, 60.0)  # how often a page asks again: with each minute of platform time, within these bounds


@dataclass(frozen=True, slots=True)
class Page:
    """What a page handler works with."""

    request: Request
    services: Services
    connection: Connection
    visitor: Visitor
    language: Language
    now: datetime

    @property
    def texts(self) -> Texts:
        """The page's language."""
        return texts_of(self.language)

    def path(self, *parts: object) -> str:
        """Address of another page in the same language."""
        return "/" + "/".join([self.language.value, *(str(part) for part in parts)])

    def may(self, right: str) -> bool:
        """Whether the visitor has this right, for templates that offer only what is possible."""
        return self.visitor.may(Right(right))

    @property
    def who(self) -> str:
        """How a person who does something here is written down."""
        return f"{self.visitor.name} (web)"

    def render(self, template: str, *, status: int = 200, is_secret: bool = False, **values: Any) -> HTMLResponse:
        """The page as HTML; no browser and no proxy keeps one that shows something secret."""
        is_fictional, live_count, evaluated_at = self.connection.execute(SQL["frame"]).fetchone() or (False, 0, None)
        late = evaluated_at is not None and self.now - evaluated_at > EVALUATION_LATE
        behind: timedelta = getattr(self.request.state, "behind", timedelta())
        frame = {
            "csrf": self.visitor.csrf, "visitor": self.visitor, "may": self.may, "live_count": live_count,
            "evaluated_at": evaluated_at if late else None, "made_at": self.services.wall.now(),
            "behind": behind if behind > SHOWN_FROM else None,
        }  # fmt: skip
        answer = render(
            self.request, self.services, self.language, template,
            now=self.now, is_fictional=is_fictional, frame=frame, status=status, **values,
        )  # fmt: skip
        if is_secret:
            answer.headers["cache-control"] = "no-store"
        answer.headers[LOGIN_HEADER] = hashlib.sha256((self.visitor.csrf or "").encode()).hexdigest()[:16]
        return answer

    def see(self, *parts: object, query: str = "") -> RedirectResponse:
        """Send the browser on after a form: reloading will not send it twice."""
        return RedirectResponse(self.path(*parts) + (f"?{query}" if query else ""), status_code=303)


def page_of(
    request: Request, services: ServicesOf, visitor: VisitorOf, connection: ConnectionOf, language: Language
) -> Page:
    """The page of this request."""
    return Page(request, services, connection, visitor, language, services.clock.now())


PageOf = Annotated[Page, Depends(page_of)]


def render(
    request: Request, services: Services, language: Language, template: str, *, now: datetime, is_fictional: bool,
    frame: dict[str, Any] | None, status: int = 200, **values: Any,
) -> HTMLResponse:  # fmt: skip
    """A template within the house's frame; `frame` is None for those who are not logged in."""
    texts, speed = texts_of(language), services.clock.speed
    shortest, longest = REFRESH_WALL_S
    html = environment(language).get_template(template).render(
        language=language.value,
        config=services.config,
        speed=speed,
        now=now,
        is_fictional=is_fictional,
        frame=frame,
        path=partial(_path, language),
        switch=_switched(request, language),
        refresh_s=round(min(longest, max(shortest, 60 / speed))),
        labels=Labels(texts),
        age=partial(texts.age, now=now),
        instant=partial(texts.instant, now=now),
        day_and_time=texts.day_and_time,
        fault_label=partial(fault_label, language=language.value),
        asset_label=partial(asset_label, language=language.value),
        first_action=partial(first_action, language=language.value),
        **values,
    )  # fmt: skip
    return HTMLResponse(html, status_code=status)


def _path(language: Language, *parts: object) -> str:
    return "/" + "/".join([language.value, *(str(part) for part in parts)])


def _switched(request: Request, language: Language) -> str | None:
    """The same page in the other language; the page itself when its address names no language.

    None for what answers a form: nothing stands at its address, and what was typed, or is shown this once, is here
    alone. To log in is the exception: the form is at the address that it is sent to.
    """
    other = Language.EN if language is Language.FR else Language.FR
    path, query = request.url.path, request.url.query
    head, _, rest = path.lstrip("/").partition("/")
    if head == "login":
        return f"?langue={other.value}"
    if request.method not in SAFE_METHODS and rest != "entrer":
        return None
    if head != language.value:
        return f"/{other.value}/"
    return f"/{other.value}/{rest}" + (f"?{query}" if query else "")
