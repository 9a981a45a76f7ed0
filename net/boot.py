"""Which boot of the machine this is: readings of the monotonic clock are compared within one boot only."""

from __future__ import annotations

import time
from hashlib import blake2b
from pathlib import Path


def _read() -> str:
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        # no Linux: the hour in which the machine started, which a step of the wall clock may change
        text = str(round((time.time() - time.monotonic()) / 3600))
    return blake2b(text.encode(), digest_size=4).hexdigest()


BOOT = _read()
"""The same for all processes of the machine until it starts anew."""
