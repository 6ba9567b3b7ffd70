"""Panel leaves the last message to a page behind."""

from __future__ import annotations

from functools import wraps

from bokeh.document import Document
from panel.io import document

from scgnn2_app.patches.versions import Versions

FOR = Versions("panel", "1.9")


def lose_no_message() -> None:
    """Have every message sent that waits for its turn.

    Panel keeps messages while another is being written. One that comes in the moment in which that one is through is
    taken for sent, and waits until there is a next one; of a run that is over there is none, and the page goes on to
    say that it runs. Asked twice, it does nothing the second time.
    """
    if not FOR.installed or hasattr(document._dispatch_msgs, "__wrapped__"):
        return
    send = document._dispatch_msgs

    @wraps(send)
    async def send_all(doc: Document) -> None:
        await send(doc)  # type: ignore[no-untyped-call]  # panel carries no types
        if doc in document._WRITE_MSGS and doc not in document._WRITE_BLOCK:
            document._WRITE_BLOCK[doc] = True
            document._dispatch_write_task(doc, send_all, doc)

    document._dispatch_msgs = send_all
