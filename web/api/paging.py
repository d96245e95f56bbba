"""Pages of lists: the next one is named in the body and, as RFC 8288 says, in the header `Link`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Request, Response

from web.api.models import Item, Listing


class Paging:
    """Makes the answer of a list for one request."""

    def __init__(self, request: Request, response: Response) -> None:
        self._request, self._response = request, response

    def listing(self, *, items: Sequence[Item], next: str | None) -> Listing[Item]:
        """A page; `next` is the mark by which the following one goes on, None on the last."""
        self._response.headers.update(link_to_next(self._request, next))
        return Listing(items=list(items), next=next)


PagingOf = Annotated[Paging, Depends()]


def link_to_next(request: Request, mark: str | None) -> dict[str, str]:
    """The header that leads to the next page of this list, none on the last."""
    if mark is None:
        return {}
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return {"link": f'<{request.url.path}?{urlencode([*kept, ("cursor", mark)])}>; rel="next"'}
