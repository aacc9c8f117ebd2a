"""`kill -9` of a search's workers and of its own process at random moments, with runs that really train."""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import optuna
import torch
import torch._dynamo  # Optimisers import it, for seconds: here, and not in each process that is forked.

from benchmarks.reliability.kit import Figures, claim_until_killed, end, fork, pictures, scratch, tiny
from core.config import ModelConfig, RunConfig
from core.events import CancelledError
from core.runs import execution
from core.runs.executors import searching
from core.runs.recorder import read_metrics
from core.runs.store.records import MACHINE, JobRequest, RunKind, RunRecord, RunState
from core.runs.store.studies import TRIAL, StudyStore, TrialRow
from core.runs.worker.heartbeats import HeartbeatMonitor
from core.runs.worker.run_process import Heartbeat, perform
from core.search.engine import open_storage
from core.search.space import Axis
from core.search.study_plan import SearchPlan

EPOCHS, WORKERS = 4, 2
"""Of a run; that train at once."""
_KINDS = (RunKind.TRAINING, RunKind.SEARCH)
_ENDS = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed"}


def train(home: Path, url: str | None, started: Path) -> None:
    """A worker that trains the trials itself, until it is killed."""
    torch.set_num_threads(1)
    store = StudyStore(url, home=home)
    do = partial(_carry_out, store, execution.execute)
    claim_until_killed(partial(store.claim, f"worker-{os.getpid()}", ["cpu"]), do, started)


def lead(home: Path, url: str | None, started: Path) -> None:
    """A process that leads whatever search is queued, until it is killed."""
    torch.set_num_threads(1)
    store = StudyStore(url, home=home)
    do = partial(_carry_out, store, searching.execute)
    claim_until_killed(partial(store.claim, f"head-{os.getpid()}", [MACHINE], RunKind.SEARCH), do, started)


def _carry_out(store: StudyStore, execute: Callable[..., object], record: RunRecord) -> None:
    perform(store, Heartbeat(store, record), execute=execute, stopped=CancelledError)


@dataclass
class Processes:
    """The processes of a search, and who takes back what the killed ones held.

    Args:
        store: The run store, of the process that watches.
        url: Where the store is; None: a file in its home.
        lease: Seconds after which a run without heartbeats is taken back.
    """

    store: StudyStore
    url: str | None
    lease: float
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    pids: list[int] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.started = self.store.home / "started.txt"
        self._monitor = HeartbeatMonitor(orphaned=self.lease)
        self.pids = [self._start(place) for place in range(1 + WORKERS)]

    def _start(self, place: int) -> int:
        work = train if place else lead
        home = self.store.home
        return fork(lambda: work(home, self.url, self.started), log=home / "output.txt")

    def turn(self) -> None:
        """What a worker of another machine does: count as alive, and take back runs whose process is gone."""
        for number in range(WORKERS):
            self.store.worker_heartbeat(f"watcher-{number}", os.getpid(), "cpu")
        for record in self._monitor.expired(self._running(), []):
            self.store.reclaim(record, "Its process was killed.")

    def kill_one(self) -> None:
        """Kill a process that has a run in hand, at a random moment, and start another in its place.

        Every third time it is the search's own, else one that trains; where none has a run, nobody is killed.
        """
        places = [0] if sum(self.kills.values()) % 3 == 0 else range(1, 1 + WORKERS)
        holding = [place for place in places if self._holds(self.pids[place])]
        if not holding:
            time.sleep(0.02)
            return
        place = self.chance.choice(holding)
        time.sleep(self.chance.uniform(0.0, 3.0))
        idle = "" if self._holds(self.pids[place]) else ", idle"
        end(self.pids[place])
        self.kills[("worker" if place else "search") + idle] += 1
        self.pids[place] = self._start(place)

    def _holds(self, pid: int) -> bool:
        return any(run.worker.endswith(f"-{pid}") for run in self._running())

    def _running(self) -> list[RunRecord]:
        return self.store.list([RunState.RUNNING], kinds=_KINDS)

    def stop(self) -> None:
        for pid in self.pids:
            end(pid)


