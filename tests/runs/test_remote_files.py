"""Files that lie in an object store: a real server that speaks S3, and one request in ten fails."""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest
from support.program import alone

from immunomon.assurance.verify.run import verify_run
from immunomon.cytometry.gates import GATE_METHODS
from immunomon.remote import as_path, fetched, fetched_copy
from immunomon.runs.audit_inputs import inspect_inputs
from immunomon.runs.checks.paths import check_paths

pytest.importorskip("s3fs", reason="s3fs is not installed")
pytest.importorskip("moto", reason="moto is not installed")
pytestmark = pytest.mark.no_cover


def program(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the program with the environment as it is now, which a process that was there before does not have."""
    return alone(*words, limit=lambda: None)


@pytest.fixture(scope="module")
def server():
    """Return the port of an S3 server that keeps its objects in memory."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield port
    process.kill()
    process.wait()


def unreliable(port: int, each: int) -> ThreadingHTTPServer:
    """Return a server that hands requests on to another one, and says of one in so many that it is too busy."""
    numbers = count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def hand_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if next(numbers) % each == 0:
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            onwards = http.client.HTTPConnection("127.0.0.1", port)
            onwards.request(self.command, self.path, body, dict(self.headers))
            answer = onwards.getresponse()
            data = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.casefold() not in {"transfer-encoding", "connection", "content-length", "server", "date"}:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(data)
            onwards.close()

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = hand_on  # noqa: N815 - as the library calls them

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def store(server, monkeypatch):
    """Return a file system of the S3 server, whose address and credentials are in the environment."""
    import s3fs

    front = unreliable(server, 10)
    thread = threading.Thread(target=front.serve_forever, daemon=True)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{front.server_port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    if not files.exists("lab"):
        files.mkdir("lab")
    yield files
    s3fs.S3FileSystem.clear_instance_cache()
    front.shutdown()
    front.server_close()
    thread.join()


@pytest.fixture
def stored(study, store):
    """Return a study whose files lie in the store, under the same names."""
    for path in study.rglob("*.fcs"):
        store.pipe(f"lab/trial/{path.relative_to(study).as_posix()}", path.read_bytes())
        path.unlink()
    listed = study / "samples.csv"
    listed.write_text(listed.read_text(encoding="utf-8").replace("fcs/", "s3://lab/trial/fcs/"), encoding="utf-8")
    declared = study / "study.yaml"
    text = declared.read_text(encoding="utf-8") + "data_folders: [s3://lab/trial]\n"
    declared.write_text(text, encoding="utf-8")
    return study


def test_a_study_in_a_store_gives_the_tables_of_one_on_a_disk(stored, store, undisturbed):
    ended = program("run", stored)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    for name in ("populations", "frequencies", "medians"):
        ours, theirs = (
            (run / "tables" / f"{name}.csv").read_text(encoding="utf-8").replace("lab__trial__", "")
            for run in (stored / "run", undisturbed / "run")
        )
        assert sorted(ours.splitlines()) == sorted(theirs.splitlines())
    assert verify_run(stored / "run", samples=2).equal
    assert not inspect_inputs(stored / "run").problems
    name = next(iter(store.find("lab/trial")))
    store.pipe(name, store.cat(name) + b"more")
    (problem,) = inspect_inputs(stored / "run").problems
    assert problem.startswith(f"s3://{name}: it was changed (SHA-256")


def test_what_is_not_there_is_said_with_its_address(stored, store):
    name = next(iter(store.find("lab/trial")))
    store.rm(name)
    (problem,) = check_paths([stored], methods=GATE_METHODS).problems
    assert problem.what == f"there is no file 's3://{name}'"


def test_what_holds_an_address_is_fetched_whole(store):
    content = os.urandom(9_000_000)  # more than one part
    store.pipe("lab/large.fcs", content)
    path = as_path("s3://lab/large.fcs")
    for _ in range(5):
        with fetched(path) as file:
            assert file.read() == content
        with fetched_copy(path) as copy:
            assert copy.read_bytes() == content
        assert not copy.exists()
    assert path.stat().st_size == len(content)
    before = path.stat()
    store.pipe("lab/large.fcs", b"x" * len(content))
    assert path.stat().st_ino != before.st_ino
    with pytest.raises(FileNotFoundError, match=r"s3://lab/none\.fcs"), fetched(as_path("s3://lab/none.fcs")):
        pass
