"""What is wrong in the settings of an SMPP link stops the start and names key, value and bound."""

from datetime import timedelta

import pytest

from alerts.carriers import Receipts
from alerts.carriers.smpp_config import SmppConfig
from alerts.errors import CarrierRefused

TABLE = {"kind": "smpp", "host": "smpp.example.gn", "system_id": "ndiyan", "source": "7000"}
SECRETS = {"NDIYAN_SMS_ORANGE_SMPP_PASSWORD": "secret"}


def test_a_short_table_is_enough() -> None:
    config = SmppConfig.from_table("orange-smpp", TABLE, SECRETS)
    assert (config.port, config.window, config.per_s, config.password) == (2775, 10, 10.0, "secret")
    assert (config.receipts, config.receipt_within) == (Receipts.HANDSET, timedelta(minutes=2))
    assert config.tls() is None


@pytest.mark.parametrize(
    ("table", "environment", "told"),
    [
        ({}, {}, "the variable NDIYAN_SMS_ORANGE_SMPP_PASSWORD is not set"),
        ({}, {"NDIYAN_SMS_ORANGE_SMPP_PASSWORD": "ninechars"}, "password: it is not at most 8 ASCII characters"),
        ({"window": 0}, SECRETS, "sms.orange-smpp.window: 0 is below 1"),
        ({"per_s": 0}, SECRETS, "sms.orange-smpp.per_s: 0 is below 0.01"),
        ({"port": 70000}, SECRETS, "sms.orange-smpp.port: 70000 is above 65535"),
        ({"binds": "both"}, SECRETS, "sms.orange-smpp.binds: 'both' is none of transceiver, pair"),
        ({"source": "NDIYAN-GUINEE"}, SECRETS, "source: 'NDIYAN-GUINEE' is a name of more than 11 letters"),
        ({"system_id": "é"}, SECRETS, "sms.orange-smpp.system_id: 'é' is not at most 15 ASCII characters"),
        ({"widnow": 5}, SECRETS, "sms.orange-smpp.widnow is no setting"),
        ({"reconnect_s": 60, "reconnect_most_s": 5}, SECRETS, "reconnect_most_s: 5 is below reconnect_s 60"),
        ({"security": "tls", "tls_ca_file": "/no/such.pem"}, SECRETS, "sms.orange-smpp.tls_ca_file: '/no/such.pem'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(table: dict[str, object], environment: dict[str, str], told: str) -> None:
    with pytest.raises(CarrierRefused) as refused:
        SmppConfig.from_table("orange-smpp", TABLE | table, environment)
    assert told in str(refused.value)
    assert "ninechars" not in str(refused.value)
