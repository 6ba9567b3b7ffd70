"""The command line: ``scgnn2 run``, ``scgnn2 evaluate`` and so on, and commands of others.

Exit codes: 0 done (a time budget that ran out included), 1 unexpected error, 2 parameter, 3 input, 4 output,
5 memory, 6 training, 7 missing package, 8 partial (a file of the result is missing, run.json says which and why; all
others are there), 130 stopped by Ctrl-C and 143 by SIGTERM (the best state so far is written).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from scgnn2_engine.cli.interrupt import INTERRUPTED, Terminated, told_apart
from scgnn2_engine.errors import ScgnnError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    # Idle OpenMP threads that spin slow everything down fourfold when another process competes; read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with told_apart():
            from scgnn2_engine.cli.commands import parser  # some tenths of a second, in which a signal may come

            arguments = parser((__doc__ or "").split("\n\n")[1]).parse_args(argv)
            return int(arguments.act(arguments))
    except ScgnnError as error:
        print(f"scgnn2: {error}", file=sys.stderr)
        return error.exit_code
    except Terminated:
        print("scgnn2: ended by SIGTERM, nothing more was written.", file=sys.stderr)
        return Terminated.exit_code
    except KeyboardInterrupt:
        print("scgnn2: interrupted, nothing more was written.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) has left; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
