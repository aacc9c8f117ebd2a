"""MLflow and TensorBoard as trackers of a run. Both packages are optional, and are imported in `open`."""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.errors import RunError
from core.runs.store.records import RunRecord, RunState
from core.runs.tracking.tracker import Numbers

_RUN_TAG = "terrastill.run"


class _Last:
    """The last step that a tracker has of each value, so that a resumed run repeats none."""

    def __init__(self) -> None:
        self.steps: dict[str, int] = {}

    def new(self, numbers: Numbers) -> dict[str, float]:
        values, step, _ = numbers
        fresh = {_plain(name): value for name, value in values.items() if step > self.steps.get(_plain(name), -1)}
        self.steps |= dict.fromkeys(fresh, step)
        return fresh


class MLflow:
    """One MLflow run for each run of ours, however many attempts it takes. `artifacts` is where files go when the
    tracking URI is a database and not a server."""

    name = "MLflow"

    def __init__(self, uri: str, *, artifacts: Path) -> None:
        self._uri, self._artifacts = uri, artifacts
        self._last = _Last()
        self._client: Any = None
        self._run = ""

    def open(self, record: RunRecord, *, resumed: bool) -> None:
        """Find this run's, or make it. Raises `RunError`."""
        # Nothing is reported to MLflow's makers, and a server that is gone is not called for minutes.
        for name, value in (("DISABLE_TELEMETRY", "true"), ("HTTP_REQUEST_MAX_RETRIES", "1")):
            os.environ.setdefault(f"MLFLOW_{name}", value)
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise RunError("MLFLOW_TRACKING_URI is set and MLflow is not installed: pip install mlflow.") from error
        for chatty in ("mlflow", "alembic", "urllib3"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        with self._as_run_error():
            self._client = MlflowClient(self._uri)
            experiment = self._experiment()
            self._run = self._find(experiment, record, resumed=resumed)
            self._describe(record)

    def log(self, numbers: list[Numbers]) -> None:
        """What MLflow does not have yet, in one request for up to 500 values. Raises `RunError`."""
        from mlflow.entities import Metric

        metrics = [
            Metric(name, value, round(measured[2] * 1000), measured[1])
            for measured in numbers
            for name, value in self._last.new(measured).items()
        ]
        with self._as_run_error():
            for first in range(0, len(metrics), 500):
                self._client.log_batch(self._run, metrics=metrics[first : first + 500])

    def close(self, state: RunState, summary: Mapping[str, Any], card: Path) -> None:
        """Add the card and what the run found, and the state in MLflow's terms. Raises `RunError`."""
        status = {RunState.DONE: "FINISHED", RunState.FAILED: "FAILED", RunState.CANCELLED: "KILLED"}
        with self._as_run_error():
            for name, value in summary.items():
                if isinstance(value, str | bool | int | float):
                    self._client.set_tag(self._run, f"terrastill.{name}", str(value))
            if state == RunState.DONE and card.is_file():
                self._client.log_artifact(self._run, str(card))
            self._client.set_terminated(self._run, status.get(state, "SCHEDULED"))

    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "terrastill"
        served = self._uri.startswith(("http:", "https:"))
        if (found := self._client.get_experiment_by_name(name)) is None:
            try:
                place = None if served else self._artifacts.resolve().as_uri()
                return str(self._client.create_experiment(name, artifact_location=place))
            except MlflowException:
                # Another run has made it in the same moment, or the second request raises what is wrong.
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _find(self, experiment: str, record: RunRecord, *, resumed: bool) -> str:
        """The MLflow run to write into. One of a try that left nothing to go on from is closed: its curves are void."""
        mine = self._client.search_runs([experiment], f"tags.`{_RUN_TAG}` = '{record.id}'", max_results=1)
        if mine and resumed:
            run = str(mine[0].info.run_id)
            for name in mine[0].data.metrics:
                history = self._client.get_metric_history(run, name)
                self._last.steps[name] = max(metric.step for metric in history)
            self._client.update_run(run, status="RUNNING")
            return run
        for old in mine:
            self._client.set_terminated(old.info.run_id, "KILLED")
        tags = {_RUN_TAG: record.id, "mlflow.runName": record.name}
        return str(self._client.create_run(experiment, tags=tags).info.run_id)

    def _describe(self, record: RunRecord) -> None:
        """Settings as parameters. MLflow keeps the first value of each; one that has changed since is a tag."""
        from mlflow.entities import Param, RunTag

        there = self._client.get_run(self._run).data.params
        settings = flat(asdict(record.config))
        fresh = [Param(name, value) for name, value in settings.items() if name not in there]
        changed = {name: value for name, value in settings.items() if there.get(name, value) != value}
        changed |= {"terrastill.device": record.device, "terrastill.attempt": str(record.attempt)}
        tags = [RunTag(name, value) for name, value in changed.items()]
        self._client.log_batch(self._run, params=fresh, tags=tags)

    @contextmanager
    def _as_run_error(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            if "Max retries exceeded" in reason:
                reason = "it does not answer"
            message = f"MLflow at {self._uri} cannot be used ({reason[:200]})."
            # A password in the address is nobody's to read.
            raise RunError(re.sub(r"//[^@/\s]*@", "//", message)) from error


class TensorBoard:
    """An event file for each attempt in `folder`, which `tensorboard --logdir` shows as one curve."""

    name = "TensorBoard"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = _Last()
        self._writer: Any = None

    def open(self, record: RunRecord, *, resumed: bool) -> None:
        """Read what is there, so that nothing comes twice, and begin a file. Raises `RunError`."""
        try:
            from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise RunError(
                "TERRASTILL_TENSORBOARD is set and TensorBoard is not installed: pip install tensorboard."
            ) from error
        with self._as_run_error():
            if resumed and self._folder.is_dir():
                written = EventAccumulator(str(self._folder), size_guidance={"scalars": 0}).Reload()
                for name in written.Tags()["scalars"]:
                    self._last.steps[name] = max(event.step for event in written.Scalars(name))
            self._writer = SummaryWriter(str(self._folder), filename_suffix=f".attempt-{record.attempt}")
            self._writer.add_text("settings", _as_code(json.loads(record.config.to_json())), record.attempt)

    def log(self, numbers: list[Numbers]) -> None:
        """What is not there yet, flushed: a killed run loses half a second of curve. Raises `RunError`."""
        with self._as_run_error():
            for measured in numbers:
                for name, value in self._last.new(measured).items():
                    self._writer.add_scalar(name, value, measured[1], measured[2])
            self._writer.flush()

    def close(self, state: RunState, summary: Mapping[str, Any], card: Path) -> None:
        """Add the card of a run that is done, and close the file. Raises `RunError`."""
        with self._as_run_error():
            if state == RunState.DONE:
                self._writer.add_text("summary", _as_code(dict(summary)))
            if state == RunState.DONE and card.is_file():
                self._writer.add_text("card", _as_code(json.loads(card.read_text(encoding="utf-8"))))
            self._writer.close()

    @contextmanager
    def _as_run_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(f"TensorBoard's files cannot be written ({error.strerror or error}).") from error


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as `train.batch_size` → `16`; a list is one value, and what is not set is left out."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif value is not None:
            found[_plain(f"{prefix}{name}")] = str(value)
    return found


def _plain(name: str) -> str:
    """A name in the letters that every tracker takes."""
    return re.sub(r"[^\w./ -]", "_", name)


def _as_code(value: Any) -> str:
    """JSON as TensorBoard's text page shows it."""
    return "".join(f"    {line}\n" for line in json.dumps(value, indent=2).splitlines())
