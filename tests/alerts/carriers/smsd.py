"""Gammu's daemon, started for a test on the test's own database, with a dummy phone or on a device."""

from __future__ import annotations

import gzip
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ingest.db import Connection, connect

SCHEMA = Path("/usr/share/doc/gammu-smsd/examples/pgsql.sql")
PHONE_ID = "sim-1"
CONFIG = """
[gammu]
connection = {connection}
device = {device}
{model}
gammucoding = utf8
[smsd]
service = sql
driver = native_pgsql
host = {host}:{port}
user = {user}
password = {password}
database = {database}
logfile = {folder}/smsd.log
debuglevel = 1
checksecurity = 0
checkbattery = 0
PhoneID = {phone_id}
CommTimeout = {comm_timeout}
SendTimeout = {send_timeout}
RetryTimeout = {retry_timeout}
MaxRetries = 0
LoopSleep = 0
ReceiveFrequency = 1
StatusFrequency = 1
MultipartTimeout = 5
DeliveryReport = sms
SkipSMSCNumber = +224620000000
"""


def why_no_smsd() -> str | None:
    """Why there is no daemon here, in a sentence."""
    if shutil.which("gammu-smsd") is None or schema_text() is None:
        return "apt-get install gammu-smsd"
    return None


def schema_text() -> str | None:
    """The tables that come with the daemon."""
    for path in (SCHEMA, SCHEMA.with_name(SCHEMA.name + ".gz")):
        if path.exists():
            data = path.read_bytes()
            text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
            return text.replace("CREATE LANGUAGE plpgsql;", "")
    return None


class Smsd:
    """The daemon over `url`: tables made as docs/sms-routes.md says, started and stopped at will."""

    def __init__(self, url: str, folder: Path, *, device: str | None = None, retry_timeout: int = 1) -> None:
        self.url, self.folder = url, folder
        parts = psycopg.conninfo.conninfo_to_dict(url)
        self._database, self._role = str(parts["dbname"]), f"smsd_{parts['dbname']}"
        password = secrets.token_hex(8)
        make_tables(url, role=self._role, password=password)
        self.phone = folder / "phone"
        for number in range(1, 6):
            (self.phone / "sms" / str(number)).mkdir(parents=True)
        self._rc = folder / "smsdrc"
        self._rc.write_text(
            CONFIG.format(
                connection="at115200" if device else "none", device=device or self.phone,
                model="" if device else "model = dummy", host=parts.get("host", "127.0.0.1"),
                port=parts.get("port", 5432), user=self._role, password=password, database=self._database,
                folder=folder, phone_id=PHONE_ID, comm_timeout=2 if device else 1, send_timeout=2,
                retry_timeout=retry_timeout,
            )
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; wait until it has written that it is there."""
        with connect(self.url) as connection:
            connection.execute("DELETE FROM smsd.phones")
            self._process = subprocess.Popen(
                ["gammu-smsd", "-c", str(self._rc)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            wait_until(lambda: one(connection, "SELECT count(*) FROM smsd.phones") == 1, "gammu-smsd is there")

    def kill(self) -> None:
        """End it without a word."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it, if it runs."""
        self._end(signal.SIGTERM)

    def close(self) -> None:
        """Stop it and leave the server as it was."""
        self.stop()
        with connect(self.url) as connection:
            connection.execute("DROP SCHEMA smsd CASCADE")
            connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(self._role)))

    def drop_file(self, body: str) -> None:
        """Put something into the dummy phone's inbox; never written in place, because the daemon polls it."""
        box = self.phone / "sms" / "1"
        number = next(n for n in range(1, 1000) if not (box / str(n)).exists())
        draft = self.folder / "draft"
        draft.write_text(body, "utf-8")
        draft.rename(box / str(number))

    def receive(self, number: str, text: str) -> None:
        """An SMS comes to the dummy phone."""
        coding = "Default_No_Compression" if text.isascii() else "Unicode_No_Compression"
        self.drop_file(
            f'[SMSBackup000]\nPDU = Deliver\nSMSC = "+224620000000"\nState = UnRead\nNumber = "{number}"\n'
            f"Coding = {coding}\nFolder = 1\nLength = {len(text)}\nClass = -1\nDateTime = {_now()}\n"
            f"Text00 = {text.encode('utf-16-be').hex().upper()}\n"
        )

    def report(self, number: str, text: str = "Delivered") -> None:
        """A status report comes to the dummy phone, whose messages all have the reference 255."""
        self.drop_file(
            f'[SMSBackup000]\nPDU = Status_Report\nSMSC = "123456"\nState = UnRead\nNumber = "{number}"\n'
            f"Coding = Default_No_Compression\nFolder = 1\nLength = {len(text)}\nClass = -1\nMessageReference = 255\n"
            f"DateTime = {_now()}\nSMSCTime = {_now()}\nDeliveryStatus = 0\n"
            f"Text00 = {text.encode('utf-16-be').hex().upper()}\n"
        )

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(3)
            except subprocess.TimeoutExpired:  # it waits for a modem that does not answer
                self._process.kill()
                self._process.wait(5)
        self._process = None


def make_tables(url: str, *, role: str, password: str) -> None:
    """The daemon's tables in the schema `smsd`, ours, and an account for the daemon that may use nothing else."""
    with connect(url) as connection:
        name, schema = sql.Identifier(role), schema_text()
        assert schema is not None
        connection.execute("CREATE SCHEMA smsd; SET search_path = smsd")
        connection.execute(schema.encode())
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(password)))
        for setting in ("SET search_path = smsd", "SET timezone = 'UTC'"):
            connection.execute(sql.SQL("ALTER ROLE {} " + setting).format(name))  # type: ignore[arg-type]
        for grant in ("USAGE ON SCHEMA", "ALL ON ALL TABLES IN SCHEMA", "ALL ON ALL SEQUENCES IN SCHEMA"):
            connection.execute(sql.SQL("GRANT " + grant + " smsd TO {}").format(name))  # type: ignore[arg-type]


@contextmanager
def smsd(config: pytest.Config, url: str, folder: Path, **options: object) -> Iterator[Smsd]:
    """A daemon that is closed at the end of the test."""
    server = Smsd(url, folder, **options)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.close()


def wait_until(is_so: Callable[[], bool], what: str, *, within_s: float = 20.0) -> None:
    """Look until it is so: what other programs do takes its own time."""
    end_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)


def one(connection: Connection, query: str, *values: object) -> object:
    """The only value of a query."""
    row = connection.execute(query.encode(), values).fetchone()
    return row[0] if row else None


def _now() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
