"""Is this ZIP what it says? Checked before any library opens an Office file, in bounded memory.

An Office file is a ZIP of XML parts, and the libraries that read it believe its directory: they inflate what they are
told to. So every entry is inflated here once, in small pieces that are thrown away, against limits.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from pitchey_core.errors import InputError, LimitExceeded
from pitchey_document.office.xmlscan import ExactScan, TagCount, looks_like_xml

__all__ = ["PackageLimits", "check_package", "checked_package"]

_MIB: Final = 1024**2
_PIECE: Final = 256 * 1024
_END: Final = b"PK\x05\x06"
_END_BYTES: Final = 22
_ZIP64_LOCATOR: Final = struct.Struct("<4sLQL")
_ZIP64_END: Final = struct.Struct("<4sQHHLLQQQQ")
_LOCAL: Final = struct.Struct("<4sHHHHHLLLHH")
_STORED: Final = 0
_DEFLATED: Final = 8
# A directory entry is 46 bytes, a name and what applications add; LibreOffice and Office stay below 100 in all.
_DIRECTORY_BYTES_PER_ENTRY: Final = 1024
# Pictures in markup: no reader here parses them, and drawing programs do write DTDs into them.
_UNPARSED: Final = (".svg", ".html", ".htm", ".xhtml")


@dataclass(frozen=True, slots=True)
class PackageLimits:
    """What an Office file may hold.

    Attributes:
        entries: Files in the ZIP. Office writes tens, a deck with a thousand pictures a few thousand.
        expanded_bytes: All entries together, inflated.
        ratio: Inflated to compressed size, of an entry and of all. Deflate reaches at most 1032; Apache POI refuses
            more than 100, which honest sheets full of zeros reach.
        ratio_floor_bytes: Inflated size below which no ratio is too high: such a bomb bursts nothing.
        xml_part_bytes: One XML part, inflated; a sheet of five million cells is about this large.
        xml_depth: Elements inside each other: what libxml2 allows too. Documents need some 30.
        name_bytes: Length of a name.
    """

    entries: int = 10_000
    expanded_bytes: int = 1024 * _MIB
    ratio: float = 200.0
    ratio_floor_bytes: int = 8 * _MIB
    xml_part_bytes: int = 256 * _MIB
    xml_depth: int = 256
    name_bytes: int = 512


_DEFAULT: Final = PackageLimits()
_KEPT_PART_BYTES: Final = 256 * 1024
_KEPT_BYTES: Final = 16 * _MIB
"""Of small parts that are kept from the check: they are asked for two or three times, and most files have no others."""


class _Package(zipfile.ZipFile):
    """A package that gives out small parts as the check has read them."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.kept: dict[str, bytes] = {}

    def read(self, name: str | zipfile.ZipInfo, pwd: bytes | None = None) -> bytes:
        kept = self.kept.get(name) if isinstance(name, str) else None
        return super().read(name, pwd) if kept is None else kept

    def open(self, name: str | zipfile.ZipInfo, *args: Any, **options: Any) -> IO[bytes]:
        kept = self.kept.get(name) if isinstance(name, str) else None
        return super().open(name, *args, **options) if kept is None else io.BytesIO(kept)


def check_package(path: Path | str, limits: PackageLimits = _DEFAULT) -> None:
    """Read the whole package once and raise unless a parser may be let loose on it; see :func:`checked_package`."""
    with checked_package(path, limits):
        pass


@contextmanager
def checked_package(path: Path | str, limits: PackageLimits = _DEFAULT) -> Iterator[zipfile.ZipFile]:
    """A package, opened once its whole content was read and found harmless.

    Time grows with the inflated size (about 300 MiB/s), memory does not.

    Raises:
        InputError: Truncated, damaged or no ZIP; encrypted entries; names that lead outside or occur twice; entries
            that share bytes or lie about their size; DTDs; odd encodings.
        LimitExceeded: ``limit`` is ``entries``, ``expanded size``, ``ratio``, ``xml part size`` or ``xml depth``.
    """
    path = Path(path)
    with path.open("rb") as file:
        _check_end(file, path.name, limits)
        try:
            archive = _Package(file)
        except (zipfile.BadZipFile, NotImplementedError, struct.error, UnicodeDecodeError) as error:
            raise _damaged(path.name, str(error)) from error
        with archive:
            _check_names(archive.infolist(), path.name, limits)
            _check_contents(file, archive, path.name, limits)
            yield archive


