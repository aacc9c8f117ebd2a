"""What a visitor's import is asked to do, and the files in which it answers (`core.data.import_process`)."""

from dataclasses import dataclass, field
from typing import Any

from core.imagery.archives import DATASET_LIMITS

PROGRESS, REPORT, PROBLEM, MADE, SEEN = "progress.json", "report.json", "problem.json", "made", "seen"


@dataclass(frozen=True)
class ImportOrder:
    """What is to be done, as JSON values.

    Attributes:
        folder: the only one that is written to.
        source: what was brought: a folder of files and zips, or a path below `opened`.
        opened: the folder that the operator opened, where `source` lies below it.
        name: of the dataset that is written; empty: nothing is, the source is surveyed.
        choices: the values of `ImportChoices`, as `import_process.choices_json` gives them.
        seconds: of processor time, and on the clock twice as many.
        memory: bytes above the empty process.
        most_bytes: what zips may unpack to.
    """

    folder: str
    source: str
    opened: str | None = None
    name: str = ""
    choices: dict[str, Any] = field(default_factory=dict)
    seconds: int = 900
    memory: int = 3 * 1024**3
    most_bytes: int = DATASET_LIMITS.total_bytes
