"""A killed job goes on at the first page that was not finished."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path
from typing import Any

import pytest
from document_samples import SENTENCES, Documents
from pitchey_cli import Cli
from video_jobs import JobBench
from workplace import wait_until

from pitchey_core.payload import parse_payload
from pitchey_core.storage import publish


class _Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


def test_a_later_attempt_reads_only_what_is_left(
    bench: JobBench, documents: Documents, tmp_path: Path
) -> None:
    payload = bench.payload(documents.scan_pdf(4), {"ocr": "always", "outputs": ["text", "previews"]})
    parsed = parse_payload(bench.processor.payload_model, payload)
    job_id = str(uuid.uuid4())

    def killed_after_two(_fraction: float | None, message: str | None, _figures: dict[str, Any]) -> None:
        if message == "page 3 of 4":
            raise _Killed

    # One reader, so that pages are finished in order.
    bench.limits = bench.limits.with_(vcpus=1.0)
    first = bench.context(payload, tmp_path / "out", report=killed_after_two, job_id=job_id)
    with pytest.raises(_Killed):
        bench.processor.process(parsed, first)
    first.discard()
    second = bench.context(payload, tmp_path / "out", job_id=job_id, attempt=2)
    facts: Any = bench.processor.process(parsed, second)
    publish(second.stage.seal())
    assert 2 <= facts.resumed_pages < 4
    pages = (tmp_path / "out" / "scan-4.txt").read_text().split("\f")
    assert [page.split()[:3] for page in pages] == [["Sheet", "number", str(n)] for n in (1, 2, 3, 4)]
    assert all(SENTENCES[3] in " ".join(page.split()) for page in pages)
    assert len(list((tmp_path / "out").glob("*-page-*.webp"))) == 4


def test_pages_of_another_input_are_not_taken_over(
    bench: JobBench, documents: Documents, tmp_path: Path
) -> None:
    source = tmp_path / "letter.pdf"
    job_id = str(uuid.uuid4())
    for attempt, pages in ((1, 3), (2, 9)):
        source.write_bytes(documents.text_pdf(pages).read_bytes())
        payload = bench.payload(source, {"outputs": ["text"]})
        job = bench.context(payload, tmp_path / f"out-{attempt}", job_id=job_id, attempt=attempt)
        facts: Any = bench.processor.process(parse_payload(bench.processor.payload_model, payload), job)
        assert (facts.resumed_pages, len(facts.pages)) == (0, pages)
        job.discard()


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_no_finished_page(tmp_path: Path, documents: Documents) -> None:
    cli = Cli(tmp_path)
    try:
        scan = documents.scan_pdf(12)
        submitted = cli("submit", "document", scan, "--ocr", "always", "-o", tmp_path / "out", "--json")
        job_id = submitted.data["job_id"]
        worker = cli.start("work", "--drain")

        wait_until(lambda: list((tmp_path / "data").rglob("pages.checkpoint.json")), 60, "a checkpoint")
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        assert cli("work", "--drain", timeout=170).code == 0
        record = cli("status", job_id, "--json").data
        assert record["status"] == "completed"
        assert record["result"]["facts"]["resumed_pages"] >= 1
        assert len((tmp_path / "out" / "scan-12.txt").read_text().split("\f")) == 12
    finally:
        cli.close()
