"""Decode profiles in the pages: which of them might read a message, and what one makes of it. Nothing is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.devices import PointRule, point_rule
from gateway.tables import Table, values_from_toml
from ingest.errors import ProfileError
from ingest.profiles.formats import Undecodable
from ingest.profiles.profile import Profile, parse_profile, topic_fits
from ingest.profiles.sparkplug import NoBirth
from ingest.profiles.trial import Shown, failed_samples, try_message


@dataclass(frozen=True, slots=True)
class Guess:
    """A profile that finds something in a message: how many points, and whether the topic is one of its own."""

    name: str
    title: str
    points: int
    fits_topic: bool


@dataclass(slots=True)
class Trial:
    """What a person tries: a message, a profile (its text, perhaps edited) and the points of a device.

    `problem` says why nothing comes of it, in the words of who found out; `failed` are samples of the profile that do
    not come out as they say.
    """

    topic: str
    message: str
    body: str
    points: str
    shown: list[Shown] = field(default_factory=list)
    problem: str | None = None
    failed: list[str] = field(default_factory=list)


def bytes_of(message: str) -> bytes:
    """The bytes of what somebody pasted: hexadecimal where it is nothing else (as set-aside messages show it)."""
    text = message.strip()
    try:
        return bytes.fromhex(text) if " " in text else text.encode()
    except ValueError:
        return text.encode()


def guesses(profiles: Sequence[Profile], topic: str, payload: bytes, received_at: datetime) -> list[Guess]:
    """The profiles that find points in a message, those of its topic first, then who finds most."""
    found = []
    for profile in profiles:
        try:
            shown = try_message(profile, topic, payload, received_at)
        except (Undecodable, NoBirth):
            continue
        points = sum(1 for one in shown if one.raw != "None")
        if points:
            fits = any(topic_fits(one, topic) for one in profile.topics)
            found.append(Guess(profile.name, profile.title, points, fits))
    return sorted(found, key=lambda guess: (not guess.fits_topic, -guess.points, guess.name))


def run(trial: Trial, received_at: datetime) -> Trial:
    """Try it; what is wrong with the profile, the points or the message stands in `problem`."""
    try:
        profile = parse_profile(trial.body, "profile")
        trial.failed = failed_samples(profile)
        rules = rules_of(trial.points)
        trial.shown = try_message(profile, trial.topic, bytes_of(trial.message), received_at, rules)
    except (ProfileError, Undecodable, NoBirth) as error:
        trial.problem = str(error)
    return trial


def rules_of(text: str) -> list[PointRule]:
    """The `[[points]]` of a device, as they would stand under `[[devices]]` in a zone file.

    Raises
    ------
    ProfileError : not TOML, or a key is missing, unknown or out of bounds
    """
    values = values_from_toml(text, "points", ProfileError)
    table = Table("points", "", values, what="device", error_type=ProfileError)
    rules = [point_rule(inner) for inner in table.tables("points")]
    table.done()
    return rules
