"""What an ``inference`` job is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pitchey_core.payload import Alias, InputFile, Payload, Positional
from pitchey_core.storage import scheme_of
from pitchey_inference.given import check_items, map_files

__all__ = ["SHORTCUTS", "InferencePayload", "is_reference"]

SHORTCUTS = ("labels", "temperature", "top_k", "max_sentences", "ratio", "too_long")
"""Parameters that have a field of their own, so that the command line has an option for each."""


def is_reference(model: str) -> bool:
    """Whether a model is given by path or URL, rather than by name."""
    return (
        scheme_of(model) is not None
        or "/" in model
        or model.endswith(".onnx")
        or model.startswith((".", "~"))
    )


class InferencePayload(Payload):
    """A model, something to ask it about, and how."""

    input_url: Annotated[InputFile | None, Positional()] = Field(
        None, description="File to ask about: text, JSON of the document processor, a picture, .npy or .npz"
    )
    model: Annotated[str, Alias("-m")] = Field(
        min_length=1,
        max_length=2000,
        description="Name of a model (pitchey-run models lists them), or path or URL of one",
    )
    input_data: dict[str, Any] | list[Any] | str | None = Field(
        None,
        description='What to ask about, as JSON: {"text": …}, {"file": …}, {"image": …}, {"tensors": {…}}, a list of '
        "them, or the path of a file",
    )
    text: str | None = Field(None, min_length=1, description="Text to ask about")
    parameters: dict[str, Any] = Field(
        {}, description='Parameters of the task, as JSON: {"temperature": 0.7}'
    )

    labels: Annotated[list[str] | None, Alias("--label")] = Field(
        None, min_length=1, description="Labels to choose from (zero-shot), or to keep (token classification)"
    )
    temperature: float | None = Field(
        None,
        ge=0.001,
        le=1000,
        allow_inf_nan=False,
        description="Above 1 flattens the distribution, below 1 sharpens it",
    )
    top_k: int | None = Field(None, ge=1, description="Most labels in the answer")
    max_sentences: int | None = Field(None, ge=1, le=1000, description="Most sentences of a summary")
    ratio: float | None = Field(
        None,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="Length of a summary, as a part of the text's sentences",
    )
    too_long: Literal["truncate", "refuse"] | None = Field(
        None, description="What to do with a text longer than the model's input"
    )
    output_name: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        pattern=r"^[^/\\\x00-\x1f]+$",
        description="Name of the outputs, without folder; default: the name of the input, else of the model",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [name for name in ("input_url", "input_data", "text") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"one of input_url, input_data and text is needed, and no more; given: {', '.join(given) or 'none'}"
            )
        if self.input_data is not None:
            check_items(self.input_data)
        twice = [name for name in SHORTCUTS if getattr(self, name) is not None and name in self.parameters]
        if twice:
            raise ValueError(f"{twice[0]} is given twice: by itself and in parameters")
        return self

    @property
    def all_parameters(self) -> dict[str, Any]:
        """``parameters`` with the shortcuts in it."""
        short = {name: value for name in SHORTCUTS if (value := getattr(self, name)) is not None}
        return {**self.parameters, **short}

    @classmethod
    def map_nested_inputs(cls, data: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
        """See :meth:`pitchey_core.payload.Payload.map_nested_inputs`."""
        result = dict(data)
        model = result.get("model")
        if isinstance(model, str) and is_reference(model) and not model.startswith("~"):
            result["model"] = change(model)
        if result.get("input_data") is not None:
            result["input_data"] = map_files(result["input_data"], change)
        return result
