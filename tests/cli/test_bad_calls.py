"""Calls that are wrong: exit code 2, the input named, the remedy said, no traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pitchey_cli import Cli

from pitchey_runner.cli import main


@pytest.mark.parametrize(
    ("words", "message", "remedy"),
    [
        (["vide"], "unknown verb 'vide'", "did you mean 'video'"),
        (["btch"], "unknown verb 'btch'", "did you mean 'batch'"),
        (["test-ecko"], "unknown verb 'test-ecko'", "did you mean 'test-echo'"),
        (["submit", "vide"], "unknown processor 'vide'", "did you mean 'video'"),
        (["schema", "vide"], "unknown processor 'vide'", "did you mean 'video'"),
        (["test-echo", "--stile", "x"], "no such option: --stile", "did you mean --style"),
        (["test-echo", "--style", "boxd"], "unknown value of --style: 'boxd'", "did you mean 'boxed'?"),
        (["test-echo", "--repeat", "0"], "Invalid value for '", "pitchey-run test-echo --help"),
        (["test-copy"], "Missing argument 'INPUT_URL'", "pitchey-run test-copy --help"),
        (["batch", "nowhere.yaml"], "nowhere.yaml does not exist", "a batch is a file or a folder"),
        (["submit", "test-noop", "--delay", "inf"], "delay: inf is not a number of seconds", None),
        (["submit", "test-noop", "--delay", "nan"], "delay: nan is not a number of seconds", None),
        (["submit", "test-noop", "--delay", "1e300"], "delay: 1e+300 is not a number of seconds", None),
        (["test-noop", "--wall-limit", "inf"], "wall_limit: inf is not a number of seconds", None),
        (
            ["submit", "test-noop", "--unique", "a", "--unique-for", "nan"],
            "unique: nan is not a number of seconds",
            None,
        ),
        (
            ["submit", "test-noop", "--unique", "a", "--unique-for", "inf"],
            "unique: inf is not a number of seconds",
            None,
        ),
        (["submit", "test-noop", "--unique", ""], "unique: an empty key", "leave it out"),
        (["submit", "test-noop", "--organization", ""], "organization: '' is empty", None),
        (["submit", "test-noop", "--unique", "\udcff"], "unique: '", None),
        (
            ["submit", "test-noop", "--key", "k", "--key-rate", "1/nan"],
            "rate: 1 in nan seconds is none",
            "from 1 to",
        ),
        (
            ["submit", "test-noop", "--key", "k", "--key-rate", "1/inf"],
            "rate: 1 in inf seconds is none",
            "10 years",
        ),
        (
            ["submit", "test-noop", "--key", "k", "--key-limit", "99999999999"],
            "concurrency_limit: 99999999999 is not",
            None,
        ),
        (
            ["submit", "test-noop", "--retries", "99999999999999999999"],
            "retries: 99999999999999999999 is not",
            None,
        ),
        (["queues", "set", "test-noop", "--rate", "1/nan"], "rate: 1 in nan seconds is none", "10 years"),
        (
            ["queues", "set", "test-noop", "--max-running", "99999999999999999999"],
            "--max-running: '99999999999999999999' is neither",
            None,
        ),
        (["budgets", "set", "--limit", "inf"], "--limit inf: 'inf' is not a decimal number", "such as 2.50"),
        (
            ["budgets", "set", "--limit", "1e30"],
            "--limit 1e30: a budget is more than nothing, and at most",
            "such as 2.50",
        ),
        (
            ["budgets", "set", "--limit", "5", "--type", "video", "--queue", "video"],
            "--queue means the same as --type",
            "one of the two",
        ),
        (["budgets", "set", "--limit", "5", "--organization", ""], "--organization: it has no name", None),
        (
            ["schedules", "add", "x", "* * * * * *", "test-noop"],
            "'* * * * * *' is no cron expression",
            "write five fields",
        ),
        (["schedules", "add", "", "@daily", "test-noop"], "a schedule needs a name", None),
        (["dead", "purge"], "name jobs by their ids", None),
        (
            ["cost", "--since", "yesterday"],
            "Invalid value for '--since': 'yesterday' is neither",
            "pitchey-run cost --help",
        ),
        (["list", "--type", "vide"], "unknown processor 'vide'", "did you mean 'video'"),
        (["work", "--types", "vide", "--drain"], "unknown processor 'vide'", "did you mean 'video'"),
        (
            ["--store", "mysql://x/y", "list"],
            "store: this version of Pitchey has no driver for mysql://",
            "sqlite:///PATH",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage_errors(
    words: list[str],
    message: str,
    remedy: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PITCHEY_STORE", str(tmp_path / "jobs.db"))
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"error: {message}" in shown.err
    assert (remedy or "") in shown.err
    assert main([*words, "--json"]) == 2
    shown = capsys.readouterr()
    error = json.loads(shown.err)["error"]
    assert message in error["message"]
    assert (remedy or "") in (error["remedy"] or "")


def test_an_unexpected_error_is_short_unless_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("never")

    monkeypatch.setattr("pitchey_core.settings.load_settings", broken)
    assert main(["config"]) == 1
    shown = capsys.readouterr().err
    assert "unexpected ZeroDivisionError: never" in shown
    assert "Traceback" not in shown
    assert main(["config", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_name_with_a_dash_gets_a_hint(cli: Cli) -> None:
    (cli.folder / "-clip.mov").write_text("x")
    ran = cli("test-copy", "-clip.mov")
    assert (ran.code, "./-clip.mov" in ran.err) == (2, True)


def test_inputs_that_cannot_be_read(cli: Cli) -> None:
    (cli.folder / "folder").mkdir()
    (cli.folder / "empty.txt").touch()
    for name, words in (("nowhere", "does not exist"), ("folder", "folder"), ("empty.txt", "empty")):
        ran = cli("test-copy", name, "--json")
        assert (ran.code, ran.data["error"]["class"]) == (1, "InputError")
        assert name in ran.data["error"]["message"]
        assert words in ran.data["error"]["message"]
    if os.geteuid() != 0:
        (cli.folder / "secret").write_text("x")
        (cli.folder / "secret").chmod(0)
        assert cli("test-copy", "secret").data["error"]["class"] == "InputError"


def test_a_wrong_setting_names_its_key(cli: Cli) -> None:
    (cli.folder / "pitchey.toml").write_text("[queues.video]\nretrys = 1\n")
    ran = cli("test-noop")
    assert ran.code == 2
    assert "queues.video.retrys" in ran.err
    assert "retries" in ran.err
