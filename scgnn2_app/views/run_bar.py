"""The bar that is always in sight: run, stop, kill, how far it is, what state it is in."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui

from scgnn2_app.controls.wording import on_page, plain
from scgnn2_app.theme import STATES, THEME
from scgnn2_engine.params import RunParams
from scgnn2_engine.plots.style import inks

if TYPE_CHECKING:
    from scgnn2_app.runs.workspace import RunInfo

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


NOTHING = "Choose data, then press Run."
"""What is said where no run is shown."""

LONGEST_NAME = 80
"""Characters of a name that a user may give."""

NAME_IN_SENTENCE = 40
"""Characters of a name in a sentence, so that there is room for what is said of the run."""

SHRINKS = {"min-width": "0", "overflow": "hidden"}
"""Style of what would else grow with a long sentence and push its neighbours out of sight."""

WIDTH_OF_ITS_PLACE = {**SHRINKS, "contain": "inline-size"}
"""Style of what holds the sentence: as wide as there is room, however long the sentence."""


def _bar_theme() -> dict[str, Any]:
    """A Page gives all in its header the colours of white text on blue; this bar stands on the colour of the page."""
    theme: dict[str, Any] = {}
    for mode, on_primary, default in (("light", "#ffffff", "#595959"), ("dark", "#1e1e1e", "#4a4a4a")):
        ours, ink = THEME[mode]["palette"], inks(mode == "dark")
        theme[mode] = {
            "palette": {
                **ours,
                "primary": {**ours["primary"], "contrastText": on_primary},
                "default": {**ours.get("default", {}), "main": default, "contrastText": "#ffffff"},
                "text": {"primary": ink["ink"]},
                "background": {"default": ink["paper"], "paper": ink["paper"]},
            }
        }
    return theme


BAR_THEME = _bar_theme()
"""Themes of the bar, by mode."""


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
            label="no run", size="small", margin=(0, 4), color="default"
        )  # fmt: skip
        self._progress = pmui.LinearProgress(
            value=0, variant="determinate", color="success", sizing_mode="stretch_width", margin=(4, 6), height=6,
            label="Progress of the run",
        )  # fmt: skip
        self._text = pmui.Typography(
            _with_tooltip(NOTHING), variant="body2", margin=(0, 6), sizing_mode="stretch_width",
            sx={"whiteSpace": "nowrap", "& > p": {"overflow": "hidden", "textOverflow": "ellipsis"}},
        )  # fmt: skip

    def allow(self, possible: bool) -> None:
        """Whether Run may be pressed."""
        self.run.disabled = not possible

    def follow(self, info: RunInfo | None) -> None:
        """Show how far a run is."""
        if info is None:
            self._state.param.update(label="no run", color="default")
            self._text.object, self._progress.value = _with_tooltip(NOTHING), 0
            self.stop.disabled = self.kill.disabled = True
            return
        self._state.param.update(label=info.state, color=STATES[info.state])
        self._text.object = _with_tooltip(sentence(info), sentence(info, LONGEST_NAME))
        self._progress.value = round(100 * info.progress)
        self.stop.disabled = info.over or info.state == "stopping"
        self.kill.disabled = info.over

    def with_button(self, button: Any) -> RunBar:
        """The same bar with one more button at its end."""
        self._more.append(button)
        return self

    def __panel__(self) -> Any:
        return pmui.Row(
            self.run,
            self.stop,
            self.kill,
            self._state,
            pmui.Column(self._text, self._progress, sizing_mode="stretch_width", margin=0, styles=WIDTH_OF_ITS_PLACE),
            *self._more,
            sizing_mode="stretch_width",
            margin=0,
            styles=SHRINKS,
            sx={"alignItems": "center"},
            theme_config=BAR_THEME,
        )


def sentence(info: RunInfo, longest: int = NAME_IN_SENTENCE) -> str:
    """What a run is doing, in one line.

    Parameters
    ----------
    info
        The run.
    longest
        Most characters of its name.
    """
    name = shortened(info.title, longest)
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
    parts = [_stage(info)]
    if info.iteration and info.stage != "output" and info.progress < 1:
        parts.append(f"iteration {info.iteration}")
    if info.seconds_left is not None and round(info.seconds_left) > 0:
        parts.append(f"about {duration(info.seconds_left)} left")
    return f"{name}: {', '.join(parts)}"


def _stage(info: RunInfo) -> str:
    """What goes on; between two stages and after the last one no stage is under way."""
    if info.stage:
        return STAGES.get(info.stage, info.stage)
    if info.progress >= 1:  # the engine is through, its process not yet
        return "finishing"
    if info.scores:
        return "evaluating"
    if info.iteration:
        return "training"
    return "preparing" if info.progress > 0 else "starting"


def shortened(text: str, longest: int) -> str:
    """Text of at most so many characters.

    Examples
    --------
    >>> shortened("blood", 5), shortened("blood cells", 6)
    ('blood', 'blood…')
    """
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _with_tooltip(text: str, whole: str = "") -> str:
    """Text that ends in dots where there is no room, and all of it where the mouse rests."""
    text, whole = (" ".join(part.split()) for part in (text, whole or text))  # a blank line would end the element
    return f'<span title="{html.escape(whole)}">{plain(text)}</span>'


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
