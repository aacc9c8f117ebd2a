"""`runs`: the list of runs, and what can be done with one: cancel, retry, first, pin, unpin, delete, prune."""

import argparse
import time
from typing import Any

from core.cli.terminal import percent, say, say_json

_DEEDS = ("cancel", "retry", "first", "pin", "unpin", "delete")


def add(verbs: Any) -> None:
    verb = verbs.add_parser(
        "runs",
        help="list runs; cancel, retry, move, pin, delete or prune them",
        description="Without anything, the list of all runs. `first` puts a waiting run before all others.",
    )
    verb.add_argument("deed", nargs="?", choices=["list", *_DEEDS, "prune"], default="list")
    verb.add_argument("ids", nargs="*", metavar="ID", help="runs, by their ids")
    kinds = ("training", "prediction", "combination", "benchmark", "search", "pseudo-masks")
    verb.add_argument("--kind", choices=kinds, default=kinds[0], help="which runs are listed (default: training)")
    verb.add_argument("--keep-days", type=float, help="prune: delete what ended longer ago")
    verb.add_argument("--keep-gb", type=float, help="prune: delete the oldest above so much disk")
    verb.add_argument("--check", action="store_true", help="prune: only say what would be deleted")
    verb.add_argument("--json", action="store_true", help="print JSON and nothing else")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Raises `RunError` for an id that is none, or a deed that does not fit the run's state."""
    from core.errors import ConfigError
    from core.runs.store.records import RunKind
    from core.runs.store.run_store import RunStore

    store = RunStore()
    if args.deed in _DEEDS:
        if not args.ids:
            raise ConfigError(f"Name the run to {args.deed}: python -m core runs shows their ids.")
        for run_id in args.ids:
            _do(store, args.deed, run_id)
        records = [record for record in store.list(kinds=tuple(RunKind)) if record.id in args.ids]
    elif args.deed == "prune":
        records = _prune(store, args)
    else:
        records = store.list(kinds=(RunKind(args.kind),))
    if args.json:
        say_json({"runs": [_facts(record) for record in records]})
        return 0
    for record in records:
        say(_line(record))
    if not records:
        say("No runs." if args.deed != "delete" else "Deleted.")
    return 0


def _do(store: Any, deed: str, run_id: str) -> None:
    deeds = {
        "cancel": store.request_cancel,
        "retry": store.retry,
        "first": store.prioritise,
        "pin": store.pin,
        "unpin": lambda name: store.pin(name, False),
        "delete": store.delete,
    }
    deeds[deed](run_id)


def _prune(store: Any, args: argparse.Namespace) -> list[Any]:
    from core.errors import ConfigError
    from core.runs.store.prune import KeepLimits, candidates, prune

    limits = KeepLimits(args.keep_days, args.keep_gb)
    if not limits:
        raise ConfigError("Say what to keep: --keep-days 90, --keep-gb 50, or both. Pinned runs always stay.")
    return candidates(store, limits) if args.check else prune(store, limits)


def _facts(record: Any) -> dict[str, Any]:
    facts = {"id": record.id, "name": record.name, "state": str(record.state), "progress": record.progress}
    facts |= {"priority": record.priority, "pinned": record.pinned, "attempt": record.attempt}
    return {**facts, "device": record.device, "error": record.error, "summary": record.summary}


def _line(record: Any) -> str:
    done = percent(record.summary.get("best_miou5")) if record.summary else f"{100 * record.progress:5.0f} %"
    when = time.strftime("%d %b %H:%M", time.localtime(record.created_at))
    return f"{record.id}  {record.state:<9}  {done:>8}  {when}  {'pinned ' if record.pinned else ''}{record.name}"
