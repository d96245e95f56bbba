"""What people write back: understood when it is clear, asked again when it is not, never wrong and sure.

The corpus in `tests/data/replies.csv` is our own: no committee has answered yet. `means` is what a person reads in a
message; `unclear` where one could not act on it without asking back.
"""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.phrases import DIGIT_WORDS, FILLERS, GUESSES, NUMERALS, PHRASES, POLITE
from alerts.replies import COMMANDS, DIGITS, EXACT, Intention, Reply, fold, read_reply

SEEN, COMING, DONE = Intention.SEEN, Intention.ON_THE_WAY, Intention.REPAIRED
FALSE, HELP, UNCLEAR = Intention.FALSE_ALARM, Intention.HELP, Intention.UNCLEAR


class Entry(NamedTuple):
    """One message and what it means."""

    text: str
    means: Intention
    code: str | None
    number: float | None
    kind: str


def corpus() -> list[Entry]:
    path = Path(__file__).parent.parent / "data" / "replies.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Entry(
                row["text"], Intention(row["means"]), row["code"] or None,
                float(row["number"]) if row["number"] else None, row["kind"],
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip


CORPUS = corpus()
SURE = [entry for entry in CORPUS if read_reply(entry.text).is_sure]


def is_right(entry: Entry, reply: Reply) -> bool:
    return (reply.intention, reply.code, reply.number) == (entry.means, entry.code, entry.number)


def test_of_the_corpus_nothing_is_wrong_and_sure_and_nearly_all_is_understood() -> None:
    clear = [entry for entry in CORPUS if entry.means is not UNCLEAR]
    understood = [entry for entry in clear if entry in SURE and is_right(entry, read_reply(entry.text))]
    wrong = [(entry, reply) for entry in SURE if not is_right(entry, reply := read_reply(entry.text))]
    print(f"\n{len(CORPUS)} messages, {len(clear)} with a meaning: {len(understood)} understood for sure", end=" ")
    print(f"({len(understood) / len(clear):.1%}), {len(wrong)} wrong and sure")
    for kind, number in Counter(entry.kind for entry in clear).items():
        print(f"  {kind:12} {sum(entry.kind == kind for entry in understood):4} of {number}")
    print("not understood:", ", ".join(entry.text for entry in clear if entry not in understood))
    assert len(CORPUS) >= 300
    assert wrong == []
    assert len(understood) >= 0.95 * len(clear)


@pytest.mark.parametrize("kind", ["digit", "french", "english", "pular", "spelling", "near-miss", "nonsense", "code"])
def test_the_corpus_has_something_of_every_kind(kind: str) -> None:
    assert sum(entry.kind == kind for entry in CORPUS) >= 15


@pytest.mark.parametrize(
    "text",
    [
        "pompe stop",
        "arrêter",
        "arrêtée",
        "A12 stop",
        "stop ?",
        "STOP STOP",
        "stopper",
        "stop la pompe",
        "stop svp",
        "etop",
    ],
)
def test_only_stop_alone_ends_the_messages(text: str) -> None:
    assert read_reply(" Stop. ") == Reply(Intention.OPT_OUT, True, None)
    reply = read_reply(text)
    assert not (reply.is_sure and reply.intention is Intention.OPT_OUT)


@pytest.mark.parametrize("text", ["REPRENDRE SVP", "Bonjour, REPRENDRE", "start please", "Reprendre, merci beaucoup"])
def test_who_wants_to_hear_again_may_be_polite(text: str) -> None:
    assert read_reply(text) == Reply(Intention.OPT_IN, True, None)


def test_a_command_is_the_whole_message_or_not_sure() -> None:
    assert read_reply("ÉTAT") == Reply(Intention.STATUS, True, None)
    assert read_reply("panne!") == Reply(Intention.BREAKDOWN, True, None)
    assert read_reply("la pompe est en panne") == Reply(Intention.BREAKDOWN, False, None)
    assert read_reply("A12 panne") == Reply(Intention.BREAKDOWN, False, "A12")


