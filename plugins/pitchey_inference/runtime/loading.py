"""From a bundle's file to a session: read, checked, looked through, and, where there is a copy, already optimised."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pitchey_core.errors import InputError
from pitchey_core.storage import display
from pitchey_inference.bundles.bundle import Bundle
from pitchey_inference.checks import ModelLimits, Survey, check_model
from pitchey_inference.runtime.optimised import OptimisedCopies
from pitchey_inference.runtime.providers import chosen_providers
from pitchey_inference.runtime.sessions import SESSIONS, Session, open_session

__all__ = ["Loaded", "load_graph"]

MODEL_ROLE = "model"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A session, and what of the graph matters to whoever runs it.

    Attributes:
        sha256: Of the file.
        quantises_by_range: Results of a row depend on the other rows of its run.
    """

    session: Session
    sha256: str
    quantises_by_range: bool


def load_graph(bundle: Bundle, *, threads: int, limits: ModelLimits) -> Loaded:
    """Load the ``model`` file of a bundle, or find it loaded.

    Raises:
        InputError: It is damaged, unsafe, or its checksum is not the manifest's.
        LimitExceeded: It is larger than it may be.
    """
    data = bundle.read(MODEL_ROLE, limits.max_bytes)
    shown = display(str(bundle.path(MODEL_ROLE)))
    digest = hashlib.sha256(data)
    found = check_model(data, shown, limits)
    external = _external(bundle, found, limits)
    for content in external.values():
        digest.update(content)
    sha256 = digest.hexdigest()
    providers = chosen_providers()
    SESSIONS.max_bytes = limits.session_bytes
    size = max(len(data) + sum(map(len, external.values())), found.tensor_bytes)

    def load() -> Session:
        key = f"{sha256} {threads}"
        copies = OptimisedCopies.of_user()
        if copies is None or external or providers != ("CPUExecutionProvider",) or found.loops:
            return open_session(key, data, threads=threads, size=size, external=external)
        return copies.open(sha256, key, data, threads=threads, size=size)

    session = SESSIONS.get(f"{sha256} {threads} {','.join(providers)}", load)
    return Loaded(session, sha256, found.quantises_by_range)


def _external(bundle: Bundle, found: Survey, limits: ModelLimits) -> dict[str, bytes]:
    """The content of the files that hold tensors: those that the bundle lists, by their names beside the model."""
    content: dict[str, bytes] = {}
    model = bundle.path(MODEL_ROLE)
    roles = {Path(bundle.path(role)): role for role in bundle.manifest.files}
    for location in sorted({each.location for each in found.external}):
        role = roles.get(model.parent / location)
        if role is None:
            raise InputError(
                f"{display(str(model))} keeps tensors in {location!r}, which its manifest does not list",
                remedy=f'add to it: files.weights = {{ path = "{location}", sha256 = "…" }}',
            )
        content[location] = bundle.read(role, limits.max_total_bytes)
    return content
