"""Which verb was asked for, and how its end is told: exit codes that scripts can use, errors in one line.

Nothing heavy is imported here or on top of a verb's file, so that `--help` answers at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from core.cli import (
    benchmark,
    change,
    data,
    distill,
    evaluate,
    export,
    models,
    mosaic,
    predict,
    runs,
    search,
    train,
    worker,
)
from core.cli.terminal import complain, ended_like_ctrl_c, print_anything
from core.errors import TerrastillError

DONE, FAILED, INTERRUPTED = 0, 1, 130

VERBS = (data, train, distill, search, evaluate, predict, mosaic, change, benchmark, export, models, runs, worker)


def parser() -> argparse.ArgumentParser:
    """The arguments of all verbs. Each sets `run`, a function of the parsed arguments that gives the exit code."""
    top = argparse.ArgumentParser(
        prog=_program(),
        description="Terrastill: distil segmentation models for aerial images.",
        epilog="Exit codes: 0 all done, 1 failed (each reason is one line on stderr; predict does the other pictures "
        "all the same), 2 wrong usage, 130 interrupted by Ctrl-C or SIGTERM.",
    )
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in VERBS:
        verb.add(verbs)
    return top


def _program() -> str:
    """What was typed to start this: `terrastill` where that command runs, else `python -m core`."""
    return "terrastill" if Path(sys.argv[0]).stem == "terrastill" else "python -m core"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and give its exit code; argparse itself leaves with 2 (usage) or 0 (help)."""
    print_anything()
    top = parser()
    args, rest = top.parse_known_args(argv)
    if rest and not hasattr(args, "rest"):
        top.error(f"unrecognised arguments: {' '.join(rest)}")
    args.rest = rest
    try:
        with ended_like_ctrl_c():
            code: int = args.run(args)
            sys.stdout.flush()
    except TerrastillError as error:
        complain(str(error))
        return FAILED
    except BrokenPipeError:
        # The reader has left (`| head`): keep Python from complaining once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        complain(
            f"{error.filename or 'A file'}: {error.strerror or error}. Check the path, its rights and the space left."
        )
        return FAILED
    except KeyboardInterrupt:
        complain("interrupted.")
        return INTERRUPTED
    return code
