"""`worker`: works on the queue until it is stopped."""

import argparse
from typing import Any


def add(verbs: Any) -> None:
    verb = verbs.add_parser("worker", help="work on the queue of runs until stopped", add_help=False)
    # Its arguments are the worker's own: they are passed on as they are.
    verb.set_defaults(run=run, rest=[])


def run(args: argparse.Namespace) -> int:
    from core.runs.worker.command import main

    return main(args.rest)
