"""`benchmark`: what it costs to run models, each in every runtime that is asked for, in turns."""

import argparse
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.benchmark.runtimes import RUNTIMES, USUAL
from core.cli.options import add_device, add_json
from core.cli.terminal import complain, percent, say, say_json
from core.errors import BenchmarkError, ConfigError

if TYPE_CHECKING:
    from core.benchmark.plan import Plan
    from core.benchmark.results import Result, Row


def add(verbs: Any) -> None:
    verb = verbs.add_parser("benchmark", help="measure what models cost to run: time, memory, bytes, accuracy")
    verb.add_argument("--model", nargs="+", default=[], metavar="NAME", help="shipped models, ids of runs, or paths")
    verb.add_argument("--teacher", metavar="NAME", help="what the ratios refer to; measured as well")
    verb.add_argument(
        "--runtime",
        nargs="+",
        default=list(USUAL),
        metavar="NAME",
        help=f"{', '.join(RUNTIMES)} or all (default: {' '.join(USUAL)})",
    )
    verb.add_argument("--size", nargs="+", type=int, default=[512], help="side of the picture in pixels (default: 512)")
    verb.add_argument("--batch", nargs="+", type=int, default=[1], help="pictures a pass (default: 1)")
    verb.add_argument("--threads", nargs="+", type=int, default=[1], help="processor threads (default: 1)")
    verb.add_argument("--confidence", type=float, default=0.03, help="half the interval of a median (default: 0.03)")
    verb.add_argument("--repeats", type=int, default=20, help="fewest timed passes (default: 20)")
    verb.add_argument("--seconds", type=float, default=30.0, help="most seconds a case (default: 30)")
    verb.add_argument("--no-cold", action="store_true", help="leave out the start in a fresh process")
    verb.add_argument(
        "--score", metavar="DATASET", help="also score each file: samples, dubai, an imported one, or a folder"
    )
    verb.add_argument("--split", default="val", help="which part of it: train, val (default) or test")
    verb.add_argument("--config", type=Path, metavar="FILE", help="a plan as JSON, instead of all above")
    add_device(verb)
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core.benchmark import results
    from core.benchmark.measure import run as measure
    from core.events import CancelledError, Progress

    plan = _read(args.config) if args.config else _plan(args)
    stop: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))

    def emit(progress: Progress) -> None:
        if not args.json:
            complain(f"{progress.done + 1} of {progress.total}: {progress.doing}")

    try:
        files = results.folder() / "files"
        found = measure(plan, folder=files, emit=emit, cancelled=lambda: bool(stop))
    except CancelledError as error:
        raise BenchmarkError("The benchmark was stopped before it was finished; nothing was kept.") from error
    finally:
        signal.signal(signal.SIGTERM, before)
    kept = results.save(found)
    if args.json:
        say_json(json.loads(found.to_json()))
        return 0
    _table(found)
    say(f"Kept in {kept}")
    return 0


def _read(path: Path) -> "Plan":
    from core.benchmark.plan import Plan

    try:
        return Plan.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"The plan {path} cannot be read ({error}): check the path.") from error


def _plan(args: argparse.Namespace) -> "Plan":
    from core import device
    from core.benchmark.plan import Plan
    from core.config import DataConfig
    from core.data.datasets import known

    score = None
    if args.score:
        named = args.score in (datasets := known()) and not datasets[args.score].needs_root
        score = DataConfig(args.score) if named else DataConfig("folder", root=args.score)
    return Plan(
        models=tuple(args.model),
        teacher=args.teacher,
        runtimes=tuple(RUNTIMES) if args.runtime == ["all"] else tuple(args.runtime),
        sizes=tuple(args.size),
        batches=tuple(args.batch),
        threads=tuple(args.threads),
        device=str(device.choose(args.device)),
        confidence=args.confidence,
        fewest=args.repeats,
        most=max(200, args.repeats),
        seconds=args.seconds,
        cold=not args.no_cold,
        score=score,
        score_split=args.split,
    )


def _table(found: "Result") -> None:
    """Ratios first: they are what holds on another machine too."""
    say(f"{found.machine['processor']}, {found.machine['cores']} cores · load before {found.load_before or 0:.1f}")
    say(
        f"{'model':<18} {'runtime':<11} {'pictures':>10} {'threads':>7} {'faster':>8} {'p50':>11} {'±':>6} "
        f"{'p95':>11} {'processor':>11} "
        f"{'Mpx/s':>7} {'cold':>9} {'memory':>9} {'file':>9} {'mIoU-5':>8}"
    )
    for row in found.rows:
        say(_line(row))


def _line(row: "Row") -> str:
    head = f"{row.model[:18]:<18} {row.runtime:<11} {f'{row.batch} x {row.size}²':>10} {row.threads:>7}"
    if row.p50_ms is None:
        return f"{head} {row.problem or 'not measured'}"
    within = 100 * (row.half_width or 0)
    times = f"{_or_dash(row.faster, '×')} {row.p50_ms:>8.1f} ms {within:>4.1f} %"
    times += f" {row.p95_ms or 0:>8.1f} ms {row.cpu_ms or 0:>8.1f} ms"
    cold = f"{row.cold_ms / 1000:>7.2f} s" if row.cold_ms is not None else f"{'–':>9}"
    memory = f"{row.peak_memory_mb:>6.0f} MB" if row.peak_memory_mb is not None else f"{'–':>9}"
    more = f"{row.megapixels_per_second or 0:>7.2f} {cold} {memory} {row.bytes / 1e6:>6.2f} MB {percent(row.miou5):>8}"
    return f"{head} {times} {more}"


def _or_dash(value: float | None, unit: str) -> str:
    return f"{'–':>8}" if value is None else f"{value:>7.2f}{unit}"
