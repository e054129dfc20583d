"""The cache of prepared data, seen from outside."""

from __future__ import annotations

from toolkit.data.cache import CacheEntry, clear_cache, list_cache


def cache(*, clear: bool = False) -> list[CacheEntry]:
    """List what the cache of prepared data holds, or clear it.

    The cache is ``$TOOLKIT_CACHE``, or ``~/.cache/toolkit``.

    Args:
        clear: remove all that no job reads now.

    Returns:
        The entries, the longest unused first; those removed when clearing.
    """
    return clear_cache() if clear else list_cache()
