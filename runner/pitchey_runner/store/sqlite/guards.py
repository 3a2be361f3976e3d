"""Triggers that keep a mistake, or a person with a SQL prompt, from breaking what every reader relies on."""

from __future__ import annotations

from pitchey_runner.store.records import TRANSITIONS

__all__ = ["drop_transition_guard", "guards", "transition_guard"]


def guards() -> tuple[str, ...]:
    """``CREATE TRIGGER`` statements of the first schema."""
    return (
        *transition_guard(),
        """
        CREATE TRIGGER job_claim_seq BEFORE UPDATE OF claim_seq ON job WHEN NEW.claim_seq < OLD.claim_seq
        BEGIN SELECT RAISE(ABORT, 'claim_seq never goes back'); END
        """,
        """
        CREATE TRIGGER ledger_unchanged BEFORE UPDATE ON ledger
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
        """,
        """
        CREATE TRIGGER ledger_kept BEFORE DELETE ON ledger
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
        """,
    )


def transition_guard() -> tuple[str, ...]:
    """The one of the transition table, built from :data:`TRANSITIONS`.

    A row may stay in its state: a rescuer takes over a ``processing`` job in place.
    """
    allowed = ", ".join(
        f"'{before.value}>{after.value}'"
        for before, afters in TRANSITIONS.items()
        for after in sorted(afters)
    )
    return (
        f"""
        CREATE TRIGGER job_transition BEFORE UPDATE OF state ON job
        WHEN OLD.state <> NEW.state AND OLD.state || '>' || NEW.state NOT IN ({allowed})
        BEGIN SELECT RAISE(ABORT, 'illegal transition of a job'); END
        """,
    )


def drop_transition_guard() -> tuple[str, ...]:
    """For a migration that changes it."""
    return ("DROP TRIGGER job_transition",)
