"""Triggers that keep a mistake, or a person with a SQL prompt, from breaking what every reader relies on."""

from __future__ import annotations

from pitchey_runner.store.records import TRANSITIONS

__all__ = ["drop_transition_guard", "guards", "transition_guard"]


def guards(database: str) -> tuple[str, ...]:
    """The statements that set all guards of the first schema on a database, by SQLAlchemy's name of its dialect."""
    if database == "sqlite":
        return *transition_guard(database), *_SQLITE
    return *_POSTGRES_FUNCTIONS, *transition_guard(database), *_POSTGRES


def transition_guard(database: str) -> tuple[str, ...]:
    """The statements that set the guard of :data:`TRANSITIONS`.

    A row may stay in its state: a rescuer takes over a ``processing`` job in place.
    """
    # Compared one by one: SQLite builds the list of an IN anew for each row.
    illegal = " OR ".join(
        f"OLD.state = '{before.value}'"
        + "".join(f" AND NEW.state <> '{each.value}'" for each in sorted(afters))
        for before, afters in TRANSITIONS.items()
    )
    condition = f"OLD.state <> NEW.state AND ({illegal})"
    message = "illegal transition of a job"
    if database == "sqlite":
        trigger = (
            f"BEFORE UPDATE OF state ON job WHEN {condition} BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )
    else:
        trigger = _postgres_trigger("UPDATE OF state ON job", condition, message)
    return (f"CREATE TRIGGER job_transition {trigger}",)


def drop_transition_guard(database: str) -> tuple[str, ...]:
    """The statements that lift the guard, for a migration that changes it."""
    return ("DROP TRIGGER job_transition" + (" ON job" if database == "postgresql" else ""),)


def _postgres_trigger(event: str, condition: str | None, message: str) -> str:
    when = "" if condition is None else f" WHEN ({condition})"
    return f"BEFORE {event} FOR EACH ROW{when} EXECUTE FUNCTION pitchey_refuse('{message}')"


_BACKWARDS = "NEW.claim_seq < OLD.claim_seq", "claim_seq never goes back"
_KEPT = "the ledger is append-only"

_SQLITE = (
    f"""
    CREATE TRIGGER job_claim_seq BEFORE UPDATE OF claim_seq ON job WHEN {_BACKWARDS[0]}
    BEGIN SELECT RAISE(ABORT, '{_BACKWARDS[1]}'); END
    """,
    f"CREATE TRIGGER ledger_unchanged BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, '{_KEPT}'); END",
    f"CREATE TRIGGER ledger_kept BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, '{_KEPT}'); END",
)

_POSTGRES_FUNCTIONS = (
    """
    CREATE FUNCTION pitchey_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
)
_POSTGRES = (
    f"CREATE TRIGGER job_claim_seq {_postgres_trigger('UPDATE OF claim_seq ON job', *_BACKWARDS)}",
    f"CREATE TRIGGER ledger_unchanged {_postgres_trigger('UPDATE ON ledger', None, _KEPT)}",
    f"CREATE TRIGGER ledger_kept {_postgres_trigger('DELETE ON ledger', None, _KEPT)}",
)
