"""The scripts here find each other, whether they are run or collected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
