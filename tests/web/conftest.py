"""Fixtures of the pages' tests; what they are stands in `web_site.py`."""

from tests.web.web_site import full, reader, script, site, visitor

__all__ = ["full", "reader", "script", "site", "visitor"]
