"""The two languages of the pages: texts by gettext, numbers, instants and ages as people there write them.

French is the source language, so its catalogue is empty; `locale/<language>/LC_MESSAGES/web.po` holds the others
and is compiled in memory at start.
"""

from __future__ import annotations

import gettext
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from functools import cache
from importlib.resources import files
from io import BytesIO
from math import floor, inf
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_scientific
from markupsafe import Markup

LOCAL = UTC  # Guinea keeps UTC all year
BRUSSELS = ZoneInfo("Europe/Brussels")
NO_BREAK = "\u00a0"
DIGITS_MEAN_NOTHING = 1e15  # from here on a number is told by its power of ten
HOURS_UNTIL_DAYS = 31  # a month's outages are told to the hour
DECIMALS = {
    "m³": 1, "m³/h": 2, "m": 2, "V": 1, "A": 1, "bar": 2, "mg/L": 2, "NTU": 1, "mm": 1, "kWh/m²": 1, "kWh/m³": 2,
}  # fmt: skip


class Language(StrEnum):
    """A language that pages are written in."""

    FR = "fr"
    EN = "en"


LOCALES = {Language.FR: Locale("fr", "GN"), Language.EN: Locale("en", "GB")}


def catalogue(language: Language) -> gettext.NullTranslations:
    """The translations out of French; the French one gives every text back as it is."""
    if language is Language.FR:
        return gettext.NullTranslations()
    source = files("web") / "locale" / language / "LC_MESSAGES" / "web.po"
    compiled = BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


