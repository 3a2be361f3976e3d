"""The rated sentences that ``sentiment-v1`` is trained on: a source distribution, given or from a package index."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pitchey_inference.training.corpus import SDIST_SHA256

__all__ = ["REQUIREMENT", "rated_sentences"]

REQUIREMENT = "vaderSentiment==3.3.2"
_SECONDS = 120


def rated_sentences(folder: Path) -> Path:
    """``PITCHEY_VADER_SDIST``, else what pip downloads into ``folder`` (its checksum is pinned); skips without either.

    A file of another checksum is no reason to skip: pip's complaint fails the test.
    """
    given = os.environ.get("PITCHEY_VADER_SDIST")
    if given:
        return Path(given)
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{SDIST_SHA256}\n")
    options = ["--no-deps", "--no-binary", "vaderSentiment", "--require-hashes", "--retries", "1"]
    command = [sys.executable, "-m", "pip", "download", *options, "-r", str(requirements), "-d", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"no package index answers, and PITCHEY_VADER_SDIST names no sdist of {REQUIREMENT}")
    found = list(folder.glob("*.tar.gz"))
    if done.returncode == 0 and len(found) == 1:
        return found[0]
    if "DO NOT MATCH THE HASHES" in done.stderr.upper():
        pytest.fail(done.stderr)
    last = (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
    pytest.skip(f"{REQUIREMENT} cannot be had ({last}), and PITCHEY_VADER_SDIST names no sdist of it")
