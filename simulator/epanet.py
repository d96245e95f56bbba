"""The pipes of a zone solved by EPANET, to see how far the built-in formula of `pipes` is from a solved network.

Needs the extra `epanet` (the toolkit of Open Water Analytics: EPANET 2.3, https://github.com/OpenWaterAnalytics). Taps
stand at equal distances along the main; each takes what it really drew.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Self

import numpy as np

from simulator.chance import FloatArray
from simulator.pipes import ROUGHNESS

BAR_PER_M = 0.0981


class Network:
    """One zone's main and taps in an EPANET project; used as a context, so that the project is freed."""

    def __init__(self, *, main_m: float, bore_m: float, taps: int) -> None:
        from epanet import toolkit

        self._en: Any = toolkit
        self._project = toolkit.createproject()
        toolkit.init(self._project, os.devnull, "", toolkit.CMH, toolkit.HW)
        toolkit.setstatusreport(self._project, toolkit.NO_REPORT)
        toolkit.addnode(self._project, "tower", toolkit.RESERVOIR)
        self._taps = []
        before = "tower"
        for number in range(1, taps + 1):
            name = f"tap-{number:02d}"
            self._taps.append(toolkit.addnode(self._project, name, toolkit.JUNCTION))
            pipe = toolkit.addlink(self._project, f"to-{name}", toolkit.PIPE, before, name)
            toolkit.setpipedata(self._project, pipe, main_m / taps, 1000 * bore_m, ROUGHNESS, 0.0)
            before = name
        self._tower = toolkit.getnodeindex(self._project, "tower")  # junctions are counted before it

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._en.deleteproject(self._project)

    def end_bar(self, head_m: FloatArray, taps_m3_h: FloatArray, leak_m3_h: FloatArray) -> FloatArray:
        """Pressure at the far end of the main, (k,) [bar].

        Parameters
        ----------
        head_m : (k,) water level of the tower above the taps [m]
        taps_m3_h : (k, taps) what each tap draws
        leak_m3_h : (k,) what runs out at the end of the main
        """
        en, project = self._en, self._project
        en.openH(project)
        found = []
        for head, drawn, leak in zip(head_m, taps_m3_h, leak_m3_h, strict=True):
            en.setnodevalue(project, self._tower, en.ELEVATION, float(head))
            for node, flow in zip(self._taps, drawn, strict=True):
                en.setnodevalue(project, node, en.BASEDEMAND, float(flow))
            last = self._taps[-1]
            en.setnodevalue(project, last, en.BASEDEMAND, float(drawn[-1] + leak))
            en.initH(project, en.NOSAVE)
            en.runH(project)
            found.append(BAR_PER_M * en.getnodevalue(project, last, en.PRESSURE))
        en.closeH(project)
        return np.array(found)
