"""What a person is told who names a cluster that is not there."""

import subprocess
import sys

import pytest

from core import paths


def test_no_cluster_is_told_in_a_sentence_and_at_once() -> None:
    pytest.importorskip("ray")
    command = [sys.executable, "-m", "core", "worker", "--engine", "ray", "--address", "127.0.0.1:1"]
    answer = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, timeout=110, check=False)
    said = answer.stdout + answer.stderr
    assert answer.returncode != 0
    assert "No Ray cluster answers at 127.0.0.1:1: start one with ray start --head, or give its address." in said
    assert "Traceback" not in said
