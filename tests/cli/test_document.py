"""``pitchey-run document``, and folders of documents."""

from __future__ import annotations

import json

import pytest
from document_samples import SENTENCES, Documents
from pitchey_cli import Cli


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return Documents(tmp_path_factory.mktemp("documents"))


def test_a_scan_becomes_text_and_pictures(cli: Cli, documents: Documents) -> None:
    ran = cli("document", documents.scan_pdf(1), "--ocr", "auto", "-o", "out/", "--json")
    assert ran.code == 0, ran.err
    assert ran.data["facts"]["pages"][0]["source"] == "ocr"
    assert SENTENCES[0] in " ".join((cli.folder / "out" / "scan-1.txt").read_text().split())
    names = {each["name"] for each in ran.data["artifacts"]}
    assert names == {"scan-1.txt", "scan-1-page-001.webp", "scan-1-pages.webp"}


def test_options_come_from_the_payload(cli: Cli, documents: Documents) -> None:
    ran = cli(
        "document", documents.text_pdf(3), "--outputs", "markdown", "--outputs", "json", "--pages", "2-", "--language",
        "en", "-o", "out", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert [page["number"] for page in ran.data["facts"]["pages"]] == [2, 3]
    assert json.loads((cli.folder / "out" / "text-3.json").read_text())["kind"] == "pdf"


def test_the_plan_says_what_would_be_done_with_each_page(cli: Cli, documents: Documents) -> None:
    ran = cli("document", documents.mixed_pdf(), "--ocr", "auto", "--dry-run", "--json")
    assert ran.code == 0, ran.err
    assert [step["action"] for step in ran.data["steps"]] == ["read", "ocr", "read", "ocr"]
    assert ran.data["wall_seconds"] > 1
    assert not (cli.folder / "pitchey-output").exists()


def test_a_page_that_fails_makes_the_exit_code_1_and_loses_no_other(cli: Cli, documents: Documents) -> None:
    (cli.folder / "pitchey.toml").write_text("[plugins.document]\npage_seconds = 2.0\n")
    ran = cli("document", documents.slow_page(), "-o", "out", "--json")
    assert ran.code == 1
    assert (ran.data["status"], ran.data["facts"]["partial"]) == ("failed", True)
    assert "The good page" in (cli.folder / "out" / "slow.txt").read_text()
    assert [page["source"] for page in ran.data["facts"]["pages"]] == ["failed", "text-layer"]


def test_a_setting_that_does_not_exist(cli: Cli, documents: Documents) -> None:
    (cli.folder / "pitchey.toml").write_text("[plugins.document]\nmax_page = 2\n")
    ran = cli("document", documents.text_pdf(), "-o", "out")
    assert ran.code == 2
    assert "plugins.document.max_page" in ran.err + ran.out
    assert "max_pages" in ran.err + ran.out


def test_missing_libreoffice_is_exit_code_3_and_names_the_package(cli: Cli) -> None:
    cli.environment["PATH"] = str(cli.folder)
    (cli.folder / "note.txt").write_text("A note.")
    ran = cli("document", "note.txt", "--outputs", "pdf", "-o", "out", "--json")
    assert ran.code == 3
    assert "libreoffice" in json.dumps(ran.data["error"]).lower()
    assert cli("document", "note.txt", "--outputs", "text", "-o", "out").code == 0


def test_a_folder_of_documents(cli: Cli, documents: Documents) -> None:
    folder = cli.folder / "papers"
    folder.mkdir()
    for source in (documents.text_pdf(), documents.scan(), documents.truncated(documents.scan_pdf(1), 0.1)):
        (folder / source.name).write_bytes(source.read_bytes())
    (folder / "note.txt").write_text("A note.")
    command = (
        "batch",
        folder,
        "--type",
        "document",
        "--set",
        "ocr=auto",
        "--set",
        'outputs=["text"]',
        "-o",
        "out",
        "--json",
    )
    ran = cli(*command)
    assert ran.code == 1, ran.err
    assert (ran.lines[-1]["completed"], ran.lines[-1]["failed"]) == (3, 1)
    texts = {path.name for path in (cli.folder / "out").rglob("*.txt")}
    assert texts == {"text-3.txt", "scan-0.txt", "note.txt"}
    again = cli(*command)
    assert (again.lines[-1]["skipped"], again.lines[-1]["failed"]) == (3, 1)


def test_doctor_shows_the_engine_and_its_languages(cli: Cli) -> None:
    ran = cli("doctor", "--json")
    assert '"tesseract"' in ran.out
    assert "eng" in ran.out
