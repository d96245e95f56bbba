"""Photos of a repair: a picture comes in, nothing but its pixels goes on.

A phone writes into a picture where and when it was taken, by which device and sometimes by whom. So what is kept is a
new JPEG made out of the pixels, upright and no larger than a screen; whatever else the file held is gone. Files are
read as three plain formats and refused before they are unpacked when they would be too large.
"""

from __future__ import annotations

import hashlib
import io
import struct
import threading
import warnings
from datetime import datetime
from typing import NamedTuple

from PIL import Image, ImageOps

from alerts.actions import note
from alerts.closing import LONGEST_WORDS, checked_words
from alerts.errors import ActionRefused
from ingest.db import Connection, queries

SQL = queries("alerts", "actions")

BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
MOST_PHOTOS = 8  # of one alert
MOST_BYTES = 8 * 1024 * 1024  # what a phone's camera makes
MOST_PIXELS = 50_000_000  # likewise; unpacked it is 150 MB, with transparency 200 MB
LONGEST_SIDE = 1280
QUALITY = 78
FORMATS = ("JPEG", "PNG", "WEBP")
ONE_AT_A_TIME = threading.Lock()  # so many megabytes once, however many people send pictures


class Cleaned(NamedTuple):
    """A picture of which only the pixels are left."""

    jpeg: bytes
    width: int
    height: int


def clean_photo(sent: bytes) -> Cleaned:
    """Make a new JPEG out of a picture's pixels.

    Raises
    ------
    ActionRefused : too many bytes or pixels, or not a whole picture in one of `FORMATS`
    """
    if len(sent) > MOST_BYTES:
        raise ActionRefused("photo", f"{len(sent)} bytes", f"is above {MOST_BYTES}")
    with ONE_AT_A_TIME:
        upright = _upright(sent)
    bare = Image.new("RGB", upright.size)
    bare.paste(upright)  # a new picture: what the old one was told beside its pixels stays behind
    written = io.BytesIO()
    bare.save(written, "JPEG", quality=QUALITY, optimize=True)
    return Cleaned(written.getvalue(), *bare.size)


def _upright(sent: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(sent), formats=FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise ActionRefused("photo", f"{picture.width} × {picture.height}", f"is above {MOST_PIXELS}")
                picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # a JPEG is unpacked no larger than is needed
                picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
                return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, SyntaxError, struct.error, *BOMBS) as error:
        raise ActionRefused("photo", f"{len(sent)} bytes", f"is no picture ({', '.join(FORMATS)})") from error


def add_photo(connection: Connection, alert_id: int, *, sent: bytes, shows: str, who: str, now: datetime) -> int | None:
    """Keep a photo with an alert; its id, or None when the same picture is there.

    Raises
    ------
    ActionRefused : as `clean_photo`, no words, too many of them, or too many photos
    """
    words = checked_words("shows", shows, most=LONGEST_WORDS)
    photo = clean_photo(sent)
    with connection.transaction():
        ((number,),) = connection.execute(SQL["count_photos"], {"alert": alert_id}).fetchall()
        row = connection.execute(
            SQL["insert_photo"],
            {
                "alert": alert_id, "now": now, "who": who, "shows": words, "width": photo.width,
                "height": photo.height, "jpeg": photo.jpeg, "sha256": hashlib.sha256(photo.jpeg).digest(),
            },
        ).fetchone()  # fmt: skip
        if row is None:
            return None
        if number >= MOST_PHOTOS:
            raise ActionRefused("photo", f"{number + 1} photos", f"is above {MOST_PHOTOS}")
        note(connection, alert_id, kind="photo", who=who, at=now, text=words, photo=row[0])
    return int(row[0])
