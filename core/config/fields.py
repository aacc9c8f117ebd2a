"""What a person is told about a setting: its title, its range and what it does, on the field itself.

The form, the command line, the checks and the docs read it here, so that each is said once.
"""

from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

from core.typed import is_number

_KEY = "setting"
_ENDLESS = 2**31 - 1


@dataclass(frozen=True)
class Setting:
    """One field of the settings of a run, in words and numbers.

    Attributes:
        title: A noun phrase that begins a sentence and labels a widget.
        help: One sentence or two on what it does.
        low: Smallest value, or the value to stay above with `above`. None: no lower end.
        high: Largest value, or the value to stay below with `below`. None: no upper end.
        above: Whether `low` itself is out of range.
        below: Whether `high` itself is out of range.
        multiple: Whole numbers that it must be a multiple of.
        choices: The texts that are allowed; empty for any.
        choice_titles: What people read for each of `choices`; the choices themselves where it is empty.
        unit: Of the number, in the plural.
        empty: What None means, for a field that may be None.
        flag: Its name on the command line, without dashes; the field's name where it is empty.
        metavar: What stands for its value in the help of the command line.
        step: By how much the buttons of a form change it.
        name: The field's name, filled in by `settings_of`.
    """

    title: str
    help: str
    low: float | None = None
    high: float | None = None
    above: bool = False
    below: bool = False
    multiple: int | None = None
    choices: tuple[str, ...] = ()
    choice_titles: tuple[str, ...] = ()
    unit: str = ""
    empty: str = ""
    flag: str = ""
    metavar: str | None = None
    step: float = 1
    name: str = ""

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers: these have a lower end."""
        return self.low is not None

    @property
    def titles(self) -> dict[str, str]:
        """The allowed texts with what people read for each."""
        return dict(zip(self.choices, self.choice_titles or self.choices, strict=True))

    @property
    def range(self) -> str:
        """The allowed values in words that go into brackets: `1 to 10,000`, `above 0, at most 1`; empty for any."""
        if self.choices:
            return one_of(self.choices)
        if self.low is None:
            return ""
        if self.high is None:
            return f"{_words(self.low)} or more"
        if self.above:
            return f"above {_words(self.low)}, at most {_words(self.high)}"
        words = f"{_words(self.low)} to {'below ' if self.below else ''}{_words(self.high)}"
        return f"{words}, a multiple of {self.multiple}" if self.multiple else words

    @property
    def label(self) -> str:
        """The title with the range in brackets, for a widget that takes a number, without an end that nobody meets."""
        if self.choices or not self.range or self.low is None:
            return self.title
        endless = self.high is not None and self.high >= _ENDLESS
        return f"{self.title} ({f'{_words(self.low)} or more' if endless else self.range})"

    def problem(self, value: Any) -> str | None:
        """A sentence with the range when a value is out of it, else None. Two numbers are the ends of a range."""
        if value is None and self.empty:
            return None
        if isinstance(value, tuple):
            low, high = value
            if self._holds(low) and self._holds(high) and low <= high:
                return None
            return f"{self.title} must be a range within {self.range}, not {_words(low)} to {_words(high)}."
        if self._holds(value):
            return None
        return f"{self.title} must be {self._allowed()}, not {_words(value)}."

    def _holds(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        if self.low is None:
            return True
        # Written so that what is no number (NaN) is out of range.
        if not is_number(value) or not (value > self.low if self.above else value >= self.low):
            return False
        if self.high is not None and not (value < self.high if self.below else value <= self.high):
            return False
        return self.multiple is None or value % self.multiple == 0

    def _allowed(self) -> str:
        if self.choices or self.low is None or self.high is None:
            return self.range
        unit = f" {self.unit}" if self.unit else ""
        if self.above:
            return f"above {_words(self.low)} and at most {_words(self.high)}{unit}"
        words = f"from {_words(self.low)} to {'below ' if self.below else ''}{_words(self.high)}{unit}"
        return f"a multiple of {self.multiple} {words}" if self.multiple else words


def setting(default: Any, title: str, help: str, **more: Any) -> Any:  # noqa: A002
    """A field of a frozen dataclass with its `Setting`; `more` are the other attributes of `Setting`.

    A default that can be changed (a dictionary) is given as a function that makes it.
    """
    metadata = {_KEY: Setting(title, help, **more)}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def settings_of(cls: type) -> dict[str, Setting]:
    """The settings of a dataclass by the name of their field, in order."""
    return {entry.name: _named(entry) for entry in fields(cls) if _KEY in entry.metadata}


def _named(entry: "Field[Any]") -> Setting:
    kept: Setting = entry.metadata[_KEY]
    return Setting(**{**kept.__dict__, "name": entry.name})


def problems_of(values: Any) -> list[str]:
    """A sentence for each field of a dataclass whose value is out of its range."""
    found = (setting.problem(getattr(values, name)) for name, setting in settings_of(type(values)).items())
    return [problem for problem in found if problem is not None]


def one_of(choices: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join(filter(None, [", ".join(choices[:-1]), choices[-1]]))


def _words(value: Any) -> str:
    """Whole numbers of five digits and more with their thousands apart; everything else as Python writes it."""
    if is_number(value) and value == value and abs(value) < 1e15 and value == int(value):
        return f"{int(value):,}"
    return str(value)
