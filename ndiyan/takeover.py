"""Ends the link that somebody holds at the broker under a certificate that counts no more.

Mosquitto holds passwords of open links against its files whenever it reads them again, and certificates only when
somebody connects (2.0.11, `mosquitto_security_apply_default`). But whoever connects with a client's name ends the link
of that name, and its name is the user's. So we connect once, under the new certificate or password.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import closing
from pathlib import Path

from gateway.config import MqttSettings
from ingest import mqtt
from ndiyan.errors import NdiyanError

WITHIN_S = 20.0  # mosquitto reads its files within a tenth of a second; a machine that is very busy, within some
HELD_S = 3.0  # whoever comes back by then under the old certificate does so before the files were read
PATIENCE_S = 5.0
AGAIN_S = 0.5
SESSION_EXPIRY_S = 7 * 86_400  # what waits for the other side waits on
KEEPALIVE_S = 60
OUT_OF_REACH = (
    ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError, TimeoutError, mqtt.ProtocolError,
)  # fmt: skip


class LinkStays(NdiyanError):
    """The link could not be ended; the message says why."""


def end_link(settings: MqttSettings, *, authority: Path) -> None:
    """Take the session of `settings` over, and leave it once nobody has taken it back.

    Its messages stay: nothing is confirmed, and at most one is on its way to us. The broker's certificate may be of
    `authority` or of any that this machine trusts.

    Raises
    ------
    LinkStays : the broker is out of reach, does not let us in, or lets the old one in again and again
    """
    end_s, why = time.monotonic() + WITHIN_S, ""
    while time.monotonic() < end_s:
        try:
            with closing(_connected(settings, authority)) as link:
                if _is_left_alone(link):
                    link.sendall(mqtt.DISCONNECT_PACKET)
                    return
                why = "somebody comes in under the name again and again"
        except OUT_OF_REACH as error:
            raise LinkStays(f"{settings.host}:{settings.port}: {error}") from error
        except OSError as error:  # its files may not be read yet
            why = str(error)
            time.sleep(AGAIN_S)
    raise LinkStays(f"{settings.host}:{settings.port}: {why}")


def _connected(settings: MqttSettings, authority: Path) -> socket.socket:
    """A link that the broker has accepted; TLS 1.3 tells that it has not with the first answer."""
    link = socket.create_connection((settings.host, settings.port), PATIENCE_S)
    try:
        if (tls := settings.tls_context()) is not None:
            if authority.exists():
                tls.load_verify_locations(authority)
            link = tls.wrap_socket(link, server_hostname=settings.host)
        link.sendall(
            mqtt.connect_packet(
                settings.username or "", protocol=settings.protocol, username=settings.username,
                password=settings.password, keepalive_s=KEEPALIVE_S, session_expiry_s=SESSION_EXPIRY_S,
                receive_maximum=1,
            )
        )  # fmt: skip
        kind, length = _exactly(link, 2)
        reason = mqtt.connack(_exactly(link, length), protocol=settings.protocol)[1]
        if kind >> 4 != mqtt.CONNACK or reason:
            raise ConnectionAbortedError(f"the broker does not let {settings.username} in ({reason})")
    except BaseException:
        link.close()
        raise
    return link


def _is_left_alone(link: socket.socket) -> bool:
    end_s = time.monotonic() + HELD_S
    while (left_s := end_s - time.monotonic()) > 0:
        link.settimeout(left_s)
        try:
            if not link.recv(4096):
                return False
        except TimeoutError:
            return True
        except ConnectionError:
            return False
    return True


def _exactly(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (received := link.recv(size - len(data))):
            raise ConnectionResetError("the broker closed the link")
        data += received
    return data
