"""Where a SQLite store may lie, how it comes into being, and what is said when it cannot be used."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pitchey_core.errors import ConfigError, StoreError
from pitchey_runner.store import migrations, open_store
from pitchey_runner.store.sqlite import location
from pitchey_runner.testing.store_samples import job


def test_a_missing_store_is_created_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "100% mine" / "jobs.db"
    assert migrations.schema_revision(str(path)) is None
    with open_store(f"sqlite:///{path}") as store:
        assert store.url == f"sqlite:///{path}"
        store.enqueue([job()])
    assert migrations.schema_revision(str(path)) == migrations.HEAD
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "jobs.db",
        "jobs.db.turn",
        "jobs.db.writers",
    ]


def test_relative_and_absolute_urls(empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(empty_store.parent)
    for url in (
        "sqlite:///jobs.db",
        "jobs.db",
        f"sqlite:///{empty_store}",
        str(empty_store),
        "sqlite+pysqlite:///jobs.db",
    ):
        with open_store(url) as store:
            assert store.url == f"sqlite:///{empty_store}"
    assert len(list(empty_store.parent.iterdir())) == 1


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", ":memory:", "sqlite:///:memory:", "sqlite://:memory:", "file::memory:"]
)
def test_memory_is_no_place_for_jobs(url: str) -> None:
    with pytest.raises(StoreError, match="lost with the process") as caught:
        open_store(url)
    assert "sqlite:///pitchey.db" in (caught.value.remedy or "")


@pytest.mark.parametrize("url", ["mysql://host/db", "oracle+oracledb://host/db"])
def test_other_databases_have_no_driver_here(url: str) -> None:
    with pytest.raises(ConfigError, match=r"store: .*no driver for (mysql|oracle)") as caught:
        open_store(url)
    assert "sqlite:///PATH" in (caught.value.remedy or "")


@pytest.mark.parametrize("url", ["sqlite://host/jobs.db", "sqlite:///jobs.db?timeout=3"])
def test_urls_that_sqlite_has_no_use_for(url: str) -> None:
    with pytest.raises(ConfigError):
        open_store(url)


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        open_store(str(tmp_path))


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_network_file_systems_are_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = tmp_path / "far away"
    point.mkdir()
    mounts = tmp_path / "mountinfo"
    escaped = str(point).replace(" ", "\\040")
    mounts.write_text(
        "20 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        f"36 20 98:0 / {escaped} rw,noatime shared:1 - {kind} server:/export rw\n"
    )
    monkeypatch.setattr(location, "_MOUNTS", mounts)
    with pytest.raises(StoreError, match=kind) as caught:
        open_store(str(point / "deep" / "jobs.db"))
    assert "local disk" in (caught.value.remedy or "")
    assert location.locate(str(tmp_path / "jobs.db")) == tmp_path / "jobs.db"


def test_a_host_that_does_not_tell_its_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(location, "_MOUNTS", tmp_path / "missing")
    assert location.file_system(tmp_path) is None


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be taken for one" * 50)
    with pytest.raises(StoreError, match="not a SQLite database"):
        open_store(str(path))


def test_somebody_elses_database(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photo (id INTEGER)")
    with pytest.raises(StoreError, match="no job store"):
        open_store(str(path))
    with pytest.raises(StoreError, match="no job store"):
        migrations.upgrade(str(path))


def test_an_older_schema_names_the_command_that_upgrades_it(empty_store: Path) -> None:
    _pretend_revision(empty_store, "0000")
    with pytest.raises(StoreError, match="schema 0000") as caught:
        open_store(str(empty_store))
    assert f"pitchey-run db upgrade --store sqlite:///{empty_store}" in (caught.value.remedy or "")


def test_a_newer_schema_names_the_command_that_upgrades_pitchey(empty_store: Path) -> None:
    _pretend_revision(empty_store, "9999")
    for attempt in (open_store, migrations.upgrade):
        with pytest.raises(StoreError, match="newer Pitchey") as caught:
            attempt(str(empty_store))
        assert caught.value.remedy == "pip install -U pitchey"


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    path.touch()
    assert migrations.upgrade(str(path)) == migrations.upgrade(str(path)) == migrations.HEAD
    with open_store(str(path)) as store:
        assert store.list() == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file") as caught:
        open_store(str(tmp_path / "file" / "jobs.db"))
    assert "ls -ld" in (caught.value.remedy or "")


def test_opening_a_current_store_imports_nothing_heavy(empty_store: Path) -> None:
    program = (
        "import sys\n"
        "from pitchey_runner.store import open_store\n"
        "with open_store(sys.argv[1]) as store:\n"
        "    store.list(); store.promote_due()\n"
        "heavy = {'alembic', 'sqlalchemy', 'sqlmodel', 'pydantic'} & sys.modules.keys()\n"
        "sys.exit(' '.join(sorted(heavy)) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, empty_store], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_many_processes_create_one_store(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pitchey_runner.store import open_store\n"
        "from pitchey_runner.testing.store_samples import job\n"
        "with open_store(sys.argv[1]) as store:\n"
        "    store.enqueue([job()])\n"
    )
    path = tmp_path / "jobs.db"
    started = [
        subprocess.Popen([sys.executable, "-c", program, path], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [process.communicate()[1] for process in started] == [""] * 4
    with open_store(str(path)) as store:
        assert sum(store.counts().values()) == 4


def _pretend_revision(path: Path, revision: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
