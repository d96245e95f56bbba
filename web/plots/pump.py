"""Pump, borehole and panels: plots 1, 2, 3, 6, 7 and 13, and what may be behind a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from web.charts.bars import count_panel, share_bar
from web.charts.plane import TALL_PX, Curve, Dots, plane_panel
from web.charts.scale import Span
from web.charts.series import Other, series_panel, time_axis
from web.diagnosis import Look, PumpCurve, Suspicion
from web.language import Texts
from web.measures import KWH_PER_M3_M, Line
from web.plots.plot import Key, Plot, axis_to, change_of, drawn, highest, said

FloatArray = NDArray[np.float64]

BRIGHT_W_M2 = 1200.0
SPEEDS = (0.6, 0.7, 0.8, 0.9, 1.0)
CURVE_POINTS = 25
SUN_STEPS = (200, 250, 300, 350, 400)
SUN_AT = 300  # where every pump still follows the sun
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What the plots of one pump are about: its plates by asset, the days shown, and the month held against them.

    `behind` makes the address of the rows of some channels of the shown days; `days` and `month` are written.
    """

    ratings: Mapping[str, Mapping[str, float]]
    now: Look
    reference: Look | None
    days: str
    month: str
    behind: Mapping[str, str]

    def rating(self, asset: str, name: str) -> float:
        """A number of a plate, NaN where the zone file does not say it."""
        return float(self.ratings.get(asset, {}).get(name, np.nan))

    @property
    def lift_m(self) -> float:
        """From the ground to the top of the tower, where the riser is taken to end."""
        return self.rating("tower", "base_height_m") + self.rating("tower", "full_level_m")


def coverage(subject: Subject, texts: Texts) -> str:
    """How much of the daylight of the shown days was read."""
    _ = texts.gettext
    return _("%(days)s : %(share)s des intervalles de jour ont soleil et puissance") % {
        "days": subject.days, "share": texts.percent(subject.now.known_share),
    }  # fmt: skip


def against(subject: Subject, texts: Texts) -> str:
    """The reference month in words."""
    _ = texts.gettext
    if subject.reference is None:
        return _("pas de référence : aucun mois n’a encore 14 jours de données")
    return _("référence : %(month)s, %(share)s des intervalles de jour") % {
        "month": subject.month, "share": texts.percent(subject.reference.known_share),
    }  # fmt: skip


def power_plot(subject: Subject, texts: Texts) -> Plot:
    """Plot 1: is the array delivering what the sun allows?"""
    _ = texts.gettext
    now, line = subject.now, subject.reference.power_line if subject.reference else None
    top = max(highest(now.power_w), subject.rating("pump", "rated_power_w"))
    sentence = _("Sous 300 W/m² : %(now)s ; en référence %(before)s") % {
        "now": said(_at(now.power_line, SUN_AT), texts, "W", 0), "before": said(_at(line, SUN_AT), texts, "W", 0),
    }  # fmt: skip
    return Plot(
        key="power",
        title=_("Puissance selon le soleil"),
        unit="W",
        question=_("Les panneaux donnent-ils ce que le soleil permet ?"),
        drawing=_cloud(subject, now.power_w, top, line, texts, _("Puissance de la pompe selon le soleil")),
        sentence=_with_change(sentence, _at(now.power_line, SUN_AT), _at(line, SUN_AT), texts),
        coverage=coverage(subject, texts),
        reference=against(subject, texts),
        head=(_("soleil"), subject.days, subject.month or _("référence")),
        rows=[
            (_sun(sun, texts), said(_at(now.power_line, sun), texts, "W", 0), said(_at(line, sun), texts, "W", 0))
            for sun in SUN_STEPS
        ],
        behind=subject.behind["power"],
        legend=_cloud_keys(texts),
        notes=(
            _("Le soleil est celui du plan du capteur ; posé à plat, il en montre moins le matin et le soir."),
            _("Une ombre du matin se voit comme une boucle entre matin et après-midi."),
        ),
    )  # fmt: skip


