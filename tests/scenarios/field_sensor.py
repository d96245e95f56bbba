"""A foreign sensor as a process of its own: MQTT 3.1.1, QoS 1, no outbox, plain SenML. It trusts the PUBACK.

It has no more than the broker's guarantee, and so it sees what our own gateways are protected from. Its diary has a
line "try" before a reading is published and a line "took" after its PUBACK. Every few seconds it also sends `POISON`,
which is in no diary.
Usage: python -m tests.scenarios.field_sensor FOLDER MQTT_URL ZONE GATEWAY READINGS_PER_S
"""

import json
import sys
import time
from collections import deque
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway.config import MqttSettings
from gateway.model import Reading, channel_spec
from gateway.units import WIRE_UNIT, wire_value
from gateway.wire import senml_topic
from tests.scenarios.field_gateway import CHANNELS, Diary, measure

IN_HAND = 200  # published and without a PUBACK
POISON = 666.625  # a value that the database is told to refuse
POISON_EVERY_S = 5.0


def plain_pack(reading: Reading) -> bytes:
    """A pack of one reading as any SenML sensor writes it: nothing of ours in it."""
    spec = channel_spec(reading.asset, reading.channel)
    assert spec is not None
    record = {
        "bn": f"{reading.asset}/", "bt": round(reading.measured_at.timestamp(), 3), "n": reading.channel,
        "u": WIRE_UNIT[spec.unit], "v": wire_value(spec, reading.value),
    }  # fmt: skip
    return json.dumps([record]).encode()


def main(folder: Path, url: str, zone: str, gateway: str, per_s: float) -> None:
    """Publish while there is a link, until the file `stop` is there and everything has its PUBACK."""
    settings = MqttSettings.from_url(url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=gateway, clean_session=True)
    client.username_pw_set(settings.username, settings.password)
    client.max_inflight_messages_set(IN_HAND)
    acknowledged: deque[int] = deque()  # appended to by the client's thread
    client.on_publish = lambda _client, _userdata, mid, _reason, _properties: acknowledged.append(mid)
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    client.connect_async(settings.host, settings.port)
    client.loop_start()
    diary = Diary(folder / f"{gateway}.diary")
    in_hand: dict[int, str] = {}
    topic = senml_topic(zone, gateway)
    stop = folder / "stop"
    poison_s = due_s = time.monotonic()
    while in_hand or not stop.exists():
        if client.is_connected() and len(in_hand) < IN_HAND and not stop.exists():
            readings, lines = measure()
            diary.write("try", lines)
            for reading, line in zip(readings, lines, strict=True):
                in_hand[client.publish(topic, plain_pack(reading), qos=1).mid] = line
            if time.monotonic() >= poison_s:
                poison_s += POISON_EVERY_S
                yesterday = readings[0].measured_at - timedelta(days=1)  # where no good reading of this run is
                bad = replace(readings[0], measured_at=yesterday, value=POISON)
                client.publish(topic, plain_pack(bad), qos=1)
        taken = [in_hand.pop(acknowledged.popleft(), None) for _ in range(len(acknowledged))]
        diary.write("took", [line for line in taken if line is not None])
        due_s = max(due_s + len(CHANNELS) / per_s, time.monotonic())  # the pace holds; what was missed is not made up
        time.sleep(max(0.0, due_s - time.monotonic()))
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]))
