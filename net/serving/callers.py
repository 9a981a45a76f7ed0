"""Who calls: a bearer of a token, a program on this machine, or a web page that has no business here."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from hashlib import sha256

from vocabulary import ConfigurationError

_LEAST_CHARACTERS = 16


def token_hash(token: str, variables: str) -> bytes:
    """The hash that is kept of a token from one of `variables`; ``sha256:`` and 64 hex digits are one already.

    Raises `ConfigurationError` for a token that could be guessed.
    """
    if found := re.fullmatch(r"sha256:([0-9a-fA-F]{64})", token):
        return bytes.fromhex(found[1])
    if len(token) < _LEAST_CHARACTERS:
        raise ConfigurationError(
            f"{variables}: a token has at least {_LEAST_CHARACTERS} characters. Make one: "
            "python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return sha256(token.encode()).digest()


def credentials(header: str) -> tuple[str, bool]:
    """The token of an Authorization header, and whether it came as Bearer: browsers give it as a password (Basic)."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2], False
        except (binascii.Error, UnicodeDecodeError):
            return "", False
    return (rest.strip(), True) if scheme.lower() == "bearer" else ("", False)


def names_this_machine(headers: Mapping[str, str]) -> bool:
    """Whether the Host header is an address of this machine, and not a name that a web page gave it (DNS rebinding)."""
    host = headers.get("host", "")
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    return is_loopback(name.strip("[]"))


def is_own_origin(headers: Mapping[str, str], *schemes: str) -> bool:
    """Whether no web page of another origin makes the request."""
    host, origin = headers.get("host", ""), headers.get("origin")
    return origin is None or origin in [f"{scheme}://{host}" for scheme in schemes]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
