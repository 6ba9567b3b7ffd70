"""What a server is told when it starts, and what its pages are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scgnn2_app.runs.jobs import JobManager, manager_for
from scgnn2_app.runs.uploads import MAX_UPLOAD, remove
from scgnn2_app.runs.workspace import DEFAULT
from scgnn2_app.sources.source import Source
from scgnn2_app.sweeps.sweeps import SweepManager
from scgnn2_engine.errors import InputError

PORT = 5006


@dataclass(frozen=True)
class ServerContext:
    """What a page is given.

    Attributes
    ----------
    manager
        The runs.
    sweeps
        The sweeps.
    roots
        Folders of the server that the page may show and a run may read.
    max_upload
        Largest upload in bytes.
    sources
        Data that was named when the server was started; the first of them is chosen at first.
    user
        Who looks at the page; empty where nobody has to log in. Pass it as ``owner`` to whatever is submitted, and show
        a user only :attr:`owner`'s runs.
    """

    manager: JobManager
    sweeps: SweepManager
    roots: tuple[Path, ...] = ()
    max_upload: int = MAX_UPLOAD
    sources: tuple[Source, ...] = ()
    user: str = ""

    @property
    def owner(self) -> str | None:
        """For :meth:`JobManager.runs`: the user, or None to see all where nobody has to log in."""
        return self.user or None

    def may_see(self, run_id: str) -> bool:
        """Whether this user may see a run; of one that does not exist the same is said as of another user's."""
        try:
            return not self.user or self.manager.workspace.job(run_id).owner == self.user
        except InputError:
            return False

    def remove_uploads(self, paths: Sequence[str]) -> None:
        """Remove files that this user has uploaded; the results of runs that read them stay.

        Raises
        ------
        InputError
            A run or a sweep that is not over reads one of them, or it is no upload of this user; all of them stay.
        OutputError
            One cannot be removed.
        """
        at_work = [(run.title, run.source) for run in self.manager.runs(self.owner) if not run.over]
        at_work += [
            (info.sweep.name or "a sweep", info.sweep.source)
            for info in self.sweeps.sweeps(self.owner)
            if info.state in ("running", "stopping")
        ]
        for title, source in at_work:
            if not {source.path, source.labels, source.bulk}.isdisjoint(paths):
                raise InputError(
                    f"{title} reads it and is not over.",
                    expected="an upload that nothing reads",
                    advice="Wait until it is over, or stop it, then remove the upload.",
                )
        for path in paths:
            remove(self.manager.workspace, path, self.user)


@dataclass(frozen=True)
class ServerOptions:
    """How a server is started: the flags of ``scgnn2 serve``, where ``scgnn2 serve --help`` says what each does.

    Attributes
    ----------
    sources
        Data to offer; the first one is chosen at first.
    roots
        Folders that may be read beside those of ``sources``.
    names
        Further names by which the server is reached, ``host`` or ``host:port``.
    max_upload
        In bytes.
    token
        What the address must hold where nobody has to log in: None, a new one at every start of
        :func:`~scgnn2_app.serving.server.serve`; ``""``, nothing.
    show
        Open a browser; None: where there is a desktop.
    """

    sources: tuple[Source, ...] = ()
    roots: tuple[Path, ...] = ()
    workspace: Path = DEFAULT
    address: str = "127.0.0.1"
    port: int = PORT
    names: tuple[str, ...] = ()
    auth: Path | None = None
    token: str | None = None
    runs_at_once: int = 1
    threads: int = 0
    max_upload: int = MAX_UPLOAD
    scheduler: str = ""
    show: bool | None = None


def context_for(options: ServerOptions, *, user: str = "") -> ServerContext:
    """What the pages of a server are given; the runs and sweeps of a workspace are the same for all of them."""
    roots = tuple(dict.fromkeys(root.expanduser().resolve() for root in (*options.roots, *_folders(options.sources))))
    manager = manager_for(options.workspace, at_once=options.runs_at_once, threads=options.threads, roots=roots)
    return ServerContext(
        manager=manager,
        sweeps=sweeps_for(manager, options.scheduler),
        roots=roots,
        max_upload=options.max_upload,
        sources=options.sources,
        user=user,
    )


_SWEEPS: dict[tuple[Path, str], SweepManager] = {}


def sweeps_for(manager: JobManager, scheduler: str = "") -> SweepManager:
    """The one sweep manager that this process has for a workspace."""
    return _SWEEPS.setdefault((manager.workspace.folder, scheduler), SweepManager(manager, scheduler=scheduler))


def leave(options: ServerOptions) -> None:
    """Let go of the runs and sweeps of a server's workspace, which go on."""
    manager = manager_for(options.workspace)
    for key in [key for key in _SWEEPS if key[0] == manager.workspace.folder]:
        _SWEEPS.pop(key).close()
    manager.close()


def _folders(sources: Sequence[Source]) -> list[Path]:
    """What of the named data a run must be able to read: the file or 10x folder itself."""
    return [Path(source.path) for source in sources if source.path]
