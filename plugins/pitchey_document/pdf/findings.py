"""What to be wary of in a PDF: scripts, actions, attachments, forms, encryption, signatures. Nothing is executed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from pitchey_document.security import EmbeddedFile, SecurityFacts

__all__ = ["findings"]

_MOST: Final = 50
_LONGEST: Final = 200
_MOST_PAGES: Final = 2000
_MOST_FIELDS: Final = 5000
_MOST_DEPTH: Final = 32
_AES_256: Final = 5


def findings(reader: Any, ends: float) -> tuple[SecurityFacts, list[str]]:
    """The facts, and warnings about what could not be looked at.

    Args:
        reader: A ``pypdf.PdfReader``.
        ends: ``time.monotonic()`` at which to stop.
    """
    facts = SecurityFacts()
    warnings: list[str] = []
    steps: dict[str, Callable[[], None]] = {
        "encryption": lambda: _encryption(reader, facts),
        "actions": lambda: _catalogue(reader.root_object, facts),
        "attachments": lambda: _attachments(reader.root_object, facts),
        "form": lambda: _form(reader.root_object, facts, ends),
        "pages": lambda: _pages(reader, facts, ends, warnings),
    }
    for name, look in steps.items():
        try:
            look()
        except (Exception, RecursionError) as error:  # noqa: BLE001 - pypdf meets hostile input; the others go on
            warnings.append(f"its {name} cannot be checked ({type(error).__name__}: {str(error)[:150]})")
    return facts, warnings


def _add(entries: list[str], words: object) -> None:
    text = " ".join(str(words).split())[:_LONGEST]
    if text not in entries and len(entries) < _MOST:
        entries.append(text)


def _resolved(value: Any) -> Any:
    return value.get_object() if hasattr(value, "get_object") else value


def _get(table: Any, key: str) -> Any:
    return _resolved(table.get(key)) if hasattr(table, "get") else None


def _encryption(reader: Any, facts: SecurityFacts) -> None:
    table = _get(reader.trailer, "/Encrypt")
    if table is None:
        return
    version = int(_get(table, "/V") or 0)
    bits = int(_get(table, "/Length") or 40)
    method = str(_get(_get(_get(table, "/CF") or {}, "/StdCF") or {}, "/CFM") or "")
    if version >= _AES_256 or method == "/AESV3":
        facts.encryption = "AES-256"
    elif method == "/AESV2":
        facts.encryption = "AES-128"
    else:
        # Some writers give bytes instead of bits.
        facts.encryption = f"RC4-{bits if bits >= 40 else bits * 8}"


def _catalogue(root: Any, facts: SecurityFacts) -> None:
    _action(_get(root, "/OpenAction"), "open action", facts)
    _additional(_get(root, "/AA"), "document", facts)
    if (scripts := _get(_get(root, "/Names") or {}, "/JavaScript")) is not None:
        for name, _ in _name_tree(scripts):
            _add(facts.javascript, f"name tree: {name}")


def _action(action: Any, where: str, facts: SecurityFacts, depth: int = 0) -> None:
    if not hasattr(action, "get") or depth > _MOST_DEPTH:
        return
    kind = str(_get(action, "/S") or "")
    target = _get(action, "/F")
    named = str(_get(target, "/UF") or _get(target, "/F") or target) if target is not None else ""
    if kind == "/JavaScript":
        _add(facts.javascript, where)
    elif kind == "/Launch":
        _add(facts.launch_actions, f"{where}: {named or _get(_get(action, '/Win') or {}, '/F')}")
    elif kind in {"/GoToR", "/GoToE"}:
        _add(facts.external_links, named or where)
    elif kind == "/URI":
        _add(facts.external_links, _get(action, "/URI"))
    elif kind in {"/SubmitForm", "/ImportData"}:
        _add(facts.external_links, f"{kind[1:]} {named}".strip())
    following = _get(action, "/Next")
    for each in following if isinstance(following, list) else [following]:
        _action(_resolved(each), where, facts, depth + 1)


def _additional(actions: Any, where: str, facts: SecurityFacts) -> None:
    if hasattr(actions, "values"):
        for each in list(actions.values())[:_MOST]:
            _action(_resolved(each), where, facts)


def _name_tree(node: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if not hasattr(node, "get") or depth > _MOST_DEPTH:
        return
    names = _get(node, "/Names") or []
    for at in range(0, min(len(names) - 1, 2 * _MOST), 2):
        yield str(_resolved(names[at])), _resolved(names[at + 1])
    for child in (_get(node, "/Kids") or [])[:_MOST]:
        yield from _name_tree(_resolved(child), depth + 1)


def _attachments(root: Any, facts: SecurityFacts) -> None:
    tree = _get(_get(root, "/Names") or {}, "/EmbeddedFiles")
    if tree is not None:
        for name, file in _name_tree(tree):
            _attach(name, file, facts)


def _attach(name: str, file: Any, facts: SecurityFacts) -> None:
    if len(facts.embedded_files) >= _MOST:
        return
    size = None
    with contextlib.suppress(Exception):  # a size is not worth a finding
        stream = _get(_get(file, "/EF"), "/F")
        told = _get(_get(stream, "/Params") or {}, "/Size")
        size = int(told) if told is not None else None
    shown = str(_get(file, "/UF") or _get(file, "/F") or name)
    facts.embedded_files.append(EmbeddedFile(name=shown[:_LONGEST], bytes=size))


def _form(root: Any, facts: SecurityFacts, ends: float) -> None:
    form = _get(root, "/AcroForm")
    if form is None:
        return
    facts.forms = "xfa" if _get(form, "/XFA") is not None else "acroform"
    waiting = [(each, 0) for each in (_get(form, "/Fields") or [])]
    for _ in range(_MOST_FIELDS):
        if not waiting or time.monotonic() >= ends:
            return
        field, depth = waiting.pop()
        field = _resolved(field)
        if str(_get(field, "/FT")) == "/Sig" and _get(field, "/V") is not None:
            facts.signatures += 1
        _action(_get(field, "/A"), "form field", facts)
        _additional(_get(field, "/AA"), "form field", facts)
        if depth < _MOST_DEPTH:
            waiting += [(child, depth + 1) for child in (_get(field, "/Kids") or [])[:_MOST_FIELDS]]


def _pages(reader: Any, facts: SecurityFacts, ends: float, warnings: list[str]) -> None:
    for number, page in enumerate(reader.pages, 1):
        if number > _MOST_PAGES or time.monotonic() >= ends:
            warnings.append(f"actions and links were looked for on pages 1 to {number - 1} only")
            return
        where = f"page {number}"
        _additional(_get(page, "/AA"), where, facts)
        for note in map(_resolved, (_get(page, "/Annots") or [])[:_MOST_FIELDS]):
            _action(_get(note, "/A"), where, facts)
            _additional(_get(note, "/AA"), where, facts)
            if str(_get(note, "/Subtype")) == "/FileAttachment":
                _attach(where, _get(note, "/FS"), facts)
