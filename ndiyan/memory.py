"""How a service keeps little of the memory that it needed for a moment; Python and the C library give it back late.

Python looks for circles of objects only once a quarter as many have been made as there are. Beside a hundred packages
that takes hours, in which pages pile up.
"""

from __future__ import annotations

import ctypes
import gc
import threading
import time

ARENA_MAX, ARENAS = -8, 2  # `M_ARENA_MAX` of glibc's malloc.h; glibc itself allows eight for each core
GIVE_BACK_EVERY_S = 10.0


def keep_little(every_s: float = GIVE_BACK_EVERY_S) -> None:
    """Throw away what is not needed every ten seconds; call it once all is imported and made that stays.

    What is there by then is looked through no more, so that the rest takes milliseconds. With glibc all threads
    allocate from a few arenas from now on, where each would have one of its own, in which what its largest page or
    judging ever took stays; and what lies free in them goes back to the system.
    """
    library = ctypes.CDLL(None)
    is_glibc = hasattr(library, "mallopt") and hasattr(library, "malloc_trim")

    def give_back() -> None:
        while True:
            time.sleep(every_s)
            gc.collect()
            if is_glibc:
                library.malloc_trim(0)

    if is_glibc:
        library.mallopt(ARENA_MAX, ARENAS)
    gc.collect()
    gc.freeze()
    threading.Thread(target=give_back, name="give-back", daemon=True).start()
