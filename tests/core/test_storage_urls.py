"""Paths to URLs and back, for every byte that a Linux file name may hold."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_core.errors import InputError
from pitchey_core.storage import check_name, display, join, scheme_of, to_path, to_url

parts = st.binary(min_size=1, max_size=40).filter(
    lambda part: b"\0" not in part and b"/" not in part and part not in (b".", b"..")
)
paths = st.lists(parts, min_size=1, max_size=4).map(b"/".join)


@given(paths)
def test_relative_paths_of_any_bytes_come_back(path: bytes) -> None:
    url = to_url(os.fsencode("./") + path, Path("/base"))
    assert url.startswith("file:///base/")
    assert url.isascii()
    assert url.isprintable()
    back = to_path(json.loads(json.dumps(url)))
    assert back is not None
    assert os.fsencode(back) == b"/base/" + path
    assert to_url(url, Path("/elsewhere")) == url


@given(paths)
def test_absolute_paths_of_any_bytes_come_back(path: bytes) -> None:
    assert to_path(to_url(b"/" + path, Path("/base"))) == Path(os.fsdecode(b"/" + path))
    assert to_path(to_url(Path(os.fsdecode(b"/" + path)), Path("/base"))) == Path(os.fsdecode(b"/" + path))


@given(paths)
def test_the_printable_form_is_printable(path: bytes) -> None:
    assert display(to_url(b"/" + path, Path("/"))).isprintable()
    assert display(os.fsdecode(path)).isprintable()


@given(
    st.lists(st.text(min_size=1).filter(lambda part: "/" not in part), min_size=1, max_size=3).map("/".join)
)
def test_joined_names_come_back(name: str) -> None:
    try:
        check_name(name)
    except InputError:
        return
    assert to_path(join("file:///base", name)) == Path("/base") / name


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a b?c=d#e",
        "s3://bucket/key",
        "memory://x",
        "file:///a%20b",
        "file:/a",
        "HTTP://example.org",
    ],
)
def test_urls_are_kept(url: str) -> None:
    assert to_url(url, Path("/base")) == url


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("c:/windows", "file:///base/c%3A/windows"),
        ("a:b", "file:///base/a%3Ab"),
        ("-rf", "file:///base/-rf"),
        ("a?b#c%20", "file:///base/a%3Fb%23c%2520"),
        ("//double/slash", "file:///double/slash"),
        ("./http://x", "file:///base/http%3A/x"),
        (Path("s3:/x"), "file:///base/s3%3A/x"),
        (b"\xff\n'", "file:///base/%FF%0A%27"),
        (".", "file:///base"),
    ],
)
def test_paths_become_file_urls(written: str | bytes | Path, url: str) -> None:
    assert to_url(written, Path("/base")) == url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///a%20b", "/a b"),
        ("file://localhost/a", "/a"),
        ("file:/a", "/a"),
        ("FILE:///a#b?c", "/a#b?c"),
        ("file:////a", "/a"),
        ("file:///ü", "/ü"),
        ("s3://bucket/key", None),
        ("https://example.org/", None),
    ],
)
def test_file_urls_become_paths(url: str, path: str | None) -> None:
    assert to_path(url) == (None if path is None else Path(path))


@pytest.mark.parametrize("url", ["file:a", "file://host/a", "file:///a%00", "/plain", "file:", "file://"])
def test_bad_urls(url: str) -> None:
    with pytest.raises(InputError):
        to_path(url)


@pytest.mark.parametrize("written", ["", "a\0b", b"", b"\0"])
def test_bad_paths(written: str | bytes) -> None:
    with pytest.raises(InputError):
        to_url(written, Path("/base"))


def test_display_hides_secrets_and_escapes_control_characters() -> None:
    assert display("https://user:pw@host/x?X-Amz-Signature=abc&a=b") == (
        "https://user:***@host/x?X-Amz-Signature=***&a=b"
    )
    assert display("https://host/x?a=%20") == "https://host/x?a=%20"
    assert display("file:///a%0A%1B%5Bb%FF/%C3%BC%20") == "/a\\n\\x1b[b\\xff/ü "


def test_schemes() -> None:
    assert scheme_of("S3://x") == "s3"
    assert scheme_of("x://y") is None
    assert scheme_of("a/b://c") is None


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "/a",
            "a//b",
            "a/",
            "../a",
            "a/../b",
            ".",
            "a/./b",
            "a\0b",
            "x" * 256,
            "ü" * 128,
            "manifest.json",
        ),
        *("Manifest.JSON", ".pitchey-staging/x", ".Pitchey-Staging", "\udcff", "/".join(["x" * 200] * 6)),
    ],
)
def test_bad_artifact_names(name: str) -> None:
    with pytest.raises(InputError, match="cannot name an artifact"):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["a", "a/b.mp4", "-a", "ü" * 127, "x" * 255, "a\nb", "..a", "sub/manifest.json"]
)
def test_good_artifact_names(name: str) -> None:
    assert check_name(name) == name
