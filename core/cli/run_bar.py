"""What a run tells while it works, as a bar on a terminal; its warnings in any case."""

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from core.cli.terminal import complain
from core.events import Emit, EpochEvent, Event, MessageEvent, StepEvent
from core.runs.worker.run_process import progress_after

_FORMAT = "{desc}: {percentage:3.0f} %|{bar}| {elapsed}<{remaining}{postfix}"


@contextmanager
def run_bar(name: str) -> Iterator[Emit]:
    """An `Emit` that draws how far the run is and its last score on stderr when that is a terminal."""
    with tqdm(desc=name, total=1.0, disable=None, bar_format=_FORMAT) as bar:
        known: dict[str, str] = {}

        def show(event: Event) -> None:
            match event:
                case StepEvent() | EpochEvent():
                    known["epoch"] = f"{event.epoch}/{event.epochs}"
                    if isinstance(event, EpochEvent) and event.miou5 is not None:
                        known["mIoU"] = f"{100 * event.miou5:.1f} %"
                case MessageEvent(level="warning"):
                    with tqdm.external_write_mode():
                        complain(f"warning: {event.text}")
            bar.set_postfix(known, refresh=False)
            bar.update(progress_after(event, bar.n) - bar.n)

        yield show
