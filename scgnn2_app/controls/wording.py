"""The engine's sentences in the words of the page: names of controls instead of flags, of files instead of paths."""

from __future__ import annotations

import html
import re
from pathlib import Path

from scgnn2_app.controls.fields import label_of
from scgnn2_app.sources.source import Source
from scgnn2_engine.params import every_parameter

EXPECTED = (
    "Of these data the imputed expression is what to expect of a gene, zeros included: a typical amount, less than the "
    "mean (imputation_target = value: the value of a gene where it is seen)."
)
"""What to say where the imputed expression is shown and is not the value where a gene is seen."""

_FLAG = re.compile(r"--(?:no-)?(\w+)")
_NAMES = {stage.flag(name): f"{label_of(name)} (card {stage.title})" for stage, name in every_parameter()}


def plain(text: str) -> str:
    """Text for a Typography or an Alert, which take HTML: what it holds of names and files shall not be taken for such.

    Examples
    --------
    >>> plain("<b>cell</b>")
    '&lt;b&gt;cell&lt;/b&gt;'
    """
    return html.escape(text, quote=False)


def on_page(text: str, source: Source | None = None) -> str:
    """A sentence as a page says it.

    Parameters
    ----------
    text
        A message of the engine.
    source
        The data it speaks of: an upload is called by its name, for where it lies tells a user nothing, and so are
        files of labels and of bulk.

    Examples
    --------
    >>> on_page("Say which it is: --load_orientation cells-by-genes.")
    'Say which it is: Orientation (card Load) cells-by-genes.'
    >>> on_page("/ws/uploads/6f16/a.csv is empty.", Source("upload", "/ws/uploads/6f16/a.csv", title="a.csv"))
    'a.csv is empty.'
    """
    if source is not None and source.kind in ("upload", "memory"):
        text = text.replace(source.path, source.text)
    for beside in (source.labels, source.bulk) if source is not None else ():
        if Path(beside).is_absolute():
            text = text.replace(beside, Path(beside).name)
    return _FLAG.sub(lambda found: _NAMES.get(found[1], found[0]), text)