def flow_plot(subject: Subject, texts: Texts) -> Plot:
    """Plot 3: at which sun does water start, and is there a clog or wear?"""
    _ = texts.gettext
    now, before = subject.now.flow_line, subject.reference.flow_line if subject.reference else None
    started = subject.reference.starting_w_m2 if subject.reference else np.nan
    sentence = _("L’eau vient à partir de %(now)s ; en référence %(before)s. Pente : %(slope)s pour 100 W/m²") % {
        "now": said(subject.now.starting_w_m2, texts, "W/m²", 0), "before": said(started, texts, "W/m²", 0),
        "slope": said(100 * now.slope if now else np.nan, texts, "m³/h", 2),
    }  # fmt: skip
    top = max(highest(subject.now.flow_m3_h), subject.rating("pump", "rated_flow_m3_h"))
    return Plot(
        key="flow",
        title=_("Débit selon le soleil"),
        unit="m³/h",
        question=_("À quel soleil l’eau commence-t-elle ? La pompe s’use-t-elle, se bouche-t-elle ?"),
        drawing=_cloud(subject, subject.now.flow_m3_h, top, before, texts, _("Débit de la pompe selon le soleil")),
        sentence=_with_change(sentence, now.slope if now else np.nan, before.slope if before else np.nan, texts),
        coverage=coverage(subject, texts),
        reference=against(subject, texts),
        head=(_("soleil"), subject.days, subject.month or _("référence")),
        rows=[
            (_("seuil G0"), said(subject.now.starting_w_m2, texts, "W/m²", 0), said(started, texts, "W/m²", 0)),
            *(
                (_sun(sun, texts), said(_at(now, sun), texts, "m³/h", 2), said(_at(before, sun), texts, "m³/h", 2))
                for sun in SUN_STEPS
            ),
        ],
        behind=subject.behind["flow"],
        legend=_cloud_keys(texts),
        notes=(
            _("Seuil plus haut : plus de hauteur ou moins de tension. Pente plus faible : usure, colmatage ou saleté."),
            _("Les arrêts parce que le château est plein ne comptent pas."),
        ),
    )  # fmt: skip


def curve_plot(subject: Subject, texts: Texts) -> Plot:
    """Plot 2: where does the pump work?"""
    _ = texts.gettext
    now, own = subject.now, subject.reference.curve if subject.reference else None
    rated_flow, rated_head = subject.rating("pump", "rated_flow_m3_h"), subject.rating("pump", "rated_head_m")
    flow_axis = axis_to(1.2 * max(highest(now.flow_at), rated_flow), texts)
    head_axis = axis_to(1.3 * max(highest(now.head_at), rated_head), texts, height_px=TALL_PX)
    flows = np.linspace(0.0, flow_axis.high, CURVE_POINTS)
    middle = now.middle_point
    is_today = now.t_s >= np.floor(now.t_s[-1] / DAY_S) * DAY_S
    dots = [
        Dots(now.flow_at[~is_today], now.head_at[~is_today], "limited"),
        Dots(now.flow_at[is_today], now.head_at[is_today], "morning"),
        Dots(np.array([rated_flow]), np.array([rated_head]), "plate"),
    ]
    if middle is not None:
        dots.append(Dots(np.array([middle[0]]), np.array([middle[1]]), "middle"))
    drawing = plane_panel(
        flow_axis, head_axis, dots=dots,
        curves=[*_pump_curves(own, flows, texts), _system_curve(subject, flows)],
        x_name=_("débit, m³/h"), label=_("Points de travail de la pompe, hauteur selon débit"),
        no_data=texts.gettext("pas de données"),
    )  # fmt: skip
    expected = own.head_m(np.array(middle[0]), 1.0) if own and middle else np.nan
    flow, head = middle or (np.nan, np.nan)
    return Plot(
        key="curve",
        title=_("Courbe de la pompe"),
        unit="m",
        question=_("Où la pompe travaille-t-elle ?"),
        drawing=drawn(drawing),
        sentence=_("Point médian : %(flow)s à %(head)s de hauteur ; rendement du fil à l’eau %(eta)s.") % {
            "flow": said(flow, texts, "m³/h", 2), "head": said(head, texts, "m", 0),
            "eta": texts.percent(now.efficiency if np.isfinite(now.efficiency) else None),
        },
        coverage=_("%(days)s : %(count)s points en marche régulière") % {
            "days": subject.days, "count": texts.number(float(np.isfinite(now.head_at).sum())),
        },
        reference=_("sa propre courbe, apprise en %(month)s, à cinq vitesses") % {"month": subject.month} if own
        else _("pas de courbe de référence : trop peu de points réguliers, ou la vitesse n’est pas mesurée"),
        head=("", _("débit"), _("hauteur")),
        rows=[
            (_("point médian"), said(flow, texts, "m³/h", 2), said(head, texts, "m", 0)),
            (_("plaque de la pompe"), said(rated_flow, texts, "m³/h", 2), said(rated_head, texts, "m", 0)),
            (_("référence à pleine vitesse"), said(flow, texts, "m³/h", 2), said(float(expected), texts, "m", 0)),
        ],
        behind=subject.behind["curve"],
        legend=(
            Key("cloud morning", _("dernier jour")), Key("cloud limited", _("jours d’avant")),
            Key("cloud middle", _("médiane")),
            Key("cloud plate", _("plaque")), Key("line reference", _("pompe, en référence")),
            Key("line system", _("réseau")),
        ),
        notes=_head_notes(subject, texts),
    )  # fmt: skip


