"""A GSM modem on a pseudo terminal, as far as Gammu's `at` driver talks to one: PDU mode, storage, status reports.

An SMS counts as on the air when the modem has its whole PDU, before it says so: the gap in which a crash hurts.
Sources: 3GPP TS 27.005 (AT commands), 23.040 (PDUs), 23.038 (alphabets); which answers Gammu insists on was found by
trying 1.42.
"""

from __future__ import annotations

import os
import pty
import re
import threading
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import gsm0338

SEPTETS = gsm0338.Codec()
CENTRE = "+224620000000"
FIXED = {
    "AT+CGMI": "ACME",
    "AT+CGMM": "PTY",
    "AT+CGMR": "1",
    "AT+CGSN": "490154203237518",
    "AT+GSN": "490154203237518",
    "AT+CIMI": "611010000000001",
    "AT+CPIN?": "+CPIN: READY",
    "AT+CREG?": "+CREG: 0,1",
    "AT+CGREG?": "+CGREG: 0,1",
    "AT+COPS?": '+COPS: 0,2,"61101"',
    "AT+CSQ": "+CSQ: 20,99",
    "AT+CSCA?": f'+CSCA: "{CENTRE}",145',
    "AT+CSCS?": '+CSCS: "GSM"',
    "AT+CSCS=?": '+CSCS: ("GSM","UCS2")',
    "AT+CMGF=?": "+CMGF: (0)",
    "AT+CSMS?": "+CSMS: 0,1,1,1",
    "AT+CNMI?": "+CNMI: 2,1,0,2,0",
    "AT+CNMI=?": "+CNMI: (0,1,2),(0,1,2,3),(0),(0,1,2),(0,1)",
    "AT+CPMS=?": '+CPMS: ("SM"),("SM"),("SM")',
    "AT+CMGD=?": "+CMGD: (1-255),(0-4)",
}
SILENT = re.compile(
    r"AT(Z|&F|E[01]|H|\+(CMEE|CSCS=|CMGF=|CSMS=|CREG=|CGREG=|CNMI=|COPS=|CFUN=|CLIP|CCWA|CUSD=|CPBS|CSMP)\S*)?"
)


@dataclass(frozen=True, slots=True)
class OnAir:
    """What left."""

    number: str
    text: str
    header: bytes
    reference: int
    wants_report: bool


