"""Which of a teacher's classes stand for which of the data's, many to one. Pure Python, names alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.classes import in_short
from core.errors import ConfigError


@dataclass(frozen=True)
class ClassMapping:
    """`to` says of each of the teacher's classes which of the data's it stands for, by number; None: for none of them.

    Several may stand for one: their probabilities are summed. On a pixel for which the teacher's likeliest class stands
    for none it has no word, and neither has it on one that is labelled as a class for which none of its own stands.
    """

    teacher: tuple[str, ...]
    own: tuple[str, ...]
    to: tuple[int | None, ...]

    @property
    def changes(self) -> bool:
        """Whether any class has another number, or none."""
        return self.to != tuple(range(len(self.own)))

    @property
    def unknown(self) -> tuple[int, ...]:
        """Those of the data's classes for which none of the teacher's stands."""
        return tuple(number for number in range(len(self.own)) if number not in self.to)

    def __str__(self) -> str:
        return self.told()

    def told(self, *, taught_alone: bool = False) -> str:
        """`The teacher's Land and Road stand for Ground. Where it finds Water, it has no word.`, and what that means.

        Args:
            taught_alone: Whether no label teaches the student, so that none stands in for the teacher.
        """
        parts = []
        for number, name in enumerate(self.own):
            group = [theirs for theirs, at in zip(self.teacher, self.to, strict=True) if at == number]
            if group and group != [name]:
                parts.append(f"{_listed(group)} stand{'s' if len(group) == 1 else ''} for {name}")
        told = f"The teacher's {', '.join(parts)}." if parts else ""
        if silent := [theirs for theirs, at in zip(self.teacher, self.to, strict=True) if at is None]:
            then = "nothing there" if taught_alone else "from labels alone"
            told += f" Where it finds {_listed(silent, 'or')}, it has no word: the student learns {then}."
        if unknown := [self.own[number] for number in self.unknown]:
            then = "only labels teach that"
            if taught_alone:
                then = f"with alpha 0 the student never learns {'it' if len(unknown) == 1 else 'them'}, so raise alpha"
            told += f" It knows nothing of {_listed(unknown)}: {then}."
        return told.strip()


def class_mapping(teacher: Sequence[str], own: Sequence[str], said: Mapping[str, str]) -> ClassMapping:
    """What stands for what.

    Args:
        teacher: the names of the teacher's classes.
        own: those of the data.
        said: by a class of the teacher, one of the data, or nothing for none. What is not said of stands for the class
            of the same name.

    Raises:
        ConfigError: A name is unknown, none of the teacher's classes stands for any, or nothing was said although the
            classes differ.
    """
    if not said and set(teacher) != set(own):
        raise ConfigError(
            f"The teacher knows the classes {in_short(teacher)}, not those of the data ({in_short(own)}): choose "
            "another one, or say which of its classes stand for which of the data's (--map-classes TEACHER=OWN)."
        )
    problems = [
        f"The teacher has no class {name[:60]!r}: it has {in_short(teacher)}." for name in said if name not in teacher
    ]
    problems += [
        f"The data has no class {name[:60]!r}: it has {in_short(own)}."
        for name in said.values()
        if name not in (*own, "")
    ]
    if problems:
        raise ConfigError(problems)
    meant = [said.get(name, name) for name in teacher]
    to = tuple(own.index(name) if name in own else None for name in meant)
    if not any(number is not None for number in to):
        raise ConfigError("None of the teacher's classes stands for one of the data's: map one at least.")
    return ClassMapping(tuple(teacher), tuple(own), to)


def propose(teacher: Sequence[str], own: Sequence[str]) -> dict[str, str]:
    """By a class of the teacher, the one of `own` whose name means the same, as far as letters tell; "" for none.

    The same letters count first, then the same first word: `buildings` and `Building`, `road_surface` and `Road`.
    """
    found = {}
    for theirs in teacher:
        words = _words(theirs)
        same = [name for name in own if _words(name) == words]
        close = [name for name in own if _words(name)[:1] == words[:1] and min(len(_words(name)), len(words)) == 1]
        found[theirs] = next(iter([*same, *close]), "")
    return found


def _words(name: str) -> list[str]:
    """In small letters, without the s of a plural."""
    plain = "".join(letter if letter.isalnum() else " " for letter in name.lower())
    return [
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in plain.split()
    ]


def _listed(names: Sequence[str], word: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
