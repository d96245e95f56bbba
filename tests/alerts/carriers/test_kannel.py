"""The declared template against a real Kannel: it sends through it, and Kannel tells our real pages what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from alerts.carriers import Accepted, Fate, Inbound, Receipt, Refused
from alerts.carriers.http import HttpConfig, HttpRoute
from alerts.carriers.opening import doors
from gateway.clock import SystemClock
from tests.alerts.carriers.kannel import Kannel, why_no_kannel
from tests.alerts.carriers.listening import NUMBER, Listener
from tests.alerts.carriers.smsd import wait_until
from tests.conftest import skip_without
from tests.web.web_site import serving
from web.app import create_app
from web.config import WebConfig

pytestmark = pytest.mark.db
SECRET = "a-secret-of-the-kannel-tests"


class Gateway:
    """Kannel, our pages, and the carrier between them."""

    def __init__(self, database_url: str, pages: str, config: HttpConfig, kannel: Kannel) -> None:
        self.kannel, self.pages, self.database_url = kannel, pages, database_url
        self.listener = Listener(database_url, config.name, HttpRoute(config, SystemClock()))


@pytest.fixture
def gateway(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Gateway]:
    if why := why_no_kannel():
        skip_without(request.config, "Kannel", why)
    table = {"kind": "http", "template": "kannel", "user": "ndiyan", "from": "7000", "url": "", "webhook_url": ""}
    secrets = {"NDIYAN_SMS_KANNEL_PASSWORD": "secret", "NDIYAN_SMS_KANNEL_WEBHOOK_SECRET": SECRET}
    draft = HttpConfig.from_table("kannel", {**table, "url": "http://x", "webhook_url": "http://x"}, secrets)
    app = create_app(WebConfig(database_url, demo=False, doors=doors([draft])), SystemClock())
    with serving(app) as pages:
        inbound = f"{pages}/sms/kannel/{SECRET}/inbound?id=%I&from=%p&text=%b&charset=%C&at=%T"
        kannel = Kannel(tmp_path, inbound_url=inbound)
        kannel.start()
        config = HttpConfig.from_table("kannel", {**table, "url": kannel.url, "webhook_url": pages}, secrets)
        found = Gateway(database_url, pages, config, kannel)
        yield found
        found.listener.close()
        kannel.close()


@pytest.mark.parametrize(
    ("text", "on_the_air"),
    [
        pytest.param("A1 pompe é [x] 40 %", "text A1 pompe é [x] 40 %", id="gsm-7"),
        pytest.param("A1 reçu", "ucs-2 " + "%00A%001%00+%00r%00e%00%E7%00u", id="ucs-2-is-not-turned-into-?"),
    ],
)
def test_what_kannel_takes_is_on_the_air_and_its_receipt_finds_the_message(
    gateway: Gateway, text: str, on_the_air: str
) -> None:
    gateway.kannel.phones()
    message = gateway.listener.submit(text)
    both = {Fate.ON_THE_NETWORK, Fate.DELIVERED}
    gateway.listener.hear(
        lambda told: both <= {one.fate for one in told if isinstance(one, Receipt)}, "the receipts, in either order"
    )
    outcomes = [event.outcome for event in gateway.listener.told if hasattr(event, "outcome")]
    assert outcomes == [Accepted(str(message.ref))]
    receipts = [event for event in gateway.listener.told if isinstance(event, Receipt)]
    assert {event.ref for event in receipts} == {message.ref}
    assert {event.fate for event in receipts} == both
    wait_until(lambda: f"<7000 {NUMBER} {on_the_air}>" in gateway.kannel.log(), "the network saw it")


def test_an_sms_that_comes_in_through_kannel_reaches_the_carrier_once(gateway: Gateway) -> None:
    gateway.kannel.phones(says=f"{NUMBER} 7000 text 2 en route")
    gateway.listener.hear(lambda told: any(isinstance(one, Inbound) for one in told), "the SMS came in")
    (inbound,) = (event for event in gateway.listener.told if isinstance(event, Inbound))
    assert (inbound.phone, inbound.text) == (NUMBER, "2 en route")
    assert list(gateway.listener.carrier.events()) == []


def test_kannel_refuses_a_wrong_password_and_nothing_has_left(gateway: Gateway) -> None:
    secrets = {"NDIYAN_SMS_KANNEL_PASSWORD": "wrong", "NDIYAN_SMS_KANNEL_WEBHOOK_SECRET": SECRET}
    table = {
        "kind": "http", "template": "kannel", "user": "ndiyan", "from": "7000", "url": gateway.kannel.url,
        "webhook_url": quote(gateway.pages, safe=":/"),
    }  # fmt: skip
    config = HttpConfig.from_table("kannel", table, secrets)
    listener = Listener(gateway.database_url, "kannel", HttpRoute(config, SystemClock()))
    assert listener.outcome() == Refused("HTTP 403", is_permanent=False)
    listener.close()
