"""What a process that leads a search loads, loaded and used once: processes that are forked from here begin at once."""

from core.search import head
from core.search.engine import open_storage
from tests.unit.search import kit

__all__ = ["head", "kit"]

_storage = open_storage("sqlite://")
_storage.remove_session()
_storage.engine.dispose()
