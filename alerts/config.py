"""What alerts needs to know to run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from alerts.carriers.registry import PhoneConfig
from alerts.lease import JUDGING_S, SENDING_S
from alerts.webhook_config import WebhookConfig

if TYPE_CHECKING:
    from alerts.carriers.registry import CarrierConfig

PRICE_GNF = 150  # of a segment unless `sms.price_gnf` says better: assumed, routes do not publish Guinea's price


@dataclass(frozen=True, slots=True)
class AlertsConfig:
    """The database, the SMS routes in their order, webhooks, and how often due work is looked at (platform time).

    Parameters
    ----------
    instance : the name of this service where there are several
    judging_lease_s, sending_lease_s : after how much silence the database takes away what one of us holds
    """

    database_url: str
    carriers: tuple[CarrierConfig, ...] = (PhoneConfig("phone"),)
    webhooks: tuple[WebhookConfig, ...] = ()
    evaluate_every: timedelta = timedelta(minutes=1)
    instance: str = ""
    judging_lease_s: float = JUDGING_S
    sending_lease_s: float = SENDING_S
