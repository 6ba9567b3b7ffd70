"""The server: its own name, its own users, and what it prints; the page itself is tested in a browser."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlencode

import panel as pn
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from scgnn2_app import warm_up as warming
from scgnn2_app.context import ServerOptions, context_for, leave
from scgnn2_app.serving import server as servers
from scgnn2_app.serving.auth import Users
from scgnn2_app.serving.guard import HEADERS, allowed_hosts
from scgnn2_app.serving.server import make_server
from scgnn2_app.serving.sessions import FORGOTTEN_AFTER, LIFETIME_SECONDS, Attempts, Sessions
from scgnn2_app.sources.source import Source
from scgnn2_engine.errors import InputError, OutputError, ParameterError


@contextmanager
def running(options):
    """A server in a thread; gives its port and the contexts its pages were given."""
    contexts = []
    ready, box = threading.Event(), {}

    def work():
        asyncio.set_event_loop(asyncio.new_event_loop())
        box["server"] = make_server(options)
        box["server"].start()
        box["server"].io_loop.add_callback(ready.set)
        box["server"].io_loop.start()
        box["server"].stop()
        box["server"].io_loop.close(all_fds=False)

    def page(context):
        contexts.append(context)
        return pn.pane.Markdown(f"hello {context.user}")

    before, servers._page = servers._page, page
    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(30)
    try:
        yield box["server"].port, contexts
    finally:
        box["server"].io_loop.add_callback(box["server"].io_loop.stop)
        thread.join(30)
        servers._page = before
        leave(options)


@pytest.fixture
def options(tmp_path):
    return ServerOptions(workspace=tmp_path / "w", port=0, show=False)


def ask(port, path="/", *, host=None, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, {"Host": host or f"127.0.0.1:{port}", **headers})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, answer.headers


def test_the_page_is_served_to_its_own_name_only_and_fetches_nothing_elsewhere(options):
    with running(options) as (port, contexts):
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}"):
            status, text, _ = ask(port, host=host)
            assert (status, "<title>scgnn2</title>" in text) == (200, True)
        # The page's own resources; links in texts, such as the licence of a script, are no resources.
        fetched = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']([^\"']+)", text)
        assert len(fetched) > 3
        assert [address for address in fetched if "//" in address] == []
        asked = len(contexts)
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1.evil:{port}", ""):
            for path in ("/", "/ws", "/autoload.js", "/static/js/bokeh.min.js", "/login", "/metadata"):
                assert ask(port, path, host=host or "x")[0] == 421
        assert ask(port, method="POST", host="evil.example")[0] == 421
        assert len(contexts) == asked
    assert contexts[0].user == ""
    assert contexts[0].owner is None


def token_of(text):
    return re.search(r'"token":"([^"]+)"', text)[1]


def test_only_its_own_pages_may_open_the_socket(options):
    with running(options) as (port, _):
        token = token_of(ask(port)[1])

        async def connect(origin):
            request = HTTPRequest(f"ws://127.0.0.1:{port}/ws", headers={"Origin": origin})
            socket = await websocket_connect(request, subprotocols=["bokeh", token])
            socket.close()
            while await socket.read_message() is not None:  # what was under way, and then that it is closed
                pass

        asyncio.run(connect(f"http://127.0.0.1:{port}"))
        for origin in ("http://evil.example", f"http://evil.example:{port}", "http://127.0.0.1:1", "null"):
            with pytest.raises(HTTPClientError, match="403"):
                asyncio.run(connect(origin))


def test_other_addresses_need_users(options, tmp_path):
    for address in ("0.0.0.0", "192.168.0.1", "::"):
        with pytest.raises(ParameterError, match=r"can be reached by others.*--auth"):
            make_server(replace(options, address=address))
    empty = replace(options, address="0.0.0.0", auth=tmp_path / "nobody.json")
    with pytest.raises(ParameterError, match="There are no users"):
        make_server(empty)


def test_a_server_for_all_addresses_goes_by_those_of_the_machine_and_by_the_names_it_was_given():
    hosts = allowed_hosts("0.0.0.0", 80, ("cells.example",))
    assert f"{socket.gethostname()}:80".lower() in hosts
    assert {"127.0.0.1:80", "127.0.0.1", "cells.example:80", "cells.example"} <= set(hosts)  # port 80 goes unsaid
    assert not any("0.0.0.0" in host or "evil" in host for host in hosts)


@pytest.fixture
def users(tmp_path):
    users = Users(tmp_path / "users.json")
    users.add("ada", "correct horse")
    users.add("bob", "battery staple")
    return users


def log_in(port, name, password, to="/"):
    """The answer's status, text and the cookies it set."""
    form = urlencode({"username": name, "password": password})
    kind = "application/x-www-form-urlencoded"
    status, text, headers = ask(port, "/login", method="POST", body=form, **{"Content-Type": kind})
    return status, text, kept(headers)


