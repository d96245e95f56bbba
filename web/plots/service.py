"""What people get and what we hear: plots 8, 11, 14 and 15."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from web.charts.bars import DayBar, share_bar, volume_panel
from web.charts.calendar import CalendarDay, Month, calendar
from web.charts.dots import DotRow, dot_plot
from web.language import Texts
from web.measures import level_of
from web.plots.plot import Key, Plot, axis_to, drawn, highest, said

FloatArray = NDArray[np.float64]

ODD_SHARE = 0.02  # of the median: nearer ones are no odd ones out
BASIC_L = 20.0  # a person and day, SNAPE's target (DOMAIN §3.1)
KINDS = ("service", "pompage", "messages")


def calendar_plot(
    kind: str, days: Sequence[date], share: FloatArray, *, day_href: Callable[[date], str],
    month_href: Callable[[date], str], behind: str, texts: Texts,
) -> Plot:  # fmt: skip
    """Plot 8: which days failed, is there a pattern? One calendar for each of the three availabilities."""
    _ = texts.gettext
    titles = {
        "service": _("Service : de l’eau au départ du château"),
        "pompage": _("Pompage : la pompe marche quand elle le peut"),
        "messages": _("Communication : les mesures arrivent"),
    }
    meanings = {
        "service": _("part des heures de 6 h à 20 h où le château n’a jamais été vide (5 %)"),
        "pompage": _("part des heures de bon soleil (350 W/m²) et de place au château où la pompe marchait"),
        "messages": _("part des mesures attendues qui sont arrivées"),
    }
    in_report = {
        "service": _(
            "Autrement compté que dans le rapport : là, les jours où la moitié des robinets a donné de l’eau."
        ),
        "pompage": _(
            "Autrement compté que dans le rapport : là, les heures où le compteur de la pompe "
            "a avancé, parmi celles-ci et celles d’arrêt à tort."
        ),
        "messages": _(
            "Autrement compté que dans le rapport : là, le temps sans alerte de silence ; "
            "une mesure perdue dans un trou court ne s’y voit pas."
        ),
    }
    squares = [
        CalendarDay(on, level_of(value), texts.named(texts.day(on), said(100 * value, texts, "%", 0)), day_href(on))
        for on, value in zip(days, share, strict=True)
    ]
    firsts = sorted({on.replace(day=1) for on in days})
    months = [Month((on.year, on.month), texts.month(on), month_href(on)) for on in firsts]
    known = share[np.isfinite(share)]
    bad = int((known < 0.75).sum())
    return Plot(
        key=kind,
        title=titles[kind],
        unit="%",
        question=_("Quels jours ont manqué, y a-t-il une habitude ?"),
        drawing=drawn(calendar(squares, months)),
        sentence=_("%(bad)s jours sous 75 %% sur %(known)s jours connus ; en moyenne %(mean)s.") % {
            "bad": bad, "known": len(known), "mean": texts.percent(float(known.mean()) if len(known) else None),
        },
        coverage=_("%(known)s jours connus sur %(all)s") % {"known": len(known), "all": len(days)},
        reference=meanings[kind],
        head=(_("mois"), _("moyenne"), _("jours sous 75 %"), _("jours connus")),
        rows=[_month_row(on, days, share, texts) for on in reversed(firsts)],
        behind=behind,
        legend=(
            Key("level-3", "≥ 95 %"), Key("level-2", "75–95 %"), Key("level-1", "5–75 %"), Key("level-0", "< 5 %"),
        ),
        notes=(
            _("Trois disponibilités, trois calendriers : une passerelle muette n’est pas une pompe arrêtée."),
            _("Hachuré aussi : un jour dont aucune heure ne compte."),
            in_report[kind],
        ),
    )  # fmt: skip


def _month_row(first: date, days: Sequence[date], share: FloatArray, texts: Texts) -> tuple[str, ...]:
    inside = np.array([(on.year, on.month) == (first.year, first.month) for on in days])
    known = share[inside & np.isfinite(share)]
    return (
        texts.month(first), texts.percent(float(known.mean()) if len(known) else None),
        texts.number(float((known < 0.75).sum())), texts.number(float(len(known))),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TapUse:
    """A tap of a day: what it gave, on how many of the last thirty days nothing, and of how many that is known."""

    tap: str
    name: str
    href: str
    litres: float | None
    dry_days: int
    known_days: int


def taps_rows(taps: Sequence[TapUse], *, people: int, texts: Texts) -> list[tuple[TapUse, Markup]]:
    """Plot 11: each tap with its bar and the mark of 20 L for each person it would serve; most used first."""
    served = people / len(taps) if taps else 0.0
    goal = BASIC_L * served
    most = max([goal, *(tap.litres for tap in taps if tap.litres is not None)], default=1.0) or 1.0
    ordered = sorted(taps, key=lambda tap: (tap.litres is None, -(tap.litres or 0.0), tap.tap))
    return [
        (tap, drawn(share_bar(None if tap.litres is None else tap.litres / most, mark=goal / most))) for tap in ordered
    ]


def tap_plot(days: Sequence[date], volume_m3: Sequence[float | None], *, behind: Callable[[date], str], all_behind: str,
             people: float, texts: Texts) -> Plot:  # fmt: skip
    """One tap's days, in litres; a day without data is hatched."""
    _ = texts.gettext
    goal = BASIC_L * people
    bars = [
        DayBar(
            f"{on.day}" if place % 5 == len(days) % 5 else "", None if value is None else 1000 * value, None, None,
            texts.named(texts.day(on), texts.quantity(None if value is None else 1000 * value, 'L')), behind(on),
        )
        for place, (on, value) in enumerate(zip(days, volume_m3, strict=True))
    ]  # fmt: skip
    known = [bar.volume_m3 for bar in bars if bar.volume_m3 is not None]
    axis = axis_to(max([goal, *known], default=1.0), texts)
    return Plot(
        key="tap",
        title=_("Eau tirée par jour"),
        unit="L",
        question=_("Cette borne est-elle cassée, ou trop demandée ?"),
        drawing=drawn(
            volume_panel(bars, axis=axis, label=_("Litres par jour"), no_data=texts.gettext("pas de données"))
        ),
        sentence=_("En moyenne %(mean)s par jour ; %(dry)s jours sans une goutte.") % {
            "mean": texts.quantity(float(np.mean(known)) if known else None, "L"),
            "dry": sum(value < 1 for value in known),
        },
        coverage=_("%(known)s jours connus sur %(all)s") % {"known": len(known), "all": len(days)},
        reference=_("20 L par personne feraient %(goal)s, si chacune sert autant de monde") % {
            "goal": texts.quantity(goal, "L"),
        },
        head=(_("jour"), "L"),
        rows=[
            (texts.day(on), texts.quantity(bar.volume_m3, ""))
            for on, bar in zip(reversed(days), reversed(bars), strict=True)
        ],
        behind=all_behind,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ComparedZone:
    """A zone of plot 14: this period's number and that of another, NaN where nobody knows."""

    name: str
    href: str
    value: float
    before: float


def compare_plot(
    key: str, title: str, unit: str, question: str, zones: Sequence[ComparedZone], *, decimals: int, coverage: str,
    notes: Sequence[str], then: str, behind: str, texts: Texts,
) -> Plot:  # fmt: skip
    """Plot 14: who is the odd one out? `then` names the other time. Zones in the order of their names: no ranking."""
    _ = texts.gettext
    value = np.array([zone.value for zone in zones], dtype=np.float64)
    before = np.array([zone.before for zone in zones], dtype=np.float64)
    known = value[np.isfinite(value)]
    middle = float(np.median(known)) if len(known) else None
    rows = [
        DotRow(
            zone.name, zone.href, zone.value if np.isfinite(zone.value) else None,
            zone.before if np.isfinite(zone.before) else None,
            texts.named(zone.name, said(zone.value, texts, unit, decimals)),
        )
        for zone in zones
    ]  # fmt: skip
    drawing = dot_plot(
        rows, axis=axis_to((1.0 if unit == "%" else 1.05) * highest(value, before), texts), middle=middle, label=title,
        no_data=texts.gettext("pas de données"),
    )  # fmt: skip
    odd = _odd_one(zones, value, middle)
    return Plot(
        key=key,
        title=title,
        unit=unit,
        question=question,
        drawing=drawn(drawing),
        sentence=_("Médiane de %(count)s zones : %(middle)s. La plus éloignée : %(odd)s.") % {
            "count": len(known), "middle": said(middle if middle is not None else np.nan, texts, unit, decimals),
            "odd": odd or _("aucune"),
        },
        coverage=coverage,
        reference=_("trait : médiane des zones ; anneau : la même zone, %(then)s") % {"then": then},
        head=(_("zone"), unit, then),
        rows=[
            (zone.name, said(zone.value, texts, "", decimals), said(zone.before, texts, "", decimals)) for zone in zones
        ],
        behind=behind,
        notes=notes,
    )  # fmt: skip


def _odd_one(zones: Sequence[ComparedZone], value: FloatArray, middle: float | None) -> str:
    if middle is None or np.isfinite(value).sum() < 2:
        return ""
    apart = np.where(np.isfinite(value), np.abs(value - middle), -1.0)
    return zones[int(apart.argmax())].name if apart.max() > ODD_SHARE * middle else ""
