"""Items are computed together, and nobody can tell from the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inference_models import add_model, hub_classifier, model_of, save, sha256, tensor, write_manifest
from onnx import TensorProto, helper

from pitchey_core.errors import Cancelled, InputError, PartialFailure, UnknownName
from pitchey_inference.runtime.batching import batches_by_length
from pitchey_inference.runtime.encoder import Encoder
from pitchey_inference.runtime.sessions import SESSIONS, Session, SessionCache

TOLERANCE = 1e-5
"""How far a vector of length one may move with its neighbours: rounding in products of other shapes."""

TEXTS = [
    "A man eats.",
    "The lighthouse keeper must save the town before dawn, but nobody believes him any more.",
    "x",
    "One two three four five six seven eight nine ten. " * 8,
    "Ein Film über das Meer",
]


@pytest.mark.parametrize("lengths", [[], [5], [3, 900, 1, 1, 1, 40], list(range(1, 200))])
def test_every_row_is_in_one_batch(lengths: list[int]) -> None:
    batches = batches_by_length(lengths, max_rows=16, max_tokens=256)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[row] for row in batch)
        assert len(batch) <= 16
        assert len(batch) == 1 or longest * len(batch) <= 256


def test_vectors_do_not_depend_on_their_batch() -> None:
    encoder = Encoder.builtin(threads=1)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    together = encoder.encode(TEXTS)
    turned = encoder.encode(TEXTS[::-1])[::-1]
    repeated = encoder.encode(TEXTS * 20)[-len(TEXTS) :]
    assert alone.shape == (5, 384)
    assert alone.dtype == np.float32
    assert np.linalg.norm(alone, axis=1) == pytest.approx(1, abs=1e-5)
    for other in (together, turned, repeated):
        assert np.abs(other - alone).max() < TOLERANCE


def test_jobs_of_a_batch_get_what_they_would_get_alone(ask: Any) -> None:
    payloads = [ask.payload("sentiment-v1", {"text": text}) for text in TEXTS[:4]]
    payloads += [ask.payload("minilm", {"text": TEXTS[0]}), ask.payload("sentiment-v1", TEXTS)]
    together = ask.together(payloads)
    for payload, found in zip(payloads, together, strict=True):
        (alone,) = ask.together([payload])
        assert found.label == alone.label
        if found.score is not None:
            assert found.score == pytest.approx(alone.score, abs=1e-4)
    assert together[0].runtime.jobs == 5
    assert together[0].runtime.items == 4 + len(TEXTS)
    assert together[4].runtime.jobs == 1


def test_a_name_means_what_each_job_has_in_its_settings(ask: Any, tmp_path: Path) -> None:
    from pitchey_core.payload import parse_payload

    payload = ask.payload("sentiment-v1", {"text": "a good film"})
    parsed = parse_payload(ask.processor.payload_model, payload)
    jobs = [ask.job(payload)]
    ask.bench.options = {"models": {"sentiment-v1": str(hub_classifier(tmp_path / "tuned"))}}
    jobs += [ask.job(payload), ask.job(payload)]
    found = ask.processor.process_batch([parsed] * 3, jobs)
    assert [each.model.name for each in found] == ["sentiment-v1", "tuned", "tuned"]
    assert [each.runtime.jobs for each in found] == [1, 2, 2]


def test_progress_of_a_job_in_a_batch_ends_where_it_began(ask: Any) -> None:
    from pitchey_core.payload import parse_payload
    from pitchey_core.testing import ProgressLog

    payload = ask.payload("sentiment-v1", {"text": "a good film"})
    parsed = parse_payload(ask.processor.payload_model, payload)
    ask("sentiment-v1", {"text": "so that it is loaded"})
    logs = [ProgressLog(), ProgressLog()]
    ask.processor.process_batch([parsed] * 2, [ask.job(payload, report=log) for log in logs])
    assert [log.fractions for log in logs] == [[0.0, 1.0], []]


def test_one_bad_job_fails_alone(ask: Any) -> None:
    good = ask.payload("sentiment-v1", {"text": "wonderful"})
    found = ask.together(
        [
            good,
            ask.payload("sentiment-v1", {"text": "  "}),
            ask.payload("sentimental-v1", {"text": "x"}),
            ask.payload("sentiment-v1", {"text": "x"}, parameters={"temprature": 1}),
            good,
        ]
    )
    assert [type(each).__name__ for each in found] == [
        "InferenceFacts", "InputError", "UnknownName", "UnknownName", "InferenceFacts",
    ]  # fmt: skip
    assert found[0].label == found[4].label == "positive"


def test_one_bad_item_of_a_list_fails_alone(ask: Any) -> None:
    with pytest.raises(PartialFailure, match="1 of 3 items failed") as caught:
        ask("sentiment-v1", ["wonderful", " ", "terrible"])
    facts = caught.value.facts
    assert [each["task"] for each in facts["results"]] == [
        "text-classification",
        "failed",
        "text-classification",
    ]
    assert facts["results"][1]["error"]["class"] == "InputError"
    assert (facts["count"], facts["failed"]) == (3, 1)


def test_an_item_that_the_model_itself_fails_on_fails_alone(ask: Any, tmp_path: Path) -> None:
    """A Reshape that only fits rows of one size: the runtime fails on the whole batch."""
    node = helper.make_node("Gather", ["table", "x"], ["y"])
    model = model_of(
        [node],
        [tensor("x", TensorProto.INT64, ("n",))],
        [tensor("y", shape=("n",))],
        {"table": np.arange(4, dtype=np.float32)},
    )
    save(model, tmp_path / "m.onnx")
    table = {"path": "m.onnx", "sha256": sha256(tmp_path / "m.onnx")}
    write_manifest(tmp_path, name="m", task="tensors", dynamic_batches=True, files={"model": table})
    with pytest.raises(PartialFailure) as caught:
        ask(tmp_path, [{"tensors": {"x": [1]}}, {"tensors": {"x": [9]}}, {"tensors": {"x": [3, 2]}}])
    results = caught.value.facts["results"]
    assert results[0]["outputs"]["y"]["data"] == [1]
    assert results[1]["task"] == "failed"
    assert results[2]["outputs"]["y"]["data"] == [3, 2]


def test_a_model_that_quantises_by_range_runs_one_by_one(ask: Any, tmp_path: Path, monkeypatch: Any) -> None:
    folder = hub_classifier(tmp_path / "m")
    sizes: list[int] = []
    run = Session.run

    def watched(self: Session, feeds: Any, *args: Any, **options: Any) -> Any:
        sizes.append(len(next(iter(feeds.values()))))
        return run(self, feeds, *args, **options)

    monkeypatch.setattr(Session, "run", watched)
    ask(folder, ["good film", "bad", "the film"])
    assert sizes == [3]
    import onnx

    model = onnx.load(folder / "onnx" / "model.onnx")
    model.graph.node.append(helper.make_node("DynamicQuantizeLinear", ["table"], ["q", "s", "z"]))
    save(model, folder / "onnx" / "model.onnx")
    sizes.clear()
    ask(folder, ["good film", "bad", "the film"])
    assert sizes == [1, 1, 1]


def test_a_session_is_loaded_once_and_shared(fresh: None) -> None:
    first, second = Encoder.builtin(threads=1), Encoder.builtin(threads=1)
    assert first.session is second.session
    assert len(SESSIONS.keys()) == 1


def test_whoever_comes_while_it_is_loaded_waits_for_it() -> None:
    import threading

    cache = SessionCache()
    started, go, loads, found = threading.Event(), threading.Event(), [], []

    class Fake:
        bytes = 1

    def load() -> Any:
        loads.append(1)
        started.set()
        assert go.wait(5)
        return Fake()

    threads = [threading.Thread(target=lambda: found.append(cache.get("a", load))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert started.wait(5)
    go.set()
    for thread in threads:
        thread.join(5)
    assert len(loads) == 1
    assert len({id(each) for each in found}) == 1


def test_sessions_go_when_they_need_too_much_room() -> None:
    class Fake:
        bytes = 10

    cache = SessionCache(max_bytes=25)
    for key in ("a", "b", "a", "c"):
        cache.get(key, Fake)  # type: ignore[arg-type]
    assert cache.keys() == ["a", "c"]


def test_a_load_that_fails_is_tried_again() -> None:
    cache = SessionCache()

    def fail() -> Session:
        raise InputError("no")

    for _ in range(2):
        with pytest.raises(InputError):
            cache.get("a", fail)
    assert cache.keys() == []


def test_a_cancelled_job_does_not_take_the_others_with_it(ask: Any) -> None:
    from pitchey_core.payload import parse_payload

    payload = ask.payload("sentiment-v1", {"text": "wonderful"})
    parsed = parse_payload(ask.processor.payload_model, payload)
    jobs = [ask.job(payload), ask.job(payload, cancelled=lambda: True)]
    found = ask.processor.process_batch([parsed, parsed], jobs)
    assert found[0].label == "positive"
    assert isinstance(found[1], Cancelled)


def test_unknown_tensors_are_suggested(ask: Any, tmp_path: Path) -> None:
    path = save(add_model(), tmp_path / "m.onnx")
    with pytest.raises(UnknownName, match="input of model"):
        ask(path, {"tensors": {"xx": [1]}})
