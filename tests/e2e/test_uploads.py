"""The real server against uploads of strangers: its memory stays, whoever sends what to which session."""

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from benchmarks.serving import ROOT, serve
from core.imagery.limits import MEGABYTE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc"),
]

BODY = 40 * MEGABYTE
BOUNDARY = "x"


def token(address: str) -> str:
    with urllib.request.urlopen(f"{address}/_stcore/health") as answer:
        found = re.search(r"_streamlit_xsrf=([^;]+)", answer.headers["Set-Cookie"])
    assert found is not None
    return found[1]


def upload(address: str, session: str, file: str) -> int:
    """The status of the answer, or 0 where the server closed the connection."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\n'.encode()
    body = head + bytes(BODY) + f"\r\n--{BOUNDARY}--\r\n".encode()
    secret = token(address)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "X-Xsrftoken": secret}
    request = urllib.request.Request(
        f"{address}/_stcore/upload_file/{session}/{file}",
        data=body,
        method="PUT",
        headers={**headers, "Cookie": f"_streamlit_xsrf={secret}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, ConnectionError):
        return 0


@contextmanager
def visitor(address: str) -> Iterator[str]:
    """The name of the session of an open page."""
    ask = BackMsg()
    ask.rerun_script.query_string = ""
    with connect(f"{address.replace('http', 'ws')}/_stcore/stream", max_size=None, ping_interval=None) as page:
        page.send(ask.SerializeToString())
        name, done = "", False
        while not (name and done):
            told = ForwardMsg()
            told.ParseFromString(bytes(page.recv(timeout=200)))
            name = told.new_session.initialize.session_id or name
            done = done or told.HasField("delta")
        yield name


def memory() -> int:
    """Bytes that the server, a child of this process, holds in memory."""
    found = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            text = status.read_text()
            command = (status.parent / "cmdline").read_bytes()
            if f"\nPPid:\t{os.getpid()}\n" in text and b"streamlit" in command:
                found += 1024 * int(re.findall(r"VmRSS:\s+(\d+)", text)[0])
    return found


def settled() -> int:
    """The same once the server has warmed up: the least that it stays near for some seconds."""
    last, calm = memory(), 0
    for _ in range(120):
        time.sleep(1)
        calm = calm + 1 if abs(memory() - last) < 5 * MEGABYTE else 0
        last = memory()
        if calm == 8:
            break
    return last


def send_many(address: str, sessions: list[str]) -> list[int]:
    with ThreadPoolExecutor(15) as many:
        return list(many.map(lambda at: upload(address, sessions[at % len(sessions)], f"file-{at}"), range(15)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of the app, and its home: who may do what is read there anew for every request."""
    home = tmp_path_factory.mktemp("home")
    (ROOT / "artefacts").mkdir(exist_ok=True)
    with serve(home, log=ROOT / "artefacts" / "uploads.log", speeds=True) as (address, _):
        yield address.replace("localhost", "127.0.0.1"), home


@pytest.mark.parametrize("sign_in", [True, False])
def test_uploads_of_a_stranger_do_not_fill_the_memory(server: tuple[str, Path], sign_in: bool) -> None:
    address, home = server
    limits = f"sign_in = {json.dumps(sign_in)}\nupload_megabytes_a_session = 100\nupload_megabytes_a_person = 150\n"
    (home / "access.toml").write_text(limits)
    with visitor(address) as one, visitor(address) as other:
        before = settled()
        assert set(send_many(address, [f"invented-{at}" for at in range(15)])) <= {403, 0}
        told = send_many(address, [one, other])
        assert told.count(204) == (0 if sign_in else 3)
        # Three of 40 MB, twice while one is read out of the form, and what a page takes.
        assert memory() - before < (150 if sign_in else 500) * MEGABYTE