@pytest.mark.parametrize("text", ["Plus d'eau à la borne", "Pas d'eau", "No water", "toujours pas d'eau au robinet"])
def test_that_there_is_no_water_is_a_breakdown_to_be_asked_back(text: str) -> None:
    assert read_reply(text) == Reply(Intention.BREAKDOWN, False, None)


@pytest.mark.parametrize("text", ["la pompe n'est pas en panne", "plus de panne", "pas réparé", "pas encore en route"])
def test_what_is_denied_is_no_guess(text: str) -> None:
    assert read_reply(text) == Reply(UNCLEAR, False, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("NIVEAU 2,3", Reply(Intention.LEVEL, True, None, 2.3), id="level"),
        pytest.param("niveau 2m30", Reply(Intention.LEVEL, True, None, 2.3), id="as-spoken"),
        pytest.param("niveau 230 cm", Reply(Intention.LEVEL, True, None, 2.3), id="centimetres"),
        pytest.param("niveau 30", Reply(Intention.LEVEL, True, None, 30.0), id="highest-possible"),
        pytest.param("niveau 30,1", Reply(UNCLEAR, False, None), id="above-any-tower"),
        pytest.param("niveau 20%", Reply(UNCLEAR, False, None), id="percent-is-no-metre"),
        pytest.param("niveau -2", Reply(UNCLEAR, False, None), id="minus"),
        pytest.param("COMPTEUR 12345", Reply(Intention.METER, True, None, 12345.0), id="meter"),
        pytest.param("compteur 12345,678 m³", Reply(Intention.METER, True, None, 12345.678), id="litres"),
        pytest.param("compteur 12.345", Reply(UNCLEAR, False, None), id="thousand-or-point"),
        pytest.param("compteur 12 345", Reply(UNCLEAR, False, None), id="tap-12-or-thousand"),
        pytest.param("PLUIE 12", Reply(Intention.RAIN, True, None, 12.0), id="rain"),
        pytest.param("pluie de la nuit: 12,5 mm", Reply(Intention.RAIN, True, None, 12.5), id="rain-of-the-night"),
        pytest.param("pluie", Reply(UNCLEAR, False, None), id="rain-without-a-number"),
        pytest.param("pluie 1 ou 2", Reply(UNCLEAR, False, None), id="rain-in-two-numbers"),
        pytest.param("compteur 12345 ?", Reply(Intention.METER, False, None, 12345.0), id="asked"),
    ],
)
def test_a_level_or_meter_read_off_is_told_with_its_number(text: str, expected: Reply) -> None:
    assert read_reply(text) == expected


@pytest.mark.parametrize(
    ("text", "code", "intention"),
    [("A12 1", "A12", SEEN), ("a12 3", "A12", DONE), ("3 A 12", "A12", DONE), ("A7 en route", "A7", COMING),
     ("A12", "A12", UNCLEAR), ("A 12: réparé", "A12", DONE), ("fausse alerte A12", "A12", FALSE)],
)  # fmt: skip
def test_a_code_says_which_alert_is_meant(text: str, code: str, intention: Intention) -> None:
    reply = read_reply(text)
    assert (reply.code, reply.intention) == (code, intention)


def test_what_may_be_an_hour_is_no_code_for_sure() -> None:
    assert not read_reply("en route a 2").is_sure
    assert read_reply("A12 et A13 réparé") == Reply(UNCLEAR, False, None)


@given(st.one_of(st.text(max_size=200), st.text(st.sampled_from("aA1230.,?%- \n\x00éɓ٣²½①\u200b"), max_size=30)))
def test_any_text_gets_an_answer_and_folding_twice_changes_nothing(text: str) -> None:
    reply = read_reply(text)
    assert reply.intention in Intention
    assert fold(fold(text)) == fold(text)
    assert read_reply(fold(text)) == reply
    assert not (reply.intention is UNCLEAR and reply.is_sure)


