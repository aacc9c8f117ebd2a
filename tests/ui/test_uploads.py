"""Uploads are bounded before they are read, for a session, a person and all; and who a person is behind a proxy."""

import asyncio
import gc
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from app import web_limits
from app.services.access import Access, Person, Rates
from app.services.uploads import OpenPixels, SessionPixels, Uploads, megapixels
from app.services.workspaces import open_workspace
from app.web_limits import person_address
from core import paths
from core.errors import ImageError, RunError
from core.imagery.limits import MEGABYTE

LIMITS = Access(upload_megabytes_a_session=4, upload_megabytes_a_person=6, upload_megabytes=8)


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Uploads:
    made = Uploads()
    monkeypatch.setattr(web_limits, "UPLOADS", made)
    monkeypatch.setattr(web_limits, "_ROOM_SECONDS", 0.02)
    monkeypatch.setattr(web_limits, "_ROOM_TRY_SECONDS", 0.01)
    return made


def everything(names: Sequence[str]) -> Sequence[str]:
    return names


def take(uploads: Uploads, session: str, file: str, megabytes: int) -> bool:
    if uploads.reserve(session, file, megabytes * MEGABYTE, LIMITS) is not None:
        return False
    uploads.keep(session, file)
    return True


def test_bytes_are_bounded_for_a_session_a_person_and_all(uploads: Uploads) -> None:
    for session, person in (("a", "ann"), ("b", "ann"), ("c", "bob"), ("d", "carl")):
        uploads.let_in(session, person, everything)
    assert take(uploads, "a", "1", 3)
    assert not take(uploads, "a", "2", 2)
    assert take(uploads, "b", "1", 3)
    assert not take(uploads, "b", "2", 1)
    assert take(uploads, "c", "1", 2)
    assert not take(uploads, "d", "1", 1)
    assert not take(uploads, "nobody", "1", 0)


def test_what_is_arriving_counts_and_what_did_not_arrive_is_given_back(uploads: Uploads) -> None:
    uploads.let_in("a", "ann", everything)
    assert uploads.reserve("a", "1", 3 * MEGABYTE, LIMITS) is None
    assert uploads.reserve("a", "2", 3 * MEGABYTE, LIMITS) is not None
    assert uploads.reserve("a", "1", 0, LIMITS) is not None
    uploads.drop("a", "1")
    assert take(uploads, "a", "2", 3)


def test_what_the_server_let_go_of_makes_room(uploads: Uploads) -> None:
    there = {"1", "2"}
    uploads.let_in("a", "ann", lambda names: [name for name in names if name in there])
    assert take(uploads, "a", "1", 4)
    there.clear()
    assert take(uploads, "a", "2", 4)


def test_a_session_that_is_no_longer_signed_in_takes_no_more(uploads: Uploads) -> None:
    uploads.let_in("a", "ann", everything)
    assert take(uploads, "a", "1", 3)
    uploads.shut_out("a")
    assert not uploads.knows("a")
    assert not take(uploads, "a", "2", 1)
    uploads.let_in("a", "ann", everything)
    assert not take(uploads, "a", "2", 2)
    assert take(uploads, "a", "3", 1)


