"""A worker that starts while its store's server is away: it waits, and says for what; not for ever."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from pitchey_cli import Cli
from postgres_server import PostgresServer

from pitchey_runner.store import open_store
from pitchey_runner.store.interface import JobState, NewJob


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


def first_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    return process.stderr.readline().decode()


def test_a_worker_waits_for_a_server_that_starts_after_it_and_then_works(
    cli: Cli, server: PostgresServer
) -> None:
    url = server.url(tcp=True)
    with open_store(url) as store:
        (job_id,) = store.enqueue([NewJob("test-noop", {})])
        assert job_id is not None
    server.stop()
    worker = cli.start("work", "--drain", "--store", url)
    said = first_line(worker)
    assert said.startswith("waiting up to 60 s for the store: postgresql://postgres@127.0.0.1:")
    assert "refused" in said
    server.start()
    _, error = worker.communicate(timeout=90)
    assert worker.returncode == 0, error.decode()
    with open_store(url) as store:
        record = store.get(job_id)
    assert record is not None
    assert record.status is JobState.COMPLETED


def test_a_server_that_stays_away_ends_the_worker_with_a_remedy(cli: Cli, server: PostgresServer) -> None:
    server.stop()
    cli.environment["PITCHEY_TIMING__STORE_WAIT"] = "1"
    ran = cli("work", "--drain", "--store", server.url(tcp=True))
    assert ran.code == 1
    assert "(waited 1 s for it)" in ran.err
    assert "→ see whether the server is up: pg_isready" in ran.err


def test_a_server_that_refuses_the_user_is_not_waited_for(cli: Cli, server: PostgresServer) -> None:
    ran = cli("work", "--drain", "--store", server.url(tcp=True).replace("postgres@", "nobody-here@"))
    assert ran.code == 1
    assert "waiting" not in ran.err
    assert 'role "nobody-here" does not exist' in ran.err
    assert "createuser" in ran.err


def test_other_verbs_say_at_once_that_the_server_is_away(cli: Cli, server: PostgresServer) -> None:
    server.stop()
    ran = cli("list", "--store", server.url(tcp=True))
    assert ran.code == 1
    assert "waiting" not in ran.err
    assert "pg_isready" in ran.err
