"""Texts of a request, looked at once at the door: what a database and an answer cannot hold comes no further.

PostgreSQL keeps no NUL, and half of a pair of UTF-16, which JSON can tell, is no letter in UTF-8. Nobody types either.
SMS routes are not asked (`web/hooks.py`): what they tell is kept as it came, and nothing of it is lost for a letter.
"""

from __future__ import annotations

from fastapi import Request
from starlette.datastructures import FormData

from web.errors import BadParameter, NotThere

NUL = "\0"
HALVES = ("\ud800", "\udfff")
NO_LETTER = "is no letter"


def odd_letter(text: str) -> str | None:
    """The first letter of a text that nothing can hold; None in any that people write."""
    if text.isascii() and NUL not in text:
        return None
    return next((one for one in text if one == NUL or HALVES[0] <= one <= HALVES[1]), None)


def require_address(request: Request) -> None:
    """Refuse an address that nothing can have.

    Raises
    ------
    NotThere : in its path is a letter that is none
    BadParameter : in its query
    """
    path: str = request.scope["path"]
    if odd_letter(path) is not None:
        raise NotThere("address", path)
    for name, value in request.query_params.multi_items():
        _require(name, value)


def require_form(form: FormData) -> None:
    """Refuse a form with such a letter in a field or in the name of a file; raises `BadParameter`."""
    for name, value in form.multi_items():
        _require(name, value if isinstance(value, str) else value.filename or "")


async def stranger_letters(request: Request) -> None:
    """For what stands open: the same, of address and form. Guards ask it for everything else."""
    require_address(request)
    if request.headers.get("content-type", "").startswith(("application/x-www-form-urlencoded", "multipart/")):
        require_form(await request.form())


def _require(name: str, value: str) -> None:
    odd = odd_letter(name) or odd_letter(value)  # and nothing else of it is told: it may be a password
    if odd is not None:
        raise BadParameter(name, odd, NO_LETTER)