class Modem:
    """The modem; `device` is where a driver finds it. Its behaviour is set by the attributes before `device`."""

    def __init__(self) -> None:
        self.says: Callable[[], str] = lambda: "ok"  # to an SMS: ok, error (refused), mute (left, no answer)
        self.air_s = 0.0
        self.report_status: int | None = 0  # TP-ST, None: no report ever comes
        self.sent: list[OnAir] = []
        self._store: dict[int, tuple[int, str]] = {}
        self._lock = threading.Lock()
        self._reference, self._is_echoing = 0, False
        self._ours, theirs = pty.openpty()
        tty.setraw(theirs)
        tty.setraw(self._ours)
        self.device = os.ttyname(theirs)
        self._theirs = theirs  # held open, so that a driver may come and go
        self._is_closed = False
        self._thread = threading.Thread(target=self._listen, name="modem", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Pull the plug."""
        self._is_closed = True
        os.write(self._theirs, b"\r")
        self._thread.join(5)
        os.close(self._ours)
        os.close(self._theirs)

    def receive(self, number: str, *parts: str) -> None:
        """An SMS comes in, in as many parts as there are texts."""
        for place, text in enumerate(parts, start=1):
            header = bytes([5, 0, 3, 77, len(parts), place]) if len(parts) > 1 else b""
            self._keep(deliver_pdu(number, text, header))

    def _listen(self) -> None:
        buffer, takes_pdu = b"", False
        while not self._is_closed:
            buffer += os.read(self._ours, 4096)
            while found := re.search(rb"[\x1a\x1b]" if takes_pdu else rb"\r", buffer):
                said, end, buffer = buffer[: found.start()], buffer[found.start()], buffer[found.end() :]
                if takes_pdu:
                    takes_pdu = False
                    if end == 0x1B:
                        self._answer()
                    else:
                        self._send(said.decode().strip())
                else:
                    takes_pdu = self._obey(said.decode("ascii", "replace").strip("\n\x1a\x1b "))

    def _obey(self, line: str) -> bool:
        """Answer a command; True when a PDU follows."""
        if self._is_echoing and line:
            self._write(line + "\r")
        command = line.upper()
        if command in ("ATE0", "ATE1"):
            self._is_echoing = command == "ATE1"
        if command.startswith("AT+CMGS="):
            self._write("\r\n> ")
            return True
        if command in FIXED:
            self._answer(FIXED[command])
        elif command.startswith("AT+CPMS"):
            used = f"{len(self._store)},255"
            three = ",".join([f'"SM",{used}'] * 3) if command.endswith("?") else ",".join([used] * 3)
            self._answer(f"+CPMS: {three}")
        elif command.startswith("AT+CMGL"):
            self._answer(
                *(f"+CMGL: {place},{state},,{len(pdu) // 2 - 1}\r\n{pdu}" for place, state, pdu in self._read())
            )
        elif command.startswith("AT+CMGR="):
            place = int(command[8:])
            if place in self._store:
                state, pdu = self._store[place]
                self._answer(f"+CMGR: {_held(state, pdu)}")
            else:
                self._write("\r\n+CMS ERROR: 321\r\n")
        elif command.startswith("AT+CMGD="):
            self._store.pop(int(command[8:].split(",")[0]), None)
            self._answer()
        elif SILENT.fullmatch(command):
            self._answer()
        elif line:
            self._write("\r\nERROR\r\n")
        return False

    def _send(self, pdu: str) -> None:
        says = self.says()
        if says == "error":
            self._write("\r\n+CMS ERROR: 500\r\n")
            return
        self._reference = (self._reference + 1) % 256
        sent = read_submit(pdu, self._reference)
        self.sent.append(sent)
        if says == "mute":
            return
        time.sleep(self.air_s)
        self._answer(f"+CMGS: {sent.reference}")
        if sent.wants_report and self.report_status is not None:
            self._keep(report_pdu(sent, self.report_status))

    def _read(self) -> list[tuple[int, int, str]]:
        with self._lock:
            found = [(place, state, pdu) for place, (state, pdu) in sorted(self._store.items())]
            self._store = {place: (1, pdu) for place, _, pdu in found}
        return found

    def _keep(self, pdu: str) -> None:
        with self._lock:
            place = next(n for n in range(1, 256) if n not in self._store)
            self._store[place] = (0, pdu)

    def _answer(self, *lines: str) -> None:
        self._write("".join(f"\r\n{line}\r\n" for line in lines) + "\r\nOK\r\n")

    def _write(self, text: str) -> None:
        os.write(self._ours, text.encode())


def read_submit(pdu: str, reference: int) -> OnAir:
    """An SMS-SUBMIT (TS 23.040 §9.2.2.2) with the centre's address before it."""
    data = bytes.fromhex(pdu)
    data = data[1 + data[0] :]
    first, digits, kind = data[0], data[2], data[3]
    rest = data[4 + (digits + 1) // 2 :]
    number = ("+" if kind == 0x91 else "") + _swapped(data[4 : 4 + (digits + 1) // 2])[:digits]
    coding = rest[1]
    rest = rest[2 + (0, 7, 1, 7)[first >> 3 & 3] :]
    length, body = rest[0], rest[1:]
    header = body[: body[0] + 1] if first & 0x40 else b""
    if coding & 0x0C == 8:
        text = body[len(header) :].decode("utf-16-be")
    else:
        whole = int.from_bytes(body, "little")
        septets = bytes(whole >> 7 * place & 127 for place in range(length))
        text = SEPTETS.decode(septets[(len(header) * 8 + 6) // 7 :])[0]
    return OnAir(number, text, header, reference, bool(first & 0x20))


def deliver_pdu(number: str, text: str, header: bytes) -> str:
    """An SMS-DELIVER (TS 23.040 §9.2.2.1) of now, without the centre's address."""
    try:
        septets = SEPTETS.encode(text)[0]
        skipped = (len(header) * 8 + 6) // 7
        whole = int.from_bytes(header, "little")
        for place, septet in enumerate(septets, start=skipped):
            whole |= septet << 7 * place
        length = skipped + len(septets)
        coding, body = 0, whole.to_bytes((length * 7 + 7) // 8, "little")
    except UnicodeError:
        coding, body = 8, header + text.encode("utf-16-be")
        length = len(body)
    first = 0x44 if header else 0x04
    head = bytes([0, first]) + _address(number) + bytes([0, coding]) + _stamp() + bytes([length])
    return (head + body).hex().upper()


def report_pdu(sent: OnAir, status: int) -> str:
    """An SMS-STATUS-REPORT (TS 23.040 §9.2.2.3)."""
    head = bytes([0, 0x06, sent.reference]) + _address(sent.number)
    return (head + _stamp() + _stamp() + bytes([status])).hex().upper()


def _held(state: int, pdu: str) -> str:
    """A stored PDU as the listing commands give it; its length is without the centre's address."""
    return f"{state},,{len(pdu) // 2 - 1}\r\n{pdu}"


def _address(number: str) -> bytes:
    digits = number.lstrip("+")
    padded = digits + "F" * (len(digits) % 2)
    swapped = "".join(padded[n + 1] + padded[n] for n in range(0, len(padded), 2))
    return bytes([len(digits), 0x91 if number.startswith("+") else 0x81]) + bytes.fromhex(swapped)


def _stamp() -> bytes:
    text = datetime.now(UTC).strftime("%y%m%d%H%M%S00")
    return bytes.fromhex("".join(text[n + 1] + text[n] for n in range(0, 14, 2)))


def _swapped(data: bytes) -> str:
    text = data.hex().upper()
    return "".join(text[n + 1] + text[n] for n in range(0, len(text), 2)).rstrip("F")
