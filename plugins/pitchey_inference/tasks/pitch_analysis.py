"""The analysis of a film pitch, as a task: :mod:`pitchey_inference.analysis` on the models of the catalogue."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pydantic import ConfigDict, Field

from pitchey_core.errors import Cancelled, PitcheyError
from pitchey_inference.analysis.judge import judge_of
from pitchey_inference.analysis.pitch import PitchAnalyzer
from pitchey_inference.analysis.results import PitchAnalysis
from pitchey_inference.outputs import Output
from pitchey_inference.tasks.base import Answer, Request, Stop, Task, never
from pitchey_inference.tasks.splitting import SplitText, encode_sentences
from pitchey_inference.tasks.texts import TextParameters

__all__ = ["PitchAnalysisTask", "PitchOutput", "PitchParameters"]

_JUDGE = "sentiment-v1"


class PitchParameters(TextParameters):
    """What a job may say.

    Attributes:
        temperature: Scales the distributions of genres and tones: above 1 flattens, below 1 sharpens.
    """

    temperature: float = Field(1.0, ge=0.001, le=1000, allow_inf_nan=False)


class PitchOutput(PitchAnalysis, Output):
    """The analysis of one pitch."""

    model_config = ConfigDict(extra="forbid", frozen=False)

    task: Literal["pitch-analysis"] = "pitch-analysis"


class PitchAnalysisTask(Task[PitchParameters]):
    """Analyses pitches; sentences that the encoder cuts are compared by their beginnings."""

    parameters = PitchParameters

    @cached_property
    def _analyzer(self) -> PitchAnalyzer:
        # By name: who puts another sentiment-v1 into the settings gets its judgement here, too.
        return PitchAnalyzer(self.model.encoder.encode, judge_of(self.model.find(_JUDGE)))

    def run(self, requests: Sequence[Request[PitchParameters]], stop: Stop = never) -> list[Answer]:
        """See :meth:`~pitchey_inference.tasks.base.Task.run`."""
        found = encode_sentences(self.model, requests, stop)
        split = [each for each in found if isinstance(each, SplitText)]
        feelings = iter(self._feelings(split, stop) if split else ())
        answers: list[Answer] = []
        for each, request in zip(found, requests, strict=True):
            if isinstance(each, PitcheyError):
                answers.append(each)
                continue
            if stop():
                raise Cancelled("the analysis was stopped")
            analysis = self._analyzer.analyze_sentences(
                each.text,
                each.sentences,
                each.vectors,
                request.parameters.temperature,
                positive=list(itertools.islice(feelings, len(each.sentences))),
            )
            answers.append(PitchOutput(**dict(analysis), input=each.report))
        return answers

    def _feelings(self, split: Sequence[SplitText], stop: Stop) -> Sequence[float]:
        """Those of the sentences of all texts, one after another."""
        import numpy as np

        texts = [sentence.text for each in split for sentence in each.sentences]
        if stop():
            raise Cancelled("the analysis was stopped")
        return self._analyzer.judge(texts, np.concatenate([each.vectors for each in split]))
