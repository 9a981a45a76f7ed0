"""What a service of this suite is served with: the address that it listens to, and who may call it."""

from net.serving.callers import credentials, is_loopback, is_own_origin, names_this_machine, token_hash
from net.serving.listening import address_of, listen, run_server

__all__ = [
    "address_of",
    "credentials",
    "is_loopback",
    "is_own_origin",
    "listen",
    "names_this_machine",
    "run_server",
    "token_hash",
]
