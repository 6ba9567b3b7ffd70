"""What ``panel serve scgnn2_app --args FOLDER`` runs; without a folder it shows ``outputs/demo``."""

import sys

from scgnn2_app.app import page

page(sys.argv[1] if len(sys.argv) > 1 else "outputs/demo").servable()
