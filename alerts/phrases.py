"""What people say in an SMS, as data: folded (small letters without accents and apostrophes), by what is meant.

Only whole messages count. Left out on purpose is what can be read in two ways: "c'est bon" and "ça marche" (agreed, or
it works), "c'est fait" (which of the two?), "tout va bien", "no problem", "je pars", "arrêter" (one letter from
"arrêtée"). Of Pular there are assent and the numerals; the rest waits for a native speaker, as the texts do.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product


def _said(leads: Sequence[str], cores: Sequence[str], tails: Sequence[str] = ("",)) -> tuple[str, ...]:
    """Each core with each lead before it and each tail behind it."""
    return tuple(" ".join(filter(None, words)) for words in product(leads, cores, tails))


_WHAT_BREAKS = (
    "pompe", "fuite", "panne", "probleme", "robinet", "borne", "tuyau", "vanne", "flotteur", "onduleur", "conduite",
    "compteur", "capteur", "clapet",
)  # fmt: skip
_ARTICLES = ("la", "le", "l")
_WHO_DID = (
    "on a", "on a deja", "nous avons", "nous avons deja", "j ai", "j ai deja", "le reparateur a", "le technicien a",
    "le plombier a", "le mecanicien a",
)  # fmt: skip
_IT_IS = ("c est", "c est deja", "ca a ete", "a ete", "tout est", "sest", "c")
_PARTICIPLES = (
    "repare", "reparee", "repares", "reparees", "depanne", "depannee", "resolu", "resolue", "regle", "reglee",
    "arrange", "arrangee",
)  # fmt: skip
_REPLACED = (
    "colmate", "colmatee", "remplace", "remplacee", "change", "changee", "soude", "soudee", "debouche", "debouchee",
)  # fmt: skip
_FINISHED = ("fini", "finie", "finis", "termine", "terminee", "termines")
_WORK = ("travail", "le travail est", "travaux", "les travaux sont", "reparation", "la reparation est")
_LATELY = ("", "ce matin", "depuis ce matin", "hier", "depuis hier", "aujourd hui", "maintenant", "bien")
_IT_RUNS = ("", "ca", "sa", "elle", "la pompe", "pompe", "tout")
_MENDED = ("fixed", "repaired", "solved", "mended", "finished")
_NOW = ("", "now", "today", "this morning", "already")

PHRASES: dict[str, tuple[str, ...]] = {
    "seen": (
        *_said(("", "j ai", "j ai bien", "on a", "on a bien", "nous avons", "nous avons bien", "bien", "message",
                "message bien", "sms", "sms bien"), ("vu", "recu", "recus", "compris", "note"),
               ("", "le message", "votre message", "le sms", "l alerte")),
        *_said(("", "bien"), ("vue", "recue", "ressu", "resu")),
        "bonne reception", "c bien recu", "pris note", "j ai pris note", "c est compris", "c est recu", "c est vu",
        "ok", "okay", "okey", "okk", "oke", "oki", "d accord", "dac", "dacor", "dakor", "entendu", "c est note",
        "oui", "ouais", "oui oui", "je m en occupe", "on s en occupe", "nous nous en occupons",
        *_said(("", "i", "i have", "we have"), ("seen", "received", "understood", "noted"), ("", "it")),
        *_said(("well", "message"), ("received", "noted", "seen", "understood")),
        "i saw", "i saw it", "got it", "i got it", "yes", "roger",
        "awa", "hii hi",
    ),
    "on_the_way": (
        *_said(("", "je suis", "je suis deja", "on est", "on est deja", "nous sommes", "nous sommes deja", "deja"),
               ("en route", "en chemin", "en rout", "en rute")), "on route",
        *_said(("",), ("j arrive", "g arrive", "on arrive", "nous arrivons", "je viens", "je vient", "je vien",
                       "on vient", "nous venons", "j y vais", "on y va", "nous y allons", "jarive"),
               ("", "maintenant", "tout de suite", "de suite", "voir")),
        *_said(("", "i am", "i m", "we are", "we re"), ("on the way", "on my way", "on our way", "coming", "going",
                                                        "going there"), ("", "now")),
        "i come", "i come now", "omw",
    ),
    "repaired": (
        *_said(("", "deja", *_IT_IS, *_WHO_DID), _PARTICIPLES, _LATELY),
        *_said(_WHAT_BREAKS, (*_PARTICIPLES, *_REPLACED), _LATELY),
        *_said(_said(_ARTICLES, _WHAT_BREAKS, ("est", "et", "a ete", "est deja")), (*_PARTICIPLES, *_REPLACED),
               _LATELY),
        *_said(_said(_WHO_DID, ("repare", "depanne", "regle", "arrange", "change", "remplace", "colmate",
                                  "debouche"), _ARTICLES), _WHAT_BREAKS, _LATELY),
        *_said(("", *_WHO_DID, *_WORK), _FINISHED, _LATELY),
        *_said(_WHO_DID, ("fini", "termine"), ("le travail", "les travaux", "la reparation")),
        *_said(_IT_RUNS, ("remarche", "refonctionne", "marche de nouveau", "marche a nouveau", "est repartie",
                         "fonctionne de nouveau", "fonctionne a nouveau", "est remise en marche", "remise en marche"),
               _LATELY),
        *_said(("", "l"), ("eau est revenue", "eau est revenu", "eau et revenu", "eau et revenue",
                           "eau est de retour", "eau coule de nouveau", "eau coule a nouveau"), _LATELY),
        "eau revenue", "reparation faite", "la reparation est faite",
        *_said(("", "les", "j ai", "on a", "nous avons"), ("panneaux laves", "panneaux nettoyes", "panneaux propres",
               "panneaux sont laves", "panneaux sont propres", "lave les panneaux", "nettoye les panneaux"), _LATELY),
        *_said(("", "le", "j ai", "on a", "nous avons"), ("doseur rempli", "doseur est rempli", "rempli le doseur"),
               _LATELY),
        *_said(("", "it is", "it s", "its", "is", "all", "we have", "i have", "we", "i", "pump", "the pump is", "leak",
                "the leak is", "tap", "the tap is", "problem", "the problem is", "pipe", "the pipe is", "it has been",
                "the pump has been", "the leak has been", "the tap has been"), _MENDED, _NOW),
        *_said(("we", "i", "we have", "i have"), _said(_MENDED, ("it",)), _NOW),
        *_said(("", "it is", "it s", "its", "all", "job", "the job is", "work", "the work is"), ("done",), _NOW),
        *_said(("", "it", "pump", "the pump"), ("works again", "runs again", "is running again", "is working again"),
               _NOW),
        *_said(("", "the"), ("water is back",), _NOW),
    ),
    "false_alarm": (
        *_said(("", "une", "c est une", "c etait une", "c est"),
               ("fausse alerte", "fausse alarme", "faux alerte", "faux alarme", "fosse alerte", "fausse alert",
                "alerte fausse"),
               ("", "tout va bien")),
        "faux", "c est faux", "c etait faux",
        *_said(("", "a", "it is a", "it s a", "its a", "it was a", "this is a"), ("false alarm", "false alert")),
        "false",
    ),
    "help": (
        "aide", "aidez moi", "aide moi", "au secours", "au secour", "secours", "besoin d aide", "besoin aide",
        "j ai besoin d aide", "je veux de l aide",
        "comment faire", "que faire", "quoi faire", "info", "infos", "menu", "help", "help me", "i need help",
    ),
    # Commands; only ever the whole message, and never guessed at.
    "status": ("etat", "l etat", "statut", "status"),
    "breakdown": ("panne", "pane", "pannes", "breakdown"),
    "opt_out": ("stop",),
    "opt_in": ("reprendre", "start"),
}  # fmt: skip
COMMAND_NAMES = ("status", "breakdown", "opt_out", "opt_in")
DIGIT_WORDS = {"0": "help", "1": "seen", "2": "on_the_way", "3": "repaired", "4": "false_alarm"}
NUMERALS = {
    "un": "1", "deux": "2", "trois": "3", "quatre": "4", "zero": "0",
    "one": "1", "two": "2", "three": "3", "four": "4",
    "goo": "1", "go o": "1", "gooto": "1", "didi": "2", "dhidhi": "2", "tati": "3", "nayi": "4",
}  # fmt: skip
# What may stand around an answer and says nothing: courtesies anywhere, the others beside a digit.
POLITE = (
    "s il vous plait", "s il te plait", "merci beaucoup", "thank you very much", "thank you", "on jaaraama", "jam tun",
    "bonjour", "bonsoir", "salut", "hello", "merci", "thanks", "please", "svp", "stp", "chef", "monsieur", "madame",
    "bonne nouvelle", "desole", "pardon", "sorry",
)  # fmt: skip
FILLERS = (
    "je reponds", "reponse", "reponds", "rep", "reply", "answer", "numero", "num", "chiffre", "touche", "n o", "n",
)  # fmt: skip
CODE_WORDS = ("l alerte", "alerte", "alert", "code", "pour", "for")
# What agrees to "1=yes 2=no"; of a number that seemed wrong only the first, since "ok" may be "I will look again".
PLAIN_YES = ("1", "un", "goo", "oui", "ouais", "yes", "awa", "hii hi")
ASSENTS = (*PLAIN_YES, "okay", "okey", "okk", "oke", "oki", "ok", "d accord", "dac", "dacor", "dakor", "entendu")
# Words one letter from one of ours that mean something else: of frequency lists of French and English (of subtitles, as
# pyspellchecker 0.9 ships them), all that would pass for a slip, but for the plural or feminine of our own.
LOOKALIKES = frozenset((
    "allions", "allots", "allows", "alloys", "argive", "arrime", "arrimons", "arrivions", "capet", "capter", "chance",
    "chante", "chantee", "charge", "chargee", "claret", "coaming", "coding", "coing", "coking", "colgate", "collate",
    "comate", "commet", "commuent", "comping", "compter", "conduire", "conduise", "coning", "cooing", "coping",
    "coring", "cowing", "coxing", "deanne", "debauche", "debauchee", "deduis", "diseur", "doreur", "doser", "etendu",
    "fasse", "flatteur", "flotter", "frotteur", "mache", "maintenait", "manche", "marcie", "massage", "melded",
    "messuage", "minded", "moaning", "mooning", "mourning", "nettoie", "nettoies", "occupions", "onduler", "pagnes",
    "panees", "panes", "panses", "paonnes", "plomber", "progres", "recaption", "receive", "redise", "regalee",
    "regulee", "relise", "remige", "remploi", "repaie", "repaies", "repaire", "repaires", "reparle", "reparles",
    "repars", "repart", "reparte", "repartee", "repartes", "reparue", "reparues", "reparus", "repave", "repaves",
    "repaye", "repayee", "repayees", "repayes", "repere", "reperee", "reperees", "reperes", "replace", "replacee",
    "repli", "resole", "resolute", "resolve", "retenu", "retenue", "revecu", "revecue", "revende", "revendu",
    "revendue", "revenge", "revente", "revetu", "revetue", "revise", "revolu", "revolue", "ruining", "salved",
    "scour", "scours", "secouer", "secoues", "secoures", "secourus", "sejour", "sejours", "soldee", "soled", "soloed",
    "solve", "sommees", "sommets", "sondee", "soulee", "states", "statius", "stats", "statues", "statuts", "stratus",
    "technician", "terminus", "termite", "termites", "terrine", "terrines", "vendons", "venins", "venions", "venous",
    "vetons", "vexons", "wording", "worming",
))  # fmt: skip
# In a sentence these are a guess, to be asked back.
GUESSES: dict[str, tuple[str, ...]] = {
    "on_the_way": ("en route", "j arrive", "on arrive", "je viens", "on the way", "coming"),
    "repaired": ("repare", "reparee", "fini", "termine", "remarche", "ca marche", "fixed", "repaired"),
    "false_alarm": ("fausse alerte", "fausse alarme", "false alarm"),
    "breakdown": (
        "en panne",
        "panne",
        "plus d eau",
        "pas d eau",
        "plus deau",
        "pas deau",
        "plus de l eau",
        "arretee",
        "casse",
        "cassee",
        "gate",
        "gatee",
        "marche pas",
        "marche plus",
        "coule pas",
        "coule plus",
        "broken",
        "no water",
        "ndiyan alaa",
    ),
}