def _head_notes(subject: Subject, texts: Texts) -> tuple[str, ...]:
    _ = texts.gettext
    measured = (
        _("Supposé : la profondeur de l’eau, d’après la fiche (niveau statique et débit spécifique).")
        if subject.now.is_head_assumed
        else _("Mesuré : la profondeur de l’eau, rabattement compris.")
    )
    return (
        measured,
        _("D’après la fiche : %(lift)s du sol au haut du château. Pas comptées : les pertes dans la conduite.")
        % {"lift": said(subject.lift_m, texts, "m", 0)},
        _("La courbe du constructeur n’est pas dans la fiche ; seul son point nominal y est."),
    )


def _pump_curves(own: PumpCurve | None, flows: FloatArray, texts: Texts) -> list[Curve]:
    if own is None:
        return []
    found = []
    for speed in SPEEDS:
        head = own.head_m(flows, speed)
        lifts = head > 0
        found.append(Curve(flows[lifts], head[lifts], "reference", texts.percent(speed), name_at=0))
    return found


def _system_curve(subject: Subject, flows: FloatArray) -> Curve:
    """What the well and the tower ask for: rest level, drawdown, and the way up."""
    rest, capacity = subject.now.rest_depth_m, subject.now.capacity_m3_h_m
    rest = rest if np.isfinite(rest) else subject.rating("borehole", "static_water_depth_m")
    capacity = capacity if np.isfinite(capacity) else subject.rating("borehole", "specific_capacity_m3_h_m")
    return Curve(flows, rest + subject.lift_m + flows / capacity, "system")


def energy_plot(
    subject: Subject, week_s: FloatArray, energy_kwh_m3: FloatArray, head_m: FloatArray, depth_m: FloatArray,
    texts: Texts, *, label: Sequence[str],
) -> Plot:  # fmt: skip
    """Plot 6: is the pump ageing? `week_s` (w,) middles of weeks [s], `label` their names; NaN where unknown."""
    _ = texts.gettext
    least = KWH_PER_M3_M * head_m
    span = Span(float(week_s[0]) - 3.5 * DAY_S, float(week_s[-1]) + 3.5 * DAY_S)
    axis = axis_to(1.1 * highest(energy_kwh_m3, least), texts)
    panel = series_panel(
        week_s, energy_kwh_m3, span=span, axis=axis, max_gap_s=8 * DAY_S,
        label=_("Énergie par mètre cube, par semaine"),
        no_data=texts.gettext("pas de données"), others=[Other(week_s, least, 8 * DAY_S, "least")],
    )  # fmt: skip
    below = time_axis(span, lambda t_s: texts.short_day(datetime.fromtimestamp(t_s, UTC).date()))
    known = np.flatnonzero(np.isfinite(energy_kwh_m3))
    last = int(known[-1]) if len(known) else len(week_s) - 1
    return Plot(
        key="energy",
        title=_("Énergie par mètre cube"),
        unit="kWh/m³",
        question=_("La pompe vieillit-elle ?"),
        drawing=drawn(panel + below),
        sentence=_("Dernière semaine connue : %(now)s, au moins %(least)s à cette hauteur ; %(per)s pour 100 m.") % {
            "now": said(energy_kwh_m3[last], texts, "kWh/m³", 2), "least": said(least[last], texts, "kWh/m³", 2),
            "per": said(100 * energy_kwh_m3[last] / head_m[last], texts, "kWh/m³", 2),
        },
        coverage=_("%(known)s semaines sur %(all)s ; jours de moins de 0,5 m³ laissés") % {
            "known": len(known), "all": len(week_s),
        },
        reference=_("minimum hydraulique : 0,002725 kWh par m³ et par mètre de hauteur"),
        head=(_("semaine"), "kWh/m³", _("minimum"), _("kWh/m³ pour 100 m"), _("eau à")),
        rows=[
            (
                label[place], said(energy_kwh_m3[place], texts, "", 2), said(least[place], texts, "", 2),
                said(100 * energy_kwh_m3[place] / head_m[place], texts, "", 2), said(depth_m[place], texts, "m", 1),
            )
            for place in range(len(week_s) - 1, -1, -1)
        ],
        behind=subject.behind["energy"],
        legend=(Key("line", _("médiane de la semaine")), Key("line least", _("minimum hydraulique"))),
        notes=(_("Une nappe qui baisse l’augmente sans panne : le tableau dit la profondeur de l’eau en marche."),),
    )  # fmt: skip


