"""The command line: flags come from the parameters, errors have exit codes, a run leaves its files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib

import anndata
import pandas as pd
import pytest

from scgnn2_engine.cli import main
from scgnn2_engine.params import RunParams, every_parameter

QUICK = [
    "--total_epoch",
    "2",
    "--feature_AE_epoch",
    "6",
    "4",
    "--cluster_AE_epoch",
    "4",
    "--graph_AE_epoch",
    "5",
    "--device",
    "cpu",
    "--no-output_figures",
    "--ari_threshold",
    "1",
    "--graph_change_threshold",
    "0",
]
RESULT_ALONE = ["--total_epoch", "1", "--no-output_figures", "--no-evaluate_baselines", "--no-evaluate_diagnostics"]


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "counts.h5ad"
    assert main(["simulate", str(path), "--n_obs", "80", "--n_vars", "60", "--n_types", "3", "--seed", "1"]) == 0
    return path


def test_run_writes_its_files_and_names_the_folder(counts, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["run", str(counts), "--output_dir", str(out), *QUICK]) == 0
    printed = capsys.readouterr().out
    assert f"Results: {out}" in printed
    assert "iteration 2/2" in printed
    metrics = pd.read_csv(out / "metrics.csv")
    assert metrics["iteration"].tolist() == [1, 2]
    assert metrics["selected"].sum() == 1
    record = json.loads((out / "run.json").read_text())
    assert record["params"]["total_epoch"] == 2
    assert record["labels_were_used_for"] == "display only"


def test_a_run_of_two_samples_says_of_each_cell_which_it_is_of(counts, tmp_path, capsys):
    arguments = ["run", f"ctrl={counts}", f"stim={counts}", "--output_dir", str(tmp_path / "out"), *QUICK]
    assert main([*arguments, *RESULT_ALONE]) == 0
    assert "2 samples joined" in capsys.readouterr().out
    result = anndata.read_h5ad(tmp_path / "out" / "result.h5ad")
    assert result.obs["sample"].value_counts().to_dict() == {"ctrl": 80, "stim": 80}
    assert result.obs_names[0].endswith("-ctrl")
    assert result.obs_names[-1].endswith("-stim")


def test_a_result_is_not_overwritten_unasked(counts, tmp_path, capsys):
    arguments = ["run", str(counts), "--output_dir", str(tmp_path / "out"), "--quiet", *QUICK, *RESULT_ALONE]
    assert main(arguments) == 0
    before = (tmp_path / "out" / "imputed.csv").read_bytes()
    assert main([*arguments, "--seed", "2"]) == 4
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "out" / "imputed.csv").read_bytes() == before
    assert main([*arguments, "--seed", "2", "--overwrite"]) == 0
    assert (tmp_path / "out" / "imputed.csv").read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "--graph_AE_epok", "3"], 2, "Did you mean graph_AE_epoch"),
        (["run", "--seed", "-1"], 2, "a whole number from 0 to 4294967295"),
        (["run", "--seed", "one"], 2, "a whole number"),
        (["run", "--use_CCC"], 2, "never implemented"),
        (["run", "--preset", "best"], 2, "one of default, paper"),
        (["run", "--config", "missing.toml"], 2, "missing.toml"),
        (["run", "missing.csv"], 3, "does not exist"),
        (["run", "a.csv", "b.csv"], 3, "a.csv (data) does not exist"),
        (["simulate", "a.h5ad", "b.h5ad"], 2, "one argument too many"),
        (["run", "--feature_AE_epoch", "5"], 2, "expected 2 arguments"),
        (["nothing"], 2, "invalid choice"),
        ([], 2, "COMMAND"),
        (["plot", "curves", "missing"], 3, "missing"),
        (["simulate", "out.txt"], 2, ".h5ad"),
    ],
)
def test_mistakes_have_a_sentence_and_an_exit_code(arguments, code, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    printed = capsys.readouterr().err
    assert words in printed
    assert "Traceback" not in printed


def test_every_parameter_has_a_flag_and_a_toml_key(capsys):
    assert main(["params", "--toml"]) == 0
    values = tomllib.loads(capsys.readouterr().out)
    assert RunParams.from_dict(values) == RunParams()
    assert main(["params"]) == 0
    printed = capsys.readouterr().out
    for owner, name in every_parameter():
        assert f"--{owner.flag(name)} " in printed


def test_flags_win_over_the_file_and_the_file_over_the_preset(counts, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text('preset = "paper"\nseed = 5\ngraph_AE_epoch = 3\n')
    out = tmp_path / "out"
    assert main(["run", str(counts), "--config", str(config), "--output_dir", str(out), *QUICK]) == 0
    params = json.loads((out / "run.json").read_text())["params"]
    assert (params["preset"], params["seed"], params["graph_AE_epoch"]) == ("paper", 5, 5)
    assert params["validation_share"] == 0


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("scgnn2 ")


def test_convert_and_back_keeps_every_value(counts, tmp_path, capsys):
    text, back = tmp_path / "counts.csv.gz", tmp_path / "back.h5ad"
    assert main(["convert", str(counts), str(text)]) == 0
    assert "Not carried over" in capsys.readouterr().out
    assert main(["convert", str(text), str(back), "--orientation", "genes-by-cells"]) == 0
    from scgnn2_engine import read

    first, second = read(counts), read(back)
    assert (first.expression != second.expression).sum() == 0
    assert first.obs_names.tolist() == second.obs_names.tolist()
    assert first.var_names.tolist() == second.var_names.tolist()


def test_ltmg_alone_gives_the_golden_file(data_dir, tmp_path):
    out = tmp_path / "LTMG.csv"
    assert main(["ltmg", str(data_dir / "goolam" / "original_top_expression.csv"), str(out)]) == 0
    golden = pd.read_csv(data_dir / "goolam" / "LTMG_0.0.csv", sep="\t", index_col="ID")
    found = pd.read_csv(out, sep="\t", index_col="ID")
    pd.testing.assert_frame_equal(found, golden)


def test_ctrl_c_ends_cleanly_with_what_is_there(counts, tmp_path):
    out = tmp_path / "out"
    arguments = [
        "run",
        str(counts),
        "--output_dir",
        str(out),
        "--no-output_figures",
        "--device",
        "cpu",
        "--preset",
        "paper",
        "--total_epoch",
        "10000",
        "--ari_threshold",
        "1",
        "--graph_change_threshold",
        "0",
        "--feature_AE_epoch",
        "5",
        "5",
        "--cluster_AE_epoch",
        "5",
        "--graph_AE_epoch",
        "5",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "scgnn2_engine", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    for line in process.stdout:
        if line.startswith("iteration 2/"):
            break
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Stopping" in errors
    assert "Results:" in printed
    assert (out / "imputed.csv").exists()
    assert json.loads((out / "run.json").read_text())["stopped_by"] == "stop_signal"


def test_help_names_the_defaults_of_both_presets(capsys):
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for text in ("default: 3, with --preset paper 31)", "default: on, with --preset paper off)", "default: default)"):
        assert text in said


def test_demo_is_the_demo_wherever_it_is_asked_for(monkeypatch, tmp_path, capsys):
    (tmp_path / "demo").mkdir()  # as an earlier run into --output_dir demo leaves it
    monkeypatch.chdir(tmp_path)
    assert main(["run", "demo", "--output_dir", "demo", "--preprocess_cell_cutoff", "0", "--quiet"]) == 3
    assert "of 700 cells" in capsys.readouterr().err


SIGNALLED = """
import os, signal, sys
class Signalling:
    def find_spec(self, name, path=None, target=None):
        if name == "scgnn2_engine.cli.plot":
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Signalling())
from scgnn2_engine.cli import main
sys.exit(main(["params"]))
"""


def test_sigterm_while_the_program_still_loads_is_said():
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (143, "")
    assert done.stderr == "scgnn2: ended by SIGTERM, nothing more was written.\n"


def test_sigterm_in_a_command_is_said_and_the_handler_goes_with_it(monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("scgnn2_engine.params.RunParams.to_toml", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    assert main(["params", "--toml"]) == 143
    assert "ended by SIGTERM" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
