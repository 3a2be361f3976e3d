"""Which server and database a URL names, and how connections to it are made to fail rather than to hang."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pitchey_core.errors import ConfigError

__all__ = ["Location", "locate"]

# A peer that has vanished without a word is noticed after 15 s, whether we wait for it or it for us.
_DEFAULTS = {
    "application_name": "pitchey",
    "connect_timeout": "10",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "5",
    "tcp_user_timeout": "15000",
}
_SESSION = {
    "statement_timeout": "60s",
    "lock_timeout": "5s",
    # A process that was stopped in mid-transaction must not keep its locks for ever.
    "idle_in_transaction_session_timeout": "10s",
    "timezone": "UTC",
    # Every statement finds its rows by an index. On a table that was never analyzed, or has just grown, the planner
    # may believe that reading all of it is cheaper.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}


@dataclass(frozen=True, slots=True)
class Location:
    """A database.

    Attributes:
        conninfo: For libpq; with the password, if there is one.
        place: For messages; without it.
    """

    conninfo: str
    place: str


def locate(url: str) -> Location:
    """The database that a ``postgresql://`` URL names; its options may be any of libpq's.

    Raises:
        ConfigError: libpq does not understand the URL.
    """
    _, _, rest = url.partition("://")
    try:
        given = conninfo_to_dict(f"postgresql://{rest}")
    except ProgrammingError as error:
        raise ConfigError(
            f"store: this is no URL of a Postgres database: {str(error).strip()}",
            remedy="write: postgresql://USER@HOST/DATABASE",
        ) from error
    session = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    # Later options win: the user's own come last.
    options = f"{session} {given.pop('options', None) or ''}".strip()
    settings: dict[str, Any] = {**_DEFAULTS, **given, "options": options}
    return Location(make_conninfo(**settings), _place(given))


def _place(given: dict[str, Any]) -> str:
    user = f"{given['user']}@" if given.get("user") else ""
    port = f":{given['port']}" if given.get("port") else ""
    return f"postgresql://{user}{given.get('host') or ''}{port}/{given.get('dbname') or ''}"
