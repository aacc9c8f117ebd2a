"""`search`: the best student within a budget. Trials are queued runs, which workers carry out."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.options import (
    add_architecture,
    add_data,
    add_settings,
    add_training,
    data_config,
    model_config,
    read_config,
    settings_from,
    train_config,
    view_settings,
)
from core.cli.terminal import complain, percent, progress_bar, say, say_json
from core.config import DataConfig, DistillConfig, RunConfig, TrainConfig
from core.config.fields import settings_of
from core.errors import ConfigError, RunError, RunNotFoundError
from core.search.space import TITLES, Axis, read_axis, title_of
from core.search.study_plan import GOALS, SAMPLERS, SearchPlan, StudentLimits

if TYPE_CHECKING:
    from core.runs.store.records import RunRecord
    from core.runs.store.studies import StudyStore

_DEEDS = ("start", "list", "show", "stop", "continue", "delete")
USUAL_SPACE = (
    "size=compact 2,compact 3,compact 4,compact 6,compact 8",
    "temperature=1..8 log",
    "alpha=0..1",
    "learning_rate=0.002..0.02 log",
)
"""What is varied unless somebody says otherwise."""


def add(verbs: Any) -> None:
    verb = verbs.add_parser(
        "search",
        help="find the best student within a budget; show, stop or continue a search",
        description="Without a deed, a search is started: `search --goal miou --latency-ms 20 --keep 0.97`. Every "
        "trial is a run that a worker carries out; one is started here where none is alive, unless --queue leaves that "
        "to others.",
    )
    verb.add_argument("deed", nargs="?", choices=_DEEDS, default="start", help="default: start")
    verb.add_argument("search", nargs="?", metavar="NAME", help="the search to show, stop, continue or delete")
    group = verb.add_argument_group("search")
    group.add_argument(
        "--goal",
        dest="goals",
        nargs="+",
        choices=tuple(GOALS),
        default=["miou"],
        help="what is made better, several for a front: %(choices)s (default: miou)",
    )
    add_settings(group, StudentLimits)
    group.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help=f"an axis as NAME=A,B,C or NAME=LOW..HIGH, with `log` behind it for a logarithmic scale; as often as "
        f"needed, of {', '.join(TITLES)} (default: {'; '.join(USUAL_SPACE)})",
    )
    group.add_argument("--trials", type=int, help="most trials (default: 30 where no time is given)")
    group.add_argument("--minutes", type=float, help="most minutes; trials that are under way then are stopped")
    group.add_argument("--until", metavar="DATE", help="end at a date: 2027-01-31T08:00")
    group.add_argument("--sampler", choices=SAMPLERS, default="auto", help="how settings are drawn (default: auto)")
    group.add_argument("--no-pruning", action="store_true", help="train every trial to its end")
    group.add_argument("--at-once", type=int, help="most trials at once (default: as many as workers have places)")
    group.add_argument("--confirm", type=int, default=3, help="fresh seeds of the winner at the end (default: 3)")
    group.add_argument("--runtime", default="onnx", help="that latency is measured in (default: onnx)")
    group.add_argument("--side", type=int, default=512, help="of the picture for that, in pixels (default: 512)")
    group.add_argument("--threads", type=int, default=1, help="processor threads for that (default: 1)")
    distill = verb.add_argument_group("distillation")
    add_settings(distill, DistillConfig)
    add_data(verb)
    add_architecture(verb, "student")
    add_training(verb)
    # What was not typed is None, so that continuing a search changes nothing else; `plan_from` fills it in.
    usual = vars(verb.parse_args([]))
    verb.set_defaults(**{**dict.fromkeys(usual), "deed": "start", "run": run, "usual": usual})


_WIDENED = (
    *("goals", "vary", "trials", "minutes", "until", "sampler", "no_pruning", "at_once", "confirm"),
    *settings_of(StudentLimits),
)
_TAKEN = {"list": ("json",), "continue": ("json", "queue", *_WIDENED)}
"""The flags that each deed takes besides the name: all where it starts a search, and --json alone otherwise."""


def _refuse_others(args: argparse.Namespace) -> None:
    """Raises `ConfigError` for flags that would change nothing."""
    taken = ("deed", "run", "usual", "rest", "search", *_TAKEN.get(args.deed, ("json",)))
    if others := [name for name, value in vars(args).items() if value is not None and name not in taken]:
        flags = ", ".join(_FLAGS.get(name, f"--{name.replace('_', '-')}") for name in others)
        why = " what its trials train and how students are measured stays as it began. Start a new search for that"
        raise ConfigError(
            f"`search {args.deed}` does not take {flags}:{why if args.deed == 'continue' else ' leave it out'}."
        )


_FLAGS = {
    "arguments": "--set",
    **{
        name: f"--{setting.flag.replace('_', '-')}"
        for cls in (DataConfig, DistillConfig, TrainConfig)
        for name, setting in settings_of(cls).items()
        if setting.flag
    },
}
"""What is typed for a setting whose flag has another name."""


def run(args: argparse.Namespace) -> int:
    """Raises `ConfigError` for what cannot be searched, `RunError` for a search that is not there or failed."""
    from core.runs.store.studies import StudyStore

    if args.deed != "start":
        _refuse_others(args)
    store = StudyStore()
    if args.deed == "list":
        return _list(store, as_json=args.json)
    if args.deed == "start":
        return _start(store, args)
    if not args.search:
        raise ConfigError(f"Name the search to {args.deed}: `python -m core search list` names all.")
    if args.deed == "show":
        return _show(store, args.search, as_json=args.json)
    if args.deed == "stop":
        store.stop_study(args.search)
    elif args.deed == "delete":
        store.delete_study(args.search)
        return 0
    else:
        store.continue_study(args.search, {"plan": _more(_plan_of(store.study(args.search)), args).to_json()})
        _work(store, args)
    return _show(store, args.search, as_json=args.json)


def _start(store: "StudyStore", args: argparse.Namespace) -> int:
    from core.runs import execution
    from core.runs.store.records import JobRequest, RunKind

    args = _filled(args)
    plan = plan_from(args)
    config = plan.config
    complaints = execution.check(config, runs=store.home)
    for warning in complaints:
        complain(f"warning: {warning}")
    if args.check:
        say("This search can start.")
        return 0
    name = args.name or args.search or time.strftime("search %d %b %H:%M:%S")
    args.search = name
    store.add_study(JobRequest(RunKind.SEARCH, {"plan": plan.to_json()}, name))
    _work(store, args)
    return _show(store, name, as_json=args.json)


def _filled(args: argparse.Namespace) -> argparse.Namespace:
    """The same with what is usual for everything that was not typed."""
    return argparse.Namespace(
        **{name: args.usual.get(name) if value is None else value for name, value in vars(args).items()}
    )


def plan_from(args: argparse.Namespace) -> SearchPlan:
    """The search that the flags say, with what is usual for those that were not typed. Raises `ConfigError`."""
    args = _filled(args)
    if args.config:
        config = read_config(Path(args.config), "distill")
    else:
        distill = DistillConfig(**settings_from(args, DistillConfig))
        data = data_config(args, **view_settings(args))
        config = RunConfig("distill", "", data, model_config(args), train_config(args), distill)
    timed = args.minutes is not None or args.until is not None
    return SearchPlan(
        config,
        tuple(read_axis(text) for text in args.vary or USUAL_SPACE),
        goals=tuple(args.goals),
        limits=StudentLimits(**_limits(args)),
        trials=args.trials if args.trials is not None or timed else 30,
        seconds=None if args.minutes is None else 60 * args.minutes,
        until=_date(args.until),
        sampler=args.sampler,
        prune=not args.no_pruning,
        at_once=args.at_once,
        confirm=args.confirm,
        runtime=args.runtime,
        side=args.side,
        threads=args.threads,
        seed=config.train.seed,
    ).validate()


def _more(plan: SearchPlan, args: argparse.Namespace) -> SearchPlan:
    """The same search with what the flags change, and axes that replace those of their names. Raises `ConfigError`."""
    space = {axis.name: axis for axis in plan.space}
    wider: dict[str, Axis] = {axis.name: axis for axis in map(read_axis, args.vary or ())}
    changes: dict[str, Any] = {"space": tuple({**space, **wider}.values())}
    for name in ("trials", "sampler", "at_once", "confirm"):
        if getattr(args, name) is not None:
            changes[name] = getattr(args, name)
    if args.goals is not None:
        changes["goals"] = tuple(args.goals)
    if args.no_pruning:
        changes["prune"] = False
    if args.minutes is not None:
        changes["seconds"] = 60 * args.minutes
    if args.until is not None:
        changes["until"] = _date(args.until)
    return plan.continued(now=time.time(), limits=replace(plan.limits, **_limits(args)), **changes)


def _limits(args: argparse.Namespace) -> dict[str, Any]:
    """The limits that were given."""
    return {name: value for name, value in settings_from(args, StudentLimits).items() if value is not None}


def _date(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigError(f"--until takes a date such as 2027-01-31T08:00, not {text!r}.") from error
    if found <= time.time():
        raise ConfigError(f"--until takes a date that is still to come, not {text}.")
    return found


def _work(store: "StudyStore", args: argparse.Namespace) -> None:
    """See the search to its end, with a worker of our own where none is alive; nothing with --queue."""
    if args.queue:
        return
    with _worker(store) as see_to_one, progress_bar(args.search, "trial") as show:
        from core.events import Progress

        try:
            while not (search := store.study(args.search)).state.final:
                see_to_one()
                show(_progress(store, search) or Progress(0, 0))
                time.sleep(1.0)
        except KeyboardInterrupt:
            store.stop_study(args.search)
            raise
    if search.state == "failed":
        raise RunError(f"The search {search.name} failed: {search.error}")


@contextmanager
def _worker(store: "StudyStore") -> Iterator[Callable[[], None]]:
    """Gives what begins a worker where none is alive, be it that one was killed; it ends with this."""
    own: subprocess.Popen[bytes] | None = None

    def see_to_one() -> None:
        nonlocal own
        if (own is not None and own.poll() is None) or store.workers():
            return
        command = [sys.executable, "-m", "core", "worker", "--home", str(store.home)]
        with (store.home / "worker.log").open("ab") as log:
            own = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    try:
        yield see_to_one
    finally:
        if own is not None:
            own.terminate()
            own.wait()


def _progress(store: "StudyStore", search: "RunRecord") -> Any:
    from core.events import Progress
    from core.runs.store.run_files import PROGRESS_FILE

    try:
        told = json.loads((store.folder(search.id) / PROGRESS_FILE).read_text(encoding="utf-8"))
        return Progress(int(told["done"]), int(told["total"]), str(told["doing"]))
    except (OSError, ValueError, KeyError):
        return None


def _plan_of(search: "RunRecord") -> SearchPlan:
    return SearchPlan.from_json(search.job.get("plan"))


def _list(store: "StudyStore", *, as_json: bool) -> int:
    found = store.studies()
    if as_json:
        say_json({"searches": [{"name": one.name, "state": str(one.state), "summary": one.summary} for one in found]})
        return 0
    for search in found:
        when = time.strftime("%d %b %H:%M", time.localtime(search.created_at))
        say(f"{search.state:<9}  {when}  {search.name}")
    if not found:
        say("No searches.")
    return 0


def _show(store: "StudyStore", name: str, *, as_json: bool) -> int:
    from core.search.read import report

    try:
        found = report(store, name)
    except RunNotFoundError as error:
        raise RunError(str(error)) from error
    if as_json:
        say_json(found)
        return 0
    state = "asked to stop" if found["asked_to_stop"] else found["state"]
    say(f"{name}: {state}, {found['trials']} trials, {found['pruned']} of them stopped early.")
    if found["error"]:
        say(found["error"])
    for size, why in found["never_trained"].items():
        say(f"  {size} was never trained: {why}.")
    if found["trials"] and not found["best"]:
        say("No finished trial meets the limits so far." if state == "running" else "No trial meets the limits.")
    _say_trials("Best", found["best"])
    _say_trials(f"Front, accuracy against {found['cost']}", found["front"])
    for setting, share in found["importance"].items():
        say(f"  {percent(share)}  of the difference by {title_of(setting)}")
    for again in found["confirmed"]:
        if all(score is None for score in again["scores"]):
            say(f"Trial {again['winner']} is not confirmed yet; fresh seeds: {len(again['scores'])}.")
            continue
        scores = ", ".join(percent(score).strip() for score in again["scores"])
        controls = ", ".join(percent(score).strip() for score in again["controls"])
        part = f"mIoU on the {again['part']} pictures"
        say(f"Trial {again['winner']} trained again, {part}: {scores}; control {controls}.")
        say(f"  It was the best of {found['trials']} trials; the best of many is lucky, so these scores are its worth.")
    return 0


def _say_trials(title: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        say(f"{title}:")
    for row in rows:
        params = ", ".join(f"{name} {_short(value)}" for name, value in row["settings"].items())
        kept = "" if row["kept"] is None else f"  {percent(row['kept']).strip()} of the teacher"
        say(f"  {row['number']:>5}  {percent(row['miou'])}{kept}  {row['costs']}  {row['run']}  {params}")


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
