"""Addresses of servers in settings: reports show them, so nothing secret may be in one."""

from __future__ import annotations

from urllib.parse import urlsplit

from schema import ConfigurationError


def check_address(setting: str, value: str, *, key: str, example: str = "http://localhost:11434/v1") -> str:
    """`value` without a slash at its end; `key` says where the key of that server belongs.

    Raises `schema.ConfigurationError` if it is not an ``http`` or ``https`` address, or holds a user, a password or a
    query.
    """
    address = urlsplit(value)
    if "@" in address.netloc or address.query or address.fragment:
        raise ConfigurationError(
            f"{setting} holds a user, a password or a query, which reports would show. Put the key into {key}."
        )
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ConfigurationError(f"{setting} {value!r} is not an address such as {example}.")
    return value.rstrip("/")
