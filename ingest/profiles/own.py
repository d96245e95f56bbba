"""Profiles of the operator's own, in the database: ingest takes a change up with its next look at the registry."""

from __future__ import annotations

import logging
from datetime import datetime

from ingest.audit import record
from ingest.db import Connection, queries
from ingest.errors import ProfileError
from ingest.profiles.profile import Profile, parse_profile, shipped_profiles
from ingest.profiles.trial import failed_samples

log = logging.getLogger(__name__)

SQL = queries("ingest", "profiles")


def keep_profile(connection: Connection, text: str, *, where: str, by: str, now: datetime) -> Profile:
    """Keep a profile whose samples come out as they should; one of its name is replaced.

    Raises
    ------
    ProfileError : the text is no profile, or one of its samples fails
    """
    profile = parse_profile(text, where)
    problems = failed_samples(profile)
    if problems:
        raise ProfileError(f"{where}: {problems[0]}")
    with connection.transaction():
        before = fetch_bodies(connection).get(profile.name)
        connection.execute(SQL["keep"], {"name": profile.name, "body": text, "at": now, "by": by})
        record(
            connection, who=by, what="profile_kept", subject=profile.name, now=now,
            before=None if before is None else {"profile": before}, after={"profile": text},
        )  # fmt: skip
    return profile


def forget_profile(connection: Connection, name: str, *, by: str, now: datetime) -> bool:
    """Forget a profile; whether there was one."""
    with connection.transaction():
        before = fetch_bodies(connection).get(name)
        if before is None:
            return False
        connection.execute(SQL["forget"], {"name": name})
        record(connection, who=by, what="profile_forgotten", subject=name, before={"profile": before}, now=now)
    return True


def fetch_bodies(connection: Connection) -> dict[str, str]:
    """The texts of the operator's own profiles by name, as they were kept."""
    return dict(connection.execute(SQL["bodies"]).fetchall())


def fetch_profiles(connection: Connection) -> list[Profile]:
    """The shipped profiles and the operator's own; one that cannot be used is named in the log and left out."""
    found = shipped_profiles()
    for name, body in fetch_bodies(connection).items():
        try:
            found.append(parse_profile(body, name))
        except ProfileError as error:
            log.error("a profile is left out: %s", error, extra={"action": "profile_refused"})
    return found
