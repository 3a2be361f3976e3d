"""Enqueueing in somebody else's transaction, on each database."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, text

from pitchey_core.errors import StoreError
from pitchey_runner.store import open_store
from pitchey_runner.store.interface import JobState
from pitchey_runner.store.joining import enqueue_in
from pitchey_runner.testing.store_samples import job


@pytest.mark.parametrize("odd", [{"submitted_by": "a\ud800b"}, {"input_bytes": 2**63}])
def test_a_value_that_cannot_be_stored_is_refused_and_their_transaction_goes_on(
    new_store: Callable[[], str], odd: dict[str, object]
) -> None:
    url = new_store()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with open_store(url) as store, engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id int)"))
        with pytest.raises(StoreError, match="not enqueued"):
            enqueue_in(store, connection, [*(job() for _ in range(300)), job(**odd)])
        connection.execute(text("INSERT INTO theirs VALUES (1)"))
        enqueue_in(store, connection, [job() for _ in range(300)])
    with open_store(url) as store, engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM theirs")) == 1
        assert store.counts() == {JobState.PENDING: 300}
    engine.dispose()
