"""An inbound SMS into an intention: digits first, then words. Sure or not sure, never wrong and sure. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum


class Intention(StrEnum):
    """What a person wants to say."""

    SEEN = "seen"
    ON_THE_WAY = "on_the_way"
    REPAIRED = "repaired"
    FALSE_ALARM = "false_alarm"
    HELP = "help"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Reply:
    """What was understood; `code` is the alert's, when the person wrote one."""

    intention: Intention
    is_sure: bool
    code: str | None


DIGITS = {
    "1": Intention.SEEN, "2": Intention.ON_THE_WAY, "3": Intention.REPAIRED, "4": Intention.FALSE_ALARM,
    "0": Intention.HELP,
}  # fmt: skip
# Folded words and short sentences in French, English and a little Pular (DOMAIN §7.3: greetings and assent only).
PHRASES: dict[Intention, tuple[str, ...]] = {
    Intention.SEEN: (
        "vu", "ok", "okay", "d accord", "dac", "bien recu", "recu", "compris", "message recu", "oui", "c est note",
        "seen", "got it", "received", "understood", "yes", "awa", "hii hi", "jaaraama",
    ),
    Intention.ON_THE_WAY: (
        "en route", "j arrive", "j y vais", "je viens", "on arrive", "on y va", "je pars", "en chemin",
        "on the way", "coming", "on my way", "i come", "going",
    ),
    Intention.REPAIRED: (
        "repare", "c est repare", "reparee", "pompe reparee", "fini", "termine", "c est bon", "ca marche", "resolu",
        "l eau est revenue", "eau revenue", "fixed", "repaired", "done", "it works", "water is back", "solved",
    ),
    Intention.FALSE_ALARM: (
        "fausse alerte", "fausse alarme", "faux", "pas de probleme", "tout va bien", "aucun probleme",
        "false alarm", "no problem", "all is well",
    ),
    Intention.HELP: ("aide", "aidez moi", "au secours", "help", "help me", "comment faire", "?"),
}  # fmt: skip
EXACT = {phrase: intention for intention, phrases in PHRASES.items() for phrase in phrases}
OTHER_MEANINGS = ("reparez", "reparer", "repere", "terminer", "terminez")  # orders and others, one letter away
FILLERS = {"rep", "reponse", "repond", "reponds", "n", "no", "numero", "chiffre", "le", "c", "est", "reply"}
DENIAL = re.compile(r"\b(pas|ne|n|jamais|not|no|never|encore|alaa)\b")
CODE = re.compile(r"\b([a-z]\s?[0-9]{1,6})\b")
LETTERS = str.maketrans({"ɓ": "b", "ɗ": "d", "ŋ": "n", "ƴ": "y", "œ": "oe", "’": " ", "'": " "})
ONE_EDIT_FROM = 5  # shorter words are too near to each other


def read_reply(text: str) -> Reply:
    """Understand an answer; what is not clear is `UNCLEAR` and never guessed at."""
    folded = fold(text)
    code_match = CODE.search(folded)
    code = code_match[1].replace(" ", "").upper() if code_match else None
    rest = (folded[: code_match.start()] + " " + folded[code_match.end() :]).strip() if code_match else folded
    rest = re.sub(r"\s+", " ", rest)
    asks = rest.endswith("?") and rest.strip("? ") not in ("", *PHRASES[Intention.HELP])
    rest = rest.strip("? ") or rest
    if rest in DIGITS:
        return Reply(DIGITS[rest], True, code)
    if rest in EXACT:
        return Reply(EXACT[rest], not asks, code)
    if not rest:
        return Reply(Intention.UNCLEAR, False, code)
    if asks or DENIAL.search(rest):
        return Reply(Intention.UNCLEAR, False, code)
    if said := _digit_with_its_own_word(rest):
        return Reply(said, True, code)
    near = {EXACT[phrase] for phrase in EXACT if len(phrase) >= ONE_EDIT_FROM and _is_near(rest, phrase)}
    if len(near) == 1 and rest not in OTHER_MEANINGS:
        return Reply(near.pop(), True, code)
    within = {EXACT[p] for p in EXACT if len(p) >= ONE_EDIT_FROM and re.search(rf"\b{re.escape(p)}\b", rest)}
    if len(within) == 1:
        return Reply(within.pop(), False, code)
    return Reply(Intention.UNCLEAR, False, code)


def _digit_with_its_own_word(rest: str) -> Intention | None:
    """`rep 2`, `2 en route`: one digit with nothing but filler and a phrase that means the same; else None."""
    words = rest.split()
    digits = [word for word in words if word.isdigit()]
    if len(digits) != 1 or digits[0] not in DIGITS:
        return None
    meant = DIGITS[digits[0]]
    left = " ".join(word for word in words if word != digits[0])
    bare = " ".join(word for word in left.split() if word not in FILLERS)
    return meant if not bare or EXACT.get(left, EXACT.get(bare)) is meant else None


def fold(text: str) -> str:
    """Lower case without accents, invisible characters and punctuation; all digits as 0 to 9, one space between."""
    plain = "".join(
        str(unicodedata.digit(letter)) if letter.isdigit() else letter
        for letter in text.casefold().translate(LETTERS)
        if unicodedata.category(letter) not in ("Cc", "Cf") or letter.isspace()
    )
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(letter))
    return re.sub(r"[^a-z0-9?]+", " ", bare).strip()


def _is_near(word: str, other: str) -> bool:
    """One letter added, lost, changed, or two neighbours swapped."""
    if abs(len(word) - len(other)) > 1:
        return False
    if len(word) == len(other):
        wrong = [n for n in range(len(word)) if word[n] != other[n]]
        swapped = len(wrong) == 2 and wrong[1] == wrong[0] + 1 and word[wrong[0]] == other[wrong[1]]
        return len(wrong) <= 1 or (swapped and word[wrong[1]] == other[wrong[0]])
    short, long = sorted((word, other), key=len)
    return any(long[:n] + long[n + 1 :] == short for n in range(len(long)))
