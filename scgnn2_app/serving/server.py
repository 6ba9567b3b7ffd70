"""The dashboard as a server: who may reach it, what it may read, and what a page is given."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scgnn2_app.context import ServerContext, ServerOptions, context_for, leave
from scgnn2_app.patches.bokeh_server_application import application_of
from scgnn2_app.serving.auth import Users
from scgnn2_app.serving.guard import add_headers, allowed_hosts, close_unused, refuse_foreign_hosts
from scgnn2_app.serving.login import TOKEN, Door
from scgnn2_app.warm_up import load, warm_up
from scgnn2_engine.errors import OutputError, ParameterError

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def serve(options: ServerOptions, *, started: Callable[[str], object] = print) -> None:
    """Serve the dashboard until Ctrl-C. Runs under way go on without it, and the next server takes them up.

    Parameters
    ----------
    options
        How.
    started
        Called with the address once the server answers.

    Raises
    ------
    ParameterError
        The address can be reached by others and there are no users.
    OutputError
        The port is taken, or the workspace cannot be written.
    """
    if options.auth is None and options.token is None:
        options = replace(options, token=secrets.token_urlsafe(24))
    server = make_server(options)
    load()
    place = f"/?{TOKEN}={options.token}" if options.token and options.auth is None else "/"
    address = f"http://{allowed_hosts(options.address, server.port)[0]}{place.removesuffix('/')}"
    threading.Thread(target=warm_up, name="scgnn2-warm-up", daemon=True).start()
    server.io_loop.add_callback(lambda: started(address))
    if _has_desktop() if options.show is None else options.show:
        server.io_loop.add_callback(server.show, place)
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        server.start()
        server.io_loop.start()
    finally:
        signal.signal(signal.SIGTERM, before)
        server.stop()
        leave(options)


def _page(context: ServerContext) -> Any:
    from scgnn2_app.app import create_page  # imports all of the page: only once one is asked for

    return create_page(context)


def make_server(options: ServerOptions) -> Any:
    """The server, bound to its address but not yet started; see :func:`serve`."""
    users = _users(options)
    context_for(options)  # what is wrong with the workspace shall be said now, not to the first who opens a page
    import panel as pn
    from panel.io.server import get_server

    door = _door(options, users)

    def page() -> Any:
        user = "" if door is None or users is None else door.user_of(pn.state.cookies, str(pn.state.headers["Host"]))
        if user is None:
            raise PermissionError("the log-in ended while the page was made")
        return _page(context_for(options, user=user))

    _require_free(options.address, options.port)
    login: dict[str, Any] = {} if door is None else {"auth_provider": door.provider}
    server = get_server(
        {"/": page},
        address=options.address,
        port=options.port,
        title={"/": "scgnn2"},
        start=False,
        show=False,
        websocket_origin=["nobody.invalid:1"],  # until the port is known, below
        # Long enough for a laptop that changes networks to find its page as it was; then it is cleaned away.
        unused_session_lifetime_milliseconds=60_000,
        **login,
    )
    hosts = allowed_hosts(options.address, int(server.port or 0), options.names)
    application = application_of(server)
    application.websocket_origins.clear()
    application.websocket_origins.update(hosts)
    close_unused(application)
    refuse_foreign_hosts(application, hosts)
    add_headers(application)
    return server


def _require_free(address: str, port: int) -> None:
    """Find out whether a server may be bound there, before anything is made that would have to be taken down."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will
            probe.bind(place)
    except OSError as error:
        raise OutputError(
            f"Nothing can be served at {address}:{port}: {error.strerror or error}.",
            expected="a free port of an address of this machine",
            advice="Choose another one with --port, or 0 for any that is free.",
        ) from error


def _door(options: ServerOptions, users: Users | None) -> Door | None:
    """None where whoever reaches the address comes in."""
    if users is not None:
        return Door(users)
    return Door(token=options.token) if options.token else None


def _users(options: ServerOptions) -> Users | None:
    users = None if options.auth is None else Users(options.auth)
    if users is not None and not users.names:
        raise ParameterError(
            f"There are no users in {options.auth}.", advice=f"Add one with: scgnn2 users {options.auth} add NAME"
        )
    if users is None and options.address not in LOOPBACK:
        raise ParameterError(
            f"{options.address} can be reached by others, who could start runs and read files here.",
            expected="--auth USERS.json, or the address 127.0.0.1",
            found="no users",
            advice="Make users with: scgnn2 users USERS.json add NAME",
        )
    if users is not None:
        workspace = options.workspace.expanduser().resolve()
        around = next((root for root in options.roots if workspace.is_relative_to(root.expanduser().resolve())), None)
        if around is not None:
            raise ParameterError(
                f"The workspace {options.workspace} lies in the folder {around}, which all users may read: they would "
                "see each other's runs.",
                expected="a workspace outside every --root",
            )
    return users


def _has_desktop() -> bool:
    """Whether a browser window can open here, for somebody who sits in front of it."""
    import webbrowser

    if os.environ.get("SSH_CONNECTION") or os.environ.get("CI"):
        return False
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
