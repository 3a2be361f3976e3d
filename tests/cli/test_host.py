"""The verbs about the host: plugins, schema, doctor, config, db."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from pitchey_cli import Cli


def test_plugins(cli: Cli) -> None:
    plugins = {each["name"]: each for each in cli("plugins").lines}
    assert plugins["testkit"]["distribution"] == "pitchey-test-plugins"
    assert "test-echo" in plugins["testkit"]["processors"]
    assert plugins["testkit"]["commands"] == ["test-hello"]
    assert plugins["video"]["error"] is None
    assert "pitchey-test-plugins 0.1.0" in cli("plugins", "list", "--no-json").out


def test_a_verb_of_a_plugin(cli: Cli) -> None:
    assert cli("test-hello", "--name", "you", "--json").out == "hello you\n"


def test_schema(cli: Cli) -> None:
    assert cli("schema", "test-echo").data["properties"]["repeat"]["maximum"] == 1000
    assert "pid" in cli("schema", "test-echo", "--facts").data["properties"]
    assert cli("schema", "test-echo", "--no-json").out.startswith("{\n")


def test_doctor(cli: Cli) -> None:
    ran = cli("doctor")
    assert ran.code == 0
    found = ran.data
    tools = {each["name"]: each for each in found["tools"]}
    assert tools["sleep"]["needed_by"] == ["test-child"]
    assert tools["ffmpeg"]["version"]
    assert found["store"]["error"] is None
    assert found["host"]["cpus"] >= 1
    assert "everything is there" in cli("doctor", "--no-json").out


def test_doctor_tells_which_jobs_get_less_memory_here(cli: Cli) -> None:
    cli.environment["PITCHEY_HOST__MEMORY_BYTES"] = "1 GiB"
    reduced = {each["name"]: each["reduced_to_bytes"] for each in cli("doctor").data["processors"]}
    assert (reduced["video"], reduced["test-noop"]) == (1024**3, None)
    assert "video: its jobs get 1.1 GB of memory instead of 4.3 GB" in cli("doctor", "--no-json").out


def test_doctor_finds_a_missing_tool(cli: Cli) -> None:
    cli.environment["PITCHEY_TOOLS__SLEEP"] = "/nowhere/sleep"
    ran = cli("doctor")
    assert ran.code == 3
    (sleep,) = [each for each in ran.data["tools"] if each["name"] == "sleep"]
    assert "does not exist" in sleep["error"]["message"]
    assert "/nowhere/sleep" in cli("doctor", "--no-json").out


def test_doctor_finds_a_broken_store(cli: Cli) -> None:
    (cli.folder / "jobs.db").write_text("this is no database at all, whatever its name may say" * 20)
    ran = cli("doctor")
    assert ran.code == 1
    assert ran.data["store"]["error"]["class"] == "StoreError"


def test_config_names_the_source_of_each_value(cli: Cli) -> None:
    (cli.folder / "pitchey.toml").write_text("[queues.video]\nretries = 7\n")
    rows = {each["key"]: each for each in cli("config", "--store", "other.db").lines}
    assert rows["store"]["source"] == "command line"
    assert rows["data_dir"]["source"] == "environment PITCHEY_DATA_DIR"
    assert (rows["queues.video.retries"]["value"], rows["timing.beat"]["source"]) == (7, "default")
    assert rows["queues.video.retries"]["source"] == str(cli.folder / "pitchey.toml")


def test_db(cli: Cli) -> None:
    assert cli("db", "status").data["revision"] is None
    upgraded = cli("db", "upgrade").data
    assert upgraded["revision"] == upgraded["current"]
    assert cli("db", "status").data == upgraded


def test_doctor_tries_to_break_out(cli: Cli) -> None:
    ran = cli("doctor", "--sandbox", "--json")
    assert ran.code == 0, ran.out
    attempts = ran.data["attempts"]
    assert set(range(1, 41)) <= {each["number"] for each in attempts}
    assert {each["outcome"] for each in attempts} <= {"stopped", "skipped"}
    assert all(each["by"] and each["evidence"] for each in attempts if each["outcome"] == "stopped")
    assert set(ran.data["layers"]) == {
        "namespaces", "root", "privileges", "seccomp", "landlock", "cgroup", "rlimits"
    }  # fmt: skip


def test_doctor_says_what_gets_through(cli: Cli, tmp_path: Path) -> None:
    # A host without any wall: what a policy without layers gives.
    (tmp_path / "weak.py").write_text(
        "import sys\n"
        "from pitchey_core.isolation.attempts import ATTEMPTS, run_attempts\n"
        "from pitchey_runner.cli.render.sandbox import show_sandbox\n"
        "from pitchey_runner.cli.sandbox_diagnosis import SandboxDiagnosis\n"
        "few = [each for each in ATTEMPTS if each.number in {23, 31}]\n"
        "none = {'layers': frozenset(), 'required': frozenset()}\n"
        "found = SandboxDiagnosis({}, run_attempts(few, changes=none))\n"
        "show_sandbox(found, as_json=False)\n"
        "sys.exit(found.exit_code)\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "weak.py"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert "2 attempts: 0 stopped, 2 breached" in done.stdout
    assert "breach  23 read files of the host" in done.stdout


def test_doctor_says_what_jobs_may_use_and_what_enforces_it(cli: Cli) -> None:
    host = cli("doctor").data["host"]
    assert 0 < host["memory_for_jobs_bytes"] < host["memory_bytes"]
    assert host["limits_enforced_by"] in {"cgroup-v1", "cgroup-v2", "supervision"}
    assert host["sandbox"] == "every wall stands" or "not enforced" in host["sandbox"]
    cli.environment |= {"PITCHEY_HOST__CGROUPS": "false", "PITCHEY_HOST__MEMORY_BYTES": "3GiB"}
    host = cli("doctor").data["host"]
    assert (host["memory_for_jobs_bytes"], host["limits_enforced_by"]) == (3 * 1024**3, "supervision")


def test_db_moves_to_another_file(cli: Cli) -> None:
    job_id = cli("submit", "test-noop").data["job_id"]
    assert cli("work", "--drain").code == 0
    moved = cli("db", "export", "all.jsonl").data
    assert moved["rows"]["job"] == 1
    assert cli("db", "import", "all.jsonl", "--store", "new.db").data == moved
    assert cli("status", job_id, "--store", "new.db").data["status"] == "completed"
    assert cli("db", "check", "--store", "new.db").out == ""
    again = cli("db", "export", "all.jsonl")
    assert again.code == 1
    assert "--overwrite" in again.err
    assert cli("db", "export", "all.jsonl", "--overwrite").code == 0
    piped = cli("db", "export", "-").out
    assert piped == (cli.folder / "all.jsonl").read_text()
    assert cli("db", "import", "-", "--store", "third.db", stdin=piped.encode()).data == moved
    assert "not empty" in cli("db", "import", "all.jsonl").err
    assert not list(cli.folder.glob("*.part"))


def test_db_check_says_what_is_wrong(cli: Cli) -> None:
    cli("submit", "test-noop")
    with closing(sqlite3.connect(cli.folder / "jobs.db", isolation_level=None)) as sql:
        sql.execute("UPDATE job SET cost_nanos = 1")
    checked = cli("db", "check")
    assert checked.code == 1
    assert checked.data["check"] == "ledger"
    assert "all is well" not in cli("db", "check", "--no-json").out
