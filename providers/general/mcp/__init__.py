"""Memory systems that are MCP servers, over stdio or streamable HTTP, by the official SDK."""

from providers.general.mcp.provider import Mcp

__all__ = ["Mcp"]
