"""What a run tells while it works, as a bar on a terminal; its warnings in any case."""

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from core.cli.terminal import complain
from core.train.events import Emit, EpochEvent, Event, MessageEvent, StepEvent


@contextmanager
def run_bar(name: str) -> Iterator[Emit]:
    """An `Emit` that draws steps, epochs and scores on stderr when that is a terminal."""
    with tqdm(desc=name, unit="step", disable=None) as bar:
        known: dict[str, str] = {}

        def show(event: Event) -> None:
            match event:
                case StepEvent():
                    known["loss"] = f"{sum(event.losses.values()):.3f}"
                    known["epoch"] = f"{event.epoch}/{event.epochs}"
                    bar.total = event.epochs * event.steps
                    bar.update((event.epoch - 1) * event.steps + event.step - bar.n)
                case EpochEvent(miou5=float(miou5)):
                    known["mIoU-5"] = f"{100 * miou5:.1f} %"
                case MessageEvent(level="warning"):
                    with tqdm.external_write_mode():
                        complain(f"warning: {event.text}")
            bar.set_postfix(known, refresh=False)

        yield show
