"""Templates: one environment per language, with the house's ways of writing values."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from web.details import aside_detail, route_detail
from web.language import Language, texts_of
from web.masks import hide_phones, masked


@cache
def environment(language: Language) -> Environment:
    """Templates that speak this language; an undefined name is an error, not an empty place."""
    texts = texts_of(language)
    found = Environment(
        loader=PackageLoader("web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # templates and code are of one version, also while an update is being installed
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    found.install_gettext_translations(texts.catalogue, newstyle=True)  # type: ignore[attr-defined] # by the extension
    found.filters |= {
        "number": texts.number, "quantity": texts.quantity, "percent": texts.percent, "at_least": texts.at_least,
        "duration": texts.duration, "day": texts.day, "long_day": texts.long_day, "minute": texts.minute,
        "month": texts.whole_month,
        "exact": texts.exact, "signed": texts.signed, "plain_number": texts.plain_number,
        "masked": masked, "no_phones": hide_phones,
        "route_detail": lambda detail: route_detail(detail, texts),
        "aside_detail": lambda detail: aside_detail(detail, texts),
        "span": lambda seconds: texts.duration(timedelta(seconds=seconds)),
    }  # fmt: skip
    found.globals |= {"static": static_address, "named": texts.named}
    return found


@cache
def static_address(name: str) -> str:
    """Address of a static file; it changes with the content, so browsers may keep it for ever."""
    digest = hashlib.sha256((files("web") / "static" / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"