def _check_end(file: IO[bytes], name: str, limits: PackageLimits) -> None:
    """Before :mod:`zipfile` reads the directory into memory: is it there, and how large does it claim to be?"""
    size = file.seek(0, 2)
    if size == 0:
        raise InputError(f"{name} is empty", remedy="fetch or export the file again")
    start = max(0, size - _END_BYTES - 0xFFFF)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise _damaged(name, "its directory at the end is missing, so it was probably cut off")
    entries, directory_bytes = struct.unpack_from("<10xHL", tail, at)
    locator = at - _ZIP64_LOCATOR.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        file.seek(_ZIP64_LOCATOR.unpack_from(tail, locator)[2])
        record = file.read(_ZIP64_END.size)
        if len(record) == _ZIP64_END.size:
            fields = _ZIP64_END.unpack(record)
            entries, directory_bytes = max(entries, fields[7]), max(directory_bytes, fields[8])
    if entries > limits.entries or directory_bytes > limits.entries * _DIRECTORY_BYTES_PER_ENTRY:
        raise _too_many(name, limits, entries)
    file.seek(0)


def _check_names(entries: list[zipfile.ZipInfo], name: str, limits: PackageLimits) -> None:
    if len(entries) > limits.entries:
        raise _too_many(name, limits, len(entries))
    seen: set[str] = set()
    for entry in entries:
        # As stored: zipfile itself cuts names at a NUL.
        stored = entry.orig_filename
        parts = stored.split("/")
        if len(stored.encode("utf-8", "replace")) > limits.name_bytes:
            raise _damaged(name, f"an entry's name is longer than {limits.name_bytes} bytes")
        if (
            stored.startswith("/")
            or ".." in parts
            or any(each in stored for each in ("\\", "\0"))
            or ":" in parts[0]
        ):
            raise _damaged(name, f"the entry {stored[:80]!r} has a name that leads outside of it")
        if stored.casefold() in seen:
            raise _damaged(name, f"it holds {stored[:80]!r} twice")
        seen.add(stored.casefold())
        if entry.flag_bits & 1:
            raise InputError(
                f"{name}: the entry {stored[:80]!r} is encrypted inside the ZIP",
                remedy="unpack the file and save it without that",
            )
        if entry.compress_type not in {_STORED, _DEFLATED}:
            raise _damaged(name, f"{stored[:80]!r} is compressed in a way that Office files do not use")


def _check_contents(file: IO[bytes], archive: _Package, name: str, limits: PackageLimits) -> None:
    declared = sum(entry.file_size for entry in archive.infolist())
    if declared > limits.expanded_bytes:
        raise _too_large(name, limits)
    total = compressed = free_from = kept = 0
    for entry in sorted(archive.infolist(), key=lambda each: each.header_offset):
        if entry.header_offset < free_from:
            raise InputError(
                f"{name}: the entries of this ZIP share the same bytes, as in a ZIP bomb",
                remedy="do not trust this file",
            )
        begin = _data_begin(file, entry, name)
        free_from = begin + entry.compress_size
        if free_from > archive.start_dir:
            raise _damaged(name, f"{entry.filename!r} reaches beyond the end")
        checked = _Entry(entry, name, limits)
        pieces: list[bytes] | None = (
            [] if entry.file_size <= min(_KEPT_PART_BYTES, _KEPT_BYTES - kept) else None
        )
        for piece in _inflated(file, entry, begin, name):
            checked.feed(piece)
            if pieces is not None:
                pieces.append(piece)
            if total + checked.size > limits.expanded_bytes:
                raise _too_large(name, limits)
        checked.end()
        if pieces is not None:
            archive.kept[entry.filename] = b"".join(pieces)
            kept += checked.size
        if not checked.is_settled:
            exact = ExactScan(f"{name}: {entry.filename}", limits.xml_depth)
            for piece in _inflated(file, entry, begin, name):
                exact.feed(piece)
        total += checked.size
        compressed += entry.compress_size
    if total > limits.ratio_floor_bytes and total > limits.ratio * compressed:
        raise _ratio(name, limits)


