"""A store goes into a file and out of it again, on the same database or the other, and nothing is lost."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from pitchey_core.errors import InputError, StoreError
from pitchey_core.pricing import Usage
from pitchey_runner.store import open_store
from pitchey_runner.store.checking import check_store
from pitchey_runner.store.drivers import driver_of
from pitchey_runner.store.new_job import Dependency, OnFailure, RateLimit, Unique
from pitchey_runner.store.queue_records import (
    Budget,
    BudgetAction,
    BudgetPeriod,
    BudgetScope,
    NewSchedule,
    QueueLimits,
)
from pitchey_runner.store.records import Beat, CostGroup, JobFilter, ManifestCommit
from pitchey_runner.store.tables import StoreTable
from pitchey_runner.store.transfer import export_store, import_store
from pitchey_runner.testing.store_samples import completed, failed, job, retried, worker

NewStore = Callable[[], str]


def fill(url: str) -> None:
    """Jobs in every state that a store without queue rules knows, some with several attempts."""
    me = worker("w1")
    with open_store(url) as store:
        store.register_worker(me)
        store.enqueue([job(payload={"text": 'ä "\\" €', "big": 2**60}, batch_id="b", item_key="i")])
        store.enqueue([job(), job(delay_seconds=3600), job("code", submitted_by="somebody")])
        usage = Usage(wall_us=1_234_567, cpu_us=7, peak_memory_bytes=2**40)
        first, second = store.claim(me, "video", 2)
        store.beat("w1", [Beat(second.claim, 0.1 + 0.2, "half", usage)], cpu_percent=12.5)
        store.settle([completed(first.claim, usage=usage, cost_nanos=10**15 + 1)])
        store.settle([retried(second.claim, cost_nanos=3)])
        store.promote_due()
        (again,) = store.claim(me, "video", 1)
        store.commit_manifests([ManifestCommit(again.claim, {"files": ["a"]}, {"state": "completed"})])
        (code,) = store.claim(me, "code", 1)
        store.settle([failed(code.claim, cost_nanos=1)])
        gone = store.enqueue([job() for _ in range(3)])
        store.cancel([each for each in gone if each])
        store.purge([each for each in gone if each])


def fill_lines(url: str) -> None:
    """Everything that is about queues: limits, keys, dependencies, schedules, budgets."""
    rate = RateLimit(2, 90.5)
    with open_store(url) as store:
        store.limit_queue("code", QueueLimits(max_running=3, rate=rate, max_slots=2))
        store.pause_queue("*", paused=True)
        store.pause_queue("*", paused=False)
        store.set_schedule(
            NewSchedule("nightly", "30 2 * * *", job(unique=Unique("ä", 5.5)), "Europe/Berlin")
        )
        keyed = [job("code", concurrency_key="k", concurrency_limit=1, rate=rate) for _ in range(3)]
        parent = job("code", unique=Unique("one"), organization_id="other")
        child = job("code", depends_on=(Dependency(parent.id, OnFailure.HOLD),))
        store.enqueue([parent, child, *keyed])
        store.pause([keyed[2].id])
        store.set_budget(Budget(BudgetScope.ALL, "*", BudgetPeriod.TOTAL, 2**62, BudgetAction.HOLD))
        store.set_budget(Budget(BudgetScope.ORGANIZATION, "other", BudgetPeriod.MONTH, 10))
        for claimed in store.claim(worker("w1"), "code", 5):
            store.settle([failed(claimed.claim, cost_nanos=9)])
        assert store.budget_events()


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    with driver_of(url).looking(url) as connection:
        return {
            table.name: [
                tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in StoreTable.metadata.sorted_tables
        }


def exported(url: str) -> str:
    file = io.StringIO()
    export_store(url, file)
    return file.getvalue()


def test_every_row_comes_back(new_store: NewStore) -> None:
    source, target = new_store(), new_store()
    fill(source)
    fill_lines(source)
    counts = import_store(target, io.StringIO(exported(source)))
    assert contents(target) == contents(source)
    assert counts["job"] == 9
    assert check_store(target) == []


def test_from_one_database_to_the_other_and_back(
    new_database: NewStore, empty_store: Path, tmp_path: Path
) -> None:
    here, there, back = str(empty_store), new_database(), str(tmp_path / "back.db")
    fill(here)
    fill_lines(here)
    import_store(there, io.StringIO(exported(here)))
    assert contents(there) == contents(here)
    import_store(back, io.StringIO(exported(there)))
    assert contents(back) == contents(here)
    for url in (here, there, back):
        assert check_store(url) == []


def test_work_goes_on_after_the_move_and_no_number_is_given_twice(new_store: NewStore) -> None:
    source, target = new_store(), new_store()
    fill(source)
    with open_store(source) as store:
        seen = [event.seq for event in store.events()]
        ids = {record.id for record in store.list()}
        costs = store.costs(CostGroup.TYPE)
    import_store(target, io.StringIO(exported(source)))
    with open_store(target) as store:
        (held,) = store.claimed("w1")
        assert held.manifest == {"files": ["a"]}
        (new_id,) = store.enqueue([job()])
        assert store.settle([completed(held.claim)]) == [True]
        assert {record.id for record in store.list()} == ids | {new_id}
        assert [record.id for record in store.list(limit=1)] == [new_id], "the newest has the highest number"
        new = [event.seq for event in store.events(after=max(seen))]
        # Three jobs were purged, with six events and numbers that are used up.
        assert len(new) == 2
        assert min(new) > max(seen) + 6
        assert store.costs(CostGroup.TYPE)[0] == costs[0]
        assert store.list(JobFilter(batch_id="b"))[0].item_key == "i"
    assert check_store(target) == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lines: lines[:-1], "incomplete"),
        (lambda lines: [*lines[:-2], lines[-1]], "incomplete"),
        (lambda lines: lines[1:], "no export"),
        (lambda lines: [], "no export"),
        (lambda lines: [lines[0].replace('"0', '"9'), *lines[1:]], "schema 9"),
        (lambda lines: [*lines[:3], "{", *lines[3:]], "line 4"),
        (lambda lines: [lines[0], '{"table":"plans","columns":[]}', *lines[1:]], "'plans'"),
        (
            lambda lines: [lines[0], '{"table":["job"],"columns":[]}', *lines[1:]],
            "which this version does not",
        ),
        (lambda lines: [lines[0], '{"table":"queue"}', *lines[1:]], "other columns of the table queue"),
        (lambda lines: [lines[0], '{"table":"queue","columns":["name"]}', *lines[1:]], "other columns"),
        (lambda lines: [each.replace('["w1",', '["w1",1,') for each in lines], "values in the table worker"),
        (lambda lines: [*lines[:-1], lines[-1].replace('"counters"', '"count"')], "incomplete"),
        (lambda lines: [*lines[:-1], re.sub(r'"job":\d+', '"job":"x"', lines[-1], count=1)], "counter of"),
        (lambda lines: [*lines, lines[-1]], "incomplete"),
    ],
)
def test_a_spoilt_file_changes_nothing(
    new_store: NewStore, spoil: Callable[[list[str]], list[str]], message: str
) -> None:
    source, target = new_store(), new_store()
    fill(source)
    before = contents(target)
    whole = exported(source).splitlines()
    lines = spoil(list(whole))
    assert lines != whole
    with pytest.raises(InputError, match=message):
        import_store(target, io.StringIO("".join(f"{line}\n" for line in lines)))
    assert contents(target) == before


def test_a_file_that_is_no_text_is_refused(new_store: NewStore) -> None:
    spoilt = io.TextIOWrapper(io.BytesIO(b"\xff\xfe\0"), encoding="utf-8")
    with pytest.raises(InputError, match="not UTF-8"):
        import_store(new_store(), spoilt)


def test_a_store_with_jobs_is_not_written_over(new_store: NewStore) -> None:
    source, target = new_store(), new_store()
    fill(source)
    with open_store(target) as store:
        store.enqueue([job()])
    before = contents(target)
    with pytest.raises(StoreError, match="not empty"):
        import_store(target, io.StringIO(exported(source)))
    assert contents(target) == before


def test_an_export_is_one_state_of_the_store(new_store: NewStore) -> None:
    """Jobs that arrive meanwhile are in it wholly or not at all."""
    url, target = new_store(), new_store()
    fill(url)

    class Slow(io.StringIO):
        arrived = False

        def write(self, text: str) -> int:
            if text.startswith("[") and not self.arrived:
                self.arrived = True
                with open_store(url) as store:
                    store.enqueue([job()])
            return super().write(text)

    file = Slow()
    export_store(url, file)
    import_store(target, io.StringIO(file.getvalue()))
    assert file.arrived
    assert check_store(target) == []
    exported_rows = json.loads(file.getvalue().splitlines()[-1])["rows"]
    assert exported_rows["job"] == 4
    assert len(contents(url)["job"]) == 5
