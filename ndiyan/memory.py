"""How a service keeps little of the memory that it needed for a moment; the C library gives back next to none.

Python's own small objects are not concerned; arrays, texts and answers of the database are.
"""

from __future__ import annotations

import ctypes
import threading
import time

ARENA_MAX, ARENAS = -8, 2  # `M_ARENA_MAX` of glibc's malloc.h; glibc itself allows eight for each core
GIVE_BACK_EVERY_S = 10.0


def keep_little(every_s: float = GIVE_BACK_EVERY_S) -> bool:
    """From now on all threads allocate from a few arenas, and what lies free in them goes back to the system.

    Each thread would have an arena of its own, in which what the largest page or judging ever took stays. False, and
    nothing happens, where the C library is not glibc.
    """
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        return False

    def give_back() -> None:
        while True:
            time.sleep(every_s)
            library.malloc_trim(0)

    library.mallopt(ARENA_MAX, ARENAS)
    threading.Thread(target=give_back, name="give-back", daemon=True).start()
    return True
