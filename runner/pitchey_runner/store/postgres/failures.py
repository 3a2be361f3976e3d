"""What Postgres's errors mean to a user, and whether trying again helps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from pitchey_core.errors import OutOfSpace, PitcheyError, StoreAway, StoreError

__all__ = ["is_gone", "is_passing", "translated"]

# The server goes down, comes up, or fails over to one that may not write yet.
_GONE = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleInTransactionSessionTimeout,
    errors.ReadOnlySqlTransaction,
    errors.TooManyConnections,
)
_PASSING = (errors.SerializationFailure, errors.DeadlockDetected)


def is_gone(error: BaseException) -> bool:
    """Whether another connection may succeed where this one did not."""
    if isinstance(error, _GONE):
        return True
    # What libpq itself reports has no code: refused, reset, timed out.
    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) and (
        error.sqlstate is None or error.sqlstate.startswith("08")
    )


def is_passing(error: BaseException) -> bool:
    """Whether the same transaction may succeed at once: others were in its way, and it changed nothing."""
    if isinstance(error, errors.UniqueViolation):
        # Two retries, or one and a submission, have looked before the other one committed: a second look sees it.
        return error.diag.constraint_name == "job_unique"
    return isinstance(error, _PASSING)


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn errors of Postgres and libpq into :class:`StoreError`.

    Raises:
        OutOfSpace: The server's disk is full.
        StoreAway: It cannot be reached now.
        StoreError: Anything else.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _explain(error, place) from error
    except (UnicodeEncodeError, OverflowError) as error:
        raise StoreError(f"{place}: a value cannot be stored: {error}") from error


def _explain(error: psycopg.Error, place: str) -> PitcheyError:
    said = " ".join(str(error).split())
    match error:
        case errors.DiskFull():
            return OutOfSpace(
                f"{place}: the server's disk is full ({said})", remedy="make room on the server"
            )
        case errors.InsufficientPrivilege():
            remedy = "as the database's owner: GRANT ALL ON SCHEMA public TO the user of the URL"
        case _ if "authentication failed" in said or "no password supplied" in said:
            remedy = (
                "put the password into ~/.pgpass, or in the URL: postgresql://USER:PASSWORD@HOST/DATABASE"
            )
        case _ if said.endswith("does not exist") and "FATAL: database" in said:
            remedy = "create the database: createdb NAME"
        case _ if "FATAL: role" in said or "no pg_hba.conf entry" in said:
            remedy = "let the user of the URL in: createuser NAME, and pg_hba.conf on the server"
        case errors.LockNotAvailable() | errors.QueryCanceled() | errors.DeadlockDetected():
            remedy = "see who holds locks: SELECT * FROM pg_stat_activity WHERE state <> 'idle'"
        case _ if is_gone(error):
            return StoreAway(f"{place}: {said}", remedy="see whether the server is up: pg_isready -d URL")
        case _:
            return StoreError(f"{place}: {said}")
    return StoreError(f"{place}: {said}", remedy=remedy)
