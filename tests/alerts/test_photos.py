"""Photos of a repair: pixels are kept, everything else is not, and nothing that is sent can hurt."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from alerts.errors import ActionRefused
from alerts.photos import LONGEST_SIDE, MOST_BYTES, MOST_PHOTOS, add_photo, clean_photo
from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.db import connect
from tests.web.web_site import make_site

SECRETS = (
    b"Exif",
    b"GPS",
    b"Nokia",
    b"Alpha Oumar",
    b"ICC_PROFILE",
    b"http://ns.adobe.com/xap",
    b"PK\x03\x04",
    b"<script",
)


def picture(kind: str = "JPEG", size: tuple[int, int] = (40, 20), *, turned: int = 1, **options: object) -> bytes:
    """A red picture with a blue top left corner that tells where it was taken, by what and by whom."""
    image = Image.new("RGB", size, (200, 30, 30))
    image.paste((20, 40, 220), (0, 0, size[0] // 4, size[1] // 2))
    exif = Image.Exif()
    exif[0x010F], exif[0x013B], exif[0x0112] = "Nokia", "Alpha Oumar Barry", turned
    exif.get_ifd(0x8825)[1], exif.get_ifd(0x8825)[2] = "N", (11.0, 19.0, 5.0)
    written = io.BytesIO()
    comment = {"comment": b"Alpha Oumar Barry"} if kind == "JPEG" else {}
    image.save(written, kind, exif=exif, icc_profile=b"ICC_PROFILE of a screen", **comment, **options)  # type: ignore[arg-type]
    return written.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_nothing_of_a_picture_survives_but_its_pixels(kind: str) -> None:
    sent = picture(kind) + b"PK\x03\x04 a zip behind the picture <script>"
    assert b"Nokia" in sent
    found = clean_photo(sent)
    for secret in SECRETS:
        assert secret not in found.jpeg, secret
    again = Image.open(io.BytesIO(found.jpeg))
    assert (again.format, again.size) == ("JPEG", (40, 20))
    assert not again.getexif()
    assert set(again.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    red, _, blue = again.getpixel((2, 2))  # type: ignore[misc]
    assert blue > 150 > red


def test_a_picture_taken_upright_stands_upright_though_the_note_of_it_is_gone() -> None:
    """Orientation 6: the camera's top is to the right, so 40 × 20 becomes 20 × 40 and the corner goes to the right."""
    found = clean_photo(picture(turned=6))
    assert (found.width, found.height) == (20, 40)
    red, _, blue = Image.open(io.BytesIO(found.jpeg)).getpixel((17, 3))  # type: ignore[misc]
    assert blue > 150 > red


def test_a_large_picture_becomes_as_large_as_a_screen() -> None:
    found = clean_photo(picture(size=(4000, 3000)))
    assert (found.width, found.height) == (LONGEST_SIDE, 960)
    assert len(found.jpeg) < 100_000


def bomb() -> bytes:
    """A PNG of a few kilobytes that says it is 30,000 × 30,000."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1_000_000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        pytest.param(b"", "is no picture", id="nothing"),
        pytest.param(
            b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "is no picture", id="a-drawing-with-code"
        ),
        pytest.param(picture("GIF"), "is no picture", id="another-format"),
        pytest.param(picture()[:300], "is no picture", id="cut-off"),
        pytest.param(bomb(), "is no picture", id="a-bomb"),
        pytest.param(picture(size=(8000, 7000)), "8000 × 7000' is above 50000000", id="too-many-pixels"),
        pytest.param(bytes(MOST_BYTES + 1), "is above 8388608", id="too-many-bytes"),
        pytest.param(b"%PDF-1.7 /JavaScript", "is no picture", id="a-document"),
    ],
)
def test_what_is_no_plain_picture_is_refused_with_its_reason(sent: bytes, why: str) -> None:
    with pytest.raises(ActionRefused) as refused:
        clean_photo(sent)
    assert why in str(refused.value)


@pytest.mark.db
def test_an_alert_keeps_a_few_photos_each_once_and_tells_of_them(
    database_url: str, zones: list[Zone], clock: ManualClock
) -> None:
    site = make_site(database_url, zones, clock)
    with connect(site.url) as connection:

        def add(size: int, shows: str = "la nouvelle vanne") -> int | None:
            return add_photo(
                connection, site.alert_id, sent=picture(size=(size, 20)), shows=shows, who="Awa", now=clock.now()
            )

        first = add(40)
        assert add(40) is None, "the same picture again"
        with pytest.raises(ActionRefused, match="shows: '' is empty"):
            add(41, "")
        for size in range(41, 40 + MOST_PHOTOS):
            add(size)
        with pytest.raises(ActionRefused, match="photo: '9 photos' is above 8"):
            add(99)
        rows = connection.execute("SELECT count(*) FROM alert_photo").fetchone()
        assert rows == (MOST_PHOTOS,), "what is refused leaves nothing"
        event = connection.execute("SELECT who, detail FROM alert_event WHERE kind = 'photo' LIMIT 1").fetchone()
        assert event == ("Awa", {"text": "la nouvelle vanne", "photo": first})
