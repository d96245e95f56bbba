"""What routes say of themselves and of a refusal, in the reader's language.

It is kept as the route or our carrier worded it. A carrier's own sentences, which are English, are translated here;
what an operator or a modem said in its own words is shown as it came.
"""

from __future__ import annotations

import re

from web.labels import N_
from web.language import Texts

SENTENCES = {
    r"its time (?:is|was) over(?: before the modem had it)?": N_("trop tard : le délai était passé"),
    r"the modem did not answer for message (?P<n>\d+)": N_("le modem n’a pas répondu (message %(n)s)"),
    r"gammu-smsd had it and stopped": N_("gammu-smsd l’avait et s’est arrêté"),
    r"gammu-smsd has not started yet as PhoneID (?P<n>.+)": N_("gammu-smsd n’a pas encore démarré (PhoneID %(n)s)"),
    r"gammu-smsd does not write any more": N_("gammu-smsd n’écrit plus"),
    r"gammu-smsd let (?P<n>\d+) SMS of a day lie that may have left": N_(
        "gammu-smsd a laissé %(n)s SMS d’un jour, peut-être partis"
    ),
    r"(?P<n>\d+) status reports of a day made no sense": N_("%(n)s accusés d’un jour sans sens"),
    r"HTTP (?P<n>\d+)": N_("réponse HTTP %(n)s"),
    r"SMPP status (?P<n>0x[0-9a-f]+)": N_("statut SMPP %(n)s"),
    r"Orange refuses our account": N_("Orange refuse notre compte"),
    r"the bundle is not told \(HTTP (?P<n>\d+)\)": N_("Orange ne dit pas ce qui reste du forfait (HTTP %(n)s)"),
    r"the bundle is used up or over": N_("le forfait est épuisé ou fini"),
    r"no token \((?P<n>.+)\)": N_("pas d’autorisation (%(n)s)"),
    r"the route cannot be reached \((?P<n>.+)\)": N_("la route est injoignable (%(n)s)"),
    r"no answer \((?P<n>.+)\)": N_("pas de réponse (%(n)s)"),
    r"no answer in time|timeout": N_("pas de réponse à temps"),
    r"an answer was not understood \((?P<n>.+)\)": N_("réponse pas comprise (%(n)s)"),
    r"its state was not understood \((?P<n>.+)\)": N_("état pas compris (%(n)s)"),
    r"told to go slower": N_("on nous demande d’aller moins vite"),
    r"the connection was closed": N_("la liaison a été coupée"),
    r"the app says (?P<n>.+)": N_("l’application dit %(n)s"),
    r"battery (?P<n>.+) %": N_("batterie %(n)s %%"),
}


def route_detail(detail: str, texts: Texts) -> str:
    """A detail in the reader's language, part by part; parts that are not ours stay as they came."""
    return re.sub(r"[^,;]+", lambda part: _translated(part[0], texts), detail)


def _translated(part: str, texts: Texts) -> str:
    said = part.strip()
    for pattern, sentence in SENTENCES.items():
        found = re.fullmatch(pattern, said)
        if found is not None:
            return part.replace(said, texts.gettext(sentence) % found.groupdict())
    return part
