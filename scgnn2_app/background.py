"""Slow work beside the page: in a thread, and its outcome back under the page's lock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import panel as pn
from bokeh.document import without_document_lock
from panel.io.state import set_curdoc

T = TypeVar("T")


@contextmanager
def in_order() -> Iterator[None]:
    """Send all changes made in here together and in their order.

    Panel and Bokeh send on different ways, so that a change of a figure may else overtake the message that brings the
    figure itself. Not before the page is whole in the browser: what is held until then, Panel drops.
    """
    doc = pn.state.curdoc
    if doc is None or not doc.session_context or not pn.state.loaded:
        yield
        return
    with pn.io.hold(policy="collect"):
        yield


def once_whole(call: Callable[[], Any]) -> None:
    """Call this as soon as the page is whole in the browser; at once if it is, or if there is no browser.

    Between the opening of a page and its first content Bokeh keeps every change and plays it after the content, which
    has the change already: what such a change speaks of may have been replaced since, and the browser knows it not.
    """
    if pn.state.curdoc is None or pn.state.loaded:
        call()
    else:
        pn.state.onload(call)


def in_thread(work: Callable[[], T], then: Callable[[T], Any], failed: Callable[[Exception], Any]) -> None:
    """Do something slow and take up its outcome; the page answers meanwhile.

    Parameters
    ----------
    work
        Called in a thread, so it must touch no widget and no figure. Without a server (a notebook, a test) at once.
    then, failed
        Called with what it returned or raised, where widgets and figures may be touched.
    """
    doc = pn.state.curdoc
    if doc is None or not doc.session_context:
        try:
            found = work()
        except Exception as error:
            failed(error)
        else:
            then(found)
        return

    def back(call: Callable[[Any], Any], value: Any) -> None:
        def under_the_lock() -> None:
            with set_curdoc(doc), in_order():
                call(value)

        if not doc.session_context:  # the page is gone by now
            return
        with set_curdoc(doc):
            once_whole(lambda: doc.add_next_tick_callback(under_the_lock))

    @without_document_lock
    async def task() -> None:
        try:
            found = await asyncio.to_thread(work)
        except Exception as error:
            back(failed, error)
        else:
            back(then, found)

    doc.add_next_tick_callback(task)  # type: ignore[arg-type]  # may be a coroutine, says its documentation
