"""A thousand queued jobs through the runner, against the same requests to ``litserve`` on loopback.

Two models: ``sentiment-v1``, whose work is the encoder, and a tiny graph of named tensors, where all work is that
around it. ``litserve`` (not among our dependencies) runs the same model with the same code for tokens, batches and
head, in two workers of one thread. It needs an environment of its own::

    python -m venv litserve && litserve/bin/pip install litserve==0.2.19
    LITSERVE_PYTHON=litserve/bin/python python benchmarks/bench_inference_runner.py

Both sides are given a choice of settings; each is tried once, and the best is measured. Both start anew in each
round, so that neither's idle processes take time from the other: the server's workers poll.

- *Steady*: the rate over the last four fifths of the jobs, against a server that has answered a fifth of them before
  the clock starts.
- *From nothing*: everything, from the start of the command to its end, against the server's start and the requests.

What a server does not give is in our figure: a store that loses no job, limits, and costs. Where ``litserve`` is
missing, the peer is the same work in this process, without any queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness import Bench, Comparison, at_least, expect, in_turn, run_benchmark
from workbench import Workbench, pitchey_run, workbench

from pitchey_runner.store import open_store
from pitchey_runner.store.interface import JobFilter

JOBS: Final = 1000
WARM: Final = JOBS // 5
_GIVEN: Final = os.environ.get("LITSERVE_PYTHON")
# Not resolved: a link to an interpreter is what makes an environment.
PYTHON: Final = str(Path(_GIVEN).absolute()) if _GIVEN else None
TEXT: Final = "a wonderful film number {} about the sea and the people who live by it"

SERVER = """
import sys
kind, model, port, rows, *paths = sys.argv[1:]
sys.path += paths
import litserve
import numpy as np

class Api(litserve.LitAPI):
    def batch(self, inputs):
        return inputs
    def unbatch(self, output):
        return output

class Text(Api):
    def setup(self, device):
        from pitchey_inference.loaded import MODELS_IN_USE
        from pitchey_inference.tasks.text_classification import TextClassificationTask
        self.task = TextClassificationTask(MODELS_IN_USE.builtin(model, 1))
        self.predict(["warm"])
    def decode_request(self, request):
        return request["text"]
    def predict(self, texts):
        from pitchey_inference.tasks.base import Request, TextItem
        from pitchey_inference.tasks.text_classification import ClassificationParameters
        return self.task.run([Request(TextItem(text), ClassificationParameters()) for text in texts])
    def encode_response(self, output):
        return {"label": output.label, "score": output.score}

class Tensor(Api):
    def setup(self, device):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    def decode_request(self, request):
        return np.asarray(request["x"], np.float32)
    def predict(self, arrays):
        (found,) = self.session.run(None, {"x": np.concatenate(arrays)})
        return np.split(found, len(arrays))
    def encode_response(self, output):
        return {"y": output.tolist()}

