"""Chance that depends on the seed and a name alone, so that one thing more in a village changes nothing elsewhere."""

from __future__ import annotations

import zlib

import numpy as np


def rng_for(seed: int, *about: str | int) -> np.random.Generator:
    """The generator of what `about` names."""
    return np.random.default_rng([seed, zlib.crc32("/".join(map(str, about)).encode())])
