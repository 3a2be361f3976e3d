"""The test kit for authors of processors: a conformance suite, and jobs for unit tests.

Needs ``pip install 'pitchey[testing]'``. Production code never imports it.

::

    from pitchey_core.testing import ProcessorSuite, make_job, publish_job

    class TestWatermark(ProcessorSuite):
        processor = "watermark"
        bad_payloads = [{"text": ""}]

        @pytest.fixture
        def payload(self, clip):
            return {"input_url": str(clip), "text": "draft"}
"""

import pytest

# Before their first import, so that a failing check shows its values.
pytest.register_assert_rewrite(
    "pitchey_core.testing.declared",
    "pitchey_core.testing.interrupted",
    "pitchey_core.testing.outcomes",
    "pitchey_core.testing.refused",
    "pitchey_core.testing.subject",
)

from pitchey_core.testing.jobs import ProgressLog, make_job, publish_job  # noqa: E402
from pitchey_core.testing.suite import ProcessorSuite  # noqa: E402
from pitchey_core.testing.workbench import Ran, Workbench  # noqa: E402

__all__ = ["ProcessorSuite", "ProgressLog", "Ran", "Workbench", "make_job", "publish_job"]