if __name__ == "__main__":
    api = (Text if kind == "text" else Tensor)(max_batch_size=int(rows), batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2, timeout=60)
    server.run(port=int(port), host="127.0.0.1", generate_client_file=False, log_level="error")
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What both sides are asked.

    Attributes:
        model: As the server's code names it.
        payload, request: Of the job, and of the request, with that number.
        good: Whether an answer of the server is right.
    """

    name: str
    kind: str
    model: str
    payload: Callable[[int], dict[str, Any]]
    request: Callable[[int], dict[str, Any]]
    good: Callable[[dict[str, Any]], bool]
    goal: float


@dataclass(frozen=True, slots=True)
class Ours:
    """Settings of the runner."""

    batch_size: int
    instance_type: str

    def __str__(self) -> str:
        return f"batch_size {self.batch_size}, {self.instance_type}"

    def as_toml(self) -> str:
        return (
            f"[queues.inference]\nbatch_size = {self.batch_size}\n"
            f'[processors.inference]\ninstance_type = "{self.instance_type}"\n'
        )


@dataclass(frozen=True, slots=True)
class Theirs:
    """Settings of the server, and how many clients ask it at a time."""

    rows: int
    clients: int

    def __str__(self) -> str:
        return f"batches of {self.rows}, {self.clients} clients"


@dataclass(frozen=True, slots=True)
class Rates:
    """Jobs a second: in the steady state, and from nothing to the end."""

    steady: float
    whole: float


OURS: Final = (Ours(8, "standard-4"), Ours(32, "standard-1"), Ours(64, "standard-1"))
THEIRS: Final = (Theirs(16, 64), Theirs(32, 64), Theirs(64, 128))
_numbers = itertools.count()


def measure(bench: Bench) -> None:
    with workbench() as work:
        for load in _loads(work.root):
            if PYTHON:
                _against_server(bench, work, load, PYTHON)
            else:
                _against_nothing(bench, work, load)


def _loads(root: Path) -> list[Load]:
    tiny = root / "tiny.onnx"
    _write_tiny(tiny)
    return [
        Load(
            "sentiment-v1",
            "text",
            "sentiment-v1",
            lambda number: {"model": "sentiment-v1", "text": TEXT.format(number)},
            lambda number: {"text": TEXT.format(number)},
            lambda answer: answer["label"] == "positive",
            0.95,
        ),
        Load(
            "a tiny model",
            "tensor",
            str(tiny),
            lambda number: {"model": str(tiny), "input_data": {"tensors": {"x": _row(number)}}},
            lambda number: {"x": _row(number)},
            lambda answer: len(answer["y"][0]) == 4,
            1.5,
        ),
    ]


def _row(number: int) -> list[list[float]]:
    return [[number / JOBS] * 16]


def _write_tiny(path: Path) -> None:
    """Two layers, 16 numbers in, 4 out."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(1)
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["hidden"]),
        helper.make_node("Tanh", ["hidden"], ["bent"]),
        helper.make_node("MatMul", ["bent", "second"], ["y"]),
    ]
    weights = {"first": random.normal(size=(16, 32)), "second": random.normal(size=(32, 4))}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(each.astype(np.float32), name) for name, each in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


# -- rows -------------------------------------------------------------------------------------------------------


def _against_server(bench: Bench, work: Workbench, load: Load, python: str) -> None:
    our_best = max(OURS, key=lambda each: _runner(work, load, each).steady)
    their_best = max(THEIRS, key=lambda each: _server(work.root, load, each, python).steady)
    bench.fact(f"{load.name}, runner", our_best)
    bench.fact(f"{load.name}, litserve", their_best)

    def row(words: str, goal: float | None = None) -> Comparison:
        limit = at_least(goal) if goal is not None else None
        name = f"{JOBS} jobs, {load.name}, {words}"
        return bench.compare(name, against="litserve", unit="jobs/s", by="ratio", goal=limit)

    steady, whole, mixed = row("steady", load.goal), row("from nothing"), row("from nothing, server warm")
    for number in bench.rounds():
        ours, theirs = in_turn(
            number,
            lambda: _runner(work, load, our_best),
            lambda: _server(work.root, load, their_best, python),
        )
        steady.add(ours.steady, theirs.steady)
        whole.add(ours.whole, theirs.whole)
        mixed.add(ours.whole, theirs.steady)


def _against_nothing(bench: Bench, work: Workbench, load: Load) -> None:
    bench.note("LITSERVE_PYTHON names no environment with litserve: the peer does the work without a queue.")
    settings = OURS[-1]
    bench.fact(f"{load.name}, runner", settings)
    row = bench.compare(
        f"{JOBS} jobs, {load.name}, steady", against="no queue at all", unit="jobs/s", by="ratio"
    )
    for number in bench.rounds():
        ours, theirs = in_turn(
            number, lambda: _runner(work, load, settings).steady, lambda: JOBS / _alone(work, load)
        )
        row.add(ours, theirs)


