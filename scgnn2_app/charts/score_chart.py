"""A chart of scores by iteration, with baselines as level lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scgnn2_app.charts.axes import with_room
from scgnn2_app.charts.growing import HEIGHT, LEGEND, TOOLS, models, plotting
from scgnn2_app.results.story import RunStory
from scgnn2_app.theme import SMALL, colours, paint
from scgnn2_engine.plots import palette


class ScoreChart:
    """Scores by iteration.

    Parameters
    ----------
    title, unit
        What stands above, and beside the y axis.
    lines
        Name of a score to its name in the legend.
    baselines
        Likewise for what is drawn as level lines, from ``RunStory.levels``.
    span
        How much the y axis shows at least, so that noise does not look like progress; of 1 and more its marks are
        whole numbers.
    relative
        Whether the span is a share of the largest score.
    dark
        Whether the page is dark.
    """

    def __init__(
        self,
        title: str,
        unit: str,
        lines: Mapping[str, str],
        baselines: Mapping[str, str],
        span: float = 2.0,
        relative: bool = False,
        *,
        dark: bool = False,
    ) -> None:
        self._lines, self._baselines = dict(lines), dict(baselines)
        self._span, self._relative = span, relative
        self.figure = plotting.figure(
            height=HEIGHT,
            sizing_mode="stretch_width",
            title=title,
            tools=TOOLS,
            toolbar_location="above",
            styles=SMALL,
            x_axis_label="iteration",
            y_axis_label=unit,
        )
        self.figure.toolbar.logo = None
        self.figure.toolbar.autohide = True
        self.figure.xaxis.ticker.update(min_interval=1)
        self._room = models.ColumnDataSource({"x": [], "y": []})
        self.figure.scatter("x", "y", source=self._room, alpha=0)  # unseen, but the axis has room for it
        if span >= 1:
            self.figure.yaxis.ticker.update(min_interval=1)
        self._sources: dict[str, Any] = {}
        self._drawn = (-1, 0)
        colour_of = dict(zip([*lines, *baselines], palette(len(lines) + len(baselines)), strict=True))
        items = []
        for name, text in {**lines, **baselines}.items():
            level = name in baselines
            source = self._sources[name] = models.ColumnDataSource(
                {"x": [], "y": []} | ({"method": []} if level else {})
            )
            line = self.figure.line(
                "x", "y", source=source, color=colour_of[name], line_width=1.6, line_dash=[6, 3] if level else []
            )
            drawn = [line]
            if not level:
                other = self._sources[f"other {name}"] = models.ColumnDataSource({"x": [], "y": []})
                self.figure.line("x", "y", source=other, color=colour_of[name], line_width=1.2, line_dash=[2, 3])
                drawn.append(self.figure.scatter("x", "y", source=source, color=colour_of[name], size=6))
            self.figure.add_tools(
                models.HoverTool(
                    renderers=[drawn[-1]],
                    tooltips=[(text, "@method @y{0.0000}" if level else "@y{0.0000}"), ("iteration", "@x{0}")],
                    visible=False,
                )
            )
            items.append((name, models.LegendItem(label=text, renderers=drawn)))
        self._items = items
        self._legend = models.Legend(**LEGEND)
        self.figure.add_layout(self._legend, "above")
        self._selected = models.Span(location=0, dimension="height", line_dash="dashed", line_width=1, visible=False)
        self.figure.add_layout(self._selected)
        self.paint(dark)

    @property
    def has_data(self) -> bool:
        """Whether there is anything to see."""
        return any(len(source.data["x"]) for source in self._sources.values())

    def paint(self, dark: bool) -> None:
        """Take the colours of a light or dark page."""
        paint(self.figure, dark)
        self._selected.line_color = colours(dark)["muted"]

    def update(self, story: RunStory) -> None:
        """Take up what has come since."""
        now = (len(story.scores), len(story.levels))
        if now != self._drawn:
            self._drawn = now
            self._fill("", story)
        if story.selected is not None:
            self._selected.update(location=story.selected, visible=True)
        elif self._selected.visible:
            self._selected.visible = False

    def compare(self, story: RunStory | None) -> None:
        """Lay the scores of another run beneath, or with None of none."""
        self._fill("other ", story or RunStory())

    def _make_room(self) -> None:
        """Around what is shown, as much as the y axis shows at least."""
        points = [
            point
            for source in self._sources.values()
            for point in zip(source.data["x"], source.data["y"], strict=True)
            if math.isfinite(point[1])
        ]
        heights = [y for _, y in points]
        if not points:
            self._room.data = {"x": [], "y": []}
            return
        low, high = with_room(heights, self._span, relative=self._relative)
        self._room.data = {"x": [points[0][0]] * 2, "y": [low, high]}

    def _fill(self, prefix: str, story: RunStory) -> None:
        for name in self._lines:
            x, y = story.column(name)
            self._sources[prefix + name].data = {"x": x, "y": y}
        if prefix:
            self._make_room()
            return
        last = [row["iteration"] for row in story.scores]
        for name in self._baselines:
            there = name in story.levels and any(story.column(line)[0] for line in self._lines)
            ends: Sequence[float] = [min(last), max(max(last), min(last) + 1)] if there else []
            method, score = story.levels[name] if there else ("", 0.0)
            n_ends = len(ends)
            self._sources[name].data = {"x": list(ends), "y": [score] * n_ends, "method": [method] * n_ends}
        self._make_room()
        named = [item for name, item in self._items if self._sources[name].data["x"]]
        self._legend.items = named if len(self._items) > 1 else []