UNACCENTED = str.maketrans("àâäçéèêëîïôöùûüɓɗƴ", "aaaceeeeiioouuubdy")
CHANGES: list[Callable[[str], str]] = [
    str.upper, str.lower, str.title, lambda text: text.lower().translate(UNACCENTED), lambda text: f"  {text}\n",
    lambda text: text.replace(" ", "   "), lambda text: text.replace(" ", "\u00a0"), lambda text: f"\u200b{text}",
    lambda text: text.replace("'", "’"),
]  # fmt: skip


@given(st.sampled_from(CORPUS), st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3))
@settings(max_examples=500)
def test_case_accents_and_space_do_not_matter(entry: Entry, changes: list[Callable[[str], str]]) -> None:
    changed = entry.text
    for change in changes:
        changed = change(changed)
    assert read_reply(changed) == read_reply(entry.text)


@given(st.sampled_from(SURE), st.sampled_from(POLITE), st.booleans())
def test_courtesy_does_not_matter(entry: Entry, courtesy: str, before: bool) -> None:
    polite = f"{courtesy}, {entry.text}" if before else f"{entry.text} {courtesy}"
    if entry.means is not Intention.OPT_OUT:
        assert read_reply(polite) == read_reply(entry.text)


SAID = (*PHRASES.values(), *GUESSES.values(), FILLERS, POLITE)
KNOWN = {word for group in SAID for text in group for word in text.split()}
STRANGE = st.text("bdfghklmnpqrstvwxz", min_size=3, max_size=8).filter(lambda word: word not in KNOWN)


@given(st.lists(STRANGE, min_size=1, max_size=4), st.sampled_from(sorted(DIGITS)), st.data())
def test_a_digit_inside_a_sentence_is_no_answer(words: list[str], digit: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(words)))
    assert not read_reply(" ".join([*words[:place], digit, *words[place:]])).is_sure


@given(st.sampled_from(sorted(PHRASES)), st.sampled_from(sorted(DIGIT_WORDS)), st.data())
def test_a_digit_beside_words_that_say_something_else_is_no_answer(name: str, digit: str, data: st.DataObject) -> None:
    phrase = data.draw(st.sampled_from(PHRASES[name]))
    reply = read_reply(f"{digit} {phrase}")
    assert reply.is_sure == (DIGIT_WORDS[digit] == name)


LETTERS = "abcdefghijklmnopqrstuvwxyz"


@given(st.sampled_from(sorted(PHRASES)), st.data())
@settings(max_examples=500)
def test_one_wrong_letter_never_makes_another_answer(name: str, data: st.DataObject) -> None:
    phrase = data.draw(st.sampled_from(PHRASES[name]))
    place = data.draw(st.integers(0, len(phrase) - 1))
    letter = data.draw(st.sampled_from(["", *LETTERS]))
    wrong = phrase[:place] + letter + phrase[place + data.draw(st.integers(0, 1)) :]
    reply = read_reply(wrong)
    is_another = reply.is_sure and reply.intention is not Intention(name)
    written = fold(wrong).replace(" ", "")
    assert not is_another or written in EXACT or written in NUMERALS, (phrase, wrong, reply)


@pytest.mark.parametrize(
    "text",
    ["réparez", "réparer", "repairer", "séparé", "préparé", "repère", "refus", "recule", "fine", "terminus"],
)
def test_a_word_that_looks_alike_and_means_something_else_is_not_sure(text: str) -> None:
    assert not read_reply(text).is_sure


def test_no_phrase_means_two_things() -> None:
    meanings: dict[str, set[str]] = {}
    for name, group in PHRASES.items():
        for phrase in group:
            assert fold(phrase) == phrase, "written as it is compared"
            meanings.setdefault(phrase.replace(" ", ""), set()).add(name)
    assert {phrase: names for phrase, names in meanings.items() if len(names) > 1} == {}
    assert {Intention(name) for name in PHRASES} == {*DIGITS.values(), *COMMANDS}


def test_nobody_answers_by_a_letter_of_seven_sms() -> None:
    """What comes before is not understood for sure, and reading it for each alert's code would hold the sender."""
    assert read_reply("1").is_sure
    assert read_reply("1 " + "a1 " * 10_000) == Reply(Intention.UNCLEAR, False, None)