def _alone(work: Workbench, load: Load) -> float:
    import pitchey_core

    key = "tensors" if load.kind == "tensor" else "text"
    items: list[dict[str, Any]] = [load.payload(number) for number in range(JOBS)]
    items = [each.get("input_data") or {key: each[key]} for each in items]
    pitchey_core.run("inference", model=load.model, input_data=items[:1], isolation="none", check=True)
    began = time.perf_counter()
    # So many answers are more than facts may hold; they go to a file.
    done = pitchey_core.run(
        "inference", model=load.model, input_data=items, output=work.output(), isolation="none", check=True
    )
    expect(done.facts is not None and done.facts.count == JOBS, "answers are missing")
    return time.perf_counter() - began


# -- ours -------------------------------------------------------------------------------------------------------


def _runner(work: Workbench, load: Load, settings: Ours) -> Rates:
    """A batch in an empty store, by the command that users call."""
    folder = work.root / f"runner-{next(_numbers)}"
    folder.mkdir()
    (folder / "pitchey.toml").write_text(settings.as_toml())
    entries = [{"type": "inference", "payload": load.payload(number)} for number in range(JOBS)]
    (folder / "jobs.json").write_text(json.dumps({"jobs": entries}))
    store = f"sqlite:///{folder}/jobs.db"
    own = {"PITCHEY_STORE": store, "PITCHEY_DATA_DIR": str(folder / "data")}
    began = time.perf_counter()
    done = subprocess.run(
        [str(pitchey_run()), "batch", "jobs.json", "--json"],
        cwd=folder,
        capture_output=True,
        env={**os.environ, **own},
    )
    wall = time.perf_counter() - began
    expect(done.returncode == 0, f"the batch failed: {done.stderr.decode()[-500:]}")
    last = json.loads(done.stdout.splitlines()[-1])
    expect(last["completed"] == JOBS, f"{last['completed']} of {JOBS} jobs are completed")
    with open_store(store) as opened:
        records = opened.list(JobFilter(), limit=JOBS)
    ends = sorted(each.completed_at for each in records if each.completed_at is not None)
    steady = (ends[-1] - ends[WARM - 1]).total_seconds()
    return Rates((JOBS - WARM) / steady, JOBS / wall)


# -- theirs -----------------------------------------------------------------------------------------------------


def _server(folder: Path, load: Load, settings: Theirs, python: str) -> Rates:
    """A server that is started, asked, and ended with all of its processes."""
    began = time.perf_counter()
    with _serving(folder, load, settings, python) as port:
        start = time.perf_counter() - began
        _ask(port, load, range(WARM), settings.clients)
        took = _ask(port, load, range(JOBS), settings.clients)
    # The requests that warm it up are not counted.
    return Rates(JOBS / took, JOBS / (start + took))


@contextmanager
def _serving(folder: Path, load: Load, settings: Theirs, python: str) -> Iterator[int]:
    script = folder / "server.py"
    script.write_text(SERVER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [python, str(script), load.kind, load.model, str(port), str(settings.rows), *_paths()],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "server.log").open("wb"),
        start_new_session=True,
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                expect(process.poll() is None, (folder / "server.log").read_text()[-500:])
                time.sleep(0.1)
        else:
            expect(truth=False, words="litserve does not start")
        yield port
    finally:
        # Its workers outlive it otherwise, and poll.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def _paths() -> list[str]:
    """Where this environment has its packages; behind the server's own."""
    return [each for each in sys.path if each and Path(each) != Path(__file__).parent]


def _ask(port: int, load: Load, numbers: range, clients: int) -> float:
    """The seconds that the requests take."""

    async def every() -> float:
        good = 0
        waiting = iter(numbers)

        async def ask() -> None:
            nonlocal good
            # One connection, kept open: as cheap as a client can be.
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for number in waiting:
                body = json.dumps(load.request(number)).encode()
                head = (
                    "POST /predict HTTP/1.1",
                    "Host: x",
                    "Content-Type: application/json",
                    f"Content-Length: {len(body)}",
                )
                writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
                answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
                content = json.loads(await reader.readexactly(length))
                good += load.good(content)
            writer.close()

        began = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(clients)))
        took = time.perf_counter() - began
        expect(good == len(numbers), "litserve does not answer as it should")
        return took

    return asyncio.run(every())


if __name__ == "__main__":
    run_benchmark("queued inference", measure)
