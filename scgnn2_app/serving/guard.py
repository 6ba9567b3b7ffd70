"""A server answers only to its own name: another site that points its name here (DNS rebinding) learns nothing."""

from __future__ import annotations

import socket
from typing import Any

import psutil
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.routing import Matcher, PathMatches, Rule
from tornado.web import Application, OutputTransform, RequestHandler

EVERYWHERE = frozenset({"0.0.0.0", "::"})  # every address of the machine

UNUSED = r"/(autoload\.js|metadata)"
"""What Bokeh answers for pages of others that embed this one."""

HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # Bokeh writes its page as scripts and styles within it and makes functions from text; panel-material-ui loads its
    # modules from blobs. All else is refused: nothing from elsewhere, no plug-ins, no frames of others.
    "Content-Security-Policy": "; ".join((
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )),
}  # fmt: skip
"""Of every answer."""


class _Headers(OutputTransform):
    """Puts :data:`HEADERS` into every answer, errors and files included."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        headers.update(HEADERS)
        return status_code, headers, chunk


class _NotHere(RequestHandler):
    """Says so, to every method."""

    def prepare(self) -> None:
        self.set_status(404)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("The dashboard does not offer this.\n")


class _ForeignHost(Matcher):
    """Matches requests that name a host this server does not go by."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Nothing for our own host, an empty match for others."""
        return None if request.host.lower() in self._allowed else {}


class _Refuse(RequestHandler):
    """Says so, to every method."""

    def prepare(self) -> None:
        self.set_status(421, "Misdirected Request")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("This server does not go by that name. Open the address that scgnn2 serve printed.\n")


def allowed_hosts(address: str, port: int, also: tuple[str, ...] = ()) -> list[str]:
    """The ``host:port`` pairs a server goes by.

    Parameters
    ----------
    address, port
        What it binds.
    also
        Further names, for a server that is reached by a name or through a proxy: ``host`` or ``host:port``.

    Examples
    --------
    >>> allowed_hosts("127.0.0.1", 5006)
    ['127.0.0.1:5006', 'localhost:5006', '[::1]:5006']
    >>> allowed_hosts("192.168.0.7", 5006, ("cells.example",))
    ['192.168.0.7:5006', '127.0.0.1:5006', 'localhost:5006', '[::1]:5006', 'cells.example:5006', 'cells.example']
    """
    here = _names_of_this_machine() if address in EVERYWHERE else [_written(address)]
    found = [f"{name}:{port}" for name in [*here, "127.0.0.1", "localhost", "[::1]"]]
    for name in also:
        found += [name] if ":" in name else [f"{name}:{port}", name]
    if port in (80, 443):
        found += [host.rsplit(":", 1)[0] for host in found if ":" in host]
    return list(dict.fromkeys(host.lower() for host in found))


def _names_of_this_machine() -> list[str]:
    """Its own name and the addresses of its interfaces; an address cannot be pointed elsewhere as a name can."""
    families = (socket.AF_INET, socket.AF_INET6)
    found = [
        _written(entry.address.partition("%")[0])
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family in families
    ]
    return [socket.gethostname(), *sorted(found)]


def _written(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def refuse_foreign_hosts(application: Application, allowed: list[str]) -> None:
    """Refuse every request whose ``Host`` is not in ``allowed``, before anything else looks at it."""
    rule = Rule(_ForeignHost(frozenset(allowed)), _Refuse)
    application.default_router.rules.insert(0, application.default_router.process_rule(rule))


def close_unused(application: Application) -> None:
    """Answer nothing at the addresses that no page of ours needs."""
    rule = Rule(PathMatches(UNUSED), _NotHere)
    application.default_router.rules.insert(0, application.default_router.process_rule(rule))


def add_headers(application: Application) -> None:
    """Tell browsers, with every answer, what a page of this server may do: :data:`HEADERS`."""
    application.transforms.append(_Headers)
