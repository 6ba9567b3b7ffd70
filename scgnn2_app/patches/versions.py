"""Whether a patch is for what is installed."""

from __future__ import annotations

from importlib.metadata import version
from typing import NamedTuple


class Versions(NamedTuple):
    """The versions of a package that a patch was tried with.

    Examples
    --------
    >>> Versions("panel", "1.9").hold("1.9.4"), Versions("panel", "1.9").hold("1.10.0")
    (True, False)
    """

    package: str
    series: str

    def hold(self, number: str) -> bool:
        """Whether a version number is of the series."""
        return f"{number}.".startswith(f"{self.series}.")

    @property
    def installed(self) -> bool:
        """Whether the installed version is of the series."""
        return self.hold(version(self.package))
