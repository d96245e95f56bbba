"""How our services log: a line to read, or an object a line for a program; the one place where that is set.

No phone number leaves by a log, whoever wrote it: numbers in texts show their last three digits.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from web.masks import hide_phones

PLAIN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}

BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class LogConfig:
    """How much is told, and as `plain` lines or as `json` objects."""

    level: str
    form: str = "plain"


class StoryFormatter(logging.Formatter):
    """One line per record with the fields of `extra` behind it: `… alert opened zone_id=zone-3 alert_id=37`.

    Nobody writes a second line into it: breaks in what is told are written as such, and a traceback is set in.
    """

    def format(self, record: logging.LogRecord) -> str:
        return hide_phones(self.unmasked(record))

    def unmasked(self, record: logging.LogRecord) -> str:
        """As it was written; nothing but tests may look at this."""
        return super().format(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _at(record)

    def formatMessage(self, record: logging.LogRecord) -> str:
        told = super().formatMessage(record) + "".join(f" {key}={value}" for key, value in _extra(record).items())
        return BREAKS.sub(lambda found: found[0].encode("unicode_escape").decode(), told)

    def formatException(self, ei: Any) -> str:
        return textwrap.indent(super().formatException(ei), "  ", lambda line: True)


class ObjectFormatter(logging.Formatter):
    """One JSON object per record: `at`, `level`, `logger`, `message`, the fields of `extra`, a traceback as `error`."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "at": _at(record),
            "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage(),
            **_extra(record),
        }  # fmt: skip
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps({key: _shown(value) for key, value in told.items()}, ensure_ascii=False)


def log_to_stderr(config: LogConfig, *also: logging.Filter) -> None:
    """Send what our packages log to stderr, where the supervisor or systemd takes it; `also` add fields to records."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(config.level.upper())
    handler.setFormatter(
        ObjectFormatter()
        if config.form == "json"
        else StoryFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    for one in also:
        handler.addFilter(one)
    logging.basicConfig(level=config.level.upper(), handlers=[handler], force=True)
    quiet_libraries()


def quiet_libraries() -> None:
    """Keep from the log what libraries tell at length: httpx whole addresses, where phones and secrets may stand, and
    Authlib the secret of each log-in that is under way."""
    for name in ("authlib", "httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in PLAIN_FIELDS}


def _shown(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) or value is None else hide_phones(str(value))
