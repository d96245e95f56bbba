"""What each figure of a report means, in words: no number stands in a report that is not defined here."""

from __future__ import annotations

from typing import NamedTuple

from web.labels import N_


class Meaning(NamedTuple):
    """A figure's name and how it is worked out."""

    name: str
    words: str


MEANINGS: dict[str, Meaning] = {
    "delivered": Meaning(
        N_("Eau livrée"),
        N_(
            "Somme de ce que les compteurs ont avancé : ceux des robinets ; sans eux, ou si moins de 80 % de leurs "
            "jours sont entendus, celui de la sortie du château ; sans lui celui de la pompe. Le pas d’un silence "
            "commencé avant la période n’est pas compté. Un robinet jamais entendu n’est pas compté : il est annoncé."
        ),
    ),
    "litres": Meaning(
        N_("Litres par personne et par jour"),
        N_(
            "Eau livrée divisée par les jours que couvre chaque compteur et par le nombre de personnes du "
            "dernier recensement, dont l’année est écrite à côté. Un jour connu en partie, au début ou à la fin, ne "
            "compte pas, ni son eau. Un robinet ajouté ou retiré compte pour les jours où il était là."
        ),
    ),
    "service": Meaning(
        N_("Jours avec eau, disponibilité du service"),
        N_(
            "Jour avec eau : la moitié au moins des robinets entendus a donné de l’eau. Jour partiel : moins de "
            "la moitié. Jour sans eau : aucun robinet. Un robinet compte comme entendu s’il l’a été après 19 h ce "
            "jour-là et la veille : une mesure de la nuit ou du matin ne dit rien de la journée. Si moins de 80 % "
            "des robinets sont entendus, le jour n’est pas connu. La disponibilité est la part des jours avec eau "
            "parmi les jours connus."
        ),
    ),
    "pumping": Meaning(
        N_("Disponibilité du pompage"),
        N_(
            "Heures où la pompe a élevé de l’eau, parmi celles-ci et les heures où elle est restée arrêtée alors "
            "que le soleil suffisait (350 W/m² au moins, et 100 de plus que son seuil) et que le niveau du "
            "château était sous le niveau de remise en marche. Un arrêt parce que le château est plein n’est pas "
            "une panne."
        ),
    ),
    "communication": Meaning(
        N_("Disponibilité de la communication"),
        N_(
            "Part du temps où la zone n’était pas muette, d’après les alertes de silence, depuis le lendemain du jour "
            "où elle a été entendue pour la première fois. Des mesures gardées par la passerelle et arrivées plus tard "
            "ne sont pas perdues."
        ),
    ),
    "outages": Meaning(
        N_("Pannes et heures de panne"),
        N_(
            "Durées des alertes de gravité 3 (plus d’eau maintenant ou bientôt), du premier indice à la fin, "
            "sans les silences, sans celles dites fausses ni celles qu’une autre explique. Des pannes qui se "
            "touchent comptent pour une. Les causes de la feuille du comité sont celles de ces pannes seules."
        ),
    ),
    "repairs": Meaning(
        N_("Temps de réparation par cause"),
        N_(
            "Alertes de gravité 2 et 3 finies dans la période, sans celles dites fausses : du premier indice dans "
            "les mesures à la fin vue par les mesures, ou dite par une personne. La médiane est la valeur du milieu. "
            "La cause est celle qu’une personne a choisie en fermant l’alerte."
        ),
    ),
    "energy": Meaning(
        N_("Énergie spécifique"),
        N_(
            "Énergie prise par la pompe divisée par l’eau élevée, sur les heures où les deux sont connues. Pour "
            "comparer des zones, la même pour 100 m de hauteur : de l’eau pendant le pompage au haut du château plein, "
            "ou la hauteur nominale là où la profondeur n’est pas mesurée. Elle monte quand la pompe vieillit, et "
            "aussi quand la nappe baisse."
        ),
    ),
    "lost": Meaning(
        N_("Eau non comptabilisée"),
        N_(
            "Eau sortie du château moins eau comptée aux robinets, sur les jours où la sortie et tous les "
            "robinets sont connus (si l’un n’est jamais entendu, personne ne sait) : fuites, vols et erreurs de "
            "compteurs ensemble. Une valeur négative dit que les compteurs se contredisent. Des compteurs se trompent "
            "couramment de 5 %."
        ),
    ),
    "takings": Meaning(
        N_("Recettes et valeur de l’eau"),
        N_(
            "Valeur : eau livrée au tarif du bidon de 20 litres noté quand ces chiffres sont faits, s’il est connu et "
            "que 80 % au moins des jours des compteurs sont entendus ; un tarif changé depuis, ou pendant la période, "
            "vaut pour elle toute. Recettes : ce que le comité dit avoir encaissé. L’eau donnée sans payer n’est pas "
            "retirée de la valeur."
        ),
    ),
    "completeness": Meaning(
        N_("Données reçues"),
        N_(
            "Mesures bonnes reçues parmi celles qui étaient attendues, pour tous les canaux de la zone ; pour "
            "plusieurs zones, la plus mauvaise. Ce qui vient en plus dans une heure ne remplit pas une autre. Rien "
            "n’est attendu d’une zone avant le lendemain du jour où elle a été entendue pour la première fois, ni d’un "
            "canal ajouté ou retiré hors des jours où il faisait partie de la zone. Sous 80 %, le rapport est dit "
            "indicatif."
        ),
    ),
    "alerts": Meaning(
        N_("Alertes vraies et fausses"),
        N_(
            "Alertes ouvertes dans la période dont un SMS au moins a été pris par une route, d’après ce que les gens "
            "en ont dit. Les autres (trouvées en retard, expliquées par une autre, en sommeil, sans personne à "
            "prévenir) n’ont dérangé personne et sont comptées à part."
        ),
    ),
    "members": Meaning(
        N_("Composition du comité"),
        N_(
            "Membres du comité comptés à l’assemblée dont l’année est écrite. La règle demande une femme et un "
            "homme par point d’eau."
        ),
    ),
    "sms": Meaning(
        N_("SMS et leur coût"),
        N_("Messages pris par une route et segments payés, au prix d’un segment noté dans les réglages."),
    ),
}  # fmt: skip
