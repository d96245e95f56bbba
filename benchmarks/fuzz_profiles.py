"""Mutated messages of every shipped profile through the product's own admission.

`make bench-fuzz-profiles ARGS="--messages 100000 --seed 7"`, so many for each profile; exit status 1 when the decoder
failed, a reading is not in the account, or one came in another unit than its rule says.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime

from gateway.model import channel_spec
from gateway.units import WIRE_UNIT
from ingest.admission import Admission, ChannelEntry, Directory, Message, admit
from ingest.profiles.dialects import Dialects, Registered
from ingest.profiles.profile import Profile, Sample, shipped_profiles

RECEIVED_US = round(datetime(2026, 3, 2, 10, 40, tzinfo=UTC).timestamp() * 1e6)
CHANNELS = {
    ("zone-3", asset, channel): ChannelEntry(number, unit, -1e12, 1e12)
    for number, (asset, channel, unit) in enumerate(
        (
            ("tower", "level_m", "m"), ("tap-03", "volume_m3", "m³"), ("pump", "volume_m3", "m³"),
            ("pump", "power_w", "W"), ("pv", "power_w", "W"), ("pv", "module_temp_c", "°C"),
            ("network", "pressure_bar", "bar"),
        )
    )
}  # fmt: skip


def mutated(payload: bytes, chance: random.Random) -> bytes:
    """A message with one to three bytes changed, lost or repeated; half of the time digits alone become others."""
    found = bytearray(payload)
    digits = [place for place, byte in enumerate(found) if 48 <= byte <= 57]
    if digits and chance.random() < 0.5:
        for place in chance.sample(digits, min(len(digits), chance.randint(1, 3))):
            found[place] = chance.randrange(48, 58)
        return bytes(found)
    for _ in range(chance.randint(1, 3)):
        if not found:
            break
        place = chance.randrange(len(found))
        match chance.randrange(3):
            case 0:
                found[place] = chance.randrange(256)
            case 1:
                del found[place]
            case _:
                found[place:place] = found[: chance.randrange(1, 9)]
    return bytes(found)


class Village:
    """A registry in which the devices of a profile's samples stand, with the rules that are told there."""

    def __init__(self, profile: Profile) -> None:
        rules = {rule.point: rule for sample in profile.samples for rule in sample.rules}
        here = Registered("zone-3", "gw-3", None, rules)
        devices = {(profile.name, sample.device or ""): here for sample in profile.samples}
        gateways = {"gw-3": "zone-3"}
        self.rules, self.reads_our_names = rules, profile.reads_our_names
        self.directory = Directory(gateways, CHANNELS, Dialects([profile], devices, gateways))

    def judge(self, sample: Sample, payload: bytes) -> tuple[Admission, str | None]:
        """Admit one message as ingest does; with what is wrong about it, None when all is as it should be."""
        admission = admit([Message(sample.topic, payload, RECEIVED_US, 1, 1)], self.directory)
        columns = admission.columns
        if any(item.reason == "decoder_failed" for item in admission.set_aside):
            return admission, f"the decoder failed: {admission.set_aside[0].detail}"
        received = sum(sender.received for sender in admission.senders.values())
        if received != len(columns) + len(admission.set_aside):
            return admission, f"{received} received, {len(columns)} accepted, {len(admission.set_aside)} set aside"
        records = [one for raw in admission.raw for heard in raw.translation.heard for one in heard.records]
        for record in records:
            units = {rule.unit for rule in self.rules.values() if (rule.asset, rule.channel) == record[:2]}
            if self.reads_our_names and (spec := channel_spec(record.asset, record.channel)) is not None:
                units.add(WIRE_UNIT[spec.unit])
            if record.unit not in units:
                return admission, f"{record} is in none of {units}"
        return admission, None


def main() -> int:
    """Print what became of the messages of each profile; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000, help="for each profile")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    problems = 0
    print(f"{'profile':<24}{'messages':>9}{'readings':>9}{'µs each':>9}  set aside")
    for profile in shipped_profiles():
        chance, village = random.Random(f"{options.seed} {profile.name}"), Village(profile)  # noqa: S311 # no secret
        reasons: Counter[str] = Counter()
        readings, begin_s = 0, time.process_time()
        for _ in range(options.messages):
            sample = chance.choice(profile.samples)
            payload = mutated(sample.payload, chance)
            admission, problem = village.judge(sample, payload)
            readings += len(admission)
            reasons.update(item.reason.value for item in admission.set_aside)
            if problem is not None:
                problems += 1
                print(f"{profile.name}: {problem}: {payload!r}")
        each_us = (time.process_time() - begin_s) / options.messages * 1e6
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        print(f"{profile.name:<24}{options.messages:>9}{readings:>9}{each_us:>9.0f}  {told}", flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
