"""`benchmark`: how fast and how large a model is, alone or beside others."""

import argparse
from typing import Any

from core.cli.options import add_device, add_json, add_model
from core.cli.terminal import say, say_json


def add(verbs: Any) -> None:
    verb = verbs.add_parser("benchmark", help="measure latency, parameters, MACs and size of a model")
    add_model(verb)
    verb.add_argument("--against", nargs="+", default=[], metavar="NAME", help="other models, timed in turns with it")
    verb.add_argument("--size", type=int, default=256, help="side of the picture in pixels (default: 256)")
    verb.add_argument("--batch", type=int, default=1, help="pictures a pass (default: 1)")
    verb.add_argument("--repeats", type=int, default=20, help="timed passes (default: 20)")
    verb.add_argument("--warmup", type=int, default=5, help="passes before them (default: 5)")
    verb.add_argument("--threads", type=int, help="processor threads (default: as torch chooses)")
    add_device(verb)
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from core import checkpoint, device
    from core.benchmark import compare

    chosen = device.choose(args.device)
    names = list(dict.fromkeys([args.model, *args.against]))
    loaded = {name: checkpoint.load(checkpoint.resolve(name), device=chosen) for name in names}
    latencies = compare(
        {name: item.model for name, item in loaded.items()},
        size=args.size,
        batch=args.batch,
        device=chosen,
        repeats=args.repeats,
        warmup=args.warmup,
        threads=args.threads,
    )
    rows = [_row(name, loaded[name].card, latencies[name].to_json()) for name in names]
    if args.json:
        say_json({**rows[0], **({"against": rows[1:]} if args.against else {})})
        return 0
    first = latencies[args.model]
    say(f"{first.batch} x {first.size} x {first.size} pixels on {first.device}, {args.repeats} passes")
    say(f"{'model':<24} {'median':>10} {'p95':>10} {'parameters':>12} {'MACs (256²)':>12} {'size':>9}")
    for row in rows:
        times = f"{row['median_ms']:>7.1f} ms {row['p95_ms']:>7.1f} ms"
        sizes = f"{row['parameters']:>12,} {row['macs_256'] / 1e9:>10.2f} G {row['size_mb']:>6.2f} MB"
        say(f"{row['model']:<24} {times} {sizes}")
    return 0


def _row(name: str, card: Any, latency: dict[str, Any]) -> dict[str, Any]:
    size = {"parameters": card.parameters, "macs_256": card.macs_256, "size_mb": card.bytes / 1e6}
    return {"model": name, **latency, **size}
