"""Up to which number no event can still appear.

Numbers are given before the commit: an event can become visible after others with higher numbers, and who follows the
events would never see it. So every transaction that may write events announces, before it gets its first number, the
last one that was given by then: as a shared advisory lock that bears that number, and that ends with the transaction.
No event of an open transaction has a number up to the lowest of these.
"""

from __future__ import annotations

from pitchey_runner.store.sql.connection import SqlConnection

__all__ = ["ANNOUNCE", "settled_event"]

# Before the first number is given, a sequence says that its last one is 1. Locks hold 32 bits.
_LAST_GIVEN = "(SELECT last_value - (NOT is_called)::int FROM job_event_seq_seq)"
_OF_THIS_STORE = "'job_event'::regclass::oid::bigint::bit(32)::int"

ANNOUNCE = f"pg_advisory_xact_lock_shared({_OF_THIS_STORE}, {_LAST_GIVEN}::bit(32)::int)"
"""To be selected in a transaction before it writes an event."""

_GIVEN = f"SELECT {_LAST_GIVEN} AS seq"
_ANNOUNCED = """
SELECT objid::bigint AS seq FROM pg_locks
 WHERE locktype = 'advisory' AND classid = 'job_event'::regclass AND objsubid = 2
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_BITS = 1 << 32


def settled_event(connection: SqlConnection) -> int:
    """The number up to which every event that will ever be there can be read from now on; outside of a transaction."""
    # In this order: who announces itself after this look gets only higher numbers.
    last = int(connection.execute(_GIVEN).fetchall()[0]["seq"])
    behind = [(last - row["seq"]) % _BITS for row in connection.execute(_ANNOUNCED).fetchall()]
    # One that has announced itself since the first look is not behind, but ahead.
    return last - max((each for each in behind if each < _BITS // 2), default=0)