def kept(headers):
    """The cookies that an answer set, as the next request sends them."""
    return "; ".join(cookie.partition(";")[0] for cookie in headers.get_all("Set-Cookie") or [])


def test_users_log_in_see_their_own_page_and_log_out(options, users):
    with running(replace(options, auth=users.path)) as (port, contexts):
        status, _, headers = ask(port)
        assert status == 302
        assert headers["Location"] == "./login?next=%2F"
        status, text, _ = ask(port, "/login?next=%2F")
        assert status == 200
        assert "//" not in re.sub(r"<!DOCTYPE[^>]*>", "", text)
        for name, password in (("ada", "wrong"), ("eve", "correct horse")):
            status, text, cookies = log_in(port, name, password)
            assert (status, cookies) == (403, "")
            assert "wrong" in text
        assert contexts == []
        for name, password in (("ada", "correct horse"), ("bob", "battery staple")):
            status, _, cookies = log_in(port, name, password)
            assert status == 302
            assert ask(port, Cookie=cookies)[0] == 200
            assert contexts[-1].user == contexts[-1].owner == name
        token = token_of(ask(port, Cookie=cookies)[1])
        request = HTTPRequest(f"ws://127.0.0.1:{port}/ws", headers={"Origin": f"http://127.0.0.1:{port}"})
        with pytest.raises(HTTPClientError, match=r"HTTP [34]"):  # a page's token alone opens no socket
            asyncio.run(_connect(request, token))
        assert ask(port, Cookie=f"scgnn2-{port}=forged; user=ada; is_guest=1")[0] == 302
        status, _, headers = ask(port, "/logout", Cookie=cookies)
        assert (status, headers["Location"]) == (302, "/login")
        assert ask(port, Cookie=cookies)[0] == 302  # the cookie a browser had kept opens nothing any more


def test_guesses_wait_longer_and_longer_also_side_by_side(options, users, caplog):
    with running(replace(options, auth=users.path)) as (port, _):
        with ThreadPoolExecutor(8) as pool:
            found = [answer[0] for answer in pool.map(lambda n: log_in(port, "ada", f"guess {n}"), range(12))]
        assert (found.count(403), found.count(429)) == (3, 9)
        status, text, cookies = log_in(port, "ada", "correct horse")
        assert (status, cookies) == (429, "")
        assert re.search(r"wait \d+ s before the next", text)
    assert "as 'ada' from 127.0.0.1 failed, number 3" in caplog.text
    assert "refused unseen" in caplog.text


def test_waits_grow_and_are_forgotten():
    now = 0.0
    attempts = Attempts(clock=lambda: now)
    waits = []
    for _ in range(11):
        while wait := attempts.begin("ada", "here"):
            waits.append(wait)
            now += wait
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    now += FORGOTTEN_AFTER
    assert attempts.begin("ada", "here") == 0
    attempts.succeeded("ada", "here")
    assert [attempts.begin("ada", "here") for _ in range(4)] == [0, 0, 0, 1]


def test_a_session_ends_by_itself():
    now = 0.0
    sessions = Sessions(clock=lambda: now)
    key = sessions.begin("ada")
    now = LIFETIME_SECONDS - 1
    assert sessions.user(key) == "ada"
    now += 1
    assert sessions.user(key) is None


