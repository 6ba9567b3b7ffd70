"""The scripts here make files inside the environments of other tools: no test, not to be imported."""

collect_ignore_glob = ["*.py"]
