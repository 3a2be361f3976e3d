"""``pitchey-run db``: the store's database."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import click

from pitchey_core.errors import InputError, OutputExists, StoreError
from pitchey_core.storage import display
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.output import write_json, write_pairs, write_table

__all__ = ["db_verb"]


@click.group("db")
def db_verb() -> None:
    """The database of the job store."""


@db_verb.command("upgrade")
@click.pass_obj
def upgrade(invocation: Invocation) -> None:
    """Create it, or bring its schema up to date. All workers must have stopped."""
    from pitchey_runner.store.migrations import upgrade as run_migrations

    url = invocation.loaded.settings.store
    _show(invocation, run_migrations(url))


@db_verb.command("status")
@click.pass_obj
def status(invocation: Invocation) -> None:
    """Which schema it has, and which this version of Pitchey works with."""
    from pitchey_runner.store.migrations import schema_revision

    _show(invocation, schema_revision(invocation.loaded.settings.store))


@db_verb.command("export")
@click.argument("file")
@click.option("--overwrite", is_flag=True, help="Replace FILE where it is there.")
@click.pass_obj
def export(invocation: Invocation, file: str, overwrite: bool) -> None:
    """Write all that is in it to FILE (``-``: stdout), for ``db import`` into another database."""
    from pitchey_runner.store.transfer import export_store

    url = invocation.loaded.settings.store
    if file == "-":
        export_store(url, sys.stdout)
        return
    path = Path(file)
    if path.exists() and not overwrite:
        raise OutputExists(f"{path} exists", remedy="name another file, or say --overwrite")
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as target:
            counts = export_store(url, target)
            target.flush()
            os.fsync(target.fileno())
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    _show_counts(invocation, counts)


@db_verb.command("import")
@click.argument("file")
@click.pass_obj
def import_(invocation: Invocation, file: str) -> None:
    """Fill a new database from FILE (``-``: stdin), all or nothing. Ids, numbers and times stay as they are."""
    from pitchey_runner.store.transfer import import_store

    with ExitStack() as stack:
        source: IO[str] = sys.stdin
        if file != "-":
            try:
                source = stack.enter_context(Path(file).open(encoding="utf-8"))
            except OSError as error:
                raise InputError(f"{file}: {error.strerror}") from error
        counts = import_store(invocation.loaded.settings.store, source)
    _show_counts(invocation, counts)


@db_verb.command("check")
@click.pass_context
def check(context: click.Context) -> None:
    """Check the file, the schema, every job's history, attempts and ledger. Exit code 1: something is wrong."""
    from pitchey_runner.store.checking import check_store

    invocation: Invocation = context.obj
    problems = check_store(invocation.loaded.settings.store)
    if invocation.as_json:
        for each in problems:
            write_json({"check": each.check, "detail": each.detail})
    else:
        write_table(
            ["check", "detail"], [(each.check, each.detail) for each in problems], empty="all is well"
        )
    if problems:
        context.exit(1)


def _show(invocation: Invocation, revision: str | None) -> None:
    from pitchey_runner.store.migrations import HEAD

    url = display(invocation.loaded.settings.store)
    if invocation.as_json:
        write_json({"store": url, "revision": revision, "current": HEAD})
    else:
        write_pairs([("store", url), ("schema", revision or "not there yet"), ("current", HEAD)])


def _show_counts(invocation: Invocation, counts: dict[str, int]) -> None:
    if invocation.as_json:
        write_json({"rows": counts})
    else:
        write_pairs(counts.items())
