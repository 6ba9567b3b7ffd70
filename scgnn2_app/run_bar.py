"""The bar that is always in sight: run, stop, kill, how far it is, what state it is in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui

from scgnn2_app.theme import STATES
from scgnn2_app.wording import on_page, plain
from scgnn2_engine.params import RunParams

if TYPE_CHECKING:
    from scgnn2_app.workspace import RunInfo

STAGES = {
    "load": "reading the data",
    "preprocess": "preprocessing",
    "graph": "building the cell graph",
    "evaluate": "scoring",
    "output": "writing the result",
    **{stage.group: stage.title for stage in RunParams.groups if stage.group in ("LTMG", "feature_AE", "graph_AE")},
    "clustering": "clustering",
    "cluster_AE": "Cluster autoencoders",
    "deconvolution": "deconvolving the bulk",
}


SHRINKS = {"min-width": "0", "overflow": "hidden"}
"""Style of what would else grow with a long sentence and push its neighbours out of sight."""


class RunBar(pn.viewable.Viewer):
    """Buttons and state of the shown run.

    Parameters
    ----------
    run, stop, kill
        Called when the button is pressed.
    """

    def __init__(self, run: Callable[[], Any], stop: Callable[[], Any], kill: Callable[[], Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._more: list[Any] = []
        look: dict[str, Any] = {"size": "small", "margin": (0, 4), "variant": "contained", "disable_elevation": True}
        self.run = pmui.Button(label="Run", color="success", on_click=lambda _: run(), **look)
        self.stop = pmui.Button(
            label="Stop", color="warning", on_click=lambda _: stop(), disabled=True,
            description="Stop: end within a step and keep what is there", **look,
        )  # fmt: skip
        self.kill = pmui.Button(
            label="Kill", color="error", on_click=lambda _: kill(), disabled=True,
            description="Kill: end at once; what was not written is lost", **look,
        )  # fmt: skip
        self._state = pmui.Chip(
            label="no run", size="small", margin=(0, 4), color="default",
            sx={"&.MuiChip-colorDefault": {"backgroundColor": "action.selected", "color": "text.primary"}},
        )  # fmt: skip
        self._progress = pmui.LinearProgress(
            value=0, variant="determinate", color="success", sizing_mode="stretch_width", margin=(4, 6), height=6,
            label="Progress of the run",
        )  # fmt: skip
        self._text = pmui.Typography(
            "Choose data, then press Run.", variant="body2", margin=(0, 6), sizing_mode="stretch_width",
            sx={"whiteSpace": "nowrap", "overflow": "hidden", "textOverflow": "ellipsis"},
        )  # fmt: skip

    def allow(self, possible: bool) -> None:
        """Whether Run may be pressed."""
        if self.run.disabled == possible:
            self.run.disabled = not possible

    def follow(self, info: RunInfo | None) -> None:
        """Show how far a run is."""
        if info is None:
            self._set(self._state, label="no run", color="default")
            self._set(self._text, object="Choose data, then press Run.")
            self._set(self._progress, value=0)
            self.stop.disabled = self.kill.disabled = True
            return
        self._set(self._state, label=info.state, color=STATES[info.state])
        self._set(self._text, object=plain(sentence(info)))
        self._set(self._progress, value=round(100 * info.progress))
        self._set(self.stop, disabled=info.over or info.state == "stopping")
        self._set(self.kill, disabled=info.over)

    def with_button(self, button: Any) -> RunBar:
        """The same bar with one more button at its end."""
        self._more = [button]
        return self

    @staticmethod
    def _set(widget: Any, **values: Any) -> None:
        """Only what differs goes to the browser."""
        changed = {name: value for name, value in values.items() if getattr(widget, name) != value}
        if changed:
            widget.param.update(**changed)

    def __panel__(self) -> Any:
        return pmui.Row(
            self.run,
            self.stop,
            self.kill,
            self._state,
            pmui.Column(self._text, self._progress, sizing_mode="stretch_width", margin=0, styles=SHRINKS),
            *self._more,
            sizing_mode="stretch_width",
            margin=0,
            styles=SHRINKS,
            sx={"alignItems": "center"},
        )


def sentence(info: RunInfo) -> str:
    """What a run is doing, in one line."""
    name = info.title
    if info.state == "queued":
        return f"{name}: waiting for its turn"
    if info.state == "failed":
        return f"{name}: {on_page(info.reason, info.source) or 'failed'}"
    if info.state == "stopped":
        kept = "its best iteration was kept" if info.has_result else "nothing was kept"
        return f"{name}: {info.reason or 'stopped'} ({kept})"
    if info.state == "done":
        took = f" in {duration(info.seconds)}" if info.seconds is not None else ""
        return f"{name}: done{took}"
    parts = [STAGES.get(info.stage, info.stage) or "starting"]
    if info.iteration:
        parts.append(f"iteration {info.iteration}")
    if info.seconds_left is not None:
        parts.append(f"about {duration(info.seconds_left)} left")
    return f"{name}: {', '.join(parts)}"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    Examples
    --------
    >>> duration(42.3), duration(200), duration(8000)
    ('42 s', '3 min 20 s', '2 h 13 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
