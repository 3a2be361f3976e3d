"""What attempts had reserved and what held them to it; what room workers have."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INTEGER: Any = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TEXT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("attempt", sa.Column("reserved_memory_bytes", _INTEGER, nullable=True))
    op.add_column("attempt", sa.Column("enforced_by", _TEXT, nullable=True))
    op.add_column("worker", sa.Column("room", _TEXT, nullable=True))
