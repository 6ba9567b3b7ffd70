"""Damage files of every format by thousands, and read each: ``python tests/fuzz/run.py [SOURCE …] --number 1000``.

Nothing may end the process, raise what is not ours, take all memory, or be read as something else without a word.
Outside continuous integration: ``test_fuzz.py`` reads a few dozen of each format there.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BAD = ("foreign", "silent", "ended", "timeout")


def outcomes(source: str, first: int, last: int, *, whole: bool = False, seconds: float = 60.0) -> list[dict[str, Any]]:
    """Read the files of some seeds in a process of their own, and another one wherever that ends."""
    found: list[dict[str, Any]] = []
    while first < last:
        command = [sys.executable, str(HERE / "worker.py"), source, str(first), str(last)]
        command += ["--whole"] * whole
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            answers, current, why = _answers(process, seconds)
        found += answers
        if current is None and process.returncode == 0:
            break
        if current is None:
            raise RuntimeError(f"{' '.join(command)} did not begin.")
        detail = f"exit code {process.returncode}"
        found.append({"seed": current, "outcome": why, "how": "", "what": "", "detail": detail})
        first = current + 1
    return found


def _answers(process: subprocess.Popen[str], seconds: float) -> tuple[list[dict[str, Any]], int | None, str]:
    """What a worker answers, the seed at which it ended or was ended, and which of both it was."""
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_pass_on, args=(process, lines))
    reader.start()
    answers: list[dict[str, Any]] = []
    current, why = None, "ended"
    while True:
        try:
            line = lines.get(timeout=300.0 if current is None else seconds)
        except queue.Empty:
            process.kill()
            why = "timeout"
            break
        if not line:
            break
        answer = json.loads(line)
        if "begins" in answer:
            current = answer["begins"]
        else:
            answers.append(answer)
            current = None
    reader.join()
    return answers, current, why


def _pass_on(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    for line in process.stdout or ():
        lines.put(line)
    lines.put("")


def main() -> None:
    """Read damaged files of the sources that are named, and print what became of them."""
    sys.path.insert(0, str(HERE))
    from sources import SOURCES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="*", default=[*SOURCES])
    parser.add_argument("--number", type=int, default=1000, help="files of each")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--whole", action="store_true", help="convert each as well")
    parser.add_argument("--show", type=int, default=5, help="how many of each bad outcome are shown")
    asked = parser.parse_args()
    for source in asked.sources:
        found = outcomes(source, asked.first, asked.first + asked.number, whole=asked.whole)
        print(source, dict(Counter(one["outcome"] for one in found)), flush=True)
        for outcome in BAD:
            for one in [one for one in found if one["outcome"] == outcome][: asked.show]:
                print(f"  {outcome} seed {one['seed']}: {one['what']}\n    {one['detail'][-600:]}", flush=True)


if __name__ == "__main__":
    main()
