"""Scanned pages with known text: clean prints, office scans, and photographs of paper in bad light.

Fonts, words and seeds here were not used to tune anything in ``pitchey_document``.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import reportlab
from PIL import Image, ImageDraw, ImageFilter, ImageFont

__all__ = ["KINDS", "Kind", "Scan", "character_error_rate", "scanned"]

Kind = Literal["clean300", "scan300", "scan200", "hard150"]

KINDS: dict[Kind, int] = {"clean300": 300, "scan300": 300, "scan200": 200, "hard150": 150}
"""Resolutions in dpi."""

FONTS = ("Vera.ttf", "VeraBd.ttf", "VeraIt.ttf")
PROSE = """
The ferry leaves the harbour at quarter past seven, and nobody on board expects a quiet crossing. Gulls follow the
wake for half a mile before they give up. Old Margit sells coffee from a thermos the size of a milk churn, always to
the same eleven passengers, and she writes what they owe into a notebook with a pencil on a string.

Beyond the lighthouse the water turns from green to slate. The captain, whose name is Brandt, once played the trombone
in a circus orchestra; he still taps rhythms on the brass rail whenever fog is near. His mate distrusts every forecast
that was printed before breakfast.

A carpenter travels to the island each Wednesday with two saws, a plane and a box of hinges. Last winter he repaired
forty windows there after the storm of the ninth of January. He charges by the pane, not by the hour, because he
thinks that glass is honest and clocks are not.

On the eastern shore stands a school with one classroom and seventeen pupils. They learn fractions by cutting
rhubarb pies, geography from the stamps on parcels, and patience from the goat that lives behind the woodshed. The
inspector who visited them in spring wrote a report of three pages and ate most of a pie.

Fishing pays less than it did. Nets that used to come up heavy with herring now bring crabs, bottles and, twice in a
single month, a bicycle. So the families have begun to smoke cheese over juniper, to knit mittens for shops on the
mainland, and to rent their attics to painters who need northern light.

When the evening boat returns, lamps are lit along the quay in a row that bends like a bow. Margit counts her cups.
Brandt hangs his cap upon the wheel. Somewhere behind the chapel a fiddle starts the tune that ends every day here, and
by the second verse even the gulls are silent.