def _data_begin(file: IO[bytes], entry: zipfile.ZipInfo, name: str) -> int:
    file.seek(entry.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        raise _damaged(name, f"{entry.filename!r} is not where the directory says")
    fields = _LOCAL.unpack(header)
    name_bytes, extra_bytes = int(fields[-2]), int(fields[-1])
    stored = file.read(name_bytes)
    if stored != entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437", "replace"):
        raise _damaged(name, f"{entry.filename!r} has another name in the directory than in its place")
    return entry.header_offset + _LOCAL.size + name_bytes + extra_bytes


def _inflated(file: IO[bytes], entry: zipfile.ZipInfo, begin: int, name: str) -> Iterator[bytes]:
    """The content in small pieces, up to one piece more than it should be."""
    file.seek(begin)
    left = entry.compress_size
    inflate = zlib.decompressobj(-zlib.MAX_WBITS) if entry.compress_type == _DEFLATED else None
    while left > 0 and not (inflate is not None and inflate.eof):
        data = file.read(min(_PIECE, left))
        if not data:
            raise _damaged(name, f"{entry.filename!r} ends too early")
        left -= len(data)
        if inflate is None:
            yield data
            continue
        while data:
            try:
                yield inflate.decompress(data, _PIECE)
            except zlib.error as error:
                raise _damaged(name, f"{entry.filename!r} cannot be inflated ({error})") from error
            data = inflate.unconsumed_tail
    if inflate is not None and not inflate.eof:
        yield inflate.flush()
        if not inflate.eof:
            raise _damaged(name, f"{entry.filename!r} ends too early")


class _Entry:
    """One entry while it is inflated: its size, its checksum and, of markup, what would trouble a parser."""

    def __init__(self, entry: zipfile.ZipInfo, name: str, limits: PackageLimits) -> None:
        self.size = 0
        self._entry = entry
        self._name = name
        self._limits = limits
        self._crc = 0
        self._scan: TagCount | None = None

    def feed(self, piece: bytes) -> None:
        limits, entry = self._limits, self._entry
        if self.size == 0 and looks_like_xml(piece) and not entry.filename.lower().endswith(_UNPARSED):
            self._scan = TagCount(f"{self._name}: {entry.filename}", limits.xml_depth)
        self.size += len(piece)
        self._crc = zlib.crc32(piece, self._crc)
        if self.size > limits.ratio_floor_bytes and self.size > limits.ratio * entry.compress_size:
            raise _ratio(self._name, limits)
        if self.size > entry.file_size:
            raise _damaged(self._name, f"{entry.filename!r} is larger than it says")
        if self._scan is not None:
            if self.size > limits.xml_part_bytes:
                raise LimitExceeded(
                    f"{self._name}: {entry.filename} has more than {limits.xml_part_bytes // _MIB} MiB of XML",
                    limit="xml part size",
                    remedy="split the document",
                )
            self._scan.feed(piece)

    @property
    def is_settled(self) -> bool:
        return self._scan is None or self._scan.settled

    def end(self) -> None:
        if self.size != self._entry.file_size or self._crc != self._entry.CRC:
            raise _damaged(self._name, f"{self._entry.filename!r} is not what its checksum says")


def _damaged(name: str, why: str) -> InputError:
    return InputError(
        f"{name} is no readable Office file: {why}", remedy="fetch the file again or save it once more"
    )


def _too_many(name: str, limits: PackageLimits, entries: int) -> LimitExceeded:
    return LimitExceeded(
        f"{name} has {entries:,} entries or a directory for as many; at most {limits.entries:,} are read",
        limit="entries",
        remedy="split the document",
    )


def _too_large(name: str, limits: PackageLimits) -> LimitExceeded:
    return LimitExceeded(
        f"{name} inflates to more than {limits.expanded_bytes // _MIB:,} MiB",
        limit="expanded size",
        remedy="split the document",
    )


def _ratio(name: str, limits: PackageLimits) -> LimitExceeded:
    return LimitExceeded(
        f"{name} inflates to more than {limits.ratio:.0f} times its size, as a ZIP bomb does",
        limit="ratio",
        remedy="do not trust this file",
    )
