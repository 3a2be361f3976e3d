"""``pitchey-run code``, as users call it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pitchey_cli import Cli


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path)
    yield made
    made.close()


def test_a_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(
        "import sys\nprint(sys.argv[1], input())\nopen('a.csv', 'w').write('1,2')"
    )
    (tmp_path / "in.txt").write_text("there")
    ran = cli(
        "code",
        "hello.py",
        "--arg",
        "hi",
        "--stdin-file",
        "in.txt",
        "--collect",
        "*.csv",
        "-o",
        "out",
        "--json",
    )
    assert ran.code == 0, ran.err
    assert ran.data["facts"]["stdout"] == "hi there\n"
    assert (tmp_path / "out" / "a.csv").read_text() == "1,2"


def test_a_verdict_is_no_failure(cli: Cli) -> None:
    ran = cli("code", "-l", "python", "-c", "raise SystemExit(3)", "--json")
    assert ran.code == 0
    assert (ran.data["status"], ran.data["facts"]["verdict"]) == ("completed", "runtime-error")


def test_a_person_sees_what_a_program_wrote_and_how_it_ended(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "import sys\nprint('a\\x1b[2J')\nprint('why', file=sys.stderr)\nsys.exit(3)"
    )
    shown = cli("code", "bad.py", "--no-json").out
    assert shown.startswith("a\\x1b[2J\nwhy\nverdict: runtime-error (it ended with exit status 3)\ncompleted")
    (job,) = cli("list", "--json").lines
    assert "verdict: runtime-error" in cli("status", job["id"], "--no-json").out
    test = '{"stdin": "4", "expected_stdout": "5"}'
    shown = cli("code", "-l", "python", "-c", "print(input())", "--tests", test, "--no-json").out
    assert shown.startswith("0 of 1 tests passed, not 1\n")
    shown = cli("code", "-l", "python", "-c", "print(", "--check", "syntax", "--no-json").out
    assert shown.startswith("line 1, column 6: ")


def test_a_program_of_unknown_language(cli: Cli) -> None:
    ran = cli("code", "-c", "print(1)")
    assert ran.code == 2
    assert "error: payload: language is needed: python, javascript or typescript\n" in ran.err
    ran = cli("code", "-l", "pyton", "-c", "print(1)")
    assert ran.code == 2
    assert "did you mean 'python'" in ran.err


def test_isolation_is_given_up_only_by_name(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    code = f"print(open({str(tmp_path / 'mine.txt')!r}).read())"
    ran = cli("code", "-l", "python", "-c", code, "--json")
    assert ran.data["facts"]["verdict"] == "runtime-error"
    ran = cli("code", "-l", "python", "-c", code, "--isolation", "none", "--json")
    assert ran.data["facts"]["stdout"] == "mine\n"
    assert ran.data["facts"]["isolated"] == "none"


def test_a_batch_of_twenty(cli: Cli, tmp_path: Path) -> None:
    jobs = [
        {"type": "code", "payload": {"language": "python", "code": f"print({number} ** 2)"}}
        for number in range(20)
    ]
    (tmp_path / "jobs.json").write_text(json.dumps({"jobs": jobs}))
    ran = cli("batch", "jobs.json", "-o", "out", "--json")
    assert ran.code == 0, ran.err
    listed = [line for line in cli("list", "--json").lines if line["type"] == "code"]
    found = [cli("status", line["id"], "--json").data["result"]["facts"] for line in listed]
    assert sorted(int(facts["stdout"]) for facts in found) == [number**2 for number in range(20)]
    assert {facts["verdict"] for facts in found} == {"ok"}
