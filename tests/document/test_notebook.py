"""What a notebook shows of a result."""

from __future__ import annotations

import base64
import io
import re
from html import unescape
from pathlib import Path

from document_samples import SENTENCES, Documents
from PIL import Image

import pitchey_core


def test_a_result_shows_page_pictures_and_text(documents: Documents, tmp_path: Path) -> None:
    result = pitchey_core.run(
        "document", document_url=str(documents.text_pdf(2)), preview_width=200, output=tmp_path / "out"
    )
    page = result._repr_html_()
    pictures = re.findall(r"src='data:image/webp;base64,([^']+)'", page)
    assert len(pictures) == 3
    for each in pictures:
        with Image.open(io.BytesIO(base64.b64decode(each))) as picture:
            picture.load()
    assert all(sentence in unescape(page) for sentence in SENTENCES)
    assert "<script" not in page


def test_what_a_document_says_is_no_markup(tmp_path: Path) -> None:
    source = tmp_path / "note.txt"
    source.write_text("<script>alert(1)</script> & so on")
    result = pitchey_core.run("document", document_url=str(source), outputs=["text"], output=tmp_path / "out")
    page = result._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; so on" in page


def test_an_error_is_shown_with_its_remedy(documents: Documents, tmp_path: Path) -> None:
    result = pitchey_core.run(
        "document",
        document_url=str(documents.encrypted_pdf("AES-256", "ses@me")),
        output=tmp_path / "out",
        check=False,
    )
    assert "--password" in result._repr_html_()
