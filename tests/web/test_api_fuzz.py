"""What schemathesis makes of our OpenAPI: no error of ours, no answer that the document does not tell."""

from __future__ import annotations

import pytest

from benchmarks.api import opened, run
from tests.phones import FOUND
from tests.web.web_site import Site


@pytest.mark.db
@pytest.mark.slow
def test_a_few_hundred_cases_find_no_server_error_and_no_undocumented_answer(site: Site) -> None:
    with opened(site) as (address, key):
        found = run(address, key, cases=300, seed=7, say=lambda _: None)
    FOUND.take()  # numbers that look like a phone's are made up, and stand in addresses that nobody would ask for
    assert found.failures == {}
    assert found.cases > 200
    assert found.statuses[200] > 30, "cases that are all refused try nothing"
