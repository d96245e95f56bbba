"""The C library's arenas, from which threads allocate what is larger than Python's own small objects."""

from __future__ import annotations

import ctypes
from contextlib import suppress

ARENA_MAX, ARENAS = -8, 2  # `M_ARENA_MAX` of glibc's malloc.h; glibc itself allows eight for each core


def share_arenas() -> bool:
    """Let all threads allocate from a few arenas; False where the C library knows no such setting.

    Each thread would get one of its own, which keeps much of what the largest page ever took in that thread.
    """
    with suppress(AttributeError):
        return bool(ctypes.CDLL(None).mallopt(ARENA_MAX, ARENAS))
    return False
