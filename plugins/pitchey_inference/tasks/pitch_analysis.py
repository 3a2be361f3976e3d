"""The analysis of a film pitch, as a task: :mod:`pitchey_inference.analysis` on the models of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pydantic import Field

from pitchey_core.errors import Cancelled, PitcheyError
from pitchey_inference.analysis.judge import judge_of
from pitchey_inference.analysis.pitch import PitchAnalyzer
from pitchey_inference.analysis.results import PitchAnalysis
from pitchey_inference.outputs import Output
from pitchey_inference.tasks.base import Answer, Request, Stop, Task, TextItem, never
from pitchey_inference.tasks.texts import TextParameters, check_text

__all__ = ["PitchAnalysisTask", "PitchOutput", "PitchParameters"]

_JUDGE = "sentiment-v1"


class PitchParameters(TextParameters):
    """What a job may say.

    Attributes:
        temperature: Scales the distributions of genres and tones: above 1 flattens, below 1 sharpens.
    """

    temperature: float = Field(1.0, gt=0, le=1000, allow_inf_nan=False)


class PitchOutput(Output):
    """The analysis of one pitch."""

    task: Literal["pitch-analysis"] = "pitch-analysis"
    analysis: PitchAnalysis


class PitchAnalysisTask(Task[PitchParameters]):
    """Analyses pitches; sentences that the encoder cuts are compared by their beginnings."""

    parameters = PitchParameters

    @cached_property
    def _analyzer(self) -> PitchAnalyzer:
        # By name: who puts another sentiment-v1 into the settings gets its judgement here, too.
        return PitchAnalyzer(self.model.encoder.encode, judge_of(self.model.find(_JUDGE)))

    def run(self, requests: Sequence[Request[PitchParameters]], stop: Stop = never) -> list[Answer]:
        """See :meth:`~pitchey_inference.tasks.base.Task.run`."""
        answers: list[Answer] = []
        for request in requests:
            if stop():
                raise Cancelled("the analysis was stopped")
            try:
                text = check_text(request.item, self.model)
                assert isinstance(request.item, TextItem)
                found = self._analyzer.analyze(text, request.parameters.temperature)
                answers.append(PitchOutput(analysis=found))
            except PitcheyError as error:
                answers.append(error)
        return answers
