"""Hostile and damaged documents: a clear error or a partial result, in bounded time and memory.

The memory bound is the job's limit, which holds for every process that reads the document.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from document_samples import SENTENCES, Documents
from video_jobs import Finished, JobBench

from pitchey_core.errors import InputError, LimitExceeded, PartialFailure, PitcheyError
from pitchey_core.resources import MIB

Attempt = Callable[..., Finished | PitcheyError]


@pytest.fixture
def within(bench: JobBench) -> Attempt:
    """Run a job under a memory limit in MiB, and fail if it takes longer than some seconds."""

    def run(source: Path, *, seconds: float, mebibytes: int, **fields: Any) -> Finished | PitcheyError:
        bench.limits = bench.limits.with_(memory_bytes=mebibytes * MIB)
        began = time.monotonic()
        ended: Finished | PitcheyError
        try:
            ended = bench.run(source, **{"outputs": ["text"], **fields})
        except PitcheyError as error:
            ended = error
        assert time.monotonic() - began < seconds
        return ended

    return run


def good_page_survives(ended: Finished | PitcheyError, words: str) -> None:
    """The first of two pages failed in these words, the second was read."""
    assert isinstance(ended, PartialFailure), ended
    assert ended.facts["partial"]
    first, second = ended.facts["pages"]
    assert (first["source"], second["source"]) == ("failed", "text-layer")
    assert words in first["error"]
    assert "1 of 2 pages could not be read (1)" in ended.message


def test_nothing(within: Attempt, documents: Documents) -> None:
    ended = within(documents.data("empty.pdf", b""), seconds=10, mebibytes=256)
    assert isinstance(ended, InputError)
    assert "empty" in ended.message


def test_a_header_and_nothing_else(within: Attempt, documents: Documents) -> None:
    ended = within(documents.data("header.pdf", b"%PDF-1.7\n"), seconds=10, mebibytes=256)
    assert isinstance(ended, InputError)
    assert "damaged" in ended.message


def test_a_broken_table_of_objects_is_rebuilt(within: Attempt, documents: Documents) -> None:
    ended = within(documents.broken_xref(), seconds=10, mebibytes=256)
    assert isinstance(ended, Finished)
    assert SENTENCES[0] in ended.files["broken-xref.txt"].read_text()


def test_half_a_pdf(within: Attempt, documents: Documents) -> None:
    ended = within(documents.truncated(documents.mixed_pdf()), seconds=20, mebibytes=512)
    assert isinstance(ended, InputError | PartialFailure), ended


def test_no_password(within: Attempt, documents: Documents) -> None:
    ended = within(documents.encrypted_pdf("AES-256", "ses@me"), seconds=10, mebibytes=256)
    assert isinstance(ended, InputError)
    assert "needs a password" in ended.message
    assert "--password" in (ended.remedy or "")


def test_a_wrong_password(within: Attempt, documents: Documents) -> None:
    ended = within(documents.encrypted_pdf("AES-256", "ses@me"), seconds=10, mebibytes=256, password="sesame")
    assert isinstance(ended, InputError)
    assert "password of the PDF is wrong" in ended.message


def test_a_page_of_35000_by_35000_points(within: Attempt, documents: Documents) -> None:
    ended = within(
        documents.huge_page(),
        seconds=60,
        mebibytes=1024,
        ocr="always",
        outputs=["text", "previews"],
        preview_width=800,
    )
    assert isinstance(ended, Finished)
    assert ended.facts.pages[0].dpi < 20
    assert "very large page" in ended.files["huge-page.txt"].read_text()


def test_a_scan_of_35000_by_35000_pixels(within: Attempt, documents: Documents) -> None:
    ended = within(documents.wide_scan(), seconds=60, mebibytes=768, ocr="auto")
    if isinstance(ended, Finished):
        assert [page.source for page in ended.facts.pages] == ["none", "text-layer"]
    else:
        good_page_survives(ended, "")


def test_a_picture_of_35000_by_35000_pixels(within: Attempt, documents: Documents) -> None:
    ended = within(documents.wide_picture(), seconds=10, mebibytes=256, ocr="auto")
    assert isinstance(ended, LimitExceeded)
    assert ended.limit == "pixels"
    assert "35000 x 35000" in ended.message


def test_nested_flate_bombs(within: Attempt, documents: Documents) -> None:
    ended = within(documents.flate_bomb(), seconds=60, mebibytes=512)
    if isinstance(ended, Finished):
        assert ended.facts.pages[1].source == "text-layer"
    else:
        good_page_survives(ended, "memory")


def test_a_circular_page_tree(within: Attempt, documents: Documents) -> None:
    ended = within(documents.circular(), seconds=30, mebibytes=512)
    assert isinstance(ended, InputError)


def test_a_page_that_never_ends(bench: JobBench, within: Attempt, documents: Documents) -> None:
    bench.options["page_seconds"] = 2.0
    ended = within(documents.slow_page(), seconds=30, mebibytes=512, outputs=["text", "previews"])
    good_page_survives(ended, "takes too long")


def test_arrays_nested_a_hundred_thousand_deep(within: Attempt, documents: Documents) -> None:
    ended = within(documents.deep(), seconds=30, mebibytes=512)
    if isinstance(ended, Finished):
        assert ended.facts.pages[1].source == "text-layer"
    else:
        good_page_survives(ended, "")


def test_an_inline_image_without_an_end(within: Attempt, documents: Documents) -> None:
    ended = within(documents.endless_inline(), seconds=30, mebibytes=512, outputs=["text", "previews"])
    assert isinstance(ended, Finished)
    assert ended.facts.pages[1].source == "text-layer"


@pytest.mark.parametrize(
    ("suffix", "format_name"), [("png", "PNG"), ("jpg", "JPEG"), ("tiff", "TIFF"), ("webp", "WEBP")]
)
def test_half_a_picture(within: Attempt, documents: Documents, suffix: str, format_name: str) -> None:
    source = documents.truncated(documents.picture(suffix, format_name))
    ended = within(source, seconds=30, mebibytes=512, ocr="auto")
    assert isinstance(ended, InputError)
    assert "damaged" in ended.message


def test_a_document_of_too_many_bytes(bench: JobBench, within: Attempt, documents: Documents) -> None:
    bench.options["max_bytes"] = 1000
    ended = within(documents.text_pdf(), seconds=10, mebibytes=256)
    assert isinstance(ended, LimitExceeded)
    assert ended.limit == "bytes"


def test_pages_behind_the_limit_are_left_out_and_the_facts_say_so(
    bench: JobBench, within: Attempt, documents: Documents
) -> None:
    bench.options["max_pages"] = 2
    ended = within(documents.text_pdf(9), seconds=10, mebibytes=256)
    assert isinstance(ended, Finished)
    assert (len(ended.facts.pages), ended.facts.page_count) == (2, 9)
    assert any("only the first 2 of 9 pages" in words for words in ended.facts.warnings)


def test_when_the_time_is_up_what_was_read_is_kept(
    bench: JobBench, within: Attempt, documents: Documents
) -> None:
    bench.limits = bench.limits.with_(wall_seconds=6.0)
    ended = within(documents.scan_pdf(40), seconds=30, mebibytes=1024, ocr="always", dpi=300)
    assert isinstance(ended, PartialFailure)
    assert ended.facts["pages"][0]["source"] == "ocr"
    assert ended.facts["pages"][-1]["error"] == "the job's time was up before this page"
