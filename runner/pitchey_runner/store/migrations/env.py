"""Alembic's entry: runs migrations on the connection and in the transaction that :func:`apply` hands over."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("target_metadata"),
    # SQLite has transactional DDL; Alembic assumes the contrary.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
