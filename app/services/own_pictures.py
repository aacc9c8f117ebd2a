"""A visitor's own images as a dataset without labels, which a run can be given beside its labelled pictures.

A run may wait for hours, and images of the page Your images go after a day: so it gets copies of its own, which their
owner deletes on the page Datasets.
"""

import hashlib
import json
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from app.services import own_datasets
from app.services.access import Person
from app.services.imports import check_room
from app.services.workspaces import Own
from core.data import named
from core.data.dataset_files import copy_picture
from core.data.datasets import dataset_named
from core.data.description import DescribedClass, Description, write_description
from core.data.readers.source import SourcePicture
from core.data.readers.stems import numbered, safe_stem
from core.errors import DataError
from core.files import speaking_plainly

_PREFIX = "own-images"


def as_dataset(pictures: Sequence[Own], classes_of: str, who: Person) -> str:
    """The name of a dataset with copies of these pictures, which this person alone may use.

    It is made once, however often it is asked for.

    Args:
        pictures: At least one, of the visitor's workspace.
        classes_of: The dataset whose classes it names, for it has none of its own.
        who: Whose they are.

    Raises:
        DataError: Nobody could find them again, or there is no room.
        ConfigError: There is no such dataset.
    """
    if who.folder is None:
        raise DataError(
            "This browser keeps no cookie, so your images cannot be kept for a run: allow cookies, or choose a dataset."
        )
    name = _name_of(pictures, who.folder)
    if named.is_there(name):
        return name
    _forget_unused(who)
    check_room(sum(own.size for own in pictures))
    target = named.folder_of(name)
    made = target.with_name(f".{name}.{secrets.token_hex(4)}.part")
    try:
        with speaking_plainly(target):
            (made / "images").mkdir(parents=True)
            stems = numbered({own.path: safe_stem(Path(own.name.rpartition(": ")[2]).stem) for own in pictures})
            for path, stem in stems.items():
                copy_picture(SourcePicture(path, stem), made / "images")
            (made / "masks").mkdir()
            write_description(made, _description(name, len(stems), classes_of))
        facts = {"pictures": len(stems), "labelled": 0, "parts": {}}
        own_datasets.adopt(made, name, owner=who.folder, shared=False, facts=facts)
    except OSError as error:
        raise DataError(f"Your images cannot be copied ({error.strerror or 'unknown'}): bring them again.") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return name


def _forget_unused(who: Person) -> None:
    """Remove this person's earlier copies that no run has read and none is to read."""
    for one in own_datasets.listing(who.folder):
        if one.mine and one.name.startswith(f"{_PREFIX}-") and not any(own_datasets.needed_by(one.name)):
            named.delete(one.name)


def _name_of(pictures: Sequence[Own], owner: str) -> str:
    """One name for the same files of the same visitor."""
    told = json.dumps([owner, sorted([own.name, str(own.path), own.size] for own in pictures)])
    return f"{_PREFIX}-{hashlib.sha256(told.encode()).hexdigest()[:10]}"


def _description(name: str, count: int, classes_of: str) -> Description:
    classes = dataset_named(classes_of).classes
    return Description(
        name=name,
        title=f"{count} image{'' if count == 1 else 's'} of yours, without labels",
        classes=tuple(
            DescribedClass(each, colour) for each, colour in zip(classes.scored_names, classes.colours, strict=False)
        ),
    )
