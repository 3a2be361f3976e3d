"""What do batches by length gain, and what does the way to a model cost?

Peers: bare ``session.run`` of the same model, threads and settings: at the best fixed batch (texts in the order in
which they come, padded to the longest of each batch; the best of several sizes, found before the first round), and one
by one. All sides tokenize, and pool; what is compared is the whole way from texts to vectors.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from harness import Bench, at_least, at_most, expect, in_turn, run_benchmark
from workbench import workbench

from pitchey_inference.bundles.bundle import Bundle
from pitchey_inference.bundles.manifest import manifest_of
from pitchey_inference.checks import ModelLimits
from pitchey_inference.runtime.encoder import Encoder, token_feeds
from pitchey_inference.runtime.model import Model
from pitchey_inference.tasks.base import Request, TensorItem
from pitchey_inference.tasks.tensors import TensorParameters, TensorTask

THREADS = 1
FIXED = (2, 4, 8, 16, 32)
TEXT = (
    "the young painter buys old house by sea to finish her last work and hears steps at night that she knows"
)
WORDS = TEXT.split()
CALLS = 300
TOLERANCE = 1e-5
LAYER = 2048


def measure(bench: Bench) -> None:
    with workbench() as bench_folder:
        encoder = Encoder.builtin(threads=THREADS)
        chance = random.Random(7)
        short = _texts(chance, [chance.randint(3, 10) for _ in range(128)])
        mixed = _texts(chance, [min(200, int(chance.lognormvariate(3.2, 0.8)) + 2) for _ in range(96)])
        bench.fact(
            "texts", f"short: {len(short)} of 3 to 10 words; mixed: {len(mixed)}, log-normal, 2 to 200 words"
        )
        bench.fact("threads", THREADS)
        rows = {
            name: (
                texts,
                bench.compare(
                    f"{name} texts",
                    against="best fixed batch",
                    unit="texts/s",
                    by="ratio",
                    goal=at_least(0.95),
                ),
                bench.compare(
                    f"{name} texts", against="one by one", unit="texts/s", by="ratio", goal=at_least(goal)
                ),
            )
            for name, texts, goal in (("short", short, 1.5), ("mixed", mixed, 1.15))
        }
        latencies = {
            quantile: bench.compare(
                f"one text, {quantile}", against="bare session.run", unit="ms", by="difference"
            )
            for quantile in ("p50", "p99")
        }
        task, session = _dense(bench_folder.root)
        dense = bench.compare(
            f"dense {LAYER}x{LAYER}, 3 layers",
            against="one by one",
            unit="texts/s",
            by="ratio",
            goal=at_least(4.0),
        )
        overhead = bench.compare(
            "one call, tiny run", against="bare session.run", unit="ms", by="difference", goal=at_most(0.05)
        )
        _warm(encoder, [*short, *mixed])
        sizes = {name: _best_size(encoder, texts) for name, (texts, _, _) in rows.items()}
        bench.fact("best fixed batch", ", ".join(f"{name}: {size}" for name, size in sizes.items()))
        for number in bench.rounds():
            for name, (texts, over_fixed, over_single) in rows.items():
                _throughput(number, encoder, texts, sizes[name], over_fixed, over_single)
            _latency(number, encoder, mixed, latencies)
            _dense_batches(number, task, session, dense)
            _overhead(number, encoder, overhead)


def _texts(chance: random.Random, lengths: Sequence[int]) -> list[str]:
    return [" ".join(chance.choice(WORDS) for _ in range(length)) for length in lengths]


def _bare(encoder: Encoder, size: int, texts: Sequence[str]) -> Any:
    """As a careful user would write it without us: tokenize, pad, run, pool."""
    session, tokens = encoder.session.bare, encoder.tokens
    found = []
    for at in range(0, len(texts), size):
        feeds = token_feeds(tokens.encode(texts[at : at + size]), tokens.pad_id)
        (states,) = session.run(["last_hidden_state"], feeds)
        mask = feeds["attention_mask"].astype(np.float32)
        pooled = np.matmul(mask[:, None, :], states)[:, 0] / mask.sum(axis=1, keepdims=True)
        found.append(pooled / np.linalg.norm(pooled, axis=1, keepdims=True))
    return np.concatenate(found)


def _seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def _warm(encoder: Encoder, texts: Sequence[str]) -> None:
    alone, together = _bare(encoder, 1, texts), encoder.encode(texts)
    expect(np.abs(alone - together).max() < TOLERANCE, "vectors depend on their batch")


def _best_size(encoder: Encoder, texts: Sequence[str]) -> int:
    took = {
        size: min(_seconds(partial(_bare, encoder, size, texts))[0] for _ in range(3)) for size in (1, *FIXED)
    }
    return min(took, key=lambda size: took[size])


def _throughput(
    number: int, encoder: Encoder, texts: Sequence[str], size: int, over_fixed: Any, over_single: Any
) -> None:
    calls = [
        partial(encoder.encode, texts),
        partial(_bare, encoder, size, texts),
        partial(_bare, encoder, 1, texts),
    ]
    ours, fixed, single = (took for took, _ in in_turn(number, *(partial(_seconds, call) for call in calls)))
    over_fixed.add(len(texts) / ours, len(texts) / fixed)
    over_single.add(len(texts) / ours, len(texts) / single)


def _latency(number: int, encoder: Encoder, texts: Sequence[str], latencies: dict[str, Any]) -> None:
    ours: list[float] = []
    bare: list[float] = []
    for place, text in enumerate(texts):
        mine, other = in_turn(
            number + place,
            lambda text=text: _seconds(lambda: encoder.encode([text]))[0],
            lambda text=text: _seconds(lambda: _bare(encoder, 1, [text]))[0],
        )
        ours.append(mine)
        bare.append(other)
    for quantile, comparison in latencies.items():
        at = 49 if quantile == "p50" else 98
        mine, other = (statistics.quantiles(each, n=100, method="inclusive")[at] for each in (ours, bare))
        comparison.add(1e3 * mine, 1e3 * other)


def _dense(root: Any) -> tuple[TensorTask, Any]:
    """Three layers of a square matrix, 50 MB: memory is what one row at a time waits for."""
    from onnx import TensorProto, helper, numpy_helper

    chance = np.random.default_rng(3)
    nodes, tensors, last = [], [], "x"
    for layer in range(3):
        weights = (chance.standard_normal((LAYER, LAYER)) / LAYER**0.5).astype(np.float32)
        tensors.append(numpy_helper.from_array(weights, f"w{layer}"))
        nodes += [
            helper.make_node("MatMul", [last, f"w{layer}"], [f"m{layer}"]),
            helper.make_node("Relu", [f"m{layer}"], [f"r{layer}"]),
        ]
        last = f"r{layer}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", LAYER]) for name in ("x", last)]
    model = helper.make_model(
        helper.make_graph(nodes, "dense", ends[:1], ends[1:], tensors),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model.ir_version = 8
    (root / "dense.onnx").write_bytes(model.SerializeToString())
    manifest = manifest_of(
        {
            "name": "dense",
            "task": "tensors",
            "dynamic_batches": True,
            "files": {"model": {"path": "dense.onnx"}},
        },
        "dense",
    )
    bundle = Bundle(manifest, "dense", root)

    def find(name: str) -> Model:
        raise LookupError(name)

    task = TensorTask(Model(bundle, threads=THREADS, limits=ModelLimits(), find=find))
    return task, task.model.session.bare


def _dense_batches(number: int, task: TensorTask, session: Any, comparison: Any) -> None:
    chance = np.random.default_rng(5)
    rows = [chance.standard_normal((1, LAYER)).astype(np.float32) for _ in range(256)]
    parameters = TensorParameters()
    requests = [Request(TensorItem({"x": row}), parameters) for row in rows]

    def together() -> list[Any]:
        return [each.outputs["r2"].data for each in task.run(requests)]  # type: ignore[union-attr]

    def alone() -> list[Any]:
        return [session.run(None, {"x": row})[0] for row in rows]

    (ours, found), (peer, expected) = in_turn(number, partial(_seconds, together), partial(_seconds, alone))
    expect(
        np.allclose(np.concatenate(found), np.concatenate(expected), atol=1e-4), "rows depend on their batch"
    )
    comparison.add(len(rows) / ours, len(rows) / peer)


def _overhead(number: int, encoder: Encoder, comparison: Any) -> None:
    """The same call through :class:`Session`, with a question whether to stop, at a text of three tokens."""
    session = encoder.session
    feeds = token_feeds(encoder.tokens.encode(["x"]), 0)

    def through() -> float:
        return _seconds(lambda: session.run(feeds, ["last_hidden_state"], stop=lambda: False))[0]

    def bare() -> float:
        return _seconds(lambda: session.bare.run(["last_hidden_state"], feeds))[0]

    pairs = [in_turn(number + call, through, bare) for call in range(CALLS)]
    comparison.add(*(1e3 * statistics.median(column) for column in zip(*pairs, strict=True)))


if __name__ == "__main__":
    run_benchmark("batches of inference", measure)
