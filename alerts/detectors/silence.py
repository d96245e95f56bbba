"""A gateway that is silent: no committed reading of any channel. A silent zone is not a broken pump."""

from __future__ import annotations

import numpy as np

from alerts.model import Condition, Evidence, Verdict
from gateway.model import Fault

SILENT_S = 7200.0  # DETECTION §2: 2 h = alarm
HEARD_S = 1800.0  # readings come again


def judge_silence(newest_s: float, now_s: float) -> Condition:
    """Whether the zone is silent at `now_s`, when its newest committed reading was measured at `newest_s`.

    Between half an hour and two hours nothing is said: a late round is no outage, and one that has just come is no end.
    """
    silent_s = now_s - newest_s
    verdict = (
        Verdict.PRESENT if silent_s >= SILENT_S else Verdict.ABSENT if silent_s <= HEARD_S else Verdict.CANNOT_TELL
    )

    def describe(first: int, last: int) -> Evidence:
        hours = silent_s / 3600
        return Evidence(
            f"Aucune mesure depuis {hours:.1f} h. L'état de l'eau n'est pas connu.",
            f"No reading for {hours:.1f} h. The state of the water is not known.",
            {"hours": round(hours, 1)},
            {"hours": SILENT_S / 3600},
            ("gateway/uptime_s",),
            0.9,
        )

    return Condition(Fault.COMMS_OUTAGE, "gateway", np.array([now_s]), np.array([verdict], dtype=np.int8), describe)
