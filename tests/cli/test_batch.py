"""Batches: validated as a whole, run to the end, and resumed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pitchey_cli import Cli


@pytest.fixture
def inputs(cli: Cli) -> Path:
    folder = cli.folder / "in"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.txt").write_text(f"content of {name}")
    return folder


def write(cli: Cli, text: str, name: str = "jobs.yaml") -> str:
    (cli.folder / name).write_text(text)
    return name


def summary(cli: Cli, *args: str) -> dict[str, Any]:
    ran = cli("batch", *args, "--json")
    last = ran.lines[-1]
    assert list(last) == [
        "submitted",
        "completed",
        "skipped",
        "failed",
        "cancelled",
        "wall_seconds",
        "cost_usd",
    ]
    assert ran.code == (1 if last["failed"] else 0)
    return last


def counts(found: dict[str, Any]) -> tuple[int, int, int, int]:
    return found["submitted"], found["completed"], found["skipped"], found["failed"]


COPIES = """
defaults: {type: test-copy, output: out, payload: {seconds: 0}}
jobs:
- payload: {input_url: in/a.txt}
- payload: {input_url: in/b.txt}
  priority: high
- {type: test-echo, payload: {text: hello, seconds: null}}
"""


def test_a_file_of_jobs(cli: Cli, inputs: Path) -> None:
    file = write(
        cli, COPIES.replace(", seconds: null", "").replace("payload: {seconds: 0}", "overwrite: false")
    )
    found = summary(cli, file)
    assert counts(found) == (3, 3, 0, 0)
    assert (cli.folder / "out/a/copy.bin").read_text() == "content of a"
    assert (cli.folder / "out/test-echo/echo.txt").read_text() == "hello\n"
    records = cli("list", "--batch", file).lines
    assert {each["priority"] for each in records} == {"high", "medium"}
    assert float(found["cost_usd"]) > 0


def test_defaults_are_merged_deeply(cli: Cli) -> None:
    file = write(
        cli,
        "defaults: {type: test-echo, payload: {style: quoted, data: {a: 1, b: {c: 2}}}}\n"
        "jobs: [{payload: {text: x, data: {b: {d: 3}}}}]\n",
    )
    assert summary(cli, file)["completed"] == 1
    (record,) = cli("list").lines
    assert record["payload"] == {"text": "x", "style": "quoted", "data": {"a": 1, "b": {"c": 2, "d": 3}}}


def test_again_does_only_what_is_left(cli: Cli, inputs: Path) -> None:
    (inputs / "b.txt").write_text("BAD")
    lines = [{"type": "test-copy", "payload": {"input_url": f"in/{name}.txt"}} for name in "abc"]
    file = write(cli, "\n".join(map(json.dumps, lines)) + "\n\n", "jobs.jsonl")
    assert counts(summary(cli, file, "-o", "out")) == (3, 2, 0, 1)
    assert counts(summary(cli, file, "-o", "out")) == (1, 0, 2, 1)
    # What was repaired is a new item, what was lost is made again, and what is moved in the file is known.
    (inputs / "b.txt").write_text("GOOD")
    (cli.folder / "out/a/copy.bin").unlink()
    write(cli, "\n".join(map(json.dumps, reversed(lines))), "jobs.jsonl")
    assert counts(summary(cli, file, "-o", "out")) == (2, 2, 1, 0)
    assert (cli.folder / "out/a/copy.bin").read_text() == "content of a"
    assert counts(summary(cli, file, "-o", "out")) == (0, 0, 3, 0)


def test_what_somebody_has_changed_is_not_overwritten(cli: Cli, inputs: Path) -> None:
    args = (write(cli, "[{type: test-copy, payload: {input_url: in/a.txt}}]"), "-o", "out")
    summary(cli, *args)
    (cli.folder / "out/a/copy.bin").write_text("mine now")
    assert counts(summary(cli, *args)) == (1, 0, 0, 1)
    assert (cli.folder / "out/a/copy.bin").read_text() == "mine now"
    assert counts(summary(cli, *args, "--overwrite")) == (1, 1, 0, 0)
    assert (cli.folder / "out/a/copy.bin").read_text() == "content of a"


def test_an_edited_item_replaces_what_it_has_made_before(cli: Cli, inputs: Path) -> None:
    args = ("in", "--type", "test-copy", "-o", "out")
    copy = cli.folder / "out/a/copy.bin"
    assert counts(summary(cli, *args)) == (3, 3, 0, 0)
    (inputs / "a.txt").write_text("CONTENT of a")
    assert counts(summary(cli, *args)) == (1, 1, 2, 0)
    assert copy.read_text() == "CONTENT of a"
    assert counts(summary(cli, *args, "--set", "seconds=0.01")) == (3, 3, 0, 0)
    # Back to what was done once; of the same size, but replaced since.
    assert counts(summary(cli, *args)) == (3, 3, 0, 0)
    assert counts(summary(cli, *args)) == (0, 0, 3, 0)


@pytest.mark.parametrize("theirs", ["copy.bin", "notes.txt"])
def test_an_edited_item_replaces_nothing_of_others(cli: Cli, inputs: Path, theirs: str) -> None:
    args = ("in", "--type", "test-copy", "-o", "out")
    summary(cli, *args)
    (cli.folder / "out/a" / theirs).write_text("mine now")
    (inputs / "a.txt").write_text("edited")
    assert counts(summary(cli, *args)) == (1, 0, 2, 1)
    assert (cli.folder / "out/a" / theirs).read_text() == "mine now"
    (record,) = cli("dead", "list").lines
    assert "--overwrite" in record["error"]["remedy"]
    assert counts(summary(cli, *args, "--overwrite")) == (1, 1, 2, 0)
    assert (cli.folder / "out/a/copy.bin").read_text() == "edited"


def test_another_input_of_the_same_name_replaces_nothing(cli: Cli, inputs: Path) -> None:
    args = (write(cli, "[{type: test-copy, payload: {input_url: in/a.txt}}]"), "-o", "out")
    summary(cli, *args)
    (cli.folder / "more").mkdir()
    (cli.folder / "more/a.txt").write_text("another a")
    write(cli, "[{type: test-copy, payload: {input_url: more/a.txt}}]")
    assert counts(summary(cli, *args)) == (1, 0, 0, 1)
    assert (cli.folder / "out/a/copy.bin").read_text() == "content of a"


def test_a_failed_item_runs_again_as_its_file_says_now(cli: Cli) -> None:
    def wants(limit: float) -> str:
        return write(
            cli, f"[{{type: test-sleep, wall_limit: {limit}, priority: high, payload: {{seconds: 1}}}}]"
        )

    assert counts(summary(cli, wants(0.3))) == (1, 0, 0, 1)
    assert counts(summary(cli, wants(0.3))) == (1, 0, 0, 1)
    assert len(cli("list").lines) == 1
    assert counts(summary(cli, wants(30))) == (1, 1, 0, 0)
    # What is done is not done again for it.
    assert counts(summary(cli, wants(60))) == (0, 0, 1, 0)


def test_edited_cancelled_and_removed_items(cli: Cli) -> None:
    file = write(cli, "[{type: test-noop, payload: {value: 1}}, {type: test-noop, payload: {value: 2}}]")
    assert counts(summary(cli, file)) == (2, 2, 0, 0)
    write(cli, "[{type: test-noop, payload: {value: 1}}, {type: test-noop, payload: {value: 3}}]")
    assert counts(summary(cli, file)) == (1, 1, 1, 0)


def test_equal_items_are_two_jobs(cli: Cli) -> None:
    file = write(cli, "[{type: test-echo, payload: {text: x}}, {type: test-echo, payload: {text: x}}]")
    assert counts(summary(cli, file, "-o", "out")) == (2, 2, 0, 0)
    assert sorted(os.listdir(cli.folder / "out")) == ["test-echo", "test-echo-2"]
    assert counts(summary(cli, file, "-o", "out")) == (0, 0, 2, 0)


def test_no_two_jobs_share_a_folder(cli: Cli, inputs: Path) -> None:
    (inputs / "a-2.txt").write_text("another a")
    one = {"type": "test-copy", "payload": {"input_url": "in/a.txt"}}
    other = {"type": "test-copy", "payload": {"input_url": "in/a-2.txt"}}
    file = write(cli, json.dumps([one, one, other]), "jobs.json")
    assert counts(summary(cli, file, "-o", "out")) == (3, 3, 0, 0)
    assert sorted(os.listdir(cli.folder / "out")) == ["a", "a-2.txt", "a.txt-2"]
    assert (cli.folder / "out/a-2.txt/copy.bin").read_text() == "another a"


def test_a_folder_is_named_after_as_much_of_a_long_name_as_fits(cli: Cli, inputs: Path) -> None:
    name = "ü" * 125 + ".txt"
    (inputs / name).write_text("long")
    rows = [
        {"type": "test-copy", "payload": {"input_url": f"in/{name}", "seconds": seconds}}
        for seconds in (0, 0, 0.01)
    ]
    file = write(cli, json.dumps(rows), "jobs.json")
    assert counts(summary(cli, file, "-o", "out")) == (3, 3, 0, 0)
    made = os.listdir(cli.folder / "out")
    assert len(made) == 3
    assert all(each.startswith("ü" * 100 + "-") for each in made)


def test_json_is_read_as_json(cli: Cli) -> None:
    text = json.dumps([{"type": "test-echo", "payload": {"text": "\U0001f3ac"}}], indent="\t")
    assert summary(cli, write(cli, text, "jobs.json"))["completed"] == 1
    (record,) = cli("list").lines
    assert record["payload"] == {"text": "\U0001f3ac"}


def test_a_folder(cli: Cli, inputs: Path) -> None:
    (inputs / "bad.txt").write_text("BAD")
    (inputs / ".hidden").write_text("x")
    (inputs / "deep").mkdir()
    (inputs / "deep/a.txt").write_text("deeper")
    args = ("in", "--type", "test-copy", "-o", "out")
    assert counts(summary(cli, *args)) == (4, 3, 0, 1)
    assert sorted(os.listdir(cli.folder / "out")) == ["a", "b", "c"]
    (record,) = cli("dead", "list").lines
    assert "bad.txt is bad" in record["error"]["message"]
    # Edited, so all are other items; and two share a name now.
    assert counts(summary(cli, *args, "--recursive", "--set", "seconds=0.01")) == (5, 4, 0, 1)


def test_one_that_joins_takes_no_folder_of_another(cli: Cli, inputs: Path) -> None:
    args = ("in", "--type", "test-copy", "-o", "out")
    assert counts(summary(cli, *args)) == (3, 3, 0, 0)
    # Before the old one, by name; a folder is read in order of the names.
    (inputs / "a.bin").write_text("another a")
    assert counts(summary(cli, *args)) == (1, 1, 3, 0)
    assert sorted(os.listdir(cli.folder / "out")) == ["a", "a.bin", "b", "c"]
    assert (cli.folder / "out/a/copy.bin").read_text() == "content of a"
    assert (cli.folder / "out/a.bin/copy.bin").read_text() == "another a"


def test_set_and_weird_names(cli: Cli) -> None:
    folder = os.fsencode(cli.folder / "in")
    os.mkdir(folder)
    for name in (b"-a.txt", b"new\nline.txt", b"\xff\xfe.txt", b"two  words.txt", b"A.txt", b"a.txt"):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(name)
    found = summary(cli, "in", "--type", "test-copy", "--set", "seconds=0.01", "-o", "out")
    assert counts(found) == (6, 6, 0, 0)
    made = sorted(os.listdir(os.fsencode(cli.folder / "out")))
    # Names that differ in case alone would be one on some file systems.
    assert [name.split(b"txt-")[0] for name in made] == [
        *(b"-a", b"A.", b"a.", b"new\nline", b"two  words", b"\xff\xfe")
    ]
    assert {each["payload"]["seconds"] for each in cli("list").lines} == {0.01}
    assert (
        cli("batch", "in", "--type", "test-copy", "--set", "seconds=0.01", "-o", "out", "--no-json").code == 0
    )


def test_every_problem_is_listed_and_nothing_is_enqueued(cli: Cli) -> None:
    file = write(
        cli,
        "defaults: {type: test-echo}\n"
        "jobs:\n"
        "- payload: {text: fine}\n"
        "- payload: {repeat: 0}\n"
        "- payload: {style: boxd}\n"
        "- {type: test-eco}\n"
        "- {payload: {}, prio: high}\n"
        "- {payload: {}, priority: hihg}\n"
        "- five\n"
        "- payload: {repeat: 0}\n"
        "- {payload: {}, wall_limit: .inf}\n"
        "- {payload: {}, wall_limit: true}\n",
    )
    ran = cli("batch", file)
    assert ran.code == 2
    for words in (
        "9 of 10 items cannot be used, nothing was enqueued",
        "items 2, 8: payload: repeat: ",
        "item 3: unknown value of style 'boxd' (did you mean 'boxed'?)",
        "item 4: unknown processor 'test-eco' (did you mean 'test-echo'",
        "item 5: unknown key 'prio' (did you mean 'priority'?)",
        "item 6: unknown priority 'hihg' (did you mean 'high'?)",
        "item 7: not a mapping but str",
        "item 9: wall_limit: inf is not a number of seconds",
        "item 10: wall_limit: not a number of seconds: True",
    ):
        assert words in ran.err
    error = json.loads(cli("batch", file, "--json").err)["error"]
    assert [each["item"] for each in error["items"]] == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert cli("list").lines == []


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("x.yaml", "a: [", "is not YAML"),
        ("x.yaml", "just text", "neither a list of jobs nor"),
        ("x.yaml", "{jobs: [], default: {}}", "unknown key"),
        ("x.yaml", "", "neither a list of jobs nor"),
        ("x.yaml", "[]", "has no items"),
        ("x.yaml", "- &a {type: test-noop, payload: {value: *a}}", "is not YAML"),
        ("x.yaml", "- {type: test-echo, payload: {text: 2024-13-45}}", "is not YAML"),
        ("x.json", "- {type: test-noop}", "is not JSON"),
        ("x.jsonl", '{"type": "test-noop"}\n{oops', "x.jsonl, line 2: not JSON"),
        ("x.mp4", "[]", "is not a batch file"),
    ],
)
def test_files_that_are_no_batch(cli: Cli, name: str, text: str, words: str) -> None:
    ran = cli("batch", write(cli, text, name))
    assert (ran.code, words in ran.err) == (2, True)


def test_a_folder_needs_files_and_a_processor_that_takes_some(cli: Cli) -> None:
    (cli.folder / "empty").mkdir()
    ran = cli("batch", "empty", "--type", "test-copy")
    assert (ran.code, "has no files" in ran.err) == (2, True)
    ran = cli("batch", "empty", "--type", "test-noop")
    assert (ran.code, "takes no input file" in ran.err) == (2, True)
    ran = cli("batch", "empty", "--type", "test-copy", "--set", "seconds")
    assert (ran.code, "is not KEY=VALUE" in ran.err) == (2, True)


def traces(cli: Cli) -> list[str]:
    return [name for name in os.listdir(cli.folder) if name.startswith("t") and len(name) == 2]


def sleeping(cli: Cli, seconds: float) -> str:
    jobs = [
        {"type": "test-sleep", "payload": {"seconds": seconds, "trace": str(cli.folder / f"t{number}")}}
        for number in range(3)
    ]
    return write(cli, json.dumps(jobs), "jobs.json")


def test_one_signal_finishes_what_runs_and_the_rest_is_resumed(
    cli: Cli, eventually: Callable[..., Any]
) -> None:
    file = sleeping(cli, 1.0)
    process = cli.start("batch", file, "--slots", "1", "--json")
    eventually(lambda: traces(cli))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    last = json.loads(out.splitlines()[-1])
    assert (last["completed"], last["failed"], last["cancelled"]) == (1, 0, 0)
    assert counts(summary(cli, file)) == (2, 2, 1, 0)


def test_what_waits_is_done_as_its_file_says_now(cli: Cli, eventually: Callable[..., Any]) -> None:
    file = sleeping(cli, 0.5)
    process = cli.start("batch", file, "--slots", "1", "--json")
    eventually(lambda: traces(cli))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    (cli.folder / file).write_text(
        (cli.folder / file).read_text().replace('"type"', '"wall_limit": 30, "type"')
    )
    assert counts(summary(cli, file)) == (2, 2, 1, 0)
    limits = {(each["status"], each["wall_limit"]) for each in cli("list").lines}
    assert limits == {("completed", None), ("cancelled", None), ("completed", 30.0)}


def test_two_signals_stop_at_once(cli: Cli, eventually: Callable[..., Any]) -> None:
    file = sleeping(cli, 60.0)
    process = cli.start("batch", file, "--slots", "1", "--json")
    eventually(lambda: traces(cli))
    process.send_signal(signal.SIGINT)
    # Two signals at the same moment are one to the kernel.
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert json.loads(out.splitlines()[-1])["completed"] == 0
    assert {each["status"] for each in cli("list").lines} == {"pending"}


def test_a_cancelled_job_is_not_all_fine(cli: Cli, eventually: Callable[..., Any]) -> None:
    process = cli.start("batch", sleeping(cli, 60.0), "--slots", "3", "--json")
    eventually(lambda: len(traces(cli)) == 3)
    cli("cancel", *[each["id"] for each in cli("list").lines])
    out, err = process.communicate(timeout=30)
    last = json.loads(out.splitlines()[-1])
    assert (last["cancelled"], last["failed"], process.returncode) == (3, 0, 1), err


def test_a_killed_batch_is_resumed(cli: Cli, eventually: Callable[..., Any]) -> None:
    file = sleeping(cli, 1.0)
    process = cli.start("batch", file, "--slots", "1", "--json")
    eventually(lambda: traces(cli))
    process.kill()
    process.communicate(timeout=30)
    assert counts(summary(cli, file)) == (3, 3, 0, 0)
