"""Who is answered, and how the server ends."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import psutil
import pytest
from processes import start
from studies import toy_study, wait_for

from ablate.cli.main import main
from ablate.ledger.ledger import Ledger
from ablate.spec.load import save_study
from ablate.study_dir import StudyPaths
from ablate.watch.guard import Guard
from ablate.watch.server import Server
from ablate.watch.storage import Storage


@pytest.fixture
def storage(tmp_path):
    """A storage with one planned study, `toys`."""
    study = toy_study(tmp_path)
    paths = StudyPaths(study.directory)
    save_study(study, paths)
    ledger = Ledger(paths)
    with ledger.writing():
        ledger.add("r1", run_name="gain=1-s1", seed=1, gain=1)
    return tmp_path


@pytest.fixture
def server(storage):
    found = Server(Storage.of(storage), "127.0.0.1", 0)
    with found.serving():
        yield found


def asked(server, path, method="GET", **headers):
    """Status, headers and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, headers={k.title(): v for k, v in headers.items()})
    answer = connection.getresponse()
    found = answer.status, dict(answer.headers), answer.read().decode()
    connection.close()
    return found


def cookie_of(server):
    status, headers, _ = asked(server, f"/?token={server.token}&study=toys")
    assert (status, headers["location"]) == (303, "/?study=toys")
    assert "HttpOnly" in headers["set-cookie"]
    return headers["set-cookie"].partition(";")[0]


def test_only_who_has_the_token_is_answered_under_its_own_name_and_reads_alone(server):
    cookie = cookie_of(server)
    for path in ("/", "/list", "/study?study=toys", "/run?study=toys&id=r1", "/report?study=toys"):
        assert asked(server, path)[0] == 403
        assert asked(server, f"{path}{'&' if '?' in path else '?'}token=wrong")[0] == 403
        assert asked(server, path, cookie=cookie, host="evil.example")[0] == 403
        assert (
            asked(server, path, cookie=cookie, host=f"127.0.0.1.evil.example:{server.port}")[0]
            == 403
        )
        assert asked(server, path, "POST", cookie=cookie)[0] == 405
    assert asked(server, "/", cookie=cookie[:-1])[0] == 403
    foreign = f'prefs={{"theme": "dark"}}; a name=1; {cookie}; x="'  # of another port's pages
    assert asked(server, "/", cookie=foreign)[0] == 200
    assert asked(server, "/", cookie=f"prefs={cookie}")[0] == 403
    for host in ("localhost:9999", "127.0.0.1", "[::1]:80"):  # a tunnel has another port
        assert asked(server, "/", cookie=cookie, host=host)[0] == 200
    status, headers, text = asked(server, "/?study=toys", cookie=cookie)
    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'none'; connect-src 'self';")
    assert (headers["x-frame-options"], headers["cache-control"]) == ("DENY", "no-store")
    assert server.token not in text
    outside = asked(server, "//evil.example/x?token=" + server.token)
    assert outside[1]["location"] == "/evil.example/x"


def test_listening_for_others_it_has_the_names_of_this_machine_and_addresses():
    guard = Guard(None, "0.0.0.0", "token")
    for host in (socket.gethostname(), "10.1.2.3:80", "[fe80::1]:80", "localhost"):
        assert guard._is_ours(host)
    for host in ("evil.example", "", "10.1.2.3.evil.example", "[", "localhost.evil.example"):
        assert not guard._is_ours(host)
        assert not Guard(None, "127.0.0.1", "token")._is_ours(host)
    assert not Guard(None, "127.0.0.1", "token")._is_ours("10.1.2.3:80")


def test_no_other_study_and_no_other_file_is_read(server, storage):
    cookie = cookie_of(server)
    (storage / "notes").mkdir()
    for name in ("notes", "..", "../toys", "toys/../toys", "/etc", "", "toys/smoke"):
        for path in ("study", "run", "report"):
            assert asked(server, f"/{path}?study={name}", cookie=cookie)[0] == 404
    assert asked(server, "/page.py", cookie=cookie)[0] == 404
    told = json.loads(asked(server, "/run?study=toys&id=../../x", cookie=cookie)[2])
    assert told == {"facts": [], "log": []}


def test_a_command_ends_at_once_whatever_is_open_and_leaves_its_port(storage, capsys):
    code = [sys.executable, "-m", "ablate.cli", "watch", "toys"]
    process = start(code, cwd=storage, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == "watching toys; Ctrl-C ends it, and no study\n"
    url = urlsplit(process.stdout.readline().strip())
    assert main(["watch", str(storage), "--port", str(url.port)]) == 2
    told = f"--port = {url.port}: cannot be listened on at 127.0.0.1"
    assert told in capsys.readouterr().err
    connection = http.client.HTTPConnection("127.0.0.1", url.port, timeout=30)
    connection.request("GET", f"/?{url.query}")
    answer = connection.getresponse()
    cookie = answer.headers["set-cookie"].partition(";")[0]
    answer.read()
    connection.request("GET", "/study?study=toys", headers={"Cookie": cookie})
    stream = connection.getresponse()
    news = json.loads(stream.readline().removeprefix(b"data: "))
    assert (news["head"]["num"], news["runs"]["r1"]["status"]) == (1, "pending")
    waiting = http.client.HTTPConnection("127.0.0.1", url.port, timeout=30)
    waiting.request("GET", "/report?study=toys", headers={"Cookie": cookie})
    wait_for(lambda: psutil.Process(process.pid).children())
    [making] = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "interrupted; the same command starts again\n"
    assert not making.is_running()
    connection.close()
    waiting.close()
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", url.port))


def test_an_answer_that_the_end_cuts_off_is_no_error(storage, monkeypatch, caplog):
    looks, may_look = threading.Event(), threading.Event()

    def slow(study):
        looks.set()
        may_look.wait(20)

    monkeypatch.setattr("ablate.watch.server.END_S", 0.2)
    monkeypatch.setattr("ablate.watch.seen_study.SeenStudy.refresh", slow)
    server = Server(Storage.of(storage), "127.0.0.1", 0)
    with server.serving():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", "/study?study=toys", headers={"Cookie": cookie_of(server)})
        assert looks.wait(20)
    may_look.set()
    connection.close()
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["missing"], "STUDY_DIR = 'missing': is not there"),
        (["toys/ledger"], "is neither a study directory nor a folder of studies"),
        (["--port", "99999"], "'99999' is not a port"),
        (["--host", "no.such.host.invalid", "."], "--host = 'no.such.host.invalid'"),
        (["--host", "192.0.2.1", "."], "--host = '192.0.2.1'"),
        (["--host", "a..b", "."], "--host = 'a..b'"),
    ],
)
def test_what_cannot_be_watched_is_said(storage, monkeypatch, capsys, words, told):
    monkeypatch.chdir(storage)
    try:
        code = main(["watch", *words])
    except SystemExit as error:
        code = error.code
    assert (code, told in capsys.readouterr().err) == (2, True)


def test_without_the_extra_it_says_what_to_install(storage, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["watch", str(storage)]) == 2
    assert capsys.readouterr().err == (
        "error: ablate watch needs uvicorn: run pip install 'ablate[watch]'\n"
    )
