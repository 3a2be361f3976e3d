"""Paths and URLs. Everything that is stored or passed on is an absolute URL; a path becomes a ``file:`` URL.

A path is bytes on Linux. Its URL holds them percent-encoded, so that names which are no text, or hold line
ends, quotes or a leading ``-``, come back unchanged from a database, a command line and another host's
locale.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_from_bytes, unquote_to_bytes, urlencode, urlsplit, urlunsplit

from pitchey_core.errors import InputError

__all__ = ["display", "join", "scheme_of", "to_path", "to_url"]

# Two characters at least, so that a drive letter is no scheme.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_SECRET = re.compile(r"sign|token|secret|passw|key|credential", re.IGNORECASE)
_PERCENT_ENCODED = {"file", "http", "https"}


def scheme_of(url: str) -> str | None:
    """The scheme of a URL in lower case; ``None`` for what is no URL but a path."""
    if url[:5].lower() == "file:":
        return "file"
    match = _SCHEME.match(url)
    return match[1].lower() if match else None


def to_url(path_or_url: str | bytes | os.PathLike[str] | os.PathLike[bytes], base: Path) -> str:
    """An absolute URL for what a user wrote.

    URLs with a scheme are kept. A file whose name looks like one is meant by ``./NAME``.

    Args:
        path_or_url: A path, relative ones to ``base``, or a URL.
        base: An absolute folder.

    Raises:
        InputError: It is empty or holds a NUL.
    """
    text = os.fsdecode(path_or_url)
    if not text or "\0" in text:
        raise InputError(f"{text!r} is neither a path nor a URL")
    if not isinstance(path_or_url, os.PathLike) and scheme_of(text) is not None:
        return text
    path = os.fsencode(base.absolute() / text)
    # POSIX lets two leading slashes mean something else; Linux does not, and a URL would read a host in them.
    return "file:///" + quote_from_bytes(path.lstrip(b"/"))


def to_path(url: str) -> Path | None:
    """The local path of a ``file:`` URL; ``None`` for every other URL.

    Raises:
        InputError: It is not a URL, or a ``file:`` URL that is relative, names another host or holds a NUL.
    """
    scheme = scheme_of(url)
    if scheme is None:
        raise InputError(f"{display(url)!r} is not a URL")
    if scheme != "file":
        return None
    rest = url[5:]
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        if host not in ("", "localhost"):
            raise InputError(f"{url!r} names a file of the host {host!r}", remedy="use file:///PATH")
    path = unquote_to_bytes(rest.encode("utf-8", "surrogateescape"))
    if not path.startswith(b"/") or b"\0" in path:
        raise InputError(
            f"{url!r} is not an absolute file URL", remedy="use file:///PATH, or the path itself"
        )
    return Path(os.fsdecode(b"/" + path.lstrip(b"/")))


def join(url: str, name: str) -> str:
    """The URL of ``name`` (relative, with ``/``) below the folder ``url``."""
    if scheme_of(url) in _PERCENT_ENCODED:
        name = quote(name)
    return f"{url.rstrip('/')}/{name}"


def display(url: str) -> str:
    """A URL or path for people: a ``file:`` URL as its path, control characters escaped, secrets hidden."""
    text = url
    scheme = scheme_of(url)
    if scheme == "file":
        text = os.fsdecode(
            unquote_to_bytes(re.sub(r"^file:(//(localhost)?(?=/))?", "", url, flags=re.IGNORECASE))
        )
    elif scheme is not None:
        text = _without_secrets(url)
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _without_secrets(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    user, at, host = parts.netloc.rpartition("@")
    netloc = (user.partition(":")[0] + ":***" if ":" in user else user) + at + host
    query = parts.query
    if _SECRET.search(query):
        pairs = parse_qsl(query, keep_blank_values=True)
        query = urlencode([(k, "***" if _SECRET.search(k) else v) for k, v in pairs], safe="*/:")
    if (netloc, query) == (parts.netloc, parts.query):
        return url
    return urlunsplit(parts._replace(netloc=netloc, query=query))
