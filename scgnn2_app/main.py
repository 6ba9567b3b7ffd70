"""What ``panel serve scgnn2_app [--args PATH ... --root DIR --workspace DIR]`` runs: the dashboard.

The address, the port and who may log in are panel's to say here; ``scgnn2 serve`` is stricter about them.
"""

import argparse
import sys

from scgnn2_app.app import create_page
from scgnn2_app.cli import add_serve_arguments, options_of
from scgnn2_app.context import context_for

parser = argparse.ArgumentParser(prog="panel serve scgnn2_app --args")
add_serve_arguments(parser)
create_page(context_for(options_of(parser.parse_args(sys.argv[1:])))).servable()
