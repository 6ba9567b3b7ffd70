"""What a run prints: lines for a log, bars for a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from scgnn2_engine.events import EpochEnded, IterationEnded, Notice, RunStarted, StageEnded, StageStarted
from scgnn2_engine.run.terminal import Display, LiveDisplay, duration, iteration_line, reporter

NAN = float("nan")
SCORES = {
    "ari_against_ground_truth": NAN,
    "ari_between_iterations": 0.5,
    "error_median": NAN,
    "error_rmse": NAN,
    "validation_error": 0.25,
    "graph_change": 0.125,
    "cluster_count": 7.0,
    "seconds": 2.0,
}
EVENTS = [
    StageStarted("load", 0),
    StageEnded("load", 0, 0.5, 2**30),
    RunStarted(10, 20, {}, "cpu"),
    Notice("3 genes were dropped", "warning", "preprocess"),
    StageStarted("feature_AE", 0, 2),
    EpochEnded("feature_AE", 0, 1, 2, {"loss": 3.0}),
    EpochEnded("feature_AE", 0, 2, 2, {"loss": 2.0}),
    StageStarted("cluster_AE", 1, 2),
    EpochEnded("cluster_AE", 1, 1, 2, {"loss": 2.0}, cluster=0),
    EpochEnded("cluster_AE", 1, 1, 2, {"loss": 2.0}, cluster=1),
    IterationEnded(1, 31, None, SCORES),
]


def shown(display_class, events, **console):
    console = Console(file=io.StringIO(), width=100, **console)
    with display_class(console) as display:
        for event in events:
            display.show(event)
    return console.file.getvalue()


def test_a_log_has_one_plain_line_for_each_thing():
    text = shown(Display, EVENTS)
    assert "10 cells x 20 genes, device cpu" in text
    assert "Warning: 3 genes were dropped" in text
    assert "reading done in 0.5 s, peak 1.00 GiB" in text
    assert "iteration 1/31, 7 clusters" in text
    assert "\x1b" not in text


def test_a_terminal_shows_the_time_left_and_the_loss():
    text = shown(LiveDisplay, EVENTS, force_terminal=True)
    assert "at most 1 min 00 s left" in text
    assert "cluster autoencoders" in text


def test_markup_in_names_is_printed_as_it_is():
    assert "[red]gene[/red]" in shown(Display, [Notice("[red]gene[/red]")])


def test_scores_that_are_not_known_are_not_shown():
    line = iteration_line(EVENTS[-1])
    assert "labels" not in line
    assert "hidden" not in line
    assert "0.2500" in line
    assert "RMSE at hidden entries 0.7500" in iteration_line(replace(EVENTS[-1], scores={**SCORES, "error_rmse": 0.75}))
    both = {**SCORES, "error_rmse": 0.75, "error_median": 0.5}
    assert "median error at hidden entries 0.5000" in iteration_line(replace(EVENTS[-1], scores=both))
    assert "RMSE" not in iteration_line(replace(EVENTS[-1], scores=both))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 01 s"), (3599.9, "1 h 00 min")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_the_display_fits_the_console():
    assert type(reporter(Console(file=io.StringIO()))) is Display
    assert type(reporter(Console(file=io.StringIO(), force_terminal=True))) is LiveDisplay
