"""Every SMS fits one GSM-7 segment, for every template, language and worst value; and counts like a phone does."""

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from alerts.detectors.sensor import WATCHED
from alerts.messages import (
    AGAIN,
    FIELD,
    LONGEST_PLACE,
    LONGEST_SHORT,
    MOST_CODES,
    MOST_TOLD,
    OPTIONAL,
    SPOKEN,
    Bundle,
    Item,
    Language,
    MessageKind,
    Segments,
    digest_text,
    joined,
    language_for,
    languages,
    load_language,
    meant_text,
    segments,
    short_name,
    sms_text,
    spoken,
    to_gsm,
)
from alerts.words import SENSORS, WORDS, asset_label, fault_label, first_action, sensor_label
from gateway.model import Fault, State
from ndiyan.cli import app
from ndiyan.sms import ANSWERS, DIGESTS, USUAL, WORST, Case, rows_of

ALL = [*Fault, *State]
FR, EN, FF = (load_language(name) for name in ("fr", "en", "ff"))
# 3GPP TS 23.038 V17, 6.2.1 and 6.2.1.1, written down from the standard; the escape to the extension is no letter.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"


def counted_independently(text: str) -> Segments:
    """The text as code units in one row, cut from the left; a cut never falls inside a letter.

    Source: 3GPP TS 23.038 (alphabets), 23.040 9.2.3.24.1 (a joined message has 6 octets less each).
    """
    if set(text) <= set(BASIC + EXTENSION):
        row = "".join("e." if letter in EXTENSION else "." for letter in text)
        alphabet, alone, joined = "GSM-7", 160, 153
    else:
        codes = text.encode("utf-16-le")
        units = [int.from_bytes(codes[place : place + 2], "little") for place in range(0, len(codes), 2)]
        row = "".join("e" if 0xD800 <= unit < 0xDC00 else "." for unit in units)
        alphabet, alone, joined = "UCS-2", 70, 67
    if len(row) <= alone:
        return Segments(alphabet, len(row), 1)
    number, left = 0, row
    while left:
        cut = joined - 1 if left[joined - 1 : joined] == "e" else joined
        number, left = number + 1, left[cut:]
    return Segments(alphabet, len(row), number)


LETTERS = st.one_of(
    st.sampled_from(BASIC), st.sampled_from(BASIC), st.sampled_from(EXTENSION),
    st.sampled_from("âçêëîïôœûÀÊ’ɓɗŋƴ\x1b"), st.sampled_from("😀𞤀𐍈"), st.characters(exclude_categories=["Cs"]),
)  # fmt: skip
TEXTS = st.one_of(
    st.text(st.sampled_from(BASIC + EXTENSION), max_size=500),
    st.text(st.sampled_from("aé€["), min_size=140, max_size=330),
    st.text(st.sampled_from("aê😀"), min_size=60, max_size=150),
    st.text(LETTERS, max_size=400),
)


@given(TEXTS)
@settings(max_examples=1000, deadline=None)
def test_segments_are_counted_as_somebody_else_counts_them(text: str) -> None:
    assert segments(text) == counted_independently(text)


def test_every_letter_is_counted_as_the_standard_has_it() -> None:
    for code in itertools.chain(range(0xD800), range(0xE000, 0x10000), range(0x1E900, 0x1E960)):
        assert segments(chr(code)) == counted_independently(chr(code)), hex(code)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a" * 160, Segments("GSM-7", 160, 1), id="full"),
        pytest.param("a" * 161, Segments("GSM-7", 161, 2), id="one-more"),
        pytest.param("a" * 152 + "€" + "a" * 10, Segments("GSM-7", 164, 2), id="escape-not-cut"),
        pytest.param("a" * 152 + "€" + "a" * 152, Segments("GSM-7", 306, 3), id="escape-not-cut-costs-a-segment"),
        pytest.param("ê" * 70, Segments("UCS-2", 70, 1), id="ucs2-full"),
        pytest.param("ê" * 71, Segments("UCS-2", 71, 2), id="ucs2-one-more"),
        pytest.param("ê" * 66 + "😀" + "ê" * 66, Segments("UCS-2", 134, 3), id="surrogates-not-cut"),
        pytest.param("", Segments("GSM-7", 0, 1), id="empty"),
    ],
)
def test_segments_are_counted_as_the_standard_says(text: str, expected: Segments) -> None:
    # 3GPP TS 23.038: 160 septets, 153 each when joined; 70 and 67 UTF-16 units.
    assert segments(text) == expected == counted_independently(text)


