"""Chance without memory: a number belongs to a key and a count, whichever numbers were asked for before.

So what a sensor's noise or a village's market day is depends on the seed, the zone, a name and the time alone, and all
zones and times can be asked for at once. The mixing function is splitmix64 (G. L. Steele, D. Lea, C. H. Flood, Fast
splittable pseudorandom number generators, OOPSLA 2014, doi:10.1145/2660193.2660195), over key + count times the golden
ratio; it passes BigCrush.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

FloatArray = NDArray[np.float64]
KeyArray = NDArray[np.uint64]

GOLDEN, MIX_1, MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12)


def keys(names: Sequence[str], *, seed: int, purpose: str) -> KeyArray:
    """A key (n,) for each name (n,) and a purpose, like no other's."""
    digests = (sha256(f"{seed}/{name}/{purpose}".encode()).digest()[:8] for name in names)
    return np.array([int.from_bytes(digest, "little") for digest in digests], dtype=np.uint64)


def uniform(key: KeyArray, count: NDArray[np.integer]) -> FloatArray:
    """Numbers in (0, 1) with 52 bits, in the shape to which key and count broadcast, (1,) at least."""
    mixed = np.atleast_1d(count).astype(np.uint64) * GOLDEN + key
    mixed ^= mixed >> SHIFTS[0]
    mixed *= MIX_1
    mixed ^= mixed >> SHIFTS[1]
    mixed *= MIX_2
    mixed ^= mixed >> SHIFTS[2]
    mixed >>= SHIFTS[3]
    return (mixed.astype(np.float64) + 0.5) * 2.0**-52


def normal(key: KeyArray, count: NDArray[np.integer]) -> FloatArray:
    """Standard normal numbers in the shape to which key and count broadcast, by the inverse of their distribution."""
    return np.asarray(ndtri(uniform(key, count)))


def one_uniform(name: str, count: int = 0, *, seed: int = 0) -> float:
    """A single number in (0, 1) for a name."""
    return float(uniform(keys([name], seed=seed, purpose=""), np.array([count]))[0])
