"""The suite that every processor passes, third parties' included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from document_samples import Documents

from pitchey_core.testing import ProcessorSuite


class TestDocument(ProcessorSuite):
    processor = "document"
    bad_payloads: ClassVar = [
        {"document_url": "x.pdf", "outputs": []},
        {"document_url": "x.pdf", "outputs": ["docx"]},
        {"document_url": "x.pdf", "pages": "3-1"},
        {"document_url": "x.pdf", "pages": "one"},
        {"document_url": "x.pdf", "dpi": 5},
        {"document_url": "x.pdf", "languages": []},
        {"document_url": "x.pdf", "output_name": "a/b"},
        {"document_url": "x.pdf", "extract_text": False, "generate_preview": False},
    ]

    @pytest.fixture
    def payload(self, documents: Documents) -> Mapping[str, Any]:
        return {
            "document_url": str(documents.mixed_pdf()),
            "ocr": "auto",
            "outputs": ["text", "json", "previews"],
            "preview_width": 200,
        }

    @pytest.fixture
    def slow_payload(self, documents: Documents) -> Mapping[str, Any]:
        return {"document_url": str(documents.scan_pdf(40)), "ocr": "always", "dpi": 300}
