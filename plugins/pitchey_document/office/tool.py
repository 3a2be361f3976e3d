"""LibreOffice: where it comes from."""

from __future__ import annotations

from typing import Final

from pitchey_core.hooks import ToolSpec

__all__ = ["SOFFICE"]

SOFFICE: Final = ToolSpec(
    name="soffice",
    executables=("soffice", "libreoffice"),
    version_args=("--version",),
    version_pattern=r"LibreOffice\w* (\d+(?:\.\d+)+)",
    remedies={
        "debian": "apt install libreoffice-nogui",
        "fedora": "dnf install libreoffice-writer libreoffice-calc libreoffice-impress",
        "arch": "pacman -S libreoffice-still",
        "alpine": "apk add libreoffice",
        "macos": "brew install --cask libreoffice",
        "*": "install LibreOffice (https://www.libreoffice.org) and put soffice on PATH",
    },
)
"""The soffice entry of the tools table. No wheel carries it, so it is the host's or it is missing."""
