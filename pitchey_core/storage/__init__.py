"""Inputs and outputs: local paths and remote URLs, streamed, and published atomically."""

from pitchey_core.storage.artifacts import MANIFEST_NAME, STAGING_NAME, Artifact, check_name
from pitchey_core.storage.fetch import Fetched, fetch
from pitchey_core.storage.manifest import Manifest, StagedFile
from pitchey_core.storage.policy import DEFAULT_SCHEMES, FetchPolicy
from pitchey_core.storage.publish import publish
from pitchey_core.storage.remote import Remote, open_remote
from pitchey_core.storage.stage import Stage, discard_stale
from pitchey_core.storage.urls import display, join, scheme_of, to_path, to_url

__all__ = [
    "DEFAULT_SCHEMES",
    "MANIFEST_NAME",
    "STAGING_NAME",
    "Artifact",
    "FetchPolicy",
    "Fetched",
    "Manifest",
    "Remote",
    "Stage",
    "StagedFile",
    "check_name",
    "discard_stale",
    "display",
    "fetch",
    "join",
    "open_remote",
    "publish",
    "scheme_of",
    "to_path",
    "to_url",
]
