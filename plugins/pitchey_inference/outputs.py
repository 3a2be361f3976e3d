"""What tasks answer, one model for each; part of the facts of a job."""

from __future__ import annotations

import importlib
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny

__all__ = [
    "AnyOutput",
    "Embedding",
    "Entity",
    "Failure",
    "ImageClassification",
    "InputReport",
    "LabelScore",
    "Output",
    "Summary",
    "SummarySentence",
    "TensorValue",
    "Tensors",
    "TextClassification",
    "TokenClassification",
    "ZeroShot",
]


class InputReport(BaseModel):
    """What became of a text before the model saw it.

    Attributes:
        characters: Of the whole text.
        tokens: Of the whole text, special tokens included; for a summary summed over its sentences.
        used_tokens: That the model saw.
        truncated: The end was cut off, because the text was longer than the model's input.
    """

    characters: int
    tokens: int
    used_tokens: int
    truncated: bool = False


class LabelScore(BaseModel):
    """A label and its probability."""

    label: str
    score: float


class Output(BaseModel):
    """Base of what a task answers for one item. Models of other plugins derive theirs from it.

    Attributes:
        task: Which class it is.
    """

    model_config = ConfigDict(extra="allow")
    known: ClassVar[dict[str, type[Output]]] = {}

    task: str
    input: InputReport | None = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        default = cls.model_fields["task"].default
        if isinstance(default, str):
            Output.known[default] = cls


class _Strict(Output):
    model_config = ConfigDict(extra="forbid")


class Failure(_Strict):
    """An item that failed; the others are not touched by it.

    Attributes:
        error: As in a Result: ``class``, ``message``, ``remedy``, ``retryable``.
    """

    task: Literal["failed"] = "failed"
    error: dict[str, Any]


class TextClassification(_Strict):
    """The most probable label, and the distribution.

    Attributes:
        labels: Most probable first; cut by ``top_k``.
    """

    task: Literal["text-classification"] = "text-classification"
    label: str
    score: float
    labels: list[LabelScore] = Field(default_factory=list)


class ZeroShot(_Strict):
    """Labels that the job gave, most similar first.

    Attributes:
        labels: A distribution over the labels; not calibrated: it says which label is nearest, and by how much.
        similarities: Cosine similarity of the text with each label, by label.
    """

    task: Literal["zero-shot"] = "zero-shot"
    label: str
    score: float
    labels: list[LabelScore] = Field(default_factory=list)
    similarities: dict[str, float] = Field(default_factory=dict)


class Embedding(_Strict):
    """The vector of a text.

    Attributes:
        size: Its number of dimensions.
        vector: Its values; ``None`` where they are in an artifact, in the row of the item's number.
    """

    task: Literal["embeddings"] = "embeddings"
    size: int
    vector: list[float] | None = None


class SummarySentence(BaseModel):
    """A chosen sentence: ``text == whole[start:end]``, in characters.

    Attributes:
        index: Its place among the sentences of the text, from 0.
        score: Its centrality, 0 to 1.
    """

    index: int
    start: int
    end: int
    text: str
    score: float


class Summary(_Strict):
    """Chosen sentences of a text, in its own order.

    Attributes:
        sentence_count: Of the whole text.
    """

    task: Literal["summary"] = "summary"
    summary: str
    sentences: list[SummarySentence] = Field(default_factory=list)
    sentence_count: int = 0


class Entity(BaseModel):
    """A stretch of the text with one label: ``text == whole[start:end]``, in characters; ``score``: mean probability
    of its tokens."""

    label: str
    score: float
    start: int
    end: int
    text: str


class TokenClassification(_Strict):
    """The labelled stretches of a text, in order."""

    task: Literal["token-classification"] = "token-classification"
    entities: list[Entity] = Field(default_factory=list)


class ImageClassification(_Strict):
    """As for text; ``width`` and ``height`` of the picture in pixels."""

    task: Literal["image-classification"] = "image-classification"
    label: str
    score: float
    labels: list[LabelScore] = Field(default_factory=list)
    width: int
    height: int


class TensorValue(BaseModel):
    """An output of a model.

    Attributes:
        dtype: As numpy calls it.
        data: The values, row by row in nested lists; ``None`` where they are in an artifact.
        artifact: Its name.
    """

    dtype: str
    shape: list[int]
    data: Any = None
    artifact: str | None = None


class Tensors(_Strict):
    """The outputs of a model by name."""

    task: Literal["tensors"] = "tensors"
    outputs: dict[str, TensorValue] = Field(default_factory=dict)


def _import_class(task: str) -> None:
    """Classes that other modules hold are known once those are imported."""
    if task in _ELSEWHERE and task not in Output.known:
        importlib.import_module(_ELSEWHERE[task])


_ELSEWHERE = {"pitch-analysis": "pitchey_inference.tasks.pitch_analysis"}


def _read(value: Any) -> Any:
    """The class that ``task`` names; a plain :class:`Output` for one that nothing here has imported."""
    if isinstance(value, dict):
        _import_class(str(value.get("task")))
        cls = Output.known.get(str(value.get("task")), Output)
        return cls.model_validate(value)
    return value


AnyOutput = Annotated[SerializeAsAny[Output], BeforeValidator(_read)]
"""A field that holds any of them."""
