"""What a shared subscription loses, and a session each does not: `python -m benchmarks.shared_subscription`.

Two members of one shared subscription, both with a persistent session, hear one topic. One goes away; messages are
published and confirmed by the broker; its session then ends, as it does when a worker is taken away. Counted is what
the member that stayed was given. Beside it the same with a session each, which whoever is away finds again.
"""

from __future__ import annotations

import argparse
import socket
import tempfile
from pathlib import Path

from benchmarks.processes import forget_session
from benchmarks.wire import connected, publish_packet
from gateway.config import MqttSettings
from gateway.zones import load_zones
from ingest import mqtt
from ndiyan.embedded_broker import EmbeddedBroker, broker_account, find_mosquitto
from ndiyan.shipped_files import shipped

KEPT_S = 3600
QUIET_S = 1.0
TOPIC = "ndiyan/1/zone-1/gw-1/up/senml"


def main() -> None:
    """Publish to each kind of subscription and say what was heard."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100)
    messages = parser.parse_args().messages
    mosquitto = find_mosquitto()
    if mosquitto is None:
        raise SystemExit("this needs mosquitto: apt-get install mosquitto")
    with tempfile.TemporaryDirectory(prefix="ndiyan-shared-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        broker = EmbeddedBroker(
            folder, load_zones([shipped("zones")]), secret_file=folder / "secret", log=folder / "broker.log",
            account=broker_account(), mosquitto=mosquitto,
        )  # fmt: skip
        broker.start()
        try:
            settings = MqttSettings.from_url(broker.operator_url)
            heard = _heard(settings, f"$share/ingest/{TOPIC}", messages, ends=True)
            print(f"shared, one member away, its session ends: {heard} of {messages} heard by the other")
            heard = _heard(settings, TOPIC, messages, ends=False)
            print(f"a session each, away and back: {heard} of {messages} heard")
        finally:
            broker.stop()


def _heard(settings: MqttSettings, topic: str, messages: int, *, ends: bool) -> int:
    """Both subscribe and the first goes; what the second hears of what is published then, or the first when it is
    back."""
    for member in ("first", "second"):
        with connected(settings, member, session_expiry_s=KEPT_S) as link:
            link.sendall(mqtt.subscribe_packet(1, topic, protocol=5))
            link.recv(1024)
            link.sendall(mqtt.DISCONNECT_PACKET)
    who = "second" if ends else "first"
    found: set[bytes] = set()
    with connected(settings, "publisher", session_expiry_s=0) as out:
        if ends:
            with connected(settings, who, session_expiry_s=KEPT_S) as link:
                _publish(out, messages)
                forget_session(settings, "first")
                found = _listen(link)
        else:
            _publish(out, messages)
            with connected(settings, who, session_expiry_s=KEPT_S) as link:
                found = _listen(link)
    for member in ("first", "second"):
        forget_session(settings, member)
    return len(found)


def _publish(link: socket.socket, messages: int) -> None:
    """Until the broker has confirmed all of them."""
    for number in range(1, messages + 1):
        link.sendall(publish_packet(TOPIC.encode(), str(number).encode(), number))
    confirmed, rest = 0, b""
    while confirmed < messages:
        _, answers, end = mqtt.read_packets(rest := rest + link.recv(65_536), protocol=5)
        rest = rest[end:]
        confirmed += sum(answer.kind == mqtt.PUBACK for answer in answers)


def _listen(link: socket.socket) -> set[bytes]:
    """What comes, each message confirmed, until nothing has come for a while."""
    found: set[bytes] = set()
    rest = b""
    link.settimeout(QUIET_S)
    try:
        while data := link.recv(65_536):
            published, _, end = mqtt.read_packets(rest := rest + data, protocol=5)
            rest = rest[end:]
            found.update(one.payload for one in published)
            link.sendall(mqtt.puback_packets([one.mid for one in published if one.mid]))
    except TimeoutError:
        return found
    return found


if __name__ == "__main__":
    main()
