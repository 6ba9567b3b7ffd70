"""No message to the browser is left behind."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import pytest
from bokeh.document import Document
from panel.io import document

from scgnn2_app.patches.panel_last_message import FOR, lose_no_message


class Connection:
    """Takes messages, and is through with one when it is told to be."""

    def __init__(self):
        self._socket = self.protocol = self
        self.sent = []
        self.through = None

    def create(self, kind, events):
        return events

    def take(self, msg):
        self.sent.append(msg)
        self.through = asyncio.get_running_loop().create_future()
        return [self.through]


@pytest.fixture
def panel(monkeypatch):
    """Panel's own way to send, and afterwards what it was before."""
    before = document._dispatch_msgs
    monkeypatch.setattr(document, "_dispatch_msgs", getattr(before, "__wrapped__", before))
    monkeypatch.setitem(document.extra_socket_handlers, Connection, Connection.take)


def in_a_loop_of_its_own(work):
    """In a thread: the browser's tests may have left a loop going in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(lambda: asyncio.run(work())).result(timeout=60)


async def send_two(second_when_first_is_through):
    doc, connection = Document(), Connection()
    document.schedule_write_events(doc, [connection], "first")
    await asyncio.sleep(0.01)
    if second_when_first_is_through:
        connection.through.set_result(None)
    document.schedule_write_events(doc, [connection], "second")
    for _ in range(3):
        await asyncio.sleep(0.01)
        if not connection.through.done():
            connection.through.set_result(None)
    assert doc not in document._WRITE_BLOCK
    return connection.sent


@pytest.mark.parametrize("second_when_first_is_through", [False, True])
def test_a_message_that_comes_while_another_is_written_is_sent(panel, second_when_first_is_through):
    lose_no_message()
    lose_no_message()
    assert in_a_loop_of_its_own(lambda: send_two(second_when_first_is_through)) == ["first", "second"]


def test_panel_alone_still_leaves_one_behind(panel):
    """Once this fails, ``panel_last_message`` may go."""
    sent = in_a_loop_of_its_own(lambda: send_two(second_when_first_is_through=True))
    assert sent == ["first"], f"panel {version('panel')} no longer needs the patch for {FOR.series}"
