"""``python -m scgnn2_engine`` is the command line."""

import sys

from scgnn2_engine.cli import main

sys.exit(main())
