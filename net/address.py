"""Addresses of servers in settings: reports show them, so nothing secret may be in one."""

from __future__ import annotations

from urllib.parse import urlsplit

from vocabulary import ConfigurationError


def check_address(setting: str, value: str, *, key: str, example: str = "http://localhost:11434/v1") -> str:
    """`value` without a slash at its end; `key` says where the key of that server belongs.

    Raises `ConfigurationError` if it is not an ``http`` or ``https`` address, or holds a user, a password or a
    query.
    """
    if any(character in value for character in "@?#"):
        raise ConfigurationError(
            f"{setting} holds a user, a password or a query, which reports would show. Put the key into {key}."
        )
    try:
        address = urlsplit(value)
        usable = address.scheme in ("http", "https") and address.hostname and address.port != 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable:
        raise ConfigurationError(f"{setting} {value!r} is not an address such as {example}.")
    return value.rstrip("/")
