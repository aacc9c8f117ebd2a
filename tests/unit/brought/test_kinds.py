"""The catalogue of brought models: every kind is in it, and each entry leads to what reads and runs its files."""

from pathlib import Path

import pytest

from core.brought.kinds import FILE_KINDS, KINDS, kind_of_file
from core.errors import ModelError
from core.models import external


def test_every_architecture_that_is_brought_is_in_the_catalogue() -> None:
    assert set(external.KINDS) == set(KINDS)
    assert len({kind.title for kind in KINDS.values()}) == len(KINDS)


@pytest.mark.parametrize("name", FILE_KINDS)
def test_an_entry_leads_to_its_reader_and_its_session(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"net{KINDS[name].suffix.upper()}"
    file.write_bytes(b"neither a graph nor a table")
    assert kind_of_file(file) is KINDS[name]
    with pytest.raises(ModelError):
        KINDS[name].inspect(file)
    with pytest.raises(ModelError, match="cannot read this model"):
        KINDS[name].opener()(file, threads=1)
