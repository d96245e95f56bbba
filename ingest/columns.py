"""Readings as numpy columns: what admission hands to the writer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings as columns, all of one length n, in any order.

    channel_id (n,) int32 · measured_us, received_us (n,) int64 [µs since 1970-01-01 UTC] · value (n,) float64 in the
    canonical unit · flag (n,) int16 with the codes of `gateway.model.Flag`.
    """

    channel_id: NDArray[np.int32]
    measured_us: NDArray[np.int64]
    received_us: NDArray[np.int64]
    value: NDArray[np.float64]
    flag: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.channel_id)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Columns:
        """Some of the rows, by index or mask; with a mask of all, this very object."""
        if rows.dtype == np.bool_ and rows.all():
            return self
        return Columns(
            self.channel_id[rows], self.measured_us[rows], self.received_us[rows], self.value[rows], self.flag[rows]
        )
