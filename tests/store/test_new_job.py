"""What is given to a store."""

from __future__ import annotations

import math

import pytest

from pitchey_core.errors import UsageError
from pitchey_runner.testing.store_samples import job


@pytest.mark.parametrize("name", ["delay_seconds", "wall_limit"])
@pytest.mark.parametrize("seconds", [math.nan, math.inf, 1e11])
def test_a_time_that_is_none_is_refused(name: str, seconds: float) -> None:
    """One database keeps NaN, the other makes it no limit at all; and neither can wait for it."""
    with pytest.raises(UsageError, match="10 years"):
        job(**{name: seconds})
