"""A PostgreSQL server for as long as the tests last: Debian's, started on a socket of its own, with nothing kept."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MISSING = "PostgreSQL is not installed here (apt-get install postgresql): the store is tested over SQLite alone"


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`, newest version first; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("postgres")
    return Path(there).resolve().parent if there else None


@contextmanager
def server(folder: Path | None = None, *, durable: bool = False) -> Iterator[str]:
    """Start a server and give the URL of a database in it. It refuses to run as root, so it gets a user of its own.

    A test need not wait for the disk; a measurement is worth nothing unless it does: `durable`.
    """
    where = programs()
    assert where is not None, MISSING
    folder = folder or Path(tempfile.mkdtemp(prefix="postgres-"))
    owner = _owner(folder)
    data = folder / "data"
    command = [where / "initdb", "--auth=trust", "--username=terrastill", "--encoding=UTF8", "--no-sync", "-D", data]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=owner)
    fsync = "fsync=on" if durable else "fsync=off"
    options = ["-c", "listen_addresses=", "-c", fsync, "-c", "max_connections=200", "-k", folder]
    process = subprocess.Popen(
        [where / "postgres", "-D", data, *options], stderr=subprocess.DEVNULL, cwd=folder, user=owner
    )
    try:
        _wait(where, folder)
        yield f"postgresql+psycopg://terrastill@/postgres?host={folder}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _owner(folder: Path) -> int | None:
    if os.geteuid():
        return None
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user.pw_uid


def _wait(where: Path, folder: Path) -> None:
    deadline = time.monotonic() + 60
    ready = [where / "pg_isready", "-q", "-h", folder]
    while subprocess.run(ready, check=False).returncode:
        assert time.monotonic() < deadline, "PostgreSQL did not start"
        time.sleep(0.05)