def performance_plot(
    subject: Subject, day_s: FloatArray, ratio: FloatArray, used: FloatArray, texts: Texts, *, label: Sequence[str]
) -> Plot:
    """Plot 7: dirt, shade, a failed string? (d,) days of the shown period."""
    _ = texts.gettext
    before = subject.reference.performance if subject.reference else None
    span = Span(float(day_s[0]), float(day_s[-1]) + DAY_S)
    middle_s = day_s + DAY_S / 2
    others = [] if before is None else [Other(middle_s, np.full(len(day_s), before.value), 2 * DAY_S)]
    axis = axis_to(max(1.0, highest(ratio)), texts)
    panel = series_panel(
        middle_s, ratio, span=span, axis=axis, max_gap_s=1.5 * DAY_S,
        label=_("Indice de performance des panneaux, par jour"),
        no_data=texts.gettext("pas de données"), others=others,
    )  # fmt: skip
    below = time_axis(span, lambda t_s: texts.short_day(datetime.fromtimestamp(t_s, UTC).date()))
    now = subject.now.performance
    sentence = _("PR %(now)s, sur %(used)s du temps ensoleillé ; en référence %(before)s") % {
        "now": texts.percent(now.value if now else None), "used": texts.percent(now.used_share if now else None),
        "before": texts.percent(before.value if before else None),
    }  # fmt: skip
    return Plot(
        key="performance",
        title=_("Indice de performance (PR)"),
        unit="",
        question=_("Saleté, ombre, rangée perdue ?"),
        drawing=drawn(panel + below),
        sentence=_with_change(sentence, now.value if now else np.nan, before.value if before else np.nan, texts),
        coverage=coverage(subject, texts),
        reference=against(subject, texts),
        head=(_("jour"), "PR", _("part du temps utilisable")),
        rows=[
            (label[place], _percent(ratio[place], texts), _percent(used[place], texts))
            for place in range(len(day_s) - 1, -1, -1)
        ],
        behind=subject.behind["power"],
        legend=(Key("line", _("jour")), Key("line reference", subject.month or _("référence"))),
        notes=(
            _("PR : énergie sur puissance crête, divisée par le soleil sur 1000 W/m²."),
            _("Seulement au-dessus de 300 W/m² et tant que le château n’est pas plein : sinon il est bas par nature."),
            _("Une petite part du temps le rend vide de sens."),
        ),
    )  # fmt: skip


