"""The exception tree: messages, parts, exit codes."""

from __future__ import annotations

import inspect
import pickle

import pytest

from scgnn2_engine import errors
from scgnn2_engine.errors import (
    InputError,
    InsufficientMemoryError,
    MissingPackageError,
    OutputError,
    ParameterError,
    ScgnnError,
    TrainingError,
)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "It is wrong."),
        ({"expected": "a"}, "It is wrong. Expected: a."),
        ({"found": "b"}, "It is wrong. Found: b."),
        ({"advice": "Do c."}, "It is wrong. Do c."),
        ({"expected": "a", "found": "b", "advice": "Do c."}, "It is wrong. Expected: a. Found: b. Do c."),
    ],
)
def test_a_message_is_made_of_its_parts(parts: dict[str, str], message: str) -> None:
    error = ScgnnError("It is wrong.", **parts)
    assert str(error) == message
    assert error.problem == "It is wrong."
    assert {name: getattr(error, name) for name in ("expected", "found", "advice")} == {
        "expected": "",
        "found": "",
        "advice": "",
        **parts,
    }


def test_exit_codes_are_the_documented_ones() -> None:
    tree = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__]
    assert {cls.__name__: cls.exit_code for cls in tree} == {
        "ScgnnError": 1,
        "ParameterError": 2,
        "InputError": 3,
        "OutputError": 4,
        "InsufficientMemoryError": 5,
        "TrainingError": 6,
        "MissingPackageError": 7,
        "PartialOutputError": 8,
    }
    assert all(issubclass(cls, ScgnnError) for cls in tree)


@pytest.mark.parametrize(
    ("cls", "builtin"), [(ParameterError, ValueError), (InputError, ValueError), (MissingPackageError, ImportError)]
)
def test_errors_are_also_the_built_in_ones_people_catch(cls: type[ScgnnError], builtin: type[Exception]) -> None:
    with pytest.raises(builtin, match="wrong"):
        raise cls("wrong")


def test_a_training_error_says_where() -> None:
    error = TrainingError("The loss became nan.", stage="feature_AE", iteration=2, epoch=7, advice="Lower it.")
    assert (error.stage, error.iteration, error.epoch) == ("feature_AE", 2, 7)
    assert str(error) == "The loss became nan. Lower it."


@pytest.mark.parametrize(
    "error",
    [
        ScgnnError("p.", expected="e", found="f", advice="A."),
        ParameterError("p.", advice="A."),
        OutputError("p.", found="f"),
        InsufficientMemoryError("p.", expected="e"),
        MissingPackageError("p.", advice="A."),
        TrainingError("p.", stage="graph_AE", iteration=1, epoch=3, advice="A."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_whole_out_of_another_process(error: ScgnnError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
