"""Paths and values that nobody can use are answered with a sentence by every command."""

from __future__ import annotations

import pytest

from scgnn2_engine.cli import main

NOBODY = "~nobody-of-that-name/x"


@pytest.mark.parametrize(
    "words",
    [
        ["run", NOBODY], ["run", "demo", "--load_cell_type_labels", NOBODY], ["inspect", NOBODY], ["evaluate", NOBODY],
        ["evaluate", NOBODY, "--output", NOBODY], ["convert", NOBODY, "out.h5ad"], ["ltmg", NOBODY, "out.csv"],
        ["benchmark", NOBODY, "--output", "out"], ["serve", NOBODY], ["serve", "--root", NOBODY],
        ["run", "n" * 5000 + ".h5ad"],
    ],
)  # fmt: skip
def test_a_path_of_nobody_or_too_long_is_said(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 3
    said = capsys.readouterr().err
    assert "no user of that name" in said or "cannot be looked at: File name too long" in said
    assert len(said) < 400


def test_a_folder_that_no_system_takes_is_said(capsys):
    assert main(["run", "demo", "--output_dir", "a\0b"]) == 4
    assert "cannot be the name of a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[" * 5000 + "]" * 5000, "too deep"),
        ("9" * 10_000, "is not TOML"),
        ("0x" + "f" * 10_000, "too many digits"),
        (f"'{'a' * 100_000}'", "…"),
    ],
)
def test_values_without_end_are_said_in_a_line(tmp_path, capsys, value, said):
    (tmp_path / "run.toml").write_text(f"seed = {value}\n")
    assert main(["run", "demo", "--config", str(tmp_path / "run.toml")]) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert len(errors) < 600
