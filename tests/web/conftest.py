"""Fixtures of the pages' tests; what they are stands in `web_site.py`."""

from tests.web.web_site import reader, script, site, visitor

__all__ = ["reader", "script", "site", "visitor"]