def cases() -> Iterator[tuple[str, str, MessageKind]]:
    yield from itertools.product(languages(), ALL, MessageKind)


@pytest.mark.parametrize("language", languages())
def test_every_text_with_its_longest_values_is_one_segment_and_says_all_that_matters(language: str) -> None:
    found = {row.key: row for row in rows_of(load_language(language), WORST)}
    assert len(found) == len(ALL) * len(MessageKind) + len(ANSWERS) + len(DIGESTS)
    for key, row in found.items():
        assert (row.alphabet, row.segments) == ("GSM-7", 1), row
        assert segments(row.text) == counted_independently(row.text) == (row.alphabet, row.units, row.segments)
        assert "?" not in row.text, f"{key}: a letter without replacement"
        fault, kind = key.split("/")
        if fault == "digest":
            assert "A99999" in row.text
            assert kind != "storm" or "299" in row.text, "what is not named is counted"
        if fault in ("answer", "digest"):
            continue
        assert "A99999" in row.text
        assert "W" * LONGEST_PLACE in row.text
        if kind == MessageKind.RESOLVED:
            continue
        for part in ("what", "do"):
            for said in sure_words(load_language(language).text(fault, part)):
                assert said in row.text, f"{key} ({language}): {said!r} was cut away of {row.text!r}"
        assert "1=" in row.text or kind in AGAIN, "how to answer is never cut away"
        if fault in [*Fault, State.TOWER_EMPTY]:
            assert "+123456789012345" in row.text, "nor whom to call"


def sure_words(template: str) -> list[str]:
    """What of a template is always said, without its fields."""
    return [to_gsm(said).strip() for piece in OPTIONAL.split(template)[::2] for said in FIELD.split(piece)[::2]]


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
NAMES = st.one_of(st.text(max_size=60), st.text(LETTERS, max_size=60), st.just("€" * 30), st.just("Mamadou Saliou Sow"))


