"""The door of the page: a password for each user, or the token in the address that the server printed."""

from __future__ import annotations

import hmac
import math
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from bokeh.server.auth_provider import AuthProvider
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from scgnn2_app.serving.auth import Users
from scgnn2_app.serving.sessions import Attempts, Sessions

TOKEN = "token"
OWNER = "owner"
"""Whom the door knows where there are no users: whoever has the token."""

LOGIN_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>scgnn2: log in</title>
<style>
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { min-height: 100vh; margin: 0; display: grid; place-items: center; background: Canvas; color: CanvasText; }
form { display: grid; gap: .75rem; width: min(20rem, 90vw); }
h1 { font-size: 1.25rem; margin: 0; }
label { display: grid; gap: .25rem; }
input, button { font: inherit; padding: .5rem .6rem; border: 1px solid GrayText; border-radius: .25rem; }
button { background: #1565c0; color: #fff; border-color: #1565c0; cursor: pointer; }
p { margin: 0; color: #c62828; }
</style>
</head>
<body>
<form method="post" action="/login">
<h1>scgnn2</h1>
{message}
{fields}
</form>
</body>
</html>
"""

USER_AND_PASSWORD = """<label>User <input name="username" autocomplete="username" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Log in</button>"""

TOKEN_ALONE = """<label>Token <input name="token" autocomplete="off" required autofocus></label>
<button>Open</button>"""

WRONG_USER = "User or password is wrong."
WRONG_TOKEN = "This token is not of this server, which makes one at every start. Open the address it printed last."
NO_TOKEN = "This page opens with the address that scgnn2 serve printed: its end, behind token=, is the key."


class Door:
    """Who may come in, and who is in.

    Parameters
    ----------
    users
        They log in with a password; None: whoever has ``token`` comes in.
    token
        Of this start of the server.
    """

    def __init__(self, users: Users | None = None, token: str = "") -> None:
        self.users, self.token = users, token
        self.sessions, self.attempts = Sessions(), Attempts()

    def user_of(self, cookies: Any, host: str) -> str | None:
        """Whose session a request's cookies are of (name to value); None: nobody's."""
        return self.sessions.user(cookies.get(cookie_name(host)))

    def is_token(self, given: str) -> bool:
        """Whether this is the token of the server."""
        return hmac.compare_digest(given.encode(), self.token.encode())

    @property
    def provider(self) -> AuthProvider:
        """For the server."""
        return _Provider(self)


def cookie_name(host: str) -> str:
    """The name of the cookie: cookies of one machine are sent to all its ports, and each server has its own.

    Examples
    --------
    >>> cookie_name("127.0.0.1:5006"), cookie_name("cells.example")
    ('scgnn2-5006', 'scgnn2-web')
    """
    port = urlsplit(f"//{host}").port
    return f"scgnn2-{port or 'web'}"


class _Provider(AuthProvider):
    def __init__(self, door: Door) -> None:
        self._door = door
        super().__init__()

    @property
    def get_user(self) -> Any:
        def user(handler: Any) -> str | None:
            name = cookie_name(handler.request.host)
            return self._door.user_of({name: handler.get_cookie(name)}, handler.request.host)

        return user

    @property
    def login_url(self) -> str:
        return "/login"

    @property
    def logout_url(self) -> str:
        return "/logout"

    @property
    def login_handler(self) -> type[RequestHandler]:
        return type("Login", (_Login,), {"door": self._door})

    @property
    def logout_handler(self) -> type[RequestHandler]:
        return type("Logout", (_Logout,), {"door": self._door})


class _Login(RequestHandler):
    door: Door

    async def get(self) -> None:
        wanted = inside(self.get_argument("next", "/"))
        page, token = without_token(wanted)
        self._set("scgnn2-next", page)
        if self.door.users is None and token is not None:
            self._try_token(token, page)
        else:
            self._show("" if self.door.users is not None else NO_TOKEN)

    async def post(self) -> None:
        page = inside(self.get_cookie("scgnn2-next", "/"))
        if self.door.users is None:
            self._try_token(self.get_argument(TOKEN, ""), page)
        else:
            name, password = self.get_argument("username", ""), self.get_argument("password", "")
            await self._try_password(self.door.users, name, password, page)

    def _try_token(self, token: str, page: str) -> None:
        """Too long to be guessed: nobody waits, so that nobody can make the owner wait."""
        if self.door.is_token(token):
            self._enter(OWNER, page)
        else:
            self.set_status(403)
            self._show(WRONG_TOKEN)

    async def _try_password(self, users: Users, name: str, password: str, page: str) -> None:
        address = self.request.remote_ip or ""
        wait = self.door.attempts.begin(name, address)
        if wait > 0:
            self.set_status(429)
            self.set_header("Retry-After", str(math.ceil(wait)))
            self._show(f"Too many wrong tries: wait {math.ceil(wait)} s before the next one.")
            return
        if not await IOLoop.current().run_in_executor(None, users.check, name, password):
            self.door.attempts.failed(name, address)
            self.set_status(403)
            self._show(WRONG_USER)
            return
        self.door.attempts.succeeded(name, address)
        self._enter(name, page)

    def _enter(self, name: str, page: str) -> None:
        self._set(cookie_name(self.request.host), self.door.sessions.begin(name))
        self.redirect(page)

    def _set(self, name: str, value: str) -> None:
        """A cookie that no script and no other site's form gets at."""
        # A proxy's word can only make it stricter.
        scheme = self.request.headers.get("X-Forwarded-Proto", self.request.protocol)
        self.set_cookie(name, value, httponly=True, samesite="Lax", secure=scheme == "https")

    def _show(self, message: str) -> None:
        self.set_header("Cache-Control", "no-store")
        said = f"<p role='alert'>{message}</p>" if message else ""
        fields = USER_AND_PASSWORD if self.door.users is not None else TOKEN_ALONE
        self.write(LOGIN_PAGE.replace("{message}", said).replace("{fields}", fields))

    def check_xsrf_cookie(self) -> None:
        """Nothing to check: a log-in changes nothing, and the host was checked before."""


class _Logout(RequestHandler):
    door: Door

    def get(self) -> None:
        name = cookie_name(self.request.host)
        self.door.sessions.end(self.get_cookie(name))
        self.clear_cookie(name)
        self.redirect("/login")


def without_token(address: str) -> tuple[str, str | None]:
    """The page an address of this server names, and the token in it.

    Examples
    --------
    >>> without_token("/?run=1&token=abc"), without_token("/")
    (('/?run=1', 'abc'), ('/', None))
    """
    parts = urlsplit(address)
    query = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(key, value) for key, value in query if key != TOKEN]
    token = next((value for key, value in query if key == TOKEN), None)
    return parts.path + (f"?{urlencode(kept)}" if kept else ""), token


def inside(address: str | None) -> str:
    """A page of this server, whatever an address says.

    Examples
    --------
    >>> inside("/?run=1"), inside("//evil.example"), inside("https://evil.example")
    ('/?run=1', '/', '/')
    """
    if not address or not address.startswith("/") or address.startswith("//") or "\\" in address:
        return "/"
    return address
