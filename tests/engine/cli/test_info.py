"""What a report of a fault needs to say."""

import json
from importlib.metadata import version

from scgnn2_engine.cli import info, main


def test_info_says_what_is_installed_and_what_is_there(capsys):
    assert main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["versions", "machine", "extras"]
    assert f"  torch              {version('torch')}" in lines
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "cpu" in found["machine"]["devices"]
    assert found["extras"]["test"] == "installed"


def test_a_missing_package_of_an_extra_is_named(monkeypatch):
    wanted = ["numpy>=2", 'panel>=1; extra == "app"', 'no-such-package>=3; extra == "app"', 'h5py; extra == "formats"']
    monkeypatch.setattr(info.importlib.metadata, "requires", lambda _: wanted)
    assert info.collected()["extras"] == {"app": "missing: no-such-package", "formats": "installed"}
