"""Who is logged in, kept on the server; and how long whoever guesses passwords has to wait."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

LOG = logging.getLogger("scgnn2.login")
LIFETIME_SECONDS = 24 * 3600.0
FREE_TRIES = 3
"""Wrong passwords in a row that nobody waits for."""

LONGEST_WAIT = 60.0
FORGOTTEN_AFTER = 900.0
"""Seconds after which wrong passwords are forgotten, and most names or addresses that are remembered."""
MOST_REMEMBERED = 10_000


class Sessions:
    """The log-ins of a server. A cookie holds the key of one and says nothing itself: once ended, it opens nothing.

    Examples
    --------
    >>> sessions = Sessions()
    >>> key = sessions.begin("ada")
    >>> sessions.user(key), sessions.user("guessed")
    ('ada', None)
    >>> sessions.end(key)
    >>> sessions.user(key) is None
    True
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._users: dict[str, tuple[str, float]] = {}

    def begin(self, user: str) -> str:
        """Log a user in; returns the key."""
        now = self._clock()
        self._users = {key: kept for key, kept in self._users.items() if kept[1] > now}
        key = secrets.token_urlsafe(32)
        self._users[key] = (user, now + LIFETIME_SECONDS)
        return key

    def end(self, key: str | None) -> None:
        """Log out; a key of nobody is passed over."""
        self._users.pop(key or "", None)

    def user(self, key: str | None) -> str | None:
        """Whose key it is; None once it has ended."""
        user, until = self._users.get(key or "", ("", 0.0))
        return user if until > self._clock() else None


@dataclass
class _Tries:
    """Of one user or one address."""

    wrong: int = 0
    last: float = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next one: 1, 2, 4 and so on behind the free ones."""
        beyond = self.wrong - FREE_TRIES
        return 0.0 if beyond < 0 else max(0.0, self.last + min(2.0**beyond, LONGEST_WAIT) - now)


class Attempts:
    """Counts wrong passwords by user and by address. A try counts as wrong until it has proved right, so that many at
    once gain nothing.

    Examples
    --------
    >>> attempts = Attempts(clock=lambda: 0.0)
    >>> [attempts.begin("ada", "10.0.0.9") for _ in range(4)]
    [0.0, 0.0, 0.0, 1.0]
    >>> attempts.begin("bob", "10.0.0.9"), attempts.begin("ada", "10.0.0.8"), attempts.begin("bob", "10.0.0.8")
    (1.0, 1.0, 0.0)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[tuple[str, str], _Tries] = {}

    def begin(self, user: str, address: str) -> float:
        """Seconds this try comes too early, which refuses it unseen; 0: it counts, and may be looked at."""
        now = self._clock()
        self._forget(now)
        both = [self._tries.get(key, _Tries()) for key in self._keys(user, address)]
        wait = max(tries.wait(now) for tries in both)
        if wait > 0:
            LOG.warning("A log-in as %r from %s was refused unseen: it comes %.0f s too early.", user, address, wait)
            return wait
        for key, tries in zip(self._keys(user, address), both, strict=True):
            tries.wrong, tries.last = tries.wrong + 1, now
            self._tries[key] = tries
        return 0.0

    def failed(self, user: str, address: str) -> None:
        """Write into the log that a password was wrong."""
        wrong = max(self._tries[key].wrong for key in self._keys(user, address) if key in self._tries)
        LOG.warning("A log-in as %r from %s failed, number %d of late.", user, address, wrong)

    def succeeded(self, user: str, address: str) -> None:
        """Forget what was wrong before the right password came."""
        for key in self._keys(user, address):
            self._tries.pop(key, None)

    def _keys(self, user: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
        return ("user", user[:100]), ("address", address)

    def _forget(self, now: float) -> None:
        if len(self._tries) >= MOST_REMEMBERED:
            self._tries = {key: tries for key, tries in self._tries.items() if tries.wait(now) > 0}
        self._tries = {key: tries for key, tries in self._tries.items() if tries.last + FORGOTTEN_AFTER > now}