class Server:
    """Stands for Streamlit's handler: reads the whole body, then answers 204."""

    def __init__(self) -> None:
        self.bodies: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        del scope
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message["body"])
            more = message["more_body"]
        self.bodies.append(size)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def put(
    server: Server,
    path: str,
    *,
    declared: str | None,
    parts: Sequence[int] = (),
    method: str = "PUT",
    silent: bool = False,
) -> int:
    """The status of the answer to an upload whose body comes in parts of so many bytes."""
    told: list[int] = []
    waiting = list(parts) or [0]

    async def receive() -> Any:
        if silent:
            await asyncio.sleep(60)
        part = waiting.pop(0)
        return {"type": "http.request", "body": bytes(part), "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            told.append(message["status"])

    headers = [] if declared is None else [(b"content-length", declared.encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    try:
        asyncio.run(web_limits.UploadGuard(server)(scope, receive, send))
    except web_limits.HTTPException as error:
        return error.status_code
    return told[0]


SESSION = "/_stcore/upload_file/mine/1"


@pytest.mark.parametrize(
    ("path", "declared", "parts", "status"),
    [
        (SESSION, "3", [1, 2], 204),
        ("/base" + SESSION, "3", [3], 204),
        ("/_stcore/upload_file/invented/1", "3", [3], 403),
        ("/_stcore/upload_file//1", "3", [3], 403),
        ("/_stcore/upload_file/", "3", [3], 403),
        (SESSION, None, [3], 411),
        (SESSION, "-3", [3], 411),
        (SESSION, "9" * 30, [3], 411),
        (SESSION, "²", [3], 411),
        (SESSION, str(500 * MEGABYTE), [3], 413),
        (SESSION, "3", [2, 2], 413),
    ],
)
def test_an_upload_is_judged_before_it_is_read(
    uploads: Uploads, path: str, declared: str | None, parts: list[int], status: int
) -> None:
    uploads.let_in("mine", "ann", everything)
    server = Server()
    assert put(server, path, declared=declared, parts=parts) == status
    assert server.bodies == ([sum(parts)] if status == 204 else [])


def test_an_upload_that_falls_silent_gives_its_room_back(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_limits, "_SILENT_SECONDS", 0.05)
    uploads.let_in("mine", "ann", everything)
    (paths.home()).mkdir(exist_ok=True)
    for _ in range(3):
        assert put(Server(), SESSION, declared=str(300 * MEGABYTE), silent=True) == 408


def test_only_sessions_that_were_let_in_remove_uploads(uploads: Uploads) -> None:
    uploads.let_in("mine", "ann", everything)
    assert put(Server(), SESSION, declared=None, method="DELETE") == 204
    assert put(Server(), "/_stcore/upload_file/other/1", declared=None, method="DELETE") == 403


@pytest.mark.parametrize(
    ("client", "forwarded", "trusted", "counted"),
    [
        ("198.51.100.1", [], (), "198.51.100.1"),
        ("198.51.100.1", ["1.2.3.4"], (), "198.51.100.1"),
        ("127.0.0.1", [], (), "127.0.0.1"),
        # What uvicorn makes of a peer on this machine that forwards: nobody was told to believe it.
        ("1.2.3.4", ["1.2.3.4"], (), "0.0.0.0"),
        ("1.2.3.4", ["9.9.9.9, 1.2.3.4:80"], ("10.0.0.0/8",), "0.0.0.0"),
        ("1.2.3.4", ["9.9.9.9, 1.2.3.4"], ("127.0.0.1",), "1.2.3.4"),
        ("10.0.0.5", ["1.2.3.4, 10.0.0.5"], ("127.0.0.1", "10.0.0.0/8"), "1.2.3.4"),
        ("10.0.0.5", ["9.9.9.9", "1.2.3.4"], ("10.0.0.5",), "1.2.3.4"),
        ("10.0.0.5", ["9.9.9.9, 1.2.3.4"], ("10.0.0.5", "1.2.3.4"), "9.9.9.9"),
        ("10.0.0.5", ["nonsense"], ("10.0.0.5",), "10.0.0.5"),
        ("2001:db8::5", ["[2001:db8:9::1]:80"], ("2001:db8::/64",), "2001:db8:9::1"),
        (None, ["1.2.3.4"], (), None),
    ],
)
def test_a_forwarded_address_counts_only_behind_a_proxy_that_the_operator_trusts(
    client: str | None, forwarded: list[str], trusted: tuple[str, ...], counted: str | None
) -> None:
    assert person_address(client, forwarded, trusted) == counted


def test_decoded_pictures_are_bounded_over_all_sessions_and_go_with_theirs() -> None:
    pixels, limits = OpenPixels(), Access(open_megapixels=50)
    mine, other = SessionPixels(), SessionPixels()
    for _ in range(5):
        pixels.hold(mine, 16, limits)
    pixels.hold(other, 16, limits)
    with pytest.raises(ImageError, match="try again"):
        pixels.hold(other, 16, limits)
    del mine
    gc.collect()
    pixels.hold(other, 16, limits)


def test_megapixels_are_known_without_decoding_and_count_an_hour(tmp_path: Path) -> None:
    for ending, kind in (("png", "PNG"), ("jpg", "JPEG"), ("tif", "TIFF")):
        Image.fromarray(np.zeros((1000, 2000, 3), np.uint8)).save(tmp_path / f"a.{ending}", kind)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((1000, 2000, 3), np.uint8)).save(tmp_path / "e.jpg", progressive=True, exif=exif)
    assert [megapixels([path]) for path in sorted(tmp_path.iterdir())] == [2, 2, 2, 2]
    for damaged in (b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00", b"\x89PNG\r\n\x1a\n", b"II*\0\xff\xff\xff\xff"):
        (tmp_path / "damaged").write_bytes(damaged)
        assert megapixels([tmp_path / "damaged"]) == 0
    rates = Rates()
    rates.take(Person("1.2.3.4"), "megapixels", 3, 2)
    with pytest.raises(RunError, match="At most 3 megapixels an hour"):
        rates.take(Person("1.2.3.4"), "megapixels", 3, 2)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_an_empty_tiff_counts_by_what_it_says_it_holds(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "width": 20_000, "height": 20_000, "count": 3, "dtype": "uint8", "tiled": True}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, blockxsize=1024, blockysize=1024, sparse_ok=True):
        pass
    assert megapixels([tmp_path / "a.tif"]) == 400


def test_own_images_of_all_visitors_together_are_bounded_on_the_disk() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, "PNG")
    one, other = open_workspace(), open_workspace()
    one.add("a.png", buffer.getvalue())
    (paths.home() / "access.toml").write_text("own_images_gigabytes = 0\n")
    for workspace in (one, other):
        with pytest.raises(ImageError, match="all visitors take 0 GB"):
            workspace.add("b.png", buffer.getvalue())
    one.close()
    other.close()
