"""The command line as a program: `python -m core VERB …`, or `terrastill VERB …` where the project is installed."""

import sys
from types import TracebackType

from core.cli.main import main
from core.cli.terminal import complain


def tell_mistake(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What no error of ours foresaw: one line instead of a traceback, which `python -X dev` still shows."""
    if sys.flags.dev_mode:
        sys.__excepthook__(kind, error, trace)
    else:
        complain(f"this should not have happened: {kind.__name__}: {error} (python -X dev -m core … shows where).")


def start() -> int:
    """Run the verb that the arguments of this process name, and give its exit code."""
    sys.excepthook = tell_mistake
    return main()


if __name__ == "__main__":
    sys.exit(start())
