"""``scgnn2 serve``, ``sweep`` and ``users`` as a user types them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from scgnn2_app.runs import processes
from scgnn2_app.runs.workspace import Workspace
from scgnn2_app.sources.source import Source
from scgnn2_engine import RunParams
from scgnn2_engine.cli import main


def test_the_help_names_the_commands(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for command in ("serve", "sweep", "users"):
        assert re.search(rf"^    {command} ", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["serve", "/no/such/file.h5ad"], 3, "does not exist"),
        (["serve", "--address", "0.0.0.0"], 2, "can be reached by others"),
        (["serve", "--root", "/no/such"], 3, "is no folder"),
        (["serve", "--runs_at_once", "0"], 2, "at least 1"),
        (["serve", "--port", "many"], 2, "invalid int"),
        (["serve", "--rooot", "."], 2, "rooot"),
        (["sweep", "demo", "--param", "graph_AE_embeding_size=4:8"], 2, "Did you mean graph_AE_embedding_size"),
        (["sweep", "demo"], 2, "at least one parameter"),
        (["sweep", "demo", "--param", "seed=1,2", "--set", "alpha"], 2, "has no value"),
        (["sweep", "demo", "--param", "seed=1,2", "--set", "alpha=2"], 2, "alpha cannot be 2"),
        (["sweep", "demo", "--param", "seed=1,2", "--score", "ari_against_ground_truth"], 2, "rests on labels"),
        (["users", "users.json", "remove", "ada"], 2, "There is no user 'ada'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path, monkeypatch, capsys, words, code, message):
    monkeypatch.chdir(tmp_path)
    assert main(words) == code
    assert message in capsys.readouterr().err


def test_users_are_kept_by_the_command_line(tmp_path, monkeypatch, capsys):
    import io

    path = str(tmp_path / "users.json")
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    assert main(["users", path, "add", "ada"]) == 0
    assert main(["users", path, "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "ada"
    assert main(["users", path, "remove", "ada"]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(["users", path, "add", "ada"]) == 2


def sweep(tmp_path, *more):
    return main([
        "sweep", "demo", "--workspace", str(tmp_path / "w"), "--name", "sizes", "--threads", "1", "--runs_at_once", "2",
        "--param", "graph_AE_embedding_size=4,8", "--strategy", "grid", "--set", "total_epoch=1",
        "--set", "feature_AE_epoch=5,6", *more,
    ])  # fmt: skip


def test_a_sweep_prints_its_trials_and_the_best_and_its_name_resumes_it(tmp_path, scripted_worker, capsys):
    assert sweep(tmp_path) == 0
    out = capsys.readouterr().out
    assert re.search(r"^#1 +0\.04 +graph_AE_embedding_size=4", out, re.MULTILINE)
    assert "2 of 2 trials done" in out
    assert "Best validation_error: 0 (trial #2" in out
    command = next(line for line in out.splitlines() if "scgnn2 run" in line)
    assert command.strip().startswith("scgnn2 run demo --output_dir")
    for flag in ("--graph_AE_embedding_size 8", "--total_epoch 1", "--feature_AE_epoch 5 6"):
        assert flag in command
    assert "--no-output_figures" not in command
    workspace = Workspace(tmp_path / "w")
    runs = workspace.run_ids()
    assert {workspace.job(run).params["total_epoch"] for run in runs} == {1}
    assert workspace.job(runs[0]).params["feature_AE_epoch"] == [5, 6]
    assert sweep(tmp_path) == 0  # done already: printed again, nothing is run
    assert "2 of 2 trials are done (done)" in capsys.readouterr().out
    assert workspace.run_ids() == runs
    assert sweep(tmp_path, "--score", "graph_change") == 2
    assert "asks for something else" in capsys.readouterr().err


def test_ctrl_c_stops_a_sweep_which_goes_on_by_its_name(tmp_path, scripted_worker, wait_until):
    workspace = Workspace(tmp_path / "w")
    hold = workspace.folder / "hold"
    hold.touch()
    program = (
        "import sys; from scgnn2_app.runs import processes; processes.WORKER = (sys.argv.pop(1),);"
        "from scgnn2_engine.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [
        sys.executable, "-c", program, str(scripted_worker), "sweep", "demo", "--workspace", str(workspace.folder),
        "--name", "sizes", "--param", "graph_AE_embedding_size=4,8", "--strategy", "grid",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        wait_until(lambda: any(workspace.state(run).state == "running" for run in workspace.run_ids()))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "0 of 2 trials done, stopped" in out
    assert "--name sizes goes on" in out
    assert {workspace.state(run).state for run in workspace.run_ids()} == {"stopped"}
    hold.unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 trials done, done" in done.stdout


def answer(address):
    with urllib.request.urlopen(address, timeout=120) as page:
        return page.read().decode()


def test_serve_prints_its_address_serves_the_page_and_leaves_runs_going(tmp_path, scripted_worker, wait_until):
    workspace = Workspace(tmp_path / "w")
    run = workspace.add(Source.demo(), RunParams(), name="wait")
    program = (
        "import sys; from scgnn2_app.runs import processes; processes.WORKER = (sys.argv.pop(1),);"
        "from scgnn2_engine.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [
        sys.executable, "-c", program, str(scripted_worker), "serve", "demo", "--port", "0", "--no-browser",
        "--no-token", "--workspace", str(workspace.folder), "--threads", "1",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        address = next(found[0] for line in server.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        assert "<title>scgnn2</title>" in answer(address)
        wait_until(lambda: workspace.state(run).state == "running" and (workspace.run_folder(run) / "alive").exists())
        server.send_signal(signal.SIGTERM)
        out, _ = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "1 runs are left" in out
    state = workspace.state(run)
    assert processes.is_alive(state.pid, state.birth)
    processes.kill(state.pid, state.birth)


def test_panel_serve_shows_the_same(tmp_path):
    command = [
        sys.executable, "-m", "panel", "serve", "scgnn2_app", "--port", "0", "--args", "demo", "--workspace",
        str(tmp_path / "w"),
    ]  # fmt: skip
    project = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
            time.sleep(0.5)
            text = answer(address)
            assert "scgnn2" in re.search(r"<title>(.*)</title>", text)[1]
            assert Workspace(tmp_path / "w").run_ids() == []
        finally:
            server.terminate()
            server.communicate(timeout=30)


def test_only_the_engine_installed_is_said(monkeypatch, capsys):
    monkeypatch.setattr("scgnn2_app.cli.find_spec", lambda name: None)
    assert main(["serve"]) == 7
    assert "pip install 'scgnn2[app]'" in capsys.readouterr().err
