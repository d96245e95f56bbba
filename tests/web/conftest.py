"""Fixtures of the pages' tests; what they are stands in `web_site.py`."""

from tests.web.web_site import past, script, site, visitor

__all__ = ["past", "script", "site", "visitor"]