class Texts:
    """How one language says things."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.locale = LOCALES[language]
        self.catalogue = catalogue(language)

    def gettext(self, text: str) -> str:
        """`text` in this language."""
        return self.catalogue.gettext(text)

    def ngettext(self, one: str, many: str, n: int) -> str:
        """The form of a text that fits the number `n`."""
        return self.catalogue.ngettext(one, many, n)

    def named(self, name: str, value: str) -> str:
        """A value behind its name and a colon; French puts a space before the colon."""
        return self.gettext("%(name)s : %(value)s") % {"name": name, "value": value}

    def number(self, value: float, decimals: int = 0) -> str:
        """A number with this many decimals."""
        pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
        return self._digits(round(value, decimals) + 0.0, pattern)

    def exact(self, value: float) -> str:
        """A number with all its digits, as somebody may write it into a form."""
        return self._digits(value, "0.##########")

    def _digits(self, value: float, pattern: str) -> str:
        if DIGITS_MEAN_NOTHING <= abs(value) < inf:
            return str(format_scientific(value, format="0.##########E0", locale=self.locale))
        return str(format_decimal(value, format=pattern, locale=self.locale))

    def quantity(self, value: float | None, unit: str, decimals: int | None = None) -> str:
        """A value with its unit; "no data" where there is none, never zero."""
        if value is None:
            return self.gettext("pas de données")
        places = DECIMALS.get(unit, 0) if decimals is None else decimals
        return f"{self.number(value, places)}{NO_BREAK}{unit}".rstrip(NO_BREAK)

    def plain_number(self, value: float | None) -> str:
        """A number of a table with three digits or so; a dash where there is none."""
        if value is None:
            return "—"
        return self.number(value, 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2)

    def signed(self, share: float) -> str:
        """A change as a whole percentage with its sign."""
        sign = "+" if share >= 0.005 else "−" if share <= -0.005 else "±"
        return f"{sign}{self.percent(abs(share))}"

    def percent(self, share: float | None) -> str:
        """A share of one as a whole percentage."""
        return self.quantity(None if share is None else 100 * share, "%")

    def at_least(self, share: float | None) -> str:
        """The same rounded down, of a share that stands beside a limit: 79.7 % is not 80, nor a gap nothing."""
        return self.percent(None if share is None else floor(100 * share + 1e-9) / 100)

    def duration(self, span: timedelta, *, fine: bool = False) -> str:
        """A length of time in at most two units: `35 s`, `4 min`, `6 h 20`, `3 j 4 h`, `42 j`; `fine`: `4 min 05 s`.

        From a day on it is rounded, so that lengths and their sum agree.
        """
        seconds = max(0, round(span.total_seconds()))
        minutes, hours = seconds // 60, seconds // 3600
        if seconds < 60:
            return f"{seconds}{NO_BREAK}s"
        if minutes < 60:
            return f"{minutes}{NO_BREAK}min" + (f"{NO_BREAK}{seconds % 60:02d}{NO_BREAK}s" if fine else "")
        if hours < 24:
            rest = minutes % 60
            return f"{hours}{NO_BREAK}h" + (f"{NO_BREAK}{rest:02d}" if rest else "")
        days, rest = divmod(round(seconds / 3600), 24)
        if days >= HOURS_UNTIL_DAYS:
            days, rest = round(seconds / 86_400), 0
        return f"{self.number(days)}{NO_BREAK}{self.gettext('j')}" + (f"{NO_BREAK}{rest}{NO_BREAK}h" if rest else "")

    def age(self, at: datetime | None, now: datetime) -> str:
        """How long ago something was, from four days on in whole days.

        What a wrong clock dates into the future is "just now".
        """
        if at is None:
            return self.gettext("jamais")
        if now - at < timedelta(seconds=5):
            return self.gettext("à l’instant")
        passed = now - at if now - at < timedelta(days=4) else timedelta(days=(now - at).days)
        return self.gettext("il y a %(duration)s") % {"duration": self.duration(passed)}

    def instant(self, at: datetime, now: datetime) -> Markup:
        """An instant in local time, with the day unless it is today's; Brussels time as a tooltip."""
        brussels = self._written(at, now, BRUSSELS)
        title = self.gettext("%(time)s à Bruxelles") % {"time": brussels}
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), title, self._written(at, now, LOCAL)
        )

    def _written(self, at: datetime, now: datetime, zone: tzinfo) -> str:
        local = at.astimezone(zone)
        clock = str(format_time(local, "HH:mm", tzinfo=zone, locale=self.locale))
        if local.date() == now.astimezone(zone).date():
            return clock
        pattern = "EEE d MMM" if abs(now - at) < timedelta(days=300) else "d MMM y"
        return f"{format_date(local.date(), pattern, locale=self.locale)} {clock}".replace(" ", NO_BREAK)

    def day(self, on: date) -> str:
        """A day with its weekday."""
        return str(format_date(on, "EEE d MMM", locale=self.locale)).replace(" ", NO_BREAK)

    def short_day(self, on: date) -> str:
        """A day for an axis: number and short month."""
        return str(format_date(on, "d MMM", locale=self.locale)).replace(" ", NO_BREAK)

    def long_day(self, on: date) -> str:
        """A day with its year."""
        return str(format_date(on, "d MMMM y", locale=self.locale)).replace(" ", NO_BREAK)

    def minute(self, at: datetime) -> str:
        """A row of a table: day and minute, local time."""
        return str(format_datetime(at, "d MMM HH:mm", tzinfo=LOCAL, locale=self.locale)).replace(" ", NO_BREAK)

    def month(self, on: date) -> str:
        """The month of a day."""
        return str(format_date(on, "MMM y", locale=self.locale)).replace(" ", NO_BREAK)

    def whole_month(self, on: date) -> str:
        """The month of a day in full, as a heading."""
        return str(format_date(on, "MMMM y", locale=self.locale)).capitalize()

    def day_and_time(self, at: datetime) -> str:
        """Weekday, day, month and time: the page's own clock."""
        return str(format_datetime(at, "EEEE d MMMM y, HH:mm", tzinfo=LOCAL, locale=self.locale))


@cache
def texts_of(language: Language) -> Texts:
    """The texts of a language, compiled once."""
    return Texts(language)
