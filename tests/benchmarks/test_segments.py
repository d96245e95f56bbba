"""Our segment counts beside two other programs, on fewer texts than `make bench-segments`."""

import pytest

from benchmarks.processes import MeasureError
from benchmarks.segments import Peers, differences
from tests.conftest import skip_without


@pytest.mark.slow
def test_two_other_programs_count_the_same_segments(request: pytest.FixtureRequest) -> None:
    try:
        peers = Peers()
    except MeasureError as error:
        skip_without(request.config, "npm", str(error), optional=True)
    assert differences(20261125, 2000, peers) == (2000, [])
