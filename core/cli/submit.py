"""What `train` and `distill` do with their settings: check them, queue them, or carry them out here and now."""

from core.cli.inline import run_now
from core.cli.terminal import percent, say, say_json, warn
from core.config import RunConfig
from core.data.datasets import dataset_of, score_titles
from core.runs import execution
from core.runs.devices.member import join_torchrun
from core.runs.store.records import RunRecord
from core.runs.store.run_store import RunStore
from core.train.distributed import own_rank


def submit(config: RunConfig, *, control: bool, check_only: bool, queue: bool, as_json: bool) -> int:
    """Take a run (and its control, which trains the same student on labels alone for as long) from the command line.

    Raises `ConfigError` when the settings cannot be run, and what the run raises when it is done here.
    """
    if own_rank() > 0:
        # torchrun started this process to share the work of the first one, which alone keeps the store.
        return 0 if check_only or queue else join_torchrun()
    store = RunStore()
    warnings = execution.check(config.validate(), runs=store.home)
    warn(warnings)
    if check_only:
        _say_checked(warnings, as_json=as_json)
        return 0
    first = store.add(config) if queue else run_now(config, store)
    records = [first]
    if control:
        labels_only = config.as_control(first.id)
        records.append(store.add(labels_only) if queue else run_now(labels_only, store))
    if as_json:
        say_json({"runs": [_facts(record) for record in records], "gain": gain(records)})
        return 0
    for record in records:
        _say_run(record, store)
    if (points := gain(records)) is not None:
        say(f"Gain over the control: {100 * points:+.1f} points of {_score(first)}.")
    return 0


def gain(records: list[RunRecord]) -> float | None:
    """By how much the first run's best mIoU-5 is above the second's, when both are done."""
    if len(records) != 2 or not all(record.summary for record in records):
        return None
    first, second = (float(record.summary["best_miou5"]) for record in records)
    return first - second


def _say_checked(warnings: list[str], *, as_json: bool) -> None:
    if as_json:
        say_json({"ok": True, "warnings": warnings})
    else:
        say("This run can start.")


def _facts(record: RunRecord) -> dict[str, object]:
    facts = {"id": record.id, "name": record.name, "state": str(record.state)}
    return {**facts, "control_of": record.config.control_of, "summary": record.summary}


def _say_run(record: RunRecord, store: RunStore) -> None:
    if not record.summary:
        say(f"{record.id} is {record.state}: the worker does it (python -m core worker, or the app's own).")
        return
    score = percent(record.summary.get("best_miou5")).strip()
    title = _score(record)
    say(f"{record.id} is done: {title} {score} on the validation images. It is in {store.folder(record.id)}.")


def _score(record: RunRecord) -> str:
    """What the mean over the classes of its data is called."""
    return score_titles(dataset_of(record.config.data).classes)[0]