def test_the_address_holds_the_key(options):
    with running(replace(options, token="right")) as (port, contexts):
        status, _, headers = ask(port, "/?token=right&run=7")
        assert status == 302
        status, _, headers = ask(port, "/" + headers["Location"].removeprefix("./"))
        assert (status, headers["Location"]) == (302, "/?run=7")  # the key does not stay in the address
        (cookie,) = [found for found in headers.get_all("Set-Cookie") if found.startswith(f"scgnn2-{port}=")]
        assert {"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert ask(port, Cookie=kept(headers))[0] == 200
        assert contexts[-1].user == ""
        for way, said, code in (("/?token=old", "not of this server", 403), ("/", "printed", 200)):
            _, _, headers = ask(port, way)
            status, text, headers = ask(port, "/" + headers["Location"].removeprefix("./"))
            assert (status, said in text, f"scgnn2-{port}=" in str(headers)) == (code, True, False)
        _, _, headers = ask(port, "/login?next=%2F%3Ftoken%3Dright", **{"X-Forwarded-Proto": "https"})
        assert "Secure" in str(headers)
        assert len(contexts) == 1


def test_every_answer_says_what_a_page_may_do_and_unused_routes_are_closed(options):
    with running(options) as (port, _):
        for path, code in (("/", 200), ("/nothing", 404), ("/static/js/bokeh.min.js", 200), ("/metadata", 404),
                           ("/autoload.js?bokeh-autoload-element=x", 404)):  # fmt: skip
            status, _, headers = ask(port, path)
            assert (path, status) == (path, code)
            assert {name: headers[name] for name in HEADERS} == HEADERS
        assert ask(port, host="evil.example")[2]["X-Frame-Options"] == "SAMEORIGIN"


async def _connect(request, token):
    await websocket_connect(request, subprotocols=["bokeh", token])


def test_a_log_in_leads_to_no_other_site(options, users):
    with running(replace(options, auth=users.path)) as (port, _):
        for target in ("//evil.example", "https://evil.example", "/\\evil.example"):
            _, _, headers = ask(port, "/login?" + urlencode({"next": target}))
            assert "evil" not in str(headers)


def test_a_taken_port_is_said(options):
    with running(options) as (port, _), pytest.raises(OutputError, match=f"127.0.0.1:{port}.*--port"):
        make_server(replace(options, port=port))


def test_named_data_may_be_read_and_nothing_beside_it(tmp_path, tiny_source):
    options = ServerOptions(workspace=tmp_path / "w", sources=(Source.demo(), tiny_source))
    context = context_for(options)
    from scgnn2_engine import RunParams

    context.manager.at_once = 0
    run = context.manager.submit(tiny_source, RunParams(), owner="ada")
    beside = Source.at(str(tiny_source.path) + ".other")
    with pytest.raises(InputError, match="outside"):
        context.manager.submit(beside, RunParams())
    assert context.may_see(run)
    mine, yours = (context_for(options, user=name) for name in ("ada", "bob"))
    assert (mine.may_see(run), yours.may_see(run), yours.may_see("nothing")) == (True, False, False)
    assert mine.manager is yours.manager
    assert mine.sweeps is yours.sweeps
    leave(options)


def test_with_users_the_workspace_may_not_lie_open(tmp_path, users):
    options = ServerOptions(workspace=tmp_path / "root" / "w", roots=(tmp_path / "root",), auth=users.path)
    with pytest.raises(ParameterError, match="each other's runs"):
        make_server(options)


def test_warming_up_survives_what_breaks(capsys, monkeypatch):
    done = []
    actions = [lambda: done.append(1), lambda: 1 / 0, lambda: done.append(2)]
    monkeypatch.setattr(warming, "WARM_UP", actions)
    warming.warm_up()
    assert done == [1, 2]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_passwords_are_kept_as_salted_hashes(users):
    text = users.path.read_text()
    assert "correct" not in text
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600
    users.add("eve", "correct horse")
    hashes = json.loads(users.path.read_text())
    assert hashes["eve"] != hashes["ada"]
    again = Users(users.path)
    assert again.names == ["ada", "bob", "eve"]
    assert again.check("ada", "correct horse")
    again.remove("ada")
    assert not Users(users.path).check("ada", "correct horse")


@pytest.mark.parametrize("content", ["[]", '{"ada": "plain password"}', "{", '{"ada": 1}'])
def test_passwords_in_plain_text_are_refused(tmp_path, content):
    (tmp_path / "users.json").write_text(content)
    with pytest.raises(InputError, match="users"):
        Users(tmp_path / "users.json")


@pytest.mark.parametrize(("name", "password"), [("", "long enough"), ("a\nb", "long enough"), ("ada", "short")])
def test_odd_users_are_refused(tmp_path, name, password):
    with pytest.raises(ParameterError):
        Users(tmp_path / "users.json").add(name, password)
