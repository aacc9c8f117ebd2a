"""What tests of searches share with those of the run store."""

from tests.unit.runs.conftest import new_postgres

__all__ = ["new_postgres"]
