"""Files that come through the browser: sizes and kinds enforced here, not in the browser."""

from __future__ import annotations

import hashlib
from pathlib import Path

from scgnn2_app.workspace import Workspace


def folder_of(workspace: Workspace, owner: str = "") -> Path:
    """The folder of a user's uploads; users are told apart by a hash, since names may hold anything."""
    name = hashlib.sha256(owner.encode()).hexdigest()[:16] if owner else "everyone"
    return workspace.uploads / name
