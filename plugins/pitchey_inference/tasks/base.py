"""What every task offers: many requests in, as many answers out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

from pitchey_core.errors import PitcheyError
from pitchey_inference.outputs import Output

if TYPE_CHECKING:
    from pitchey_inference.runtime.model import Model

__all__ = [
    "Answer",
    "ImageItem",
    "Item",
    "Parameters",
    "Request",
    "Stop",
    "Task",
    "TensorItem",
    "TextItem",
    "never",
]


class Parameters(BaseModel):
    """Base of what a job may say to a task; unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class TextItem:
    """A text; ``shown`` is what to call it in messages."""

    text: str
    shown: str = "the text"


@dataclass(frozen=True, slots=True)
class ImageItem:
    """A picture in a local file."""

    path: Path
    shown: str
    max_pixels: int


@dataclass(frozen=True, slots=True)
class TensorItem:
    """Named tensors: arrays of numpy, or nested lists as they stand in JSON."""

    tensors: Mapping[str, Any] = field(default_factory=dict)
    shown: str = "the tensors"


Item: TypeAlias = TextItem | ImageItem | TensorItem
Answer: TypeAlias = Output | PitcheyError
Stop: TypeAlias = Callable[[], bool]
P = TypeVar("P", bound=Parameters)


def never() -> bool:
    """A ``stop`` for callers that cannot be interrupted."""
    return False


@dataclass(frozen=True, slots=True)
class Request(Generic[P]):
    """One item, and what its job wants of it. The requests of one call may come from several jobs."""

    item: Item
    parameters: P


class Task(ABC, Generic[P]):
    """Base of all tasks. One instance serves one model for as long as that is loaded.

    Attributes:
        parameters: The model of what jobs may say.
        accepts: The classes of items that it takes.
    """

    parameters: ClassVar[type[Parameters]]
    accepts: ClassVar[tuple[type[Item], ...]] = (TextItem,)

    def __init__(self, model: Model) -> None:
        self.model = model

    @abstractmethod
    def run(self, requests: Sequence[Request[P]], stop: Stop = never) -> list[Answer]:
        """Answer requests, in their order; an answer that is an error concerns that request alone.

        Raises:
            Cancelled: ``stop()`` was true.
            PitcheyError: None of them can be answered: the model cannot be loaded.
        """
