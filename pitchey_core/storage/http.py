"""Downloads over HTTP with the standard library alone.

Not through fsspec: there is no way to make its client connect to the address that the policy has checked, nor
to check where a redirect leads before it is followed.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from pitchey_core.errors import InputError, PitcheyError, TransientError
from pitchey_core.storage.policy import FetchPolicy
from pitchey_core.storage.urls import display

__all__ = ["open_http"]

_TIMEOUT_SECONDS = 30.0
_TRY_AGAIN = {408, 425, 429}
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=~"
_HEADERS = {"User-Agent": "pitchey", "Accept-Encoding": "identity"}


def _connect(policy: FetchPolicy, url: str, timeout: float) -> socket.socket:
    last: OSError | None = None
    for family, address in policy.addresses(url):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.connect(address)
        except OSError as error:
            connection.close()
            last = error
        else:
            return connection
    raise last or OSError("the host has no address")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _connection_classes(
    policy: FetchPolicy,
) -> tuple[type[http.client.HTTPConnection], type[http.client.HTTPConnection]]:
    class Plain(http.client.HTTPConnection):
        def connect(self) -> None:
            url = f"http://{_bracketed(self.host)}:{self.port}/"
            self.sock = _connect(policy, url, _TIMEOUT_SECONDS)

    class Encrypted(Plain):
        default_port = 443

        def connect(self) -> None:
            super().connect()
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)

    return Plain, Encrypted


def _opener(policy: FetchPolicy) -> urllib.request.OpenerDirector:
    plain, encrypted = _connection_classes(policy)

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(plain, req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(encrypted, req)

    return urllib.request.build_opener(
        Http, Https, _redirect_handler(policy), urllib.request.ProxyHandler({})
    )


def _redirect_handler(policy: FetchPolicy) -> type[urllib.request.HTTPRedirectHandler]:
    class Redirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any) -> Any:
            policy.check(newurl)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return Redirect


def _proxied(url: str) -> bool:
    parts = urllib.request.Request(url)  # noqa: S310 - the policy has checked the scheme
    return parts.type in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.host or "")


@contextmanager
def open_http(url: str, policy: FetchPolicy) -> Iterator[tuple[IO[bytes], int | None]]:
    """Open a URL for reading; redirects are followed as far as the policy allows.

    A proxy of the environment is used; then the proxy resolves the host, and the policy sees the URL only.

    Returns:
        The stream, and its length in bytes if the server says so.

    Raises:
        InputError: The policy refuses it, or the server answers that it does not exist or may not be read.
        TransientError: The server cannot be reached, is busy or fails.
    """
    policy.check(url)
    try:
        if _proxied(url):
            opener = urllib.request.build_opener(_redirect_handler(policy))
        else:
            opener = _opener(policy)
        # Blanks and letters that are not ASCII are common in what people paste.
        quoted = urllib.parse.quote(url, safe=_URL_CHARACTERS)
        request = urllib.request.Request(quoted, headers=_HEADERS)  # noqa: S310 - see above
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
            length = response.headers.get("Content-Length")
            yield response, int(length) if length is not None and length.isdigit() else None
    except urllib.error.HTTPError as error:
        error.close()
        raise _status_error(url, error.code, error.reason) from error
    except http.client.InvalidURL as error:
        raise InputError(f"{display(url)} is not a valid URL: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _network_error(url, error) from error


def _status_error(url: str, status: int, reason: str) -> PitcheyError:
    words = f"{display(url)}: the server answers {status} {reason}"
    if status >= 500 or status in _TRY_AGAIN:
        return TransientError(words)
    return InputError(words, remedy="check the URL, and whether it can be read without logging in")


def _network_error(url: str, error: OSError | http.client.HTTPException) -> PitcheyError:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, PitcheyError):
        return cause
    if isinstance(cause, ssl.SSLCertVerificationError):
        return InputError(f"{display(url)}: the server's certificate is not valid: {cause.verify_message}")
    return TransientError(f"{display(url)} cannot be read now: {cause or type(cause).__name__}")
