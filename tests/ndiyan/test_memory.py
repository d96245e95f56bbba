"""A service needs much for a moment, and keeps little of it."""

import subprocess
import sys

import pytest

ARENAS_IN_USE = """
import threading
from ndiyan.memory import keep_little
keep_little()
all_there = threading.Barrier(13)
def work():
    kept = [bytearray(100_000) for _ in range(20)]
    all_there.wait()
    all_there.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
[thread.start() for thread in threads]
all_there.wait()
begins = {int(line.partition("-")[0], 16) for line in open("/proc/self/maps") if " rw-p " in line}
print(sum(begin % (64 << 20) == 0 for begin in begins))  # where glibc puts all arenas but the first
all_there.wait()
"""
FREED_BETWEEN_WHAT_IS_KEPT = """
import os, threading
from ndiyan.memory import keep_little
def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
at_first = resident_mb()
blocks = [bytearray(20_000) for _ in range(5_000)]
blocks[:] = blocks[::100]
print(resident_mb() - at_first, flush=True)
keep_little(every_s=0.01)
turn = threading.Event()
while resident_mb() - at_first > 20:
    turn.wait(0.01)
print(resident_mb() - at_first)
"""

PAGES_THAT_REFER_TO_THEMSELVES = """
import gc, threading, weakref
from ndiyan.memory import keep_little
class Page: pass
packages = [Page() for _ in range(100_000)]
keep_little(every_s=0.01)
page = Page()
page.itself = page
is_read = weakref.ref(page)
del page
turn = threading.Event()
while is_read() is not None:
    turn.wait(0.01)
print(gc.get_freeze_count())
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the settings are glibc's")


def told_by(program: str) -> list[float]:
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    return [float(word) for word in found.stdout.split()]


def test_a_dozen_threads_share_the_arenas() -> None:
    (arenas,) = told_by(ARENAS_IN_USE)
    assert arenas <= 1


def test_what_lies_free_among_what_is_kept_goes_back_to_the_system() -> None:
    freed, given_back = told_by(FREED_BETWEEN_WHAT_IS_KEPT)
    assert freed > 80
    assert given_back < 20


def test_pages_that_refer_to_themselves_do_not_pile_up_beside_all_that_was_imported() -> None:
    (not_looked_at,) = told_by(PAGES_THAT_REFER_TO_THEMSELVES)
    assert not_looked_at > 100_000
