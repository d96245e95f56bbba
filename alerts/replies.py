"""An inbound SMS into an intention: digits first, then words. Sure or not sure, never wrong and sure. Pure.

A message is understood for sure only as a whole: what else stands in it must be a greeting, a thank you or an alert's
code. A word in the middle of a sentence can mean the opposite ("pas réparé", "réparez !"), so it is a guess that is
asked back. Figures on a corpus of answers: docs/sms-texts.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from alerts.carriers import MISSING
from alerts.phrases import (
    CODE_WORDS,
    COMMAND_NAMES,
    DIGIT_WORDS,
    FILLERS,
    GUESSES,
    LOOKALIKES,
    NUMERALS,
    PHRASES,
    POLITE,
)


class Intention(StrEnum):
    """What a person wants to say."""

    SEEN = "seen"
    ON_THE_WAY = "on_the_way"
    REPAIRED = "repaired"
    FALSE_ALARM = "false_alarm"
    HELP = "help"
    STATUS = "status"
    BREAKDOWN = "breakdown"
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    LEVEL = "level"
    METER = "meter"
    RAIN = "rain"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Reply:
    """What was understood.

    `code` is the alert's (A12) or the reported breakdown's (P3), when the person wrote one; `number` is what was read
    off: the tower's level [m], a meter [m³] or a rain gauge [mm].
    """

    intention: Intention
    is_sure: bool
    code: str | None
    number: float | None = None


DIGITS = {digit: Intention(name) for digit, name in DIGIT_WORDS.items()}
COMMANDS = frozenset(Intention(name) for name in COMMAND_NAMES)
MAY_BE_ASKED = (Intention.HELP, Intention.STATUS)
EXACT = {phrase.replace(" ", ""): Intention(name) for name, group in PHRASES.items() for phrase in group}
WORDS = frozenset(word for group in PHRASES.values() for phrase in group for word in phrase.split())
ONE_EDIT_FROM = 6  # letters; shorter words are too near to others: fine is no finie, refus is no reçus
LONG_WORDS = {
    first: [word for word in sorted(WORDS) if word[0] == first and len(word) >= ONE_EDIT_FROM]
    for first in {word[0] for word in WORDS}
}
LONGEST_ANSWER = 1000  # letters, which is seven SMS; whoever writes more has a person to talk to
LONGEST_ASSENT = 4  # words: "j ai bien vu", before or behind another answer
LETTERS = str.maketrans({"ɓ": "b", "ɗ": "d", "ŋ": "n", "ƴ": "y", "œ": "oe", "æ": "ae", "’": " ", "'": " ", "‘": " "})
DENIAL = re.compile(r"\b(pas|ne|jamais|plus|rien|aucune?|sans|non|not|no|never|encore|toujours|si|quand|qui|if)\b")
GUESSED = {phrase: Intention(name) for name, group in GUESSES.items() for phrase in group}
DENYING = {phrase for phrase in GUESSED if DENIAL.search(phrase)}  # what they say is that something is not
CODE = re.compile(
    rf"(?:(?<!fausse )(?<!false )\b(?:{'|'.join(CODE_WORDS)}) )*\b(?P<kind>[ap])(?P<gap> ?)(?P<number>\d{{1,6}})\b"
)
COURTESY = re.compile(rf"\b(?:{'|'.join(POLITE)})\b")
FILLER = re.compile(rf"^(?:(?:{'|'.join(FILLERS)}) )+(?=\w)")
LEVEL = re.compile(
    r"(?:niveau|nivau|niveaux|nivo|level)(?: (?:du|de|d|l|eau|chateau|reservoir|est|a|of|the|water|tower|tank|is))*"
    r" (?P<whole>\d{1,3})(?:[.,](?P<part>\d{1,3}))?(?: ?(?P<unit>cm|m|metres?|meters?)(?: ?(?P<cm>\d\d))?)?"
)
METER = re.compile(r"(?:compteurs?|conteurs?|meter|index) (?P<whole>\d{1,7})(?:[.,](?P<part>\d{1,3}))?(?: ?m3)?")
RAIN = re.compile(
    r"(?:pluies?|rain|rainfall)(?: (?:de|du|la|ce|cette|nuit|matin|est|of|the|this|night|morning|is))*"
    r" (?P<whole>\d{1,3})(?:[.,](?P<part>\d))?(?: ?(?:mm|millimetres?|millimeters?))?"
)
HIGHEST_LEVEL_M = 30.0  # what `tower.level_m` can be


def read_reply(text: str) -> Reply:
    """Understand an answer; what is not clear is `UNCLEAR`, or a guess that is not sure. Nobody answers by a letter."""
    if len(text) > LONGEST_ANSWER:
        return Reply(Intention.UNCLEAR, False, None)
    whole = fold(text)
    folded = COURTESY.sub(" ", whole)
    asks, rest = "?" in folded, _bare(folded)
    read = _reading(rest)
    if read is not None:
        return Reply(read[0], not asks, None, read[1])
    found = list(CODE.finditer(rest))
    if not found:
        reply = _understood(rest, asks=asks, code=None)
        # "Stop svp" may be about the pump: not even a courtesy stands beside that word.
        return replace(reply, is_sure=reply.is_sure and (reply.intention is not Intention.OPT_OUT or rest == whole))
    if len(found) > 1:
        return Reply(Intention.UNCLEAR, False, None)
    match = found[0]
    before, after = _bare(rest[: match.start()]), _bare(rest[match.end() :].replace("-", " "))
    reply = _understood(f"{before} {after}".strip(), asks=asks, code=f"{match['kind'].upper()}{match['number']}")
    # "En route a 2": an hour or a place, as likely as an alert.
    is_doubtful = bool(match["gap"] and before) and before not in DIGITS
    return replace(reply, is_sure=reply.is_sure and not is_doubtful)


def fold(text: str) -> str:
    """Small letters without accents, invisible characters and punctuation; all digits as 0 to 9, one space between.

    A question mark, a percent sign, a minus and a decimal point or comma stay: they change what is meant. So may a
    part that is missing, which is as doubtful as a question.
    """
    plain = "".join(
        str(unicodedata.digit(letter)) if letter.isdigit() else letter
        for letter in text.replace(MISSING, "?").casefold().translate(LETTERS)
        if unicodedata.category(letter) not in ("Cc", "Cf") or letter.isspace()
    )
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(letter))
    pointless = re.sub(r"(?<![0-9])[.,]|[.,](?![0-9])", " ", bare)
    unsigned = re.sub(r"(?<=[^ ])-|-(?![0-9])", " ", pointless)
    return re.sub(r"[^a-z0-9?%.,-]+", " ", unsigned).strip()


def _bare(folded: str) -> str:
    """The words alone, without question marks and points that nothing stands before or behind."""
    return " ".join(word.strip(".,") for word in folded.replace("?", " ").split() if word.strip(".,"))


def _understood(rest: str, *, asks: bool, code: str | None) -> Reply:
    if not rest:
        return Reply(Intention.HELP, True, None) if asks and code is None else Reply(Intention.UNCLEAR, False, code)
    meant = _whole(rest)
    if meant is not None:
        is_command = meant in COMMANDS and code is not None
        return Reply(meant, not is_command and (not asks or meant in MAY_BE_ASKED), code)
    said = {phrase for phrase in GUESSED if f" {phrase} " in f" {rest} "}
    guesses = {GUESSED[phrase] for phrase in (said & DENYING if DENIAL.search(rest) else said)}
    return Reply(guesses.pop() if len(guesses) == 1 else Intention.UNCLEAR, False, code)


def _whole(rest: str) -> Intention | None:
    """What the message as a whole means; None when a part of it is not understood."""
    answer = FILLER.sub("", rest)
    digit = NUMERALS.get(answer, answer)
    if digit in DIGITS:
        return DIGITS[digit]
    words = answer.split()
    digits = [word for word in words if any(letter.isdigit() for letter in word)]
    if digits:
        meant = DIGITS.get(digits[0]) if len(digits) == 1 else None
        return meant if _said([word for word in words if word not in digits]) is meant else None
    return _said(words)


def _said(words: Sequence[str]) -> Intention | None:
    return _phrase(words) or _beside_an_assent(words)


def _phrase(words: Sequence[str]) -> Intention | None:
    return EXACT.get("".join(words)) or _misspelt(words)


def _misspelt(words: Sequence[str]) -> Intention | None:
    """A phrase with one letter of one word wrong; never a command, nor what is as near to another meaning."""
    slips = {
        (place, known)
        for place, word in enumerate(words)
        for known in LONG_WORDS.get(word[0], ())
        if _is_slip(word, known)
    }
    meant = _with_one_word_changed(words, slips)
    if len(meant) != 1:
        return None
    near = {(place, known) for place, word in enumerate(words) for known in WORDS if _is_one_edit(word, known)}
    found = meant.pop()
    return found if _with_one_word_changed(words, near) == {found} and found not in COMMANDS else None


def _with_one_word_changed(words: Sequence[str], changes: Iterable[tuple[int, str]]) -> set[Intention]:
    """What the words say with one of them replaced, for each replacement (place, word) that makes a phrase."""
    phrases = ("".join([*words[:place], known, *words[place + 1 :]]) for place, known in changes)
    return {EXACT[phrase] for phrase in phrases if phrase in EXACT}


def _beside_an_assent(words: Sequence[str]) -> Intention | None:
    """Vu, j'arrive: an assent before or behind another answer leaves the other."""
    for count in range(1, min(LONGEST_ASSENT, len(words) - 1) + 1):
        for assent, other in ((words[:count], words[count:]), (words[-count:], words[:-count])):
            meant = _phrase(other)
            if EXACT.get("".join(assent)) is Intention.SEEN and meant is not None and meant in DIGITS.values():
                return meant
    return None


