"""What parts of ours say of a refusal, in the reader's language: SMS routes of themselves, ingest of what it set aside.

It is kept as it was worded. Our own sentences, which are English, are translated here; what an operator, a modem or a
device said in its own words is shown as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

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
# Of ingest. The names before a colon (zone, asset, channel, point) say where, and stay.
ASIDE = {
    r"none of (?P<n>\d+) readings is accepted; the first: (?P<why>.*)": N_(
        "aucune des %(n)s mesures n’est acceptée ; la première : %(why)s"
    ),
    r"(?P<n>.*) is not a topic that ingest reads": N_("%(n)s n’est pas un sujet que la réception lit"),
    r"(?P<n>.*) is no gateway of (?P<of>.*)": N_("%(n)s n’est pas une passerelle de %(of)s"),
    r"(?P<n>.*) is no device that a zone file names for (?P<of>.*)": N_(
        "aucun fichier de zone ne nomme l’appareil %(n)s pour %(of)s"
    ),
    r"(?P<n>.*) is not in the registry": N_("%(n)s n’est pas au registre"),
    r"(?P<n>\d+) bytes are above (?P<most>\d+)": N_("%(n)s octets, au plus %(most)s"),
    r"(?P<n>.*): seq (?P<seq>.*) is not within (?P<low>\d+)\.\.(?P<high>\d+)": N_(
        "%(n)s : le numéro %(seq)s n’est pas entre %(low)s et %(high)s"
    ),
    r"(?P<n>.*): the record has no numeric value": N_("%(n)s : pas de valeur en chiffres"),
    r"(?P<n>.*): (?P<value>.*) is not a finite number": N_("%(n)s : %(value)s n’est pas un nombre fini"),
    r"(?P<n>.*): unit (?P<unit>.*) is none of (?P<of>.*)": N_("%(n)s : l’unité %(unit)s n’est aucune de %(of)s"),
    r"(?P<n>.*): measured before (?P<on>.*), and nothing tells when": N_(
        "%(n)s : mesuré avant le %(on)s, et rien ne dit quand"
    ),
    r"(?P<n>.*): measured (?P<ahead_s>\d+) s after it was received, bound (?P<most_s>\d+) s": N_(
        "%(n)s : mesuré %(ahead_s)s après sa réception, au plus %(most_s)s"
    ),
    r"(?P<n>.*): (?P<value>.*) is beyond (?P<low>.*) … (?P<high>.*), which the device can mean": N_(
        "%(n)s : %(value)s est hors de %(low)s … %(high)s, ce que l’appareil peut dire"
    ),
    r"(?P<n>.*): (?P<value>.*) is no number": N_("%(n)s : %(value)s n’est pas un nombre"),
    r"Expected `.*`, got `.*` - at `\$\.(?:t|bt)`": N_("l’heure ne se lit pas"),
    r"Expected `.*`, got `.*` - at `\$\.(?:v|bv)`": N_("la valeur n’est pas un nombre"),
    r"time (?P<n>.*) is no time": N_("l’heure %(n)s n’en est pas une"),
    r"not a status: (?P<n>.*)": N_("pas un état de passerelle : %(n)s"),
    r"thinned: (?P<n>\d+) ranges up to (?P<highest>\d+) of boot (?P<boot>.*), bounds (?P<ranges>\d+) ranges, "
    r"number (?P<number>\d+), (?P<letters>\d+) letters": N_(
        "éclaircies : %(n)s plages jusqu’à %(highest)s du démarrage %(boot)s ; au plus %(ranges)s plages, "
        "numéro %(number)s, %(letters)s lettres"
    ),
    r"not JSON: (?P<n>.*)": N_("pas du JSON : %(n)s"),
    r"not CBOR: (?P<n>.*)": N_("pas du CBOR : %(n)s"),
    r"not gzip: (?P<n>.*)": N_("pas du gzip : %(n)s"),
    r"not base64: (?P<n>.*)": N_("pas du base64 : %(n)s"),
    r"not a text: (?P<n>.*)": N_("pas un texte : %(n)s"),
    r"not a Sparkplug payload: (?P<n>.*)": N_("pas un message Sparkplug : %(n)s"),
    r"unpacks to more than (?P<n>\d+) bytes": N_("déplié, plus de %(n)s octets"),
    r"a pack is a list of records, this is (?P<n>.*)": N_("un lot est une liste d’enregistrements, et non %(n)s"),
    r"a pack of (?P<n>\d+) records, bound (?P<most>\d+)": N_("un lot de %(n)s enregistrements, au plus %(most)s"),
    r"(?P<n>\d+) values, bound (?P<most>\d+)": N_("%(n)s valeurs, au plus %(most)s"),
    r"(?P<n>\d+) records, bound (?P<most>\d+)": N_("%(n)s enregistrements, au plus %(most)s"),
    r"(?P<n>\d+) metrics, bound (?P<most>\d+)": N_("%(n)s mesures Sparkplug, au plus %(most)s"),
    r"more than (?P<n>\d+) values": N_("plus de %(n)s valeurs"),
    r"no value in it": N_("aucune valeur dedans"),
    r"ends within the head of a value": N_("s’arrête dans l’en-tête d’une valeur"),
    r"byte (?P<n>\d+): (?P<kind>\d+) is no kind of Cayenne LPP that is known": N_(
        "octet %(n)s : %(kind)s n’est pas un genre connu de Cayenne LPP"
    ),
    r"(?P<n>.*): ends within its (?P<length>\d+) bytes": N_("%(n)s : s’arrête avant la fin de ses %(length)s octets"),
    r"there are no bytes in base64 where the profile looks for them": N_(
        "pas d’octets en base64 là où le profil les cherche"
    ),
    r"a record for each device is expected, under its id": N_("il faut un enregistrement par appareil, sous son nom"),
    r"there is no record where the profile looks for it": N_("pas d’enregistrement là où le profil le cherche"),
    r"the topic has no level (?P<n>\d+), which would tell the device": N_(
        "le sujet n’a pas de niveau %(n)s, qui dirait l’appareil"
    ),
    r"the message is of (?P<n>.*), and the topic of (?P<other>.*)": N_(
        "le message est de %(n)s, et le sujet de %(other)s"
    ),
    r"(?P<n>.*) is no device of (?P<zone>.*), of which the topic is": N_(
        "%(n)s n’est pas un appareil de %(zone)s, dont est le sujet"
    ),
    r"nothing at (?P<n>.*) tells the device": N_("rien à %(n)s ne dit l’appareil"),
    r"no time in it, and this device has to tell one": N_("pas d’heure dedans, et cet appareil doit la dire"),
    r"(?P<n>.*): no time in it, and this device has to tell one": N_(
        "%(n)s : pas d’heure dedans, et cet appareil doit la dire"
    ),
    r"(?P<n>.*) is no time of the form (?P<form>.*)": N_("%(n)s n’est pas une heure de la forme %(form)s"),
    r"(?P<n>.*) is no time": N_("%(n)s n’est pas une heure"),
    r"(?P<n>.*) is no Sparkplug topic that is read: (?P<form>.*)": N_(
        "%(n)s n’est pas un sujet Sparkplug lu : %(form)s"
    ),
    r"(?P<n>.*): no birth has said what alias (?P<alias>\d+) is": N_(
        "%(n)s : aucune naissance n’a dit ce qu’est l’alias %(alias)s"
    ),
    r"(?P<n>.*): not a message that is read": N_("%(n)s : pas un message qui est lu"),
    r"line (?P<n>\d+) is longer than (?P<most>\d+) letters": N_("la ligne %(n)s a plus de %(most)s lettres"),
    r"the first line names no (?P<n>.*); it must name (?P<all>.*)": N_(
        "la première ligne ne nomme pas %(n)s ; elle doit nommer %(all)s"
    ),
    r"no column tells the zone of a row, and no zone was given": N_(
        "aucune colonne ne dit la zone d’une ligne, et aucune zone n’est choisie"
    ),
    r"no column is told to hold a channel; long form names (?P<n>.*)": N_(
        "aucune colonne n’est dite contenir un canal ; une ligne par valeur nomme %(n)s"
    ),
}


def route_detail(detail: str, texts: Texts) -> str:
    """A detail in the reader's language, part by part; parts that are not ours stay as they came."""
    return re.sub(r"[^,;]+", lambda part: _translated(part[0], SENTENCES, texts), detail)


def aside_detail(detail: str, texts: Texts) -> str:
    """Why something was set aside, or cannot be read, in the reader's language; what is not ours stays as it came."""
    return _translated(detail, ASIDE, texts)


def _translated(part: str, sentences: Mapping[str, str], texts: Texts) -> str:
    said = part.strip()
    for pattern, sentence in sentences.items():
        found = re.fullmatch(pattern, said, re.DOTALL)
        if found is not None:
            words = {name: _word(name, word, texts) for name, word in found.groupdict().items()}
            return part.replace(said, texts.gettext(sentence) % words)
    return part


def _word(name: str, word: str, texts: Texts) -> str:
    """One part of a sentence: another sentence, a time in seconds, or what stays as it is."""
    if name == "why":
        return aside_detail(word, texts)
    return texts.duration(timedelta(seconds=int(word))) if name.endswith("_s") else word
