"""Kannel, started for a test: bearerbox, smsbox and its fake network; all on loopback and free ports."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from ndiyan.children import free_port

FAKESMSC = Path("/usr/lib/kannel/test/fakesmsc")
CONFIG = """
group = core
admin-port = {admin}
admin-interface = "127.0.0.1"
smsbox-interface = "127.0.0.1"
admin-password = admin
smsbox-port = {box}
box-allow-ip = "127.0.0.1"
store-type = file
store-location = "{folder}/store"
dlr-storage = internal
log-file = "{folder}/bearerbox.log"

group = smsc
smsc = fake
smsc-id = FAKE
port = {network}
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}
sendsms-interface = "127.0.0.1"
http-request-retry = 5
http-queue-delay = 1
log-file = "{folder}/smsbox.log"

group = sendsms-user
username = ndiyan
password = secret
max-messages = 3
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "{inbound_url}"
"""


def why_no_kannel() -> str | None:
    """Why there is no Kannel here, in a sentence."""
    boxes = [shutil.which(box, path="/usr/sbin:/usr/bin:/usr/local/sbin") for box in ("bearerbox", "smsbox")]
    return None if all(boxes) and FAKESMSC.exists() else "apt-get install kannel kannel-extras"


class Kannel:
    """Both boxes and phones that are always there; `url` takes messages."""

    def __init__(self, folder: Path, *, inbound_url: str) -> None:
        self._folder = folder
        ports = {name: free_port() for name in ("admin", "box", "network", "send")}
        self._network, self._admin = ports["network"], ports["admin"]
        self.url = f"http://127.0.0.1:{ports['send']}"
        self._rc = folder / "kannel.conf"
        self._rc.write_text(CONFIG.format(folder=folder, inbound_url=inbound_url, **ports))
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Both boxes and one phone; back when a message would be taken."""
        self._spawn(["/usr/sbin/bearerbox", str(self._rc)])
        self._wait(f"http://127.0.0.1:{self._admin}/status.txt?password=admin", "Kannel")
        self._spawn(["/usr/sbin/smsbox", str(self._rc)])
        self._wait(self.url, "")

    def phones(self, *, says: str | None = None, log: str = "air.log") -> subprocess.Popen[bytes]:
        """The fake network: takes all that is sent (in `log`), says one SMS (`from to text words`) if told so."""
        for child in self._children[2:]:
            child.terminate()  # the fake network is one line
            child.wait(5)
        words = [says] if says else ["1 2 text nobody"]
        return self._spawn(
            [str(FAKESMSC), "-H", "127.0.0.1", "-r", str(self._network), "-i", "1",
             "-m", "1" if says else "0", "-v", "0", *words],
            out=self._folder / log,
        )  # fmt: skip

    def log(self, name: str = "air.log") -> str:
        """What the network saw."""
        path = self._folder / name
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def close(self) -> None:
        """End all, the phones first."""
        for child in reversed(self._children):
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(5)

    def _spawn(self, argv: Sequence[str], *, out: Path | None = None) -> subprocess.Popen[bytes]:
        with (out or self._folder / "kannel.log").open("ab") as sink:
            child = subprocess.Popen(argv, stdout=sink, stderr=sink, cwd=self._folder)
        self._children.append(child)
        return child

    def _wait(self, url: str, expected: str) -> None:
        end_s = time.monotonic() + 20
        while True:
            try:
                if expected in httpx.get(url).text:
                    return
            except httpx.HTTPError:
                pass
            assert time.monotonic() < end_s, f"{url} does not answer"
            time.sleep(0.05)
