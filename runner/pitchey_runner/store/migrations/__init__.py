"""Bringing a store's schema up to date. Alembic is imported only when there is something to do.

A revision is a four-digit number, so that an older schema can be told from a newer one without reading files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_runner.store.drivers import driver_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["HEAD", "apply", "schema_revision", "upgrade"]

HEAD = "0003"
"""The schema that this version of the code works with."""


def upgrade(url: str) -> str:
    """Create the store or bring its schema up to date, in one transaction; says which revision it has now.

    Raises:
        ConfigError: The URL names no driver of this version.
        StoreError: The database cannot be used, is none of ours, or is newer than this code.
    """
    return driver_of(url).upgrade(url)


def schema_revision(url: str) -> str | None:
    """The revision of the store's schema; ``None`` where there is no store yet.

    Raises:
        ConfigError: The URL names no driver of this version.
        StoreError: The database cannot be used, or is none of ours.
    """
    return driver_of(url).schema_revision(url)


def apply(connection: Connection) -> None:
    """Run the missing migrations on a connection, inside the transaction that it is in."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    # A percent sign in the path would be read as the configuration's own interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
