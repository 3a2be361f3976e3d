"""A label for a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pitchey_core.errors import InputError, LimitExceeded, PitcheyError
from pitchey_inference.bundles.manifest import ImageSettings
from pitchey_inference.outputs import ImageClassification
from pitchey_inference.runtime.sessions import TensorSpec
from pitchey_inference.tasks.base import Answer, ImageItem, Request, Stop, Task, never
from pitchey_inference.tasks.scores import labels_of, probabilities, ranked
from pitchey_inference.tasks.text_classification import ClassificationParameters, output_name

__all__ = ["ImageClassificationTask", "read_image"]


class ImageClassificationTask(Task[ClassificationParameters]):
    """Image classification."""

    parameters = ClassificationParameters
    accepts = (ImageItem,)

    def run(self, requests: Sequence[Request[ClassificationParameters]], stop: Stop = never) -> list[Answer]:
        """See :meth:`~pitchey_inference.tasks.base.Task.run`."""
        import numpy as np

        answers: list[Answer | None] = [None] * len(requests)
        session = self.model.session
        name = self._input()
        together = _can_stack(session.inputs[name].shape, self.model.max_rows)
        for at in range(0, len(requests), together):
            numbers: list[int] = []
            pictures: list[Any] = []
            sizes: list[tuple[int, int]] = []
            for number in range(at, min(at + together, len(requests))):
                try:
                    item = requests[number].item
                    assert isinstance(item, ImageItem)
                    picture, size = read_image(item, self.model.manifest.image)
                except PitcheyError as error:
                    answers[number] = error
                    continue
                numbers.append(number)
                pictures.append(picture)
                sizes.append(size)
            if not pictures:
                continue
            (raw,) = session.run({name: np.stack(pictures)}, [output_name(self.model)], stop=stop)
            if len(raw) != len(pictures):
                raise InputError(
                    f"model {self.model.manifest.name!r} puts out {list(raw.shape)} for {len(pictures)} pictures"
                )
            for number, values, size in zip(numbers, raw.reshape(len(pictures), -1), sizes, strict=True):
                try:
                    answers[number] = self._answer(values, requests[number].parameters, size)
                except InputError as error:
                    answers[number] = error
        return [answer for answer in answers if answer is not None]

    def _input(self) -> str:
        inputs: dict[str, TensorSpec] = self.model.session.inputs
        if len(inputs) != 1 or next(iter(inputs.values())).dtype != "float32":
            raise InputError(
                f"model {self.model.manifest.name!r} does not take one float32 picture, but "
                + ", ".join(str(spec) for spec in inputs.values())
            )
        return next(iter(inputs))

    def _answer(
        self, values: Any, parameters: ClassificationParameters, size: tuple[int, int]
    ) -> ImageClassification:
        labels = labels_of(self.model.manifest, len(values))
        best = ranked(
            probabilities(values, self.model.manifest, parameters.temperature), labels, parameters.top_k
        )
        return ImageClassification(
            label=best[0].label, score=best[0].score, labels=best, width=size[0], height=size[1]
        )


def _can_stack(shape: Sequence[int | str | None], most: int) -> int:
    return 1 if not shape or isinstance(shape[0], int) else most


def _check_pixels(item: ImageItem, size: tuple[int, int]) -> None:
    if size[0] * size[1] > item.max_pixels:
        raise LimitExceeded(
            f"{item.shown} has {size[0]}x{size[1]} pixels; at most {item.max_pixels} are read",
            limit="pixels",
        )


def read_image(item: ImageItem, settings: ImageSettings) -> tuple[Any, tuple[int, int]]:
    """A picture as the model wants it (``float32``, channels red, green, blue), and its width and height.

    Raises:
        InputError: It cannot be read.
        LimitExceeded: It has too many pixels.
    """
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(item.path) as opened:
            size = opened.size
            _check_pixels(item, size)
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except UnidentifiedImageError:
        raise InputError(
            f"{item.shown} is not a picture that can be read", remedy="give PNG, JPEG or WebP"
        ) from None
    except LimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 - decoders of damaged files raise anything
        raise InputError(f"{item.shown} is damaged: {error}") from None
    width, height = settings.size
    if settings.resize == "stretch":
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    else:
        scale = max(settings.resize_to or 0, width, height) / min(picture.size)
        wider = (max(width, round(picture.width * scale)), max(height, round(picture.height * scale)))
        if wider[0] * wider[1] > item.max_pixels:
            raise LimitExceeded(
                f"{item.shown} ({size[0]}x{size[1]}) would have {wider[0]}x{wider[1]} pixels where its shorter side "
                f"has the model's; at most {item.max_pixels} are made",
                limit="pixels",
                remedy="crop it",
            )
        picture = picture.resize(wider, Image.Resampling.BILINEAR)
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        picture = picture.crop((left, top, left + width, top + height))
    values: Any = np.asarray(picture, np.float32) * np.float32(settings.rescale)
    values = (values - np.array(settings.mean, np.float32)) / np.array(settings.std, np.float32)
    return (values.transpose(2, 0, 1) if settings.layout == "NCHW" else values), size