def starts_plot(subject: Subject, starts: NDArray[np.int64], texts: Texts) -> Plot:
    """Plot 13: cycling, a float switch at fault?"""
    _ = texts.gettext
    most = 6
    counts = np.bincount(np.minimum(starts, most), minlength=most + 1)
    names = [str(number) for number in range(most)] + [f"≥ {most}"]
    rows = [(name, texts.quantity(float(count), "h")) for name, count in zip(names, counts, strict=True)]
    drawing = count_panel(
        [(name, float(count), texts.named(name, hours)) for (name, hours), count in zip(rows, counts, strict=True)],
        axis=axis_to(float(counts.max(initial=1)), texts), label=_("Heures de marche selon le nombre de démarrages"),
        no_data=texts.gettext("pas de données"),
    )  # fmt: skip
    return Plot(
        key="starts",
        title=_("Démarrages par heure"),
        unit="h",
        question=_("La pompe s’arrête-t-elle sans cesse ? Le flotteur est-il en panne ?"),
        drawing=drawn(drawing),
        sentence=_("%(starts)s démarrages en %(hours)s de marche ; au plus %(most)s dans une heure.") % {
            "starts": texts.number(float(starts.sum())), "hours": texts.quantity(float(len(starts)), "h"),
            "most": texts.number(float(starts.max(initial=0))),
        },
        coverage=coverage(subject, texts),
        reference=_("attendu : zéro ou un ; plusieurs sous les nuages du matin et du soir"),
        head=(_("démarrages dans l’heure"), _("heures de marche")),
        rows=rows,
        behind=subject.behind["power"],
        notes=(_("Un démarrage caché par un trou de données n’est pas compté."),),
    )  # fmt: skip


def causes_table(found: Sequence[Suspicion], texts: Texts) -> list[tuple[str, Markup, str]]:
    """(cause, bar of what speaks for it, why) of each suspicion."""
    _ = texts.gettext
    names = {
        "wear": _("Usure ou colmatage de la pompe"), "well": _("Colmatage du forage"),
        "dirt": _("Panneaux : saleté, ombre, rangée"), "water_table": _("Baisse de la nappe"),
    }  # fmt: skip
    whys = {
        "wear": _("hauteur donnée à pleine vitesse : %(now)s, en référence %(before)s"),
        "well": _("débit par mètre de rabattement : %(now)s, en référence %(before)s"),
        "dirt": _("indice de performance : %(now)s, en référence %(before)s"),
        "water_table": _("niveau au repos avant l’aube : %(now)s, en référence %(before)s"),
    }
    units = {"wear": ("m", 1), "well": ("m³/h/m", 2), "water_table": ("m", 1)}
    rows = []
    for one in found:
        if one.cause == "dirt":
            numbers = {"now": _percent(one.now, texts), "before": _percent(one.before, texts)}
        else:
            unit, decimals = units[one.cause]
            numbers = {
                "now": said(one.now, texts, unit, decimals), "before": said(one.before, texts, unit, decimals)
            }  # fmt: skip
        rows.append((names[one.cause], drawn(share_bar(one.weight)), whys[one.cause] % numbers))
    return rows


def _cloud(subject: Subject, value: FloatArray, top: float, line: Line | None, texts: Texts, label: str) -> Markup:
    """Dots of the shown days against the sun, by half of the day, over the line of the reference month."""
    now = subject.now
    sun_axis, axis = axis_to(BRIGHT_W_M2, texts), axis_to(1.05 * top, texts, height_px=TALL_PX)
    light = now.sun_w_m2 > 20
    free, morning = light & ~now.is_limited, now.is_morning
    groups = [("limited", light & now.is_limited), ("morning", free & morning), ("afternoon", free & ~morning)]
    curves = []
    if line is not None:
        ends = np.array([line.low, line.high])
        curves = [Curve(ends, line.offset + line.slope * ends, "reference", subject.month)]
    return drawn(
        plane_panel(
            sun_axis, axis, dots=[Dots(now.sun_w_m2[mask], value[mask], kind) for kind, mask in groups], curves=curves,
            x_name=texts.gettext("soleil, W/m²"), label=label, no_data=texts.gettext("pas de données"),
        )
    )  # fmt: skip


def _cloud_keys(texts: Texts) -> tuple[Key, ...]:
    _ = texts.gettext
    return (
        Key("cloud morning", _("matin")), Key("cloud afternoon", _("après-midi")),
        Key("cloud limited", _("château plein ou pompe à son maximum")), Key("line reference", _("référence")),
    )  # fmt: skip


def _sun(sun_w_m2: float, texts: Texts) -> str:
    return texts.quantity(sun_w_m2, "W/m²")


def _at(line: Line | None, sun: float) -> float:
    return float("nan") if line is None else line.at(sun)


def _percent(share: float, texts: Texts) -> str:
    return texts.percent(float(share) if np.isfinite(share) else None)


def _with_change(sentence: str, now: float, before: float, texts: Texts) -> str:
    change = change_of(now, before, texts)
    return f"{sentence} ({change})." if change else f"{sentence}."
