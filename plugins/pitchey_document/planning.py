"""What a job would do with a document, without doing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pitchey_core.errors import LimitExceeded, SlotCrashed
from pitchey_core.processor import Plan, PlanStep
from pitchey_document.kinds import Kind
from pitchey_document.limits import DocumentLimits, reader_limits
from pitchey_document.pages.judging import decide, tidy
from pitchey_document.pages.sources import open_pages
from pitchey_document.payload import DocumentPayload, selected_pages

if TYPE_CHECKING:
    from pathlib import Path

    from pitchey_core.context import JobContext

__all__ = ["plan_document", "plan_pages"]

_SECONDS: Final = {"ocr": 2.0, "read": 0.01, "fail": 0.0}
"""CPU time of a page on one core of a server of 2024, at 300 dpi; the OCR benchmark prints this host's."""
_DRAW_SECONDS: Final = 0.06
_CONVERT_SECONDS: Final = 3.0
_START_SECONDS: Final = 0.6


def plan_document(
    payload: DocumentPayload, job: JobContext, kind: Kind, path: Path, limits: DocumentLimits
) -> Plan:
    """The steps of a job: of each page, where its text would come from, and why.

    Raises:
        InputError: The document cannot be opened.
    """
    if kind.family in {"office", "plain"}:
        return _flowing(payload, kind)
    found: list[dict[str, Any]] = []
    ended = None
    try:
        job.isolate(
            plan_pages,
            str(path),
            kind.name,
            payload.ocr_mode,
            payload.pages,
            payload.password,
            min(limits.max_pixels, job.limits.pixels),
            limits=reader_limits(job.limits, wall_seconds=limits.parse_seconds),
            on_item=found.append,
        )
    except (SlotCrashed, LimitExceeded) as error:
        if not found:
            raise
        ended = error
    pages = found[: limits.max_pages]
    counts = Counter(each["action"] for each in pages)
    cpu = _START_SECONDS + sum(_SECONDS[each["action"]] for each in pages)
    if "previews" in payload.wanted:
        cpu += _DRAW_SECONDS * len(pages)
    words = {"ocr": "recognise", "read": "read the text layer of", "fail": "fail on"}
    shown = [f"{words[action]} {count} page{'s' if count > 1 else ''}" for action, count in counts.items()]
    return Plan(
        summary=f"{kind.name}: {', '.join(shown) or 'no page is selected'}",
        steps=[
            PlanStep(
                subject=f"page {each['number']}",
                action=each["action"],
                detail=each["size"],
                reason=each["reason"],
            )
            for each in pages
        ]
        + [
            PlanStep(subject="further pages", action="unknown", reason=each.message)
            for each in [ended]
            if each
        ],
        wall_seconds=cpu / max(1, min(job.threads, len(pages))),
        cpu_seconds=cpu,
    )


def plan_pages(
    path: str, kind: str, mode: str, pages: str | None, password: str | None, most_pixels: int
) -> Iterator[dict[str, Any]]:
    """Yield for each page what would be done: ``number``, ``action``, ``size`` and ``reason``. Runs isolated."""
    source = open_pages(path, kind, password=password, most_pixels=most_pixels)
    for number in selected_pages(pages, len(source)):
        try:
            with source.page(number) as page:
                decision = decide(mode, tidy(page.text()), page)
                size = "{:.0f} x {:.0f} pt".format(*page.size)
            action = "ocr" if decision.recognise else "read"
            yield {"number": number, "action": action, "size": size, "reason": decision.reason}
        except Exception as error:  # noqa: BLE001 - as when pages are read: one that is damaged fails alone
            yield {"number": number, "action": "fail", "size": "", "reason": str(error)[:300]}


def _flowing(payload: DocumentPayload, kind: Kind) -> Plan:
    steps = [PlanStep(subject="text", action="read", detail=kind.name)]
    cpu = _START_SECONDS
    if payload.wanted & {"pdf", "previews"}:
        steps.append(
            PlanStep(subject="pages", action="convert", detail="PDF", reason="LibreOffice lays the text out")
        )
        cpu += _CONVERT_SECONDS
    return Plan(summary=f"{kind.name}: read the text", steps=steps, wall_seconds=cpu, cpu_seconds=cpu)
