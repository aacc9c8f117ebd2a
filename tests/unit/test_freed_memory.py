"""Freed memory is kept for the next layer, also that of threads, and goes back to the system when it is asked to."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = """
import threading
import psutil
from core.freed_memory import give_back_freed_memory, keep_freed_memory

def fill() -> None:
    blocks = [bytearray(40_000_000) for _ in range(8)]
    del blocks

def held() -> float:
    return psutil.Process().memory_info().rss / 1e6

taken = keep_freed_memory()
before = held()
thread = threading.Thread(target=fill)
thread.start()
thread.join()
kept = held() - before
give_back_freed_memory()
print(int(taken), kept, held() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone")
def test_a_threads_large_blocks_are_kept_and_then_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    taken, kept, after = map(float, done.stdout.split())
    if not taken:
        pytest.skip("This system has another C library.")
    assert kept > 200
    assert after < 100