def _reading(rest: str) -> tuple[Intention, float] | None:
    """A level [m], a meter [m³] or rain [mm] read off by a person; None when it is none, or can be read in two ways."""
    if match := LEVEL.fullmatch(rest):
        number = float(f"{match['whole']}.{match['part'] or match['cm'] or 0}")
        if match["cm"] and (match["part"] or match["unit"] == "cm"):
            return None
        level_m = number / 100 if match["unit"] == "cm" else number
        return (Intention.LEVEL, level_m) if level_m <= HIGHEST_LEVEL_M else None
    if match := METER.fullmatch(rest):
        # 12,345 is twelve m³ and 345 litres, or twelve thousand m³.
        is_ambiguous = len(match["part"] or "") == 3 and len(match["whole"]) <= 3
        return None if is_ambiguous else (Intention.METER, float(f"{match['whole']}.{match['part'] or 0}"))
    if match := RAIN.fullmatch(rest):
        return Intention.RAIN, float(f"{match['whole']}.{match['part'] or 0}")
    return None


def _is_slip(word: str, meant: str) -> bool:
    """One letter added, lost, changed or swapped with its neighbour, in a word that is none of ours.

    Its last letter is right, or lost, or an s or e too many: réparez, réparer and repairer end otherwise than réparé
    and repaired, and mean otherwise. So does what begins otherwise, as séparé, which is never compared.
    """
    if word in WORDS or word in LOOKALIKES:
        return False
    ends_well = word[-1] == meant[-1] or word in (meant[:-1], f"{meant}s", f"{meant}e")
    return ends_well and _is_one_edit(word, meant)


def _is_one_edit(word: str, other: str) -> bool:
    if abs(len(word) - len(other)) > 1:
        return False
    if len(word) == len(other):
        wrong = [n for n in range(len(word)) if word[n] != other[n]]
        swapped = len(wrong) == 2 and wrong[1] == wrong[0] + 1 and word[wrong[0]] == other[wrong[1]]
        return len(wrong) <= 1 or (swapped and word[wrong[1]] == other[wrong[0]])
    short, long = sorted((word, other), key=len)
    return any(long[:n] + long[n + 1 :] == short for n in range(len(long)))