The museum keeps a ledger of wrecks: schooners, a paddle steamer, one airship. Each entry gives the tonnage, the cargo
and how many were saved. Visitors like the airship best, although its crew merely landed for soup and forgot to tie
the rope. It was found eight kilometres inland, undamaged, with a heron asleep in the cabin.
"""


@dataclass(frozen=True, slots=True)
class Scan:
    """A page and what stands on it.

    Attributes:
        text: Its lines in reading order; a blank line between paragraphs.
        words: Each word with its box in pixels of the picture; right to a few pixels where it is skewed.
        skew_degrees: By how much its lines fall clockwise.
    """

    image: Image.Image
    text: str
    words: list[tuple[str, tuple[float, float, float, float]]]
    dpi: int
    skew_degrees: float

    def jpeg(self, quality: int = 75) -> bytes:
        """The page as a JPEG file with its resolution."""
        buffer = BytesIO()
        self.image.save(buffer, "JPEG", quality=quality, dpi=(self.dpi, self.dpi))
        return buffer.getvalue()


@lru_cache(maxsize=32)
def scanned(kind: Kind, seed: int = 0, *, paragraphs: int = 4, skew_degrees: float | None = None) -> Scan:
    """A page of A4, the same for the same arguments.

    Args:
        skew_degrees: Default: up to 0.8 either way for scans, 1.2 to 2 for hard pages, none for clean ones.
    """
    chance = random.Random(f"{kind} {seed}")
    dpi = KINDS[kind]
    image, text, words = _printed(dpi, chance, paragraphs)
    if skew_degrees is None:
        widest, least = {"clean300": (0.0, 0.0), "hard150": (2.0, 1.2)}.get(kind, (0.8, 0.0))
        skew_degrees = chance.uniform(least, widest) * chance.choice((-1, 1))
    if skew_degrees:
        image = image.rotate(-skew_degrees, Image.Resampling.BICUBIC, fillcolor=255)
        words = [(word, _turned(box, skew_degrees, image.size)) for word, box in words]
    grain = np.random.default_rng(chance.randrange(2**32))
    if kind in {"scan300", "scan200"}:
        image = _jpeg(_grained(image.filter(ImageFilter.GaussianBlur(dpi / 400)), grain, 6.0, 30, 245), 60)
    elif kind == "hard150":
        image = image.filter(ImageFilter.GaussianBlur(0.6))
        image = _jpeg(_badly_lit(image, grain, chance), 45)
    return Scan(image, text, words, dpi, skew_degrees)


def _printed(dpi: int, chance: random.Random, paragraphs: int) -> tuple[Image.Image, str, list[Any]]:
    width, height = round(8.27 * dpi), round(11.69 * dpi)
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    size = round(chance.choice((10.5, 11.0, 12.0)) / 72 * dpi)
    folder = Path(reportlab.__file__).parent / "fonts"
    margin = round(0.9 * dpi)
    y = margin
    lines: list[str] = []
    words: list[tuple[str, tuple[float, float, float, float]]] = []
    chosen = chance.sample([" ".join(each.split()) for each in PROSE.strip().split("\n\n")], paragraphs)
    for paragraph in chosen:
        font = ImageFont.truetype(folder / chance.choice(FONTS), size)
        for line in _wrapped(paragraph, font, width - 2 * margin):
            lines.append(line)
            x = float(margin)
            draw.text((x, y), line, font=font, fill=0)
            for word in line.split():
                words.append((word, tuple(draw.textbbox((x, y), word, font=font))))
                x += font.getlength(f"{word} ")
            y += round(1.45 * size)
        lines.append("")
        y += size
    return image, "\n".join(lines).strip(), words


def _wrapped(paragraph: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    lines, line = [], ""
    for word in paragraph.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]


def _turned(
    box: tuple[float, float, float, float], degrees: float, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    turn = math.radians(degrees)
    middle_x, middle_y = size[0] / 2, size[1] / 2
    corners = [(x - middle_x, y - middle_y) for x in box[::2] for y in box[1::2]]
    xs = [x * math.cos(turn) - y * math.sin(turn) + middle_x for x, y in corners]
    ys = [x * math.sin(turn) + y * math.cos(turn) + middle_y for x, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _grained(
    image: Image.Image, grain: np.random.Generator, sigma: float, ink: float, paper: float
) -> Image.Image:
    grey = ink + np.asarray(image, np.float32) / 255 * (paper - ink)
    grey += grain.normal(0, sigma, grey.shape).astype(np.float32)
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))


def _badly_lit(image: Image.Image, grain: np.random.Generator, chance: random.Random) -> Image.Image:
    """Pale print under a lamp on one side, with the shadow of a hand and of the fold across it."""
    width, height = image.size
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    towards = chance.uniform(0, 2 * math.pi)
    slope = (x - 0.5) * math.cos(towards) + (y - 0.5) * math.sin(towards)
    light = 0.65 + 0.5 * slope
    for _ in range(2):
        at_x, at_y, wide = chance.uniform(0.2, 0.8), chance.uniform(0.2, 0.8), chance.uniform(0.12, 0.25)
        light -= 0.25 * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * wide**2))
    fold = chance.uniform(0.35, 0.65)
    light *= 1 - 0.25 * np.exp(-((y - fold) ** 2) / (2 * 0.012**2))
    contrast = chance.uniform(0.45, 0.6)
    grey = 255 * np.clip(light, 0.2, 1) * (1 - contrast * (1 - np.asarray(image, np.float32) / 255))
    grey += grain.normal(0, 3.0, grey.shape)
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(BytesIO(buffer.getvalue())).convert("L")


def character_error_rate(truth: str, read: str) -> float:
    """Edits needed to make one of the other, per character of the truth; white space counts as single spaces."""
    expected, got = " ".join(truth.split()), " ".join(read.split())
    letters = np.frombuffer(got.encode("utf-32-le"), np.uint32)
    steps = np.arange(letters.size + 1)
    row = steps.copy()
    for index, character in enumerate(expected, 1):
        changed = row[:-1] + (letters != ord(character))
        row = np.concatenate(([index], np.minimum(changed, row[1:] + 1)))
        # What an insertion costs is carried along the row: the least of everything to the left, plus the distance.
        row = np.minimum.accumulate(row - steps) + steps
    return float(row[-1]) / max(1, len(expected))
