"""Memory systems that are services: each adapter speaks its vendor's REST interface."""
