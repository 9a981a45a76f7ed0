"""Memory systems that are services: each adapter speaks its vendor's REST interface."""

from providers.readiness import until_ready

__all__ = ["until_ready"]
