"""Fixtures of the pages' tests; what they are stands in `web_site.py`."""

from tests.web.web_site import past, reader, script, site, visitor

__all__ = ["past", "reader", "script", "site", "visitor"]