@given(
    language=st.sampled_from(["fr", "en", "ff", "de"]), fault=st.sampled_from([*ALL, "something_new"]),
    kind=st.sampled_from(MessageKind), place=NAMES, name=NAMES,
    phone=st.from_regex(r"\A\+[1-9][0-9]{7,14}\Z"), code=st.from_regex(r"\AA[1-9][0-9]{0,4}\Z"),
    values=st.fixed_dictionaries({}, optional=dict.fromkeys(SPOKEN, NUMBERS) | {"sensor": NAMES}),
    asset=st.sampled_from(["tap-01", "tap-99", "tower", "pump", "something"]), calls=st.booleans(),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_whatever_the_values_a_text_is_one_segment(
    language: str, fault: str, kind: MessageKind, place: str, name: str, phone: str, code: str,
    values: Mapping[str, float | str], asset: str, calls: bool,
) -> None:  # fmt: skip
    text = sms_text(
        kind, fault, language, zone_name=place, code=code, values=values, asset=asset,
        call=(name, phone) if calls else None,
    )  # fmt: skip
    assert segments(text)[0::2] == ("GSM-7", 1), text
    assert code in text


def test_several_alerts_are_asked_about_by_their_codes() -> None:
    assert meant_text("fr", "which", "on_the_way", alerts=joined(["A12", "A15"]), alert="A12") == (
        "NDIYAN: 'en route' pour quelle alerte, A12, A15. Répondez le code, ex. A12"
    )
    assert joined(["A12"] * 9).count("A12") == MOST_CODES


@given(
    language=st.sampled_from(["fr", "en", "ff", "de"]), why=st.sampled_from(Bundle),
    items=st.lists(
        st.builds(
            Item, st.from_regex(r"\AA[1-9][0-9]{0,4}\Z"), NAMES, st.sampled_from(ALL), st.booleans(), st.booleans()
        ),
        min_size=2, max_size=30,
    ),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_one_message_of_many_alerts_is_one_segment_and_names_or_counts_each(
    language: str, why: Bundle, items: list[Item]
) -> None:
    text = digest_text(language, items, why)
    assert segments(text)[0::2] == ("GSM-7", 1), text
    named = next(
        (n for n in range(min(len(items), MOST_TOLD), 0, -1) if all(f"{one.code} " in text for one in items[:n])), 0
    )
    assert named >= 1
    assert named == len(items) or any(
        f" {n} other" in text or f" {n} autre" in text for n in range(len(items) - named, len(items))
    )


def test_several_alerts_are_named_with_their_places_and_how_to_answer() -> None:
    items = [Item("A12", "Mangol-Dow (fictif)", "pump_not_running"), Item("A13", "Hoore-Fello", "night_leak", True)]
    assert digest_text("fr", items, Bundle.TOGETHER) == (
        "NDIYAN: A12 Mangol-Dow pompe arretée, A13 Hoore-Fello FINI. Rép code et chiffre, ex. A12 1"
    )
    known = items[0]._replace(code="A11", is_known=True)
    assert digest_text("fr", [known, items[0]], Bundle.TOGETHER) == (
        "NDIYAN: A11 Mangol-Dow ENCORE pompe arretée, A12 Mangol-Dow pompe arretée. Rép code et chiffre, ex. A12 1"
    )
    assert digest_text("en", [known, items[1]], Bundle.TOGETHER) == (
        "NDIYAN: A11 Mangol-Dow STILL pump stopped, A13 Hoore-Fello OVER. Reply code and digit, e.g. A11 3"
    )
    storm = [Item(f"A{n}", f"Village {n}", "pump_not_running") for n in range(1, 301)]
    assert digest_text("en", storm, Bundle.AFTER_OUTAGE) == (
        "NDIYAN, after an outage: A1 Village 1 pump stopped, A2 Village 2 pump stopped"
        " and 298 others (298 zones). Reply code and digit, e.g. A1 1"
    )


@pytest.mark.parametrize("language", [FR, EN, FF], ids=["fr", "en", "ff"])
def test_every_fault_has_a_short_name_without_figures_that_is_short(language: Language) -> None:
    names = {fault.value: short_name(fault, language) for fault in ALL}
    assert all("{" not in name and "[" not in name for name in names.values())
    assert {fault: name for fault, name in names.items() if segments(to_gsm(name)).units > LONGEST_SHORT} == {}
    assert segments(short_name("something_nobody_has_ever_named", language)).units <= LONGEST_SHORT
    if language is not FF:  # the draft has too few words to tell all of them apart
        assert len(set(names.values())) == len(names)


def opened(fault: str, language: str = "fr", asset: str = "pump", **values: float | str) -> str:
    return sms_text(
        MessageKind.OPENED, fault, language, zone_name="Mangol-Dow (fictif)", code="A12", values=values, asset=asset,
        call=("Mamadou Saliou Sow", "+224600000012"),
    )  # fmt: skip


def test_a_committee_reads_what_happened_where_what_to_do_and_whom_to_call() -> None:
    assert opened("pump_not_running", hours=1.02, level_pct=63.7) == (
        "NDIYAN A12 Mangol-Dow: POMPE ARRETEE malgré le soleil depuis 1 h. Voyez coffret et disjoncteur."
        " Appelez Mamadou 600000012. Rép 1=vu 2=en route 3=réparé 4=faux"
    )


def test_the_next_day_it_reads_the_same_without_yesterdays_figures() -> None:
    text = sms_text(
        MessageKind.REMINDER, "pump_not_running", "fr", zone_name="Mangol-Dow", code="A12", values={"hours": 1.0},
        asset="pump", call=("Mamadou Saliou Sow", "+224600000012"),
    )  # fmt: skip
    assert text == (
        "NDIYAN A12 Mangol-Dow: RAPPEL: POMPE ARRETEE malgré le soleil. Voyez coffret et disjoncteur."
        " Appelez Mamadou 600000012. Rép 2=en route 3=réparé 4=faux"
    )


def test_it_is_told_the_end_and_thanked() -> None:
    text = sms_text(
        MessageKind.RESOLVED, "pipe_burst", "en", zone_name="Mangol-Dow", code="A12", values={"flow_m3_h": 9.0},
        asset="network",
    )  # fmt: skip
    assert text == "NDIYAN A12 Mangol-Dow: REPAIRED, the big leak is over. Open the valve. Thank you."


@pytest.mark.parametrize("case", [USUAL, WORST], ids=["usual", "worst"])
@pytest.mark.parametrize(
    ("language", "warning"),
    [("fr", "NE TOUCHEZ PAS LES FILS"), ("en", "DO NOT TOUCH THE WIRES"), ("ff", "NE TOUCHEZ PAS LES FILS")],
)
def test_a_lost_string_always_says_not_to_touch_the_wires(language: str, warning: str, case: Case) -> None:
    # 300 to 400 V of direct current (DETECTION §2.1).
    told = [row.text for row in rows_of(load_language(language), case, Fault.PV_STRING_LOSS)]
    assert [warning in text for text in told] == [True, True, True, True, False]


def test_what_is_not_known_is_left_out() -> None:
    text = opened("pump_not_running", hours=float("nan"), level_pct=float("inf"))
    assert "POMPE ARRETEE malgré le soleil. Voyez" in text


@pytest.mark.parametrize(
    ("key", "value", "fr", "en"),
    [
        ("hours", 0.25, "15 minutes", "15 minutes"), ("hours", 0.02, None, None), ("hours", 1.4, "1 h", "1 h"),
        ("hours", 47.4, "47 h", "47 h"), ("hours", 70.0, "3 jours", "3 days"), ("hours", 9999.0, "99 jours", "99 days"),
        ("days", 1, "1 jour", "1 day"), ("days", 2, "2 jours", "2 days"), ("nights", 3, "3 nuits", "3 nights"),
        ("level_pct", 63.7, "65%", "65%"), ("level_pct", 3.4, "3%", "3%"), ("lost_pct", 104.0, "100%", "100%"),
        ("level_pct", -4.0, "0%", "0%"), ("flow_m3_h", 0.34, "350 litres/h", "350 litres/h"),
        ("flow_m3_h", 0.08, "80 litres/h", "80 litres/h"), ("flow_m3_h", 0.001, None, None),
        ("flow_m3_h", 2.44, "2,4 m3/h", "2.4 m3/h"), ("flow_m3_h", 0.97, "1 m3/h", "1 m3/h"),
        ("lost_m3_h", 14.6, "15 m3/h", "15 m3/h"), ("battery_v", 11.62, "11,6 V", "11.6 V"),
        ("chlorine_mg_l", 0.08, "0,1 mg/l", "0.1 mg/l"), ("turbidity_ntu", 12.3, "12 NTU", "12 NTU"),
        ("code", 42, "42", "42"), ("hours", "long", None, None), ("depth_m", 30.0, None, None),
    ],
)  # fmt: skip
def test_numbers_are_said_as_people_say_them(key: str, value: float | str, fr: str | None, en: str | None) -> None:
    assert (spoken({key: value}, FR).get(key), spoken({key: value}, EN).get(key)) == (fr, en)


def test_pular_is_prepared_and_not_sent_until_a_native_speaker_has_validated_it() -> None:
    assert languages() == ("fr", "en", "ff")
    assert (FR.is_validated, EN.is_validated, FF.is_validated) == (True, True, False)
    assert language_for("ff") is language_for("xx") is FR
    assert "POMPE BONII" in FF.text("pump_not_running", "what")
    assert opened("pump_not_running", "ff") == opened("pump_not_running", "fr")


def test_every_language_says_only_what_the_reference_says_with_its_fields() -> None:
    assert FR.faults == {kind.value for kind in ALL}
    for language in (EN, FF):
        assert language.own <= FR.own
        for table, key in language.own:
            if table != "units":
                fields, known = (set(fields_of(one.text(table, key))) for one in (language, FR))
                assert fields <= known, (language.name, table, key)
    assert EN.own == FR.own, "English leaves nothing in French"


def fields_of(template: str) -> list[str]:
    return [piece.split("}")[0] for piece in template.split("{")[1:]]


def test_what_is_always_said_needs_only_what_is_always_known() -> None:
    known = {"alert", "place", "fault", "asset", "sensor"}
    for language, fault in itertools.product((FR, EN, FF), ALL):
        for key in ("what", "do", "over"):
            pieces = OPTIONAL.split(language.text(fault, key))
            assert set(fields_of("".join(pieces[::2]))) <= known, (fault, key)
            assert set(fields_of("".join(pieces[1::2]))) <= known | set(SPOKEN), (fault, key)


def test_letters_outside_gsm7_are_replaced_and_french_accents_inside_it_stay() -> None:
    assert to_gsm("Château arrêté, « reçu » à l’étiage…") == 'Chateau arreté, " recu " à l\'étiage...'
    assert to_gsm("ɓanngol ɗoo ŋari ƴiiƴam") == "bhanngol dhoo ngari yhiiyham"
    assert to_gsm("É Ç ù ñ À Œuvre ŷ ١٢ 𞥑 😀\x1b") == "É Ç ù ñ A OEuvre y 12 1 ??"
    assert segments("reçu").alphabet == "UCS-2", "one cedilla would double the price"


@given(st.text(max_size=400))
def test_what_is_sent_is_always_gsm7_and_replaced_once(text: str) -> None:
    sent = to_gsm(text)
    assert segments(sent).alphabet == "GSM-7"
    assert to_gsm(sent) == sent


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_fault_and_state_has_its_words(language: str) -> None:
    assert set(WORDS) == {*Fault, *State}
    for kind in WORDS:
        assert fault_label(kind, language) != kind
        assert first_action(kind, language).endswith(".")
    assert asset_label("tap-07", language) in ("borne 7", "tap 7")


def test_every_sensor_of_the_evidence_has_its_english_name() -> None:
    for sensor in itertools.chain.from_iterable(WATCHED.values()):
        assert SENSORS[sensor.fr] == sensor.en
    assert sensor_label("niveau du château", "fr") == "niveau du château"
    assert "sensor tower level stuck" in opened("sensor_stuck", "en", "tower", sensor="niveau du château")


def preview(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["sms", "preview", *words])
    return done.exit_code, done.stdout


def test_the_preview_proves_every_text_in_every_language_to_a_machine() -> None:
    code, told = preview("--all", "--json")
    rows = json.loads(told)
    assert code == 0
    assert {(row["key"], row["language"]) for row in rows} >= {
        (f"{fault}/{kind}", language) for language, fault, kind in cases()
    }
    for row in rows:
        assert list(row) == ["key", "language", "text", "alphabet", "units", "segments"]
        assert counted_independently(row["text"]) == (row["alphabet"], row["units"], row["segments"])
        assert row["segments"] == 1


def test_the_preview_shows_one_fault_to_people_and_marks_a_draft() -> None:
    code, told = preview("--fault", "low_chlorine", "--language", "ff")
    assert code == 0
    assert told.splitlines()[0].startswith("low_chlorine/opened (ff, draft: never sent; GSM-7, ")
    assert len(told.splitlines()) == 2 * len(MessageKind)
    code, told = preview("--fault", "low_chlorine")
    assert "CHLORE TROP BAS (0,1 mg/l). Remplissez le doseur" in told
    assert "draft" not in told


@pytest.mark.parametrize(("language", "page"), [("en", "sms-texts.md"), ("fr", "fr/sms-texts.md")])
def test_the_page_shows_the_texts_as_they_are(language: str, page: str) -> None:
    shown = (Path(__file__).parents[2] / "docs" / page).read_text("utf-8")
    for row in rows_of(load_language(language), USUAL):
        fault, kind = row.key.split("/")
        assert kind != MessageKind.OPENED or f"| `{fault}` | {row.text} |" in shown


def test_the_preview_refuses_a_fault_that_does_not_exist() -> None:
    assert preview("--fault", "pump_tired")[0] == 2