def kills(count: int = 50, *, trials: int = 12, url: str | None = None, lease: float = 3.0) -> Figures:
    """Kill `count` processes while searches of so many trials go on, one after another, and let the last one end."""
    with scratch() as folder:
        store = StudyStore(url, home=folder / "home")
        # One run may be killed often here; that a person is asked after three times is another matter.
        store.max_restarts = 1000
        config = replace(tiny(pictures(folder / "pictures"), epochs=EPOCHS), model=ModelConfig("compact", {"base": 2}))
        open_storage(store.search_url).engine.dispose()
        processes = Processes(store, url, lease)
        names: list[str] = []
        try:
            while sum(processes.kills.values()) < count:
                names.append(f"search {len(names)}")
                store.add_study(
                    JobRequest(RunKind.SEARCH, {"plan": plan(config, trials, seed=len(names)).to_json()}, names[-1])
                )
                _wait_for_end(store, names[-1], processes, count)
        finally:
            processes.stop()
        figures = _account(store, names, processes, trials)
        store.close()
        return figures


def plan(config: RunConfig, trials: int, *, seed: int) -> SearchPlan:
    space = (Axis("learning_rate", low=0.002, high=0.02, log=True), Axis("size", ("compact 2", "compact 3")))
    return SearchPlan(config, space, trials=trials, seed=seed, confirm=1).validate()


def _wait_for_end(store: StudyStore, name: str, processes: Processes, count: int) -> None:
    """Kill until so many were killed and the search is over. Raises `TimeoutError`."""
    deadline = time.monotonic() + 1200
    while not store.study(name).state.final:
        processes.turn()
        if sum(processes.kills.values()) < count:
            processes.kill_one()
        else:
            time.sleep(0.1)
        if time.monotonic() > deadline:
            raise TimeoutError((store.home / "output.txt").read_text()[-2000:])


def _account(store: StudyStore, names: list[str], processes: Processes, trials: int) -> Figures:
    """What became of each trial."""
    lines = Counter(tuple(line.split()[:2]) for line in processes.started.read_text().splitlines())
    rows = {name: [row for row in store.trials(name) if row.role == TRIAL] for name in names}
    every = [row for own in rows.values() for row in own]
    lost = partial(_lost, wanted=set(range(trials)))
    return {
        "kills": sum(processes.kills.values()),
        "of the search's own process, while it led": processes.kills["search"],
        "of a worker with a run in hand": processes.kills["worker"],
        "of one that had just ended its run": processes.kills["search, idle"] + processes.kills["worker, idle"],
        "searches": len(names),
        "searches that did not end as done": sum(store.study(name).state != RunState.DONE for name in names),
        "trials": len(every),
        "trials lost": sum(lost(own) for own in rows.values()),
        "trials doubled": sum(len(own) - len({row.number for row in own}) for own in rows.values()),
        "trials that failed": sum(row.facts.get("told") == "failed" for row in every),
        "attempts given to two": sum(times > 1 for times in lines.values()),
        "attempts that were begun": sum(lines.values()),
        "trials that went on from a checkpoint": sum(_went_on(store, row) for row in every),
        "epochs done twice or left out": sum(_epochs_wrong(store, row) for row in every),
        "trials of which the engine knows something else": sum(_disagree(store, name, rows[name]) for name in names),
    }


def _lost(rows: list[TrialRow], *, wanted: set[int]) -> int:
    return len(wanted - {row.number for row in rows if "told" in row.facts})


def _went_on(store: StudyStore, row: TrialRow) -> bool:
    return "Going on from epoch" in (store.folder(row.id) / "log.txt").read_text()


def _epochs_wrong(store: StudyStore, row: TrialRow) -> bool:
    """Whether the scores of a trial are not of its epochs in order, each once; all of them where it was finished."""
    epochs = [int(line["epoch"]) for line in read_metrics(store.folder(row.id) / "metrics.csv")]
    whole = row.facts.get("told") == "done"
    return epochs != list(range(1, (EPOCHS if whole else len(epochs)) + 1))


def _disagree(store: StudyStore, name: str, rows: list[TrialRow]) -> int:
    """Trials whose settings, end or score Optuna and the run store do not agree on."""
    storage = optuna.storages.RDBStorage(store.search_url)
    trials = optuna.load_study(study_name=f"{store.study(name).id}/0", storage=storage).trials
    wrong = abs(len(trials) - len(rows))
    for trial, row in zip(trials, sorted(rows, key=lambda row: row.number), strict=False):
        told = _ENDS.get(trial.state.name)
        scored = told != "done" or trial.value == row.summary.get("best_miou5")
        wrong += not (scored and told == row.facts.get("told") and trial.params == row.facts["params"])
    storage.remove_session()
    storage.engine.dispose()
    return wrong
