"""Documents to read: a pitch deck, and a page of a screenplay as a bad scanner sees it. Both are made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["make_papers"]

_SLIDES: Final = (
    ("Big Buck Bunny", ("A comedy of three bullies and one very large rabbit", "Eight minutes, all ages")),
    ("The story", ("A gentle giant wakes to a perfect day", "Two butterflies do not survive it", "He plans")),
    ("Why now", ("Made with free tools, free to show", "Known to every engineer who has tested a codec")),
)
_NOTES: Final = "Show the apple scene first."
_BUDGET: Final = (("Item", "Days"), ("Modelling", "60"), ("Animation", "120"), ("Sound", "15"))
_SCRIPT: Final = (
    "EXT. FOREST CLEARING - MORNING",
    "",
    "A BURROW under an old tree. Birdsong. Something large",
    "turns over inside, and the whole hill sighs.",
    "",
    "                    BUNNY",
    "          (sniffing)",
    "     Flowers. It is going to be a good day.",
    "",
    "A BUTTERFLY crosses the light. An APPLE, thrown from",
    "nowhere, ends its flight.",
    "",
    "                    BUNNY (CONT'D)",
    "     It was going to be a good day.",
    "",
    "                                        CUT TO:",
)
_SIZE: Final = (1240, 1000)
_LINE: Final = 52


def make_papers(folder: Path) -> dict[str, Path]:
    """Put ``deck`` and ``script`` into ``folder``; without python-pptx and Pillow there are none."""
    try:
        return {
            "deck": _made(folder / "deck.pptx", _deck),
            "script": _made(folder / "script-page.jpg", _scan),
        }
    except ImportError:
        return {}


def _made(path: Path, make: Callable[[Path], None]) -> Path:
    if not path.exists():
        partial = path.with_name(f"partial-{path.name}")
        make(partial)
        partial.replace(path)
    return path


def _deck(path: Path) -> None:
    from pptx import Presentation
    from pptx.util import Inches

    deck = Presentation()
    for number, (title, lines) in enumerate(_SLIDES):
        slide = deck.slides.add_slide(deck.slide_layouts[0 if number == 0 else 1])
        slide.shapes.title.text = title
        slide.placeholders[1].text_frame.text = "\n".join(lines)
    deck.slides[1].notes_slide.notes_text_frame.text = _NOTES
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Budget"
    shape = slide.shapes.add_table(len(_BUDGET), 2, Inches(2), Inches(2), Inches(6), Inches(3))
    for row, cells in enumerate(_BUDGET):
        for column, text in enumerate(cells):
            shape.table.cell(row, column).text = text
    deck.save(str(path))


def _scan(path: Path) -> None:
    """A page under a lamp that stands too far to the left, photographed a little askew."""
    from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

    page = Image.new("L", _SIZE, 236)
    drawing = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=30)
    for place, line in enumerate(_SCRIPT):
        drawing.text((110 + _indent(line) * 12, 90 + place * _LINE), line.strip(), fill=70, font=font)
    page = page.rotate(1.2, resample=Image.Resampling.BICUBIC, fillcolor=236)
    shade = Image.linear_gradient("L").rotate(90).resize(_SIZE).point(lambda value: 255 - value * 0.45)
    page = ImageChops.multiply(page, shade).filter(ImageFilter.GaussianBlur(0.7))
    Image.blend(page, Image.effect_noise(_SIZE, 90), 0.05).save(
        path, format="JPEG", quality=60, dpi=(150, 150)
    )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
