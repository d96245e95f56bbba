"""Words for the codes of the house: states, roles, kinds of events, reasons. Faults have theirs in `alerts.words`.

A code without a word here is shown as it is: a page never breaks because a detector learnt something new.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from alerts.words import asset_label
from web.language import Texts


def N_(text: str) -> str:
    """Mark a text for translation without translating it yet."""
    return text


ZONE_STATES = {
    "fault": N_("Panne"),
    "silent": N_("Muette"),
    "watch": N_("À surveiller"),
    "no_data": N_("Sans données"),
    "normal": N_("Normale"),
}
ALERT_STATES = {
    "open": N_("ouverte"),
    "acknowledged": N_("prise en charge"),
    "resolved": N_("résolue"),
}
SEVERITIES = {1: N_("Pour information"), 2: N_("À surveiller"), 3: N_("Panne")}
ROLES = {
    "president": N_("présidence"),
    "exploitant": N_("exploitant"),
    "secretaire": N_("secrétariat"),
    "tresorier": N_("trésorerie"),
    "fontainier": N_("fontainier"),
    "hygiene": N_("hygiène"),
    "reparateur": N_("réparateur"),
    "commune": N_("commune"),
    "ingenieur": N_("ingénieur"),
}
SMS_LANGUAGES = {"fr": N_("français"), "en": N_("anglais"), "ff": N_("pular")}
ACCOUNT_ROLES = {
    "viewer": N_("lecteur"),
    "secretary": N_("secrétaire de comité"),
    "engineer": N_("ingénieur"),
    "administrator": N_("administrateur"),
}

ROLE_MAY = {
    "viewer": N_("tout lire, sauf les numéros entiers, et emporter les données"),
    "secretary": N_("sa zone seule : lire, appeler, prendre et clore les alertes"),
    "engineer": N_("tout, sauf les comptes, les clés et le journal"),
    "administrator": N_("tout"),
}

SCOPES = {
    "read": N_("lire"),
    "write": N_("changer"),
    "export": N_("emporter"),
    "send": N_("apporter"),
}

ZONE_FIELDS = {
    "name": N_("Nom"),
    "place.commune": N_("Commune"),
    "place.latitude": N_("Latitude"),
    "place.longitude": N_("Longitude"),
    "place.altitude_m": N_("Altitude"),
    "served.people": N_("Personnes desservies"),
    "served.counted_in": N_("Année du recensement"),
    "tariff.gnf_per_20_l": N_("Prix de 20 litres, vide s’il n’est pas connu"),
    "taps.count": N_("Nombre de bornes"),
    "taps.metered": N_("Bornes à compteur"),
    "fictional": N_("Fictive"),
    "gateway.id": N_("Identité du boîtier"),
    "ugspe.women": N_("Femmes du comité"),
    "ugspe.men": N_("Hommes du comité"),
    "ugspe.counted_in": N_("Année du compte du comité"),
    "committee": N_("Comité"),
    "committee.order": N_("Ordre des appels"),
    "devices": N_("Appareil"),
    "channels": N_("Canaux"),
    "interval_s": N_("Temps entre deux mesures"),
}
MISTAKES = {  # as `gateway.tables` and `gateway.zones` say them
    r"(?P<value>.+) is below (?P<bound>.+)": N_("%(value)s est au-dessous de %(bound)s"),
    r"(?P<value>.+) is above (?P<bound>[\d.e+-]+)": N_("%(value)s est au-dessus de %(bound)s"),
    r"(?P<value>.+) is not a number": N_("%(value)s n’est pas un nombre"),
    r"(?P<value>.+) is not a whole number": N_("%(value)s n’est pas un nombre entier"),
    r"(?P<value>.+) is not a text": N_("%(value)s n’est pas un texte"),
    r"(?P<value>.+) is not below (?P<other>\w+) (?P<bound>.+)": N_(
        "%(value)s n’est pas au-dessous de %(other)s, %(bound)s"
    ),
    r"(?P<value>.+) is not above the intake (?P<bound>.+)": N_(
        "%(value)s n’est pas au-dessus de la prise d’eau, %(bound)s"
    ),
    r"is missing": N_("manque"),
}

WRITTEN = {
    "account_added": N_("compte ajouté"),
    "account_awaited": N_("adresse OpenID d’un compte"),
    "account_tied": N_("compte pris par OpenID"),
    "account_changed": N_("rôle changé"),
    "account_disabled": N_("compte fermé"),
    "account_enabled": N_("compte rouvert"),
    "account_reset": N_("mot de passe à refaire"),
    "password_set": N_("mot de passe choisi"),
    "code_set_up": N_("code d’accès mis en place"),
    "code_removed": N_("code d’accès retiré"),
    "sessions_ended": N_("autres sessions fermées"),
    "key_made": N_("clé faite"),
    "key_revoked": N_("clé révoquée"),
    "profile_kept": N_("profil gardé"),
    "profile_forgotten": N_("profil oublié"),
    "rule_set": N_("règle changée"),
    "set_aside_replayed": N_("message rejoué"),
    "messages_reread": N_("messages relus"),
    "device_added": N_("passerelle admise"),
    "device_rotated": N_("passerelle : autre mot de passe"),
    "device_revoked": N_("passerelle exclue"),
    "link_made": N_("lien d’accès fait"),
    "file_stored": N_("fichier de mesures gardé"),
    "report_written": N_("texte de rapport écrit"),
    "takings_noted": N_("recette notée"),
    "report_closed": N_("panne signalée close"),
    "report_reopened": N_("panne signalée rouverte"),
    "zone_called": N_("zone appelée"),
    "zone_uncalled": N_("zone pas appelée, erreur"),
    "webhook_retried": N_("avertissements renvoyés"),
    "report_published": N_("rapport publié"),
    "person_forgotten": N_("personne oubliée"),
    "person_taken_along": N_("données d’une personne emportées"),
    "zones_taken_along": N_("fichier de zones emporté, avec les personnes"),
    "zone_added": N_("zone ajoutée"),
    "zone_changed": N_("zone changée"),
    "person_added": N_("personne inscrite"),
    "person_changed": N_("personne corrigée"),
    "person_moved": N_("ordre d’appel changé"),
    "person_removed": N_("personne retirée"),
    "person_returned": N_("personne remise"),
    "members_counted": N_("comité compté"),
}

EVENTS = {
    "opened": N_("Alerte ouverte"),
    "told": N_("SMS envoyé"),
    "delivered": N_("SMS remis"),
    "reply": N_("Réponse reçue"),
    "acknowledged": N_("Prise en charge"),
    "on_the_way": N_("En route"),
    "repair_claimed": N_("Réparation annoncée"),
    "false_alarm_claimed": N_("Dite fausse alerte"),
    "confirmed": N_("Dite vraie"),
    "shelved": N_("Mise en sommeil"),
    "unshelved": N_("Sortie du sommeil"),
    "returned": N_("Revenue"),
    "rang": N_("Appel manqué"),
    "explained": N_("Expliquée par une autre alerte"),
    "outlived": N_("Dure encore, sa cause est passée"),
    "told_again": N_("Revenue après que sa fin a été dite"),
    "unheard": N_("Personne ne l’a su : dite de nouveau"),
    "not_told": N_("Personne n’est prévenu"),
    "call_due": N_("À appeler à la main"),
    "called": N_("Appelé à la main"),
    "uncalled": N_("Pas appelé, erreur"),
    "resolved": N_("Résolue par les mesures"),
    "assigned": N_("Confiée à"),
    "visited": N_("Visite"),
    "closed": N_("Close"),
    "reopened": N_("Clôture annulée"),
    "photo": N_("Photo ajoutée"),
}
CAUSES = {
    "set_right": N_("remise en ordre : vanne, disjoncteur, flotteur, réglage"),
    "part_replaced": N_("pièce remplacée"),
    "cleaned": N_("nettoyage : panneaux, crépine, filtre"),
    "leak_repaired": N_("fuite réparée"),
    "network": N_("réseau, carte SIM ou crédit"),
    "sensor": N_("capteur ou compteur en défaut"),
    "dry_borehole": N_("forage à sec"),
    "lightning": N_("foudre"),
    "theft": N_("vol ou dégradation"),
    "planned_work": N_("travaux prévus"),
    "by_itself": N_("revenue sans intervention"),
    "false_alarm": N_("fausse alerte"),
    "other": N_("autre"),
}
SILENCES = {
    "pump_broken": N_("Pompe en panne"),
    "nobody_drew": N_("Personne n’a puisé"),
    "well_dry": N_("Forage à sec"),
    "no_power": N_("Plus d’énergie"),
    "sensor_failed": N_("Capteur en panne"),
    "network_out": N_("Réseau coupé"),
    "cannot_tell": N_("Impossible à dire"),
}
PARAMETERS = {
    "on_delay_min": N_("Durée avant d’alerter"),
    "level_pct": N_("Niveau sous lequel le château est dit presque vide"),
    "limit_mg_l": N_("Chlore libre au moins"),
    "limit_ntu": N_("Turbidité au plus"),
}
CANNOT_FORECAST = {
    "no_level": N_("pas de niveau récent du château d’eau"),
    "no_past": N_("moins de cinq jours d’usage connus"),
}
NOTIFICATION_KINDS = {
    "opened": N_("alerte"),
    "reminder": N_("rappel"),
    "still_open": N_("rappel"),
    "resolved": N_("clôture"),
    "reply": N_("réponse"),
    "bundle": N_("plusieurs alertes"),
    "report": N_("panne signalée"),
    "credit": N_("crédit d’une route"),
    "report_closed": N_("panne close"),
}
NOTIFICATION_STATES = {
    "queued": N_("en attente"),
    "submitting": N_("envoi en cours"),
    "uncertain": N_("sort inconnu"),
    "held": N_("retenu"),
    "accepted": N_("accepté par l’opérateur, pas encore remis"),
    "delivered": N_("remis"),
    "undelivered": N_("non remis"),
    "no_receipt": N_("accepté par l’opérateur, sans accusé : remise inconnue"),
    "failed": N_("échoué"),
    "superseded": N_("remplacé"),
    "expired": N_("périmé"),
    "abandoned": N_("sort inconnu, jamais renvoyé"),
}
MESSAGE_GROUPS = {
    "waiting": N_("En attente"),
    "unknown": N_("Sort inconnu"),
    "failed": N_("Échoués"),
    "delivered": N_("Remis"),
}
OUTCOMES = {
    "accepted": N_("accepté"),
    "refused": N_("refusé pour l’instant"),
    "refused_for_good": N_("refusé pour de bon"),
    "throttled": N_("trop vite : plus tard"),
    "uncertain": N_("personne ne sait s’il est parti"),
}
RECEIPTS = {
    "on_the_network": N_("sur le réseau"),
    "delivered": N_("remis au téléphone"),
    "undelivered": N_("non remis"),
    "expired": N_("périmé chez l’opérateur"),
    "unknown": N_("l’opérateur ne sait pas"),
}
SETTLED_BY = {
    "receipt": N_("un accusé arrivé ensuite dit qu’il était parti"),
    "carrier": N_("l’opérateur, interrogé, l’a dit"),
    "nobody": N_("personne n’a pu le dire"),
}
CONSENTS = {
    "opt_in": N_("a donné son accord"),
    "opt_out": N_("ne veut plus rien recevoir"),
}
INTENTIONS = {
    "seen": N_("vu"),
    "on_the_way": N_("en route"),
    "repaired": N_("réparé"),
    "false_alarm": N_("fausse alerte"),
    "help": N_("aide"),
    "status": N_("demande d’état"),
    "breakdown": N_("panne signalée"),
    "opt_out": N_("ne plus recevoir"),
    "opt_in": N_("recevoir de nouveau"),
    "level": N_("niveau relevé"),
    "meter": N_("compteur relevé"),
    "rain": N_("pluie relevée"),
    "unclear": N_("pas compris"),
    "failed": N_("non traité : une erreur chez nous"),
}
WHAT_IT_WAS = {
    "pump": N_("pompe réparée"),
    "power": N_("courant revenu"),
    "pipe": N_("conduite réparée"),
    "tap": N_("borne réparée"),
    "other": N_("autre chose, réparé"),
    "nothing": N_("rien de cassé trouvé"),
}
TOLD_BECAUSE = {
    "first_on_the_ladder": N_("première personne à prévenir"),
    "nobody_answered": N_("personne n’a répondu"),
    "repair_is_due": N_("la réparation tarde"),
    "still_not_repaired": N_("prise en charge depuis un jour, toujours pas réparée"),
    "was_told": N_("avait été prévenue"),
    "came_back": N_("revenue, sa fin avait été dite"),
    "held_until_morning": N_("retenu jusqu’au matin"),
    "answers_a_reply": N_("répond à un SMS"),
    "answers_a_call": N_("répond à un appel manqué"),
    "breakdown_reported": N_("une personne a signalé une panne"),
    "breakdown_closed": N_("la panne qu’elle a signalée est close"),
    "last_one_left": N_("la dernière personne joignable a dit STOP"),
    "no_answer_by_this_route": N_("pas de réponse par l’autre réseau"),
    "commune_must_know": N_("la commune doit savoir"),
    "was_on_the_way": N_("était en route"),
    "sensors_disagree": N_("dite réparée, les mesures disent le contraire"),
    "no_word_since": N_("plus de nouvelles"),
    "told_with_others": N_("dite avec d’autres"),
    "enough_for_now": N_("retenu : assez de SMS pour le moment"),
    "enough_this_week": N_("deux SMS cette semaine déjà"),
    "no_route_for_a_while": N_("dite après une coupure"),
    "credit_is_low": N_("le crédit d’une route est bas"),
}
WHY_NOT = {
    "late": N_("trouvée en retard"),
    "explained": N_("expliquée par une autre alerte"),
    "shelved": N_("mise en sommeil"),
    "told_lately": N_("dite il y a peu"),
    "nobody_of_this_role": N_("personne dans ce rôle"),
    "enough_this_week": N_("deux SMS cette semaine déjà"),
}
STEPS = {
    "first": N_("première personne"),
    "second": N_("deuxième personne"),
    "third": N_("troisième personne"),
    "repairer": N_("réparateur"),
    "commune": N_("commune"),
}
CLOCKS = {
    "ntp": N_("juste (NTP)"),
    "ntp, held": N_("gardée depuis la dernière synchronisation"),
    "modem": N_("d’accord avec le réseau du modem"),
    "rtc": N_("gardée par une pile"),
    "uptime": N_("personne n’en répond"),
    "system": N_("celle du système, source inconnue"),
}

BOX_NEEDS = {
    "disk": N_("Le disque est presque plein."),
    "restarts": N_("Le programme redémarre sans cesse."),
    "refused": N_("Des mesures n’ont pu être gardées."),
    "troubles": N_("Des points ne mesurent pas."),
    "clock": N_("Personne ne répond de l’heure."),
    "config": N_("Le réglage à distance n’a pas tenu."),
}
BOX_REMEDIES = {
    "disk": N_("Libérez de la place ou changez la carte : la file éclaircit bientôt les mesures qui attendent."),
    "restarts": N_("Lisez le journal du boîtier ; le plus souvent l’alimentation ou la carte."),
    "refused": N_("Le disque n’en voulait plus : libérez de la place, changez la carte."),
    "troubles": N_("Vérifiez l’appareil et son câble ; la raison est dite plus bas."),
    "clock": N_("Les mesures sont datées par le serveur ; branchez une source d’heure ou une pile."),
    "config": N_("L’ancien réglage sert de nouveau ; la raison est dite plus bas."),
}

BACKLOG_STATES = {
    "waiting": N_("à vérifier, rien n’est enregistré"),
    "asked": N_("en cours d’enregistrement"),
    "interrupted": N_("interrompu"),
    "done": N_("lu jusqu’au bout"),
    "failed": N_("illisible"),
}

# Of shipped profiles by their own titles; those of the operator's stay as somebody wrote them.
PROFILES = {
    "ChirpStack 4 uplink (Milesight and others, with a codec)": N_("ChirpStack 4 (Milesight et autres, avec décodeur)"),
    "King Pigeon (BLIIoT) remote unit": N_("Boîtier King Pigeon (BLIIoT)"),
    "Plain JSON object of numbers": N_("Objet JSON simple, de nombres"),
    "Sparkplug B (received)": N_("Sparkplug B (reçu)"),
    "Teltonika RUT/TRB, Modbus data to server": N_("Teltonika RUT/TRB, données Modbus vers un serveur"),
    "ThingsBoard telemetry of a gateway": N_("Télémétrie ThingsBoard d’une passerelle"),
    "ThingsBoard telemetry of one device": N_("Télémétrie ThingsBoard d’un appareil"),
}

REASONS = {
    "unknown_topic": N_("sujet inconnu"),
    "unknown_gateway": N_("passerelle inconnue"),
    "unknown_channel": N_("canal inconnu"),
    "too_large": N_("message trop long"),
    "not_senml": N_("pas un paquet SenML lisible"),
    "not_its_profile": N_("illisible pour son profil"),
    "no_birth": N_("Sparkplug : naissance pas encore reçue"),
    "unknown_device": N_("appareil inconnu"),
    "other_device": N_("un autre appareil que celui du sujet"),
    "bad_record": N_("mesure mal formée"),
    "no_value": N_("mesure sans valeur"),
    "wrong_unit": N_("unité inattendue"),
    "time_in_future": N_("heure dans le futur"),
    "time_before_service": N_("heure d’avant la mise en service"),
    "decoder_failed": N_("décodage impossible"),
    "database_refused": N_("refusé par la base de données"),
}
PARTS = {
    "ingest": N_("réception des mesures"),
    "alerts": N_("jugement"),
    "sender": N_("envoi des SMS"),
    "web": N_("pages"),
    "keeper": N_("gardien"),
    "standby": N_("réserve de la réception"),
    "backup": N_("sauvegarde"),
}
STANDINGS = {
    "": N_("travaille"),
    "never_heard": N_("jamais entendue"),
    "no_heartbeat": N_("plus de signe de vie"),
    "cannot_store": N_("ne peut pas enregistrer"),
    "no_broker": N_("pas de lien avec le courtier MQTT"),
    "broker_queue": N_("le courtier MQTT est à moitié plein"),
    "broker_dropped": N_("le courtier MQTT a jeté des messages"),
    "judges_late": N_("des mesures attendent d’être jugées"),
    "sms_wait": N_("des SMS attendent de partir"),
    "backup_old": N_("la dernière sauvegarde est trop ancienne"),
}
LAGS = {
    "stored": N_("de la mesure à l’enregistrement (dernière heure)"),
    "judged": N_("de l’enregistrement au jugement"),
    "told": N_("de l’alerte au SMS (dernier jour)"),
}
QUEUES = {
    "notification": N_("SMS à envoyer"),
    "notification_held": N_("SMS retenus"),
    "notification_queued": N_("SMS en file"),
    "notification_submitting": N_("SMS en cours d’envoi"),
    "notification_uncertain": N_("SMS au sort inconnu"),
    "sms_in": N_("SMS reçus, à lire"),
    "carrier_event": N_("avis d’opérateurs, à lire"),
    "late_arrival": N_("mesures tardives, à juger de nouveau"),
    "judging": N_("zones à juger"),
    "webhook": N_("avis aux programmes"),
    "call": N_("personnes à appeler"),
}
KEPT = {
    "raw_messages": N_("messages d’autres appareils, tels que reçus"),
    "brought_files": N_("fichiers apportés, tels que reçus"),
    "sms_texts": N_("textes des SMS envoyés, leur panne résolue"),
    "sms_answers": N_("textes des SMS reçus, leur panne résolue"),
    "receipts": N_("accusés des routes SMS, tels que reçus"),
    "handset": N_("SMS du téléphone à l’écran"),
    "set_aside": N_("messages mis de côté, repris depuis"),
    "route_events": N_("avis d’opérateurs, déjà lus"),
    "webhooks": N_("avis remis aux programmes"),
    "login_links": N_("liens d’entrée périmés"),
}
FATES = {
    "accepted": N_("accepté"),
    "partly": N_("accepté en partie"),
    "refused": N_("encore refusé"),
    "gone": N_("déjà rejoué"),
}
TESTS = {
    "range": N_("hors de ce qui est possible"),
    "spike": N_("pic isolé"),
    "rate": N_("changement trop rapide"),
    "flat": N_("valeur figée"),
    "counter": N_("compteur qui recule"),
    "clock": N_("date estimée"),
}
EVIDENCE = {  # numbers that detectors name, beside those of channels and plates
    "capacity_m3_h_m": N_("Débit spécifique"),
    "chlorine_mg_l": N_("Chlore libre"),
    "count": N_("Nombre"),
    "days": N_("Jours"),
    "for_s": N_("Durée"),
    "head_lost_pct": N_("Hauteur perdue"),
    "hours": N_("Durée"),
    "less_pct": N_("Moins que d’habitude"),
    "level_pct": N_("Niveau"),
    "lost_pct": N_("Part perdue"),
    "nights": N_("Nuits"),
    "sensor": N_("Capteur"),
    "share": N_("Part"),
    "step": N_("Saut"),
    "step_s": N_("Saut de l’horloge"),
    "tap": N_("Borne"),
    "usual_m3": N_("Volume d’habitude"),
    "usual_m3_h": N_("Débit d’habitude"),
    "usual_v": N_("Tension d’habitude"),
    "value": N_("Valeur"),
}
BOX_STATES = {"online": N_("en ligne"), "offline": N_("hors ligne")}  # as a gateway announces itself
FLAGS = {3: N_("douteuse"), 4: N_("mauvaise")}
CHANNELS = {
    "irradiance_w_m2": N_("Ensoleillement"),
    "module_temp_c": N_("Température des panneaux"),
    "voltage_v": N_("Tension"),
    "current_a": N_("Courant"),
    "power_w": N_("Puissance"),
    "speed_rpm": N_("Vitesse"),
    "flow_m3_h": N_("Débit"),
    "volume_m3": N_("Volume compté"),
    "pressure_bar": N_("Pression"),
    "state_code": N_("Code d’état"),
    "water_depth_m": N_("Profondeur de l’eau"),
    "level_m": N_("Niveau"),
    "outflow_m3_h": N_("Débit de sortie"),
    "outflow_volume_m3": N_("Volume sorti"),
    "battery_v": N_("Batterie"),
    "signal_dbm": N_("Signal"),
    "temp_c": N_("Température"),
    "uptime_s": N_("En marche depuis"),
    "credit_gnf": N_("Crédit"),
    "free_chlorine_mg_l": N_("Chlore libre"),
    "turbidity_ntu": N_("Turbidité"),
    "conductivity_us_cm": N_("Conductivité"),
    "rain_mm": N_("Pluie"),
}
DERIVED = {"specific_energy_kwh_m3": N_("Énergie spécifique")}  # channels that are worked out from others
RATINGS = {
    "peak_w": N_("Puissance crête"),
    "strings": N_("Chaînes de panneaux"),
    "tilt_deg": N_("Inclinaison"),
    "azimuth_deg": N_("Azimut"),
    "rated_flow_m3_h": N_("Débit nominal"),
    "rated_head_m": N_("Hauteur nominale"),
    "rated_power_w": N_("Puissance nominale"),
    "max_speed_rpm": N_("Vitesse maximale"),
    "start_irradiance_w_m2": N_("Soleil de démarrage"),
    "depth_m": N_("Profondeur du forage"),
    "pump_intake_m": N_("Crépine de la pompe à"),
    "static_water_depth_m": N_("Niveau statique à"),
    "specific_capacity_m3_h_m": N_("Débit spécifique"),
    "volume_m3": N_("Capacité"),
    "full_level_m": N_("Niveau plein"),
    "base_height_m": N_("Hauteur du pied"),
    "start_level_m": N_("Remise en marche de la pompe sous"),
    "length_m": N_("Longueur du réseau"),
}
# The unit that the end of a name tells, longest endings first.
UNITS = {
    "_m3_h_m": "m³/h/m", "_w_m2": "W/m²", "_m3_h": "m³/h", "_kwh_m2": "kWh/m²", "_kwh_m3": "kWh/m³",
    "_us_cm": "µS/cm", "_mg_l": "mg/L",
    "_ntu": "NTU", "_m3": "m³", "_bar": "bar", "_dbm": "dBm", "_rpm": "1/min", "_deg": "°", "_gnf": "GNF",
    "_w": "W", "_v": "V", "_a": "A", "_m": "m", "_c": "°C", "_s": "s", "_h": "h", "_percent": "%",
    "_pct": "%", "hours": "h",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Labels:
    """The words above in one language."""

    texts: Texts

    def zone_state(self, code: str) -> str:
        """A zone's state."""
        return self._word(ZONE_STATES, code)

    def alert_state(self, code: str) -> str:
        """An alert's state."""
        return self._word(ALERT_STATES, code)

    def severity(self, level: int) -> str:
        """How grave an alert is."""
        return self.texts.gettext(SEVERITIES[level])

    def role(self, code: str) -> str:
        """A role within the committee."""
        return self._word(ROLES, code)

    def who(self, said: str) -> str:
        """Who did something, as stories keep it (`Hadja Diallo (president)`), with the role in words."""
        name, opens, role = said.removesuffix(")").rpartition(" (")
        return f"{name} ({self.role(role)})" if opens and role in ROLES else said

    def account_role(self, code: str) -> str:
        """What somebody is to us."""
        return self._word(ACCOUNT_ROLES, code)

    def role_may(self, code: str) -> str:
        """What such a person may do."""
        return self._word(ROLE_MAY, code)

    def scope(self, code: str) -> str:
        """What a key may do."""
        return self._word(SCOPES, code)

    def written(self, what: str) -> str:
        """What somebody did that is written down."""
        return self.event(what.removeprefix("alert_")) if what.startswith("alert_") else self._word(WRITTEN, what)

    def event(self, kind: str) -> str:
        """What happened to an alert."""
        return self._word(EVENTS, kind)

    def cause(self, code: str | None) -> str:
        """Why an alert came."""
        return self._word(CAUSES, code) if code else self.texts.gettext("cause pas encore dite")

    def silence(self, kind: str) -> str:
        """Why a zone is silent."""
        return self._word(SILENCES, kind)

    def parameter(self, name: str) -> str:
        """What a number of a rule means, whatever rule it belongs to."""
        return self._word(PARAMETERS, name.rpartition(".")[2])

    def number_of_rule(self, value: float, unit: str) -> str:
        """A number of a rule with as many decimals as it needs."""
        decimals = 0 if float(value).is_integer() else 2
        return self.texts.quantity(value, unit, decimals)

    def cannot_forecast(self, why: str) -> str:
        """Why there is no forecast."""
        return self._word(CANNOT_FORECAST, why)

    def notification_kind(self, kind: str) -> str:
        """What a message was for."""
        return self._word(NOTIFICATION_KINDS, kind)

    def notification_state(self, state: str) -> str:
        """What became of a message."""
        return self._word(NOTIFICATION_STATES, state)

    def message_group(self, code: str) -> str:
        """States of messages that are looked for together."""
        return self._word(MESSAGE_GROUPS, code)

    def outcome(self, code: str | None) -> str:
        """What became of a hand-over."""
        return self._word(OUTCOMES, code) if code else self.texts.gettext("pas de réponse encore")

    def receipt(self, code: str) -> str:
        """What a receipt says."""
        return self._word(RECEIPTS, code)

    def settled_by(self, code: str) -> str:
        """How an uncertain message was settled."""
        return self._word(SETTLED_BY, code)

    def sms_language(self, code: str) -> str:
        """In which language somebody is written to."""
        return self._word(SMS_LANGUAGES, code)

    def consent(self, code: str) -> str:
        """What somebody said about being written to."""
        return self._word(CONSENTS, code)

    def intention(self, code: str | None) -> str:
        """What an answer was understood as."""
        return self._word(INTENTIONS, code) if code else self.texts.gettext("pas encore lu")

    def box_state(self, code: str) -> str:
        """How a gateway announced itself."""
        return self._word(BOX_STATES, code)

    def what_it_was(self, code: str) -> str:
        """What a reported breakdown turned out to be."""
        return self._word(WHAT_IT_WAS, code)

    def told_because(self, code: str) -> str:
        """Why a person was told."""
        return self._word(TOLD_BECAUSE, code)

    def why_not(self, code: str, step: str | None) -> str:
        """Why nobody was told, and for whom the message would have been."""
        why = self._word(WHY_NOT, code)
        return why if step is None else self.texts.named(self._word(STEPS, step), why)

    def clock(self, source: str | None) -> str:
        """Who vouches for a gateway's clock."""
        return self._word(CLOCKS, source or "system")

    def box_need(self, need: str) -> str:
        """Why a person is to look after a gateway's box."""
        return self._word(BOX_NEEDS, need)

    def box_remedy(self, need: str) -> str:
        """What they are to do."""
        return self._word(BOX_REMEDIES, need)

    def backlog_state(self, state: str) -> str:
        """How far a file of readings is."""
        return self._word(BACKLOG_STATES, state)

    def profile(self, title: str) -> str:
        """What a profile reads."""
        return self._word(PROFILES, title)

    def reason(self, code: str) -> str:
        """Why a message was set aside."""
        return self._word(REASONS, code)

    def part(self, name: str) -> str:
        """A service of ours."""
        return self._word(PARTS, name)

    def standing(self, why: str) -> str:
        """Whether a service works, or why it stands still."""
        return self._word(STANDINGS, why)

    def lag(self, name: str) -> str:
        """A step between measuring and telling."""
        return self._word(LAGS, name)

    def queue(self, name: str) -> str:
        """Something that waits for a service of ours."""
        return self._word(QUEUES, name)

    def kept(self, kind: str) -> str:
        """Something that is not kept for ever."""
        return self._word(KEPT, kind)

    def fate(self, code: str) -> str:
        """What became of a message that was replayed."""
        return self._word(FATES, code)

    def test(self, code: str) -> str:
        """Which test a reading failed."""
        return self._word(TESTS, code)

    def flag(self, code: int) -> str:
        """How a reading is flagged; nothing when it is good or was not tested."""
        return self.texts.gettext(FLAGS[code]) if code in FLAGS else ""

    def channel(self, name: str) -> str:
        """What a channel measures."""
        return self._word(CHANNELS | DERIVED, name)

    def channel_of(self, asset: str, name: str) -> str:
        """A channel with its asset: « Borne 7 : compteur ouvert »."""
        label = asset_label(asset, self.texts.language.value).capitalize()
        return self.texts.named(label, self.channel(name).lower())

    def evidence(self, name: str) -> str:
        """What a number of an alert's evidence says; a name that only a programmer knows stays as it is."""
        return self._word({**RATINGS, **CHANNELS, **EVIDENCE}, name)

    def rating(self, name: str) -> str:
        """What a number of a zone file says."""
        return self._word(RATINGS, name)

    def field(self, key: str) -> str:
        """What a key of a zone file says, for people."""
        last = key.rpartition(".")[2]
        found = next((name for name in (key, key.partition("[")[0], last) if name in ZONE_FIELDS), None)
        return self.rating(last) if found is None else self._word(ZONE_FIELDS, found)

    def unit(self, key: str) -> str:
        """In which unit a key of a zone file is written."""
        return "GNF" if key == "tariff.gnf_per_20_l" else unit_of(key)

    def mistake(self, problem: str) -> str:
        """What is wrong with a value of a zone file; what has no words of its own is said as the command line does."""
        for pattern, words in MISTAKES.items():
            if found := re.fullmatch(pattern, problem):
                return self.texts.gettext(words) % {
                    name: self._exactly(part) for name, part in found.groupdict().items()
                }
        return problem

    def _exactly(self, text: str) -> str:
        """A number as people here write it; what is none is left as it is."""
        return self.texts.exact(float(text)) if re.fullmatch(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?", text) else text

    def measured(self, name: str, value: object) -> str:
        """A value written with the unit that its name tells; what is no number is written as it is."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return str(value)
        unit = unit_of(name)
        if unit == "s" and value >= 120:
            minutes, hours = value / 60, value / 3600
            return self.texts.quantity(hours, "h", 1) if hours >= 3 else self.texts.quantity(minutes, "min")
        return self.texts.quantity(float(value), unit, 0 if float(value).is_integer() else 2)

    def _word(self, words: Mapping[str, str], code: str) -> str:
        return self.texts.gettext(words[code]) if code in words else code


def unit_of(name: str) -> str:
    """The unit at the end of a name, nothing when it tells none."""
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")
