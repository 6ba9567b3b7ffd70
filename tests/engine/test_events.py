"""The stream of events."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Generator

import pytest

from scgnn2_engine import events
from scgnn2_engine.events import EpochEnded, Event, Notice, StageEnded, StageStarted, drain, never
from scgnn2_engine.messages import sentence


def steps(log: list[str]) -> Generator[Event, None, int]:
    log.append("begun")
    yield StageStarted("graph", 1)
    yield Notice("half way")
    log.append("ended")
    return 42


def test_drain_runs_to_the_end_and_gives_the_value() -> None:
    log: list[str] = []
    assert drain(steps(log)) == 42
    assert log == ["begun", "ended"]


def test_drain_passes_errors_on() -> None:
    def failing() -> Generator[Event, None, None]:
        yield Notice("about to fail")
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        drain(failing())


def test_nobody_interrupts_by_default() -> None:
    assert never() is False


@pytest.mark.parametrize("kind", typing.get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event_is_frozen_slotted_and_documented(kind: type) -> None:
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")


def test_every_event_class_belongs_to_the_union() -> None:
    declared = {
        value
        for value in vars(events).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == events.__name__
    }
    assert declared == set(typing.get_args(Event))


def test_defaults() -> None:
    assert Notice("read") == Notice("read", "info", "load")
    assert StageStarted("clustering", 3).n_epochs is None
    assert EpochEnded("graph_AE", 0, 1, 200, {"loss": 0.5}).cluster is None


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        StageEnded("graph", 1, 0.5, 1024).seconds = 1.0  # type: ignore[misc]


def test_a_line_of_another_version_is_still_said() -> None:
    assert "2 and 4 (97%)" in sentence("clusters_by_depth", {"pairs": [(2, 4, 0.97)]})
    assert sentence("clusters_merged", {"before": 3}) == "clusters_merged: {'before': 3}"
    assert sentence("clusters_merged") == "clusters_merged"
