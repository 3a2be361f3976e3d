"""The project's own source as data: modules, what they import, and its packaging metadata."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "Module", "plugin_packages", "production_modules", "project"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One Python file of a package."""

    path: Path
    name: str

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    @property
    def is_test_kit(self) -> bool:
        return "testing" in self.name.split(".")

    @property
    def shown(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_bytes(), str(self.path))

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """Line and full name of everything imported, at any depth: ``from a import b`` counts as ``a.b``."""
        return list(self._imports())

    def _imports(self) -> Iterator[tuple[int, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parts = self.name.split(".")
                    is_package = self.path.name == "__init__.py"
                    kept = parts[: len(parts) - node.level + is_package]
                    base = ".".join([*kept, *filter(None, [node.module])])
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)

    @cached_property
    def strings(self) -> list[tuple[int, str]]:
        """Line and value of every text constant that is not a docstring."""
        docs = {
            id(node.body[0].value)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        return [
            (node.lineno, node.value)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
        ]


def project() -> dict[str, Any]:
    """``pyproject.toml``."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _package_folders() -> list[Path]:
    places = [ROOT, ROOT / "plugins", ROOT / "runner"]
    return sorted(
        folder
        for place in places
        for folder in place.glob("pitchey_*")
        if folder.is_dir() and any(folder.glob("*.py"))
    )


def production_modules() -> list[Module]:
    """Every module of the packages that users get."""
    return [
        Module(
            path, ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__")
        )
        for folder in _package_folders()
        for path in sorted(folder.rglob("*.py"))
    ]


def plugin_packages() -> set[str]:
    """Names of the packages below ``plugins/``."""
    return {folder.name for folder in _package_folders() if folder.parent.name == "plugins"}
