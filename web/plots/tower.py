"""The tower: plots 5, 10 and 12."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from web.charts.frame import Axis
from web.charts.scale import Span
from web.charts.series import Band, Other, Spot, series_panel, time_axis
from web.curves import span_name
from web.language import Texts
from web.measures import EMPTY_SHARE, LOW_SHARE, OVERFLOW_SHARE, TowerDay, lowest_of_week
from web.plots.plot import Key, Plot, axis_to, drawn, highest, said

FloatArray = NDArray[np.float64]

DAY_S = 86_400.0
EPOCH = date(1970, 1, 1)


class LastLevel(NamedTuple):
    """A level and when it was measured."""

    at: datetime
    level_m: float


def level_plot(
    t_s: FloatArray, level_m: FloatArray, newest: LastLevel | None, days: Mapping[int, TowerDay], *, now: datetime,
    span: Span, full_level_m: float, full_m3: float, max_gap_s: float, coverage: float, behind: str, texts: Texts,
    spots: Sequence[Spot] = (),
) -> Plot:  # fmt: skip
    """Plot 5: is there water, do we spill it? `newest` is the last good reading, whatever the drawn means are; `spots`
    are levels that people read.
    """
    _ = texts.gettext
    top = 1.08 * full_level_m
    bands = [
        Band(OVERFLOW_SHARE * full_level_m, top, "overflow"),
        Band(EMPTY_SHARE * full_level_m, LOW_SHARE * full_level_m, "low"),
        Band(0.0, EMPTY_SHARE * full_level_m, "empty"),
    ]
    panel = series_panel(
        t_s, level_m, span=span, axis=Axis(0.0, top, lambda value: texts.number(value, 1)), max_gap_s=max_gap_s,
        label=_("Niveau du château d’eau, avec ses bandes"), no_data=texts.gettext("pas de données"), bands=bands,
        spots=spots,
    )  # fmt: skip
    below = time_axis(span, lambda at: span_name(timedelta(seconds=span.end_s - span.start_s), texts, at))
    stands = _("Aucun niveau n’est connu de ces jours.")
    if newest is not None:
        stands = _("Dernier niveau, %(age)s : %(level)s, soit %(volume)s sur %(full)s.") % {
            "age": texts.age(newest.at, now), "level": said(newest.level_m, texts, "m", 2),
            "volume": said(newest.level_m / full_level_m * full_m3, texts, "m³", 1),
            "full": said(full_m3, texts, "m³", 0),
        }  # fmt: skip
    times = _("Plein %(over)s, vide %(empty)s.") % {
        "over": texts.quantity(sum(day.full_h for day in days.values()), "h", 1),
        "empty": texts.quantity(sum(day.empty_h for day in days.values()), "h", 1),
    }  # fmt: skip
    return Plot(
        key="level",
        title=_("Niveau"),
        unit="m",
        question=_("Y a-t-il de l’eau ? En perd-on par le trop-plein ?"),
        drawing=drawn(panel + below),
        sentence=f"{stands} {times}" if days else stands,
        coverage=_("données reçues : %(share)s") % {"share": texts.percent(coverage)},
        reference=_("bandes : débordement dès 98 %%, bas jusqu’à 20 %%, vide jusqu’à 5 %% de %(full)s") % {
            "full": said(full_level_m, texts, "m", 2),
        },
        head=(_("jour"), _("heures plein"), _("heures vide"), _("heures connues")),
        rows=[
            (
                texts.day(EPOCH + timedelta(days=day)), texts.number(found.full_h, 1), texts.number(found.empty_h, 1),
                texts.number(found.known_h, 1),
            )
            for day, found in sorted(days.items(), reverse=True)
        ],
        behind=behind,
        legend=(
            Key("band overflow", _("débordement")), Key("band low", _("bas")), Key("band empty", _("vide")),
            *([Key("by-hand", _("lu à la main"))] if spots else []),
        ),
        notes=(_("Le volume suppose des parois droites."),),
    )  # fmt: skip


def night_plot(
    days: Sequence[date], flow_m3_h: FloatArray, usual_m3_h: FloatArray, *, is_by_level: bool, behind: str, texts: Texts
) -> Plot:
    """Plot 10: is there a leak? (d,) nights as `alerts` measures and judges them, or by the fall of the level."""
    _ = texts.gettext
    litres, usual = 1000 * flow_m3_h, 1000 * usual_m3_h
    how = _("plus petite heure de la nuit")
    source = _("La plus petite heure entre 00:30 et 03:30, au compteur de sortie ; rien quand le château est vide.")
    if is_by_level:
        how = _("d’après le niveau")
        source = _(
            "Pas de compteur à la sortie : la baisse du niveau de 00:30 à 03:30, parois droites supposées ; moins fin."
        )
    at_s = np.array([(on - EPOCH).days * DAY_S + DAY_S / 2 for on in days])
    span = Span(at_s[0] - DAY_S / 2, at_s[-1] + DAY_S / 2)
    panel = series_panel(
        at_s, litres, span=span, axis=axis_to(1.05 * highest(litres, usual), texts), max_gap_s=1.5 * DAY_S,
        label=_("Débit de nuit par jour"), no_data=texts.gettext("pas de données"),
        others=[Other(at_s, usual, 1.5 * DAY_S)],
    )  # fmt: skip
    below = time_axis(span, lambda at: span_name(timedelta(days=len(days)), texts, at))
    known = np.flatnonzero(np.isfinite(litres))
    last = int(known[-1]) if len(known) else len(days) - 1
    return Plot(
        key="night",
        title=_("Débit de nuit"),
        unit="L/h",
        question=_("Y a-t-il une fuite ?"),
        drawing=drawn(panel + below),
        sentence=_("Dernière nuit connue : %(now)s ; d’habitude %(usual)s.") % {
            "now": said(litres[last], texts, "L/h", 0), "usual": said(usual[last], texts, "L/h", 0),
        },
        coverage=_("%(known)s nuits sur %(all)s") % {"known": len(known), "all": len(days)},
        reference=_("médiane des 20 nuits d’avant"),
        head=(_("nuit"), "L/h", _("d’habitude")),
        rows=[
            (texts.day(days[place]), said(litres[place], texts, "", 0), said(usual[place], texts, "", 0))
            for place in range(len(days) - 1, -1, -1)
        ],
        behind=behind,
        legend=(Key("line", how), Key("line reference", _("d’habitude"))),
        notes=(
            source,
            _("Abreuvoirs et remplissages de nuit sont un usage : demandez avant de chercher une fuite."),
        ),
    )  # fmt: skip


def autonomy_plot(days: Sequence[date], autonomy: FloatArray, *, full_days: float, behind: str, texts: Texts) -> Plot:
    """Plot 12: can we survive clouds? (d,) days that the evening's stock lasts."""
    _ = texts.gettext
    lowest = lowest_of_week(autonomy)
    at_s = np.array([(on - EPOCH).days * DAY_S + 18.5 * 3600 for on in days])
    span = Span(at_s[0] - 18.5 * 3600, at_s[-1] + 5.5 * 3600)
    top = max(highest(autonomy), full_days if np.isfinite(full_days) else 0.0)
    panel = series_panel(
        at_s, autonomy, span=span, axis=axis_to(1.05 * top, texts), max_gap_s=1.5 * DAY_S,
        label=_("Jours d’autonomie chaque soir"), no_data=texts.gettext("pas de données"),
        others=[Other(at_s, lowest, 1.5 * DAY_S), Other(at_s, np.full(len(days), full_days), 1.5 * DAY_S, "least")],
    )  # fmt: skip
    below = time_axis(span, lambda at: span_name(timedelta(days=len(days)), texts, at))
    known = np.flatnonzero(np.isfinite(autonomy))
    last = int(known[-1]) if len(known) else len(days) - 1
    return Plot(
        key="autonomy",
        title=_("Jours d’autonomie"),
        unit=_("jours"),
        question=_("Passerait-on des jours de nuages ?"),
        drawing=drawn(panel + below),
        sentence=_("Dernier soir connu : %(now)s d’eau ; au plus bas des sept jours : %(low)s.") % {
            "now": said(autonomy[last], texts, _("j"), 1), "low": said(lowest[last], texts, _("j"), 1),
        },
        coverage=_("%(known)s soirs sur %(all)s") % {"known": len(known), "all": len(days)},
        reference=_("château plein : %(full)s à l’usage médian") % {"full": said(full_days, texts, _("j"), 1)},
        head=(_("soir"), _("jours"), _("plus bas de 7 jours")),
        rows=[
            (texts.day(days[place]), said(autonomy[place], texts, "", 1), said(lowest[place], texts, "", 1))
            for place in range(len(days) - 1, -1, -1)
        ],
        behind=behind,
        legend=(
            Key("line", _("soir")), Key("line reference", _("plus bas de 7 jours")),
            Key("line least", _("château plein")),
        ),
        notes=(_("Stock de 18 h à 19 h, divisé par la médiane de l’eau tirée par jour."),),
    )  # fmt: skip
