"""Steps and containers that runs share (``--cache``): nothing that depends on the same is paid for twice."""

from bench.cache.keys import digest_of, fingerprint_of, identity_of, ingest_identity
from bench.cache.step_cache import CachedStore, StepCache
from bench.cache.upkeep import Contents, clear_cache, read_contents, trim_cache, verify_cache

__all__ = [
    "CachedStore",
    "Contents",
    "StepCache",
    "clear_cache",
    "digest_of",
    "fingerprint_of",
    "identity_of",
    "ingest_identity",
    "read_contents",
    "trim_cache",
    "verify_cache",
]
