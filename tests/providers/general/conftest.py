"""What the tests of providers by configuration share."""

from tests.bench.conftest import suite

__all__ = ["suite"]
