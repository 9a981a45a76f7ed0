"""Memory systems without an adapter of their own: any REST service and any MCP server by a TOML file."""

from providers.general.finding import EXAMPLES, configured_name, configured_provider, described, is_configured

__all__ = ["EXAMPLES", "configured_name", "configured_provider", "described", "is_configured"]
