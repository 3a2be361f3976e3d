"""Programs that want to talk to somebody."""

from __future__ import annotations

from typing import Final

from pitchey_core.isolation.attempts.attempt import Attempt
from pitchey_core.isolation.policy import Layer

__all__ = ["ATTEMPTS"]

# No packet leaves a host that has no wall at all: the listeners are its own.
_INTERNET: Final = """
import socket
def connect(family, kind, address):
    with socket.socket(family, kind) as made:
        made.settimeout(2)
        made.connect(address)
        made.send(T["mark"].encode())
attempt("TCP", lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", T["tcp"])))
attempt("TCP by IPv6", lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("::ffff:127.0.0.1", T["tcp"])))
attempt("UDP", lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", T["udp"])))
def raw():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).sendto(b"\\x08" + bytes(7), ("127.0.0.1", 0))
attempt("raw", raw)
def listening():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        connect(socket.AF_INET, socket.SOCK_STREAM, made.getsockname())
attempt("a listener of its own", listening)
"""
_UNIX: Final = """
import socket
def connect(address):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.settimeout(2)
        made.connect(address)
attempt("socket with a path", lambda: connect(T["unix"]))
attempt("abstract socket", lambda: connect("\\0" + T["abstract"]))
"""
_FAMILIES: Final = """
import socket
def opened(family, kind=socket.SOCK_RAW, protocol=0):
    socket.socket(family, kind, protocol).close()
attempt("AF_NETLINK", lambda: opened(16))
attempt("AF_VSOCK", lambda: opened(40, socket.SOCK_STREAM))
attempt("AF_ALG", lambda: opened(38, socket.SOCK_SEQPACKET))
attempt("AF_PACKET", lambda: opened(17))
attempt("AF_BLUETOOTH", lambda: opened(31))
attempt("AF_TIPC", lambda: opened(30))
"""
ATTEMPTS: Final = (
    Attempt(
        28,
        "TCP, UDP, IPv6 and raw sockets",
        (Layer.NAMESPACES, Layer.SECCOMP, Layer.LANDLOCK),
        _INTERNET,
        "ENETUNREACH or EPERM",
        alone=(Layer.SECCOMP,),
    ),
    Attempt(
        29,
        "local sockets, by path and abstract",
        (Layer.ROOT, Layer.NAMESPACES, Layer.SECCOMP, Layer.LANDLOCK),
        _UNIX,
        "ENOENT, ECONNREFUSED or EPERM",
        alone=(Layer.SECCOMP,),
    ),
    Attempt(
        30,
        "socket families that no namespace holds",
        (Layer.SECCOMP,),
        _FAMILIES,
        "EPERM or EAFNOSUPPORT",
        alone=(Layer.SECCOMP,),
    ),
)
