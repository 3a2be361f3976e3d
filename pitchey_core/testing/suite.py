"""The conformance suite that every processor passes, built-in or not."""

from __future__ import annotations

from pitchey_core.testing.declared import DeclaredChecks
from pitchey_core.testing.interrupted import InterruptionChecks
from pitchey_core.testing.outcomes import OutcomeChecks
from pitchey_core.testing.refused import RefusalChecks

__all__ = ["ProcessorSuite"]


class ProcessorSuite(DeclaredChecks, OutcomeChecks, RefusalChecks, InterruptionChecks):
    """Derive from it in a test module; pytest then runs some twenty checks against an *installed* processor.

    ::

        class TestWatermark(ProcessorSuite):
            processor = "watermark"
            bad_payloads = [{"text": "draft"}]

            @pytest.fixture
            def payload(self, clip):
                return {"input_url": str(clip), "text": "draft"}

            @pytest.fixture
            def slow_payload(self, long_clip):
                return {"input_url": str(long_clip), "text": "draft"}

    Attributes:
        processor: Its name or an alias.
        payload: A payload that works, as a mapping or as a fixture that returns one. Choose one that writes
            outputs and takes a second or two.
        slow_payload: The same, for a job that takes five seconds or more, so that it can be stopped in the middle;
            ``None`` if no job of this processor takes that long.
        bad_payloads: Payloads that must be refused, as a sequence or as a fixture; one with an unknown field is
            always tried.
        interrupt_after: Seconds from the first sign of work to the interruption of ``slow_payload``.
        stops_when_asked: Whether a cancelled job ends by itself within the grace time of five seconds. Say ``False``
            where one call into a library takes longer; the job is then killed.
    """
