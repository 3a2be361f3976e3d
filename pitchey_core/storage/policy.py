"""Which URLs a job may fetch."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pitchey_core.errors import InputError, TransientError
from pitchey_core.storage.urls import display, scheme_of, to_path

__all__ = ["DEFAULT_SCHEMES", "FetchPolicy"]

DEFAULT_SCHEMES = frozenset({"file", "http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})

Address = tuple[socket.AddressFamily, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """What inputs may be read: a payload may come from somebody who should not read all that we can.

    Attributes:
        schemes: Schemes that may be fetched.
        roots: Folders that local inputs must be in, symbolic links resolved; ``None`` allows every folder.
        allow_private_addresses: Whether ``http`` may reach loopback, private, link-local and other addresses
            that are not on the public Internet, such as a cloud's metadata service.
    """

    schemes: frozenset[str] = DEFAULT_SCHEMES
    roots: tuple[Path, ...] | None = None
    allow_private_addresses: bool = False

    def as_record(self) -> dict[str, Any]:
        """The policy as JSON data."""
        roots = None if self.roots is None else [os.fspath(root) for root in self.roots]
        return {
            "schemes": sorted(self.schemes),
            "roots": roots,
            "allow_private_addresses": self.allow_private_addresses,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> FetchPolicy:
        """The inverse of :meth:`as_record`; what is missing has its default."""
        given = dict(record)
        if "schemes" in given:
            given["schemes"] = frozenset(given["schemes"])
        if given.get("roots") is not None:
            given["roots"] = tuple(map(Path, given["roots"]))
        return cls(**given)

    def check(self, url: str) -> None:
        """Refuse what may not be fetched. For ``http`` the host's addresses are checked by :meth:`addresses`.

        Raises:
            InputError: The scheme is not allowed, the file is outside of the roots, or the URL is malformed.
        """
        scheme = scheme_of(url)
        if scheme not in self.schemes:
            raise InputError(
                f"{display(url)}: inputs with the scheme {scheme!r} may not be fetched",
                remedy="allowed (setting fetch.schemes): " + ", ".join(sorted(self.schemes)),
            )
        path = to_path(url)
        if path is not None:
            self._check_root(path, url)
        elif scheme in ("http", "https"):
            _host(url)
        elif "::" in url:
            # fsspec reads a chain of file systems in it, whose other links no policy has seen.
            raise InputError(f"{display(url)}: chained URLs may not be fetched")

    def _check_root(self, path: Path, url: str) -> None:
        if self.roots is None:
            return
        try:
            real = path.resolve()
        except (OSError, RuntimeError) as error:
            raise InputError(f"{display(url)} cannot be read: {error}") from error
        if not any(real.is_relative_to(root.resolve()) for root in self.roots):
            raise InputError(
                f"{display(url)} is outside of the folders that inputs may come from",
                remedy="allowed (setting fetch.roots): " + ", ".join(str(root) for root in self.roots),
            )

    def addresses(self, url: str) -> list[Address]:
        """Resolve the host of an ``http`` URL; connect to one of the results, and to nothing else.

        Resolving again to connect could give another answer (DNS rebinding).

        Raises:
            InputError: The URL has no host, the host does not exist, or one of its addresses is not public.
            TransientError: The name service does not answer.
        """
        host, port = _host(url)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise TransientError(f"{display(url)}: the host {host!r} cannot be resolved now") from error
            raise InputError(f"{display(url)}: there is no host {host!r}") from error
        except UnicodeError as error:
            raise InputError(f"{display(url)}: {host!r} is not a host name") from error
        addresses: list[Address] = [(family, address) for family, _, _, _, address in found]
        if not self.allow_private_addresses:
            for _, address in addresses:
                if not _public(str(address[0])):
                    raise InputError(
                        f"{display(url)}: {host!r} has the address {address[0]}, which is not public",
                        remedy="to allow it, set fetch.allow_private_addresses = true",
                    )
        return addresses


def _host(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise InputError(f"{display(url)} is not a valid URL: {error}") from error
    if not host or any(c.isspace() for c in host):
        raise InputError(f"{display(url)} has no valid host name")
    return host, port


def _public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        # The IPv4 address in it is what will be reached.
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            address = inner
        elif address in _NAT64:
            address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.is_global and not address.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
