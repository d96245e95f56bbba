"""What people write back: understood when it is clear, asked again when it is not, never wrong and sure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.replies import Intention, read_reply

SEEN, COMING, DONE = Intention.SEEN, Intention.ON_THE_WAY, Intention.REPAIRED
FALSE, HELP, UNCLEAR = Intention.FALSE_ALARM, Intention.HELP, Intention.UNCLEAR
SURE: dict[Intention, list[str]] = {
    SEEN: ["1", " 1 ", "1.", "1!", "vu", "VU", "Vu.", "ok", "OK", "Ok!", "d'accord", "D’accord", "reçu", "Recu", "RECU",
           "bien reçu", "compris", "oui", "Oui.", "c'est noté", "seen", "received", "got it", "yes", "١", "awa",
           "message reçu", "\u200b1", "conpris", "comprris"],
    COMING: ["2", "2.", "en route", "En route!", "j'arrive", "J’arrive", "j arrive", "je viens", "on arrive",
             "j'y vais", "2 en route", "Rép 2=en route",
             "EN ROUTE", "on the way", "coming", "on my way", "٢", "en rout", "j'arive"],
    DONE: ["3", " 3", "réparé", "repare", "REPARE", "Réparé.", "c'est réparé", "réparée", "pompe réparée", "fini",
           "terminé", "ça marche", "ca marche", "résolu", "l'eau est revenue", "fixed", "repaired", "done", "٣",
           "reparé",
           "termine", "rép 3", "3 réparé", "Rep 3=repare"],
    FALSE: ["4", "fausse alerte", "Fausse alerte!", "fausse alarme", "faux", "tout va bien", "false alarm",
            "fause alerte"],
    HELP: ["0", "aide", "Aide?", "AIDE", "help", "?", "aidez-moi", "au secours", "comment faire"],
}  # fmt: skip
UNSURE = [
    "depuis 2 jours", "2 bidons", "2 fuites", "tap 2", "panne 3", "borne 3", "3 bornes fermees", "4 jours", "1 heure",
    "réparez !", "réparer", "repère", "repare?", "c'est réparé ?", "done?", "termine?", "vu ?", "en route?",
    "1 en route",
    "", " ", "bonjour", "pas réparé", "pas encore réparé", "ce n'est pas réparé", "je ne viens pas", "not fixed",
    "la pompe est en panne", "12", "5", "99", "1 2", "1 ou 2", "stop", "STOP", "arrêtée", "POMPE STOP", "ndiyan alaa",
    "pas vu", "jamais reçu", "622123456", "quoi", "qui est-ce", "🙂", "\x00", "aucune eau", "non", "no",
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [(text, kind) for kind, texts in SURE.items() for text in texts])
def test_a_clear_answer_is_understood(text: str, expected: Intention) -> None:
    assert read_reply(text).intention is expected
    assert read_reply(text).is_sure


@pytest.mark.parametrize("text", UNSURE)
def test_what_is_not_clear_is_never_acted_on(text: str) -> None:
    reply = read_reply(text)
    assert not (reply.is_sure and reply.intention is not UNCLEAR), reply


@pytest.mark.parametrize(
    ("text", "code", "intention"),
    [("A12 1", "A12", SEEN), ("a12 3", "A12", DONE), ("3 A 12", "A12", DONE), ("A7 en route", "A7", COMING),
     ("A12", "A12", UNCLEAR), ("A 12: réparé", "A12", DONE)],
)  # fmt: skip
def test_a_code_says_which_alert_is_meant(text: str, code: str, intention: Intention) -> None:
    reply = read_reply(text)
    assert (reply.code, reply.intention) == (code, intention)


@given(st.text(max_size=200))
def test_any_text_gets_an_answer(text: str) -> None:
    assert read_reply(text).intention in Intention
