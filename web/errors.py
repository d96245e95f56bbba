"""What the pages and the API raise on purpose."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class WebError(Exception):
    """Root of all that this package raises on purpose."""


class LinkRefused(WebError):
    """A log-in link does not open the door; `reason` says why."""

    def __init__(self, reason: LinkRefusal) -> None:
        super().__init__(f"log-in link is {reason}")
        self.reason = reason


class LinkRefusal(StrEnum):
    """Why a log-in link does not open the door."""

    UNKNOWN = "unknown"
    USED = "used"
    EXPIRED = "expired"


class LoginNeeded(WebError):
    """The request carries no valid session and no valid API key."""


class LoginRefused(WebError):
    """Name and password do not fit."""


class CodeRefused(WebError):
    """The code of the second factor does not fit."""


class SignOnRefusal(StrEnum):
    """Why the OpenID provider does not let somebody in here."""

    AWAY = "away"  # it does not answer
    SETUP = "setup"  # it is not as it must be, or does not know us
    DENIED = "denied"  # the person, or the provider, said no
    STRAYED = "strayed"  # this browser did not set out, or another log-in came between
    TOKEN = "token"  # noqa: S105 - a word, no secret: what it says is not signed, not for us or not for now
    MAIL = "mail"  # no address that it vouches for and that is of the domain
    GROUP = "group"  # no group that may come in
    TAKEN = "taken"  # an account of this name is somebody else's
    CLOSED = "closed"  # the account is disabled


class SignOnRefused(WebError):
    """The OpenID provider does not let somebody in here; `reason` says why, the message what was found."""

    def __init__(self, reason: SignOnRefusal, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class ProviderNeeded(WebError):
    """The account's role comes in by the OpenID provider alone."""


class PasswordRefused(WebError):
    """A password that may not be one: `why` is length, plain or name, `value` what is wrong with it."""

    def __init__(self, why: str, value: object) -> None:
        super().__init__(f"password: {why}: {value}")
        self.why, self.value = why, value


class AccountRefused(WebError):
    """An account cannot be like this: `why` is one of the keys below, `value` the one that is refused."""

    SENTENCES: ClassVar = {
        "name": "a name has 1 to 60 letters",
        "taken": "there is an account of this name",
        "zone": "a secretary belongs to one zone that exists",
        "last": "this is the last administrator",
        "mailbox": "an address is NAME@DOMAIN and has at most 60 letters",
        "awaited": "another account comes in by this address",
    }

    def __init__(self, why: str, value: str) -> None:
        super().__init__(f"account {value!r}: {self.SENTENCES[why]}")
        self.why, self.value = why, value


class CommitteeRefused(WebError):
    """A change of a committee that cannot be made: `why` is one of the keys below, `value` what is refused.

    Of a number `count` says how many digits stand behind the country.
    """

    SENTENCES: ClassVar = {
        "name": "a name has 1 to 60 letters",
        "phone": "this is no phone number",
        "digits": "a mobile number of Guinea has nine digits and begins with 6",
        "twice": "this number is in the committee already",
        "forgotten": "whose number this is asked to be forgotten",
        "moved_on": "somebody changed the zone since",
    }

    def __init__(self, why: str, value: str, count: int = 0) -> None:
        super().__init__(f"committee {value!r}: {self.SENTENCES[why]}")
        self.why, self.value, self.count = why, value, count


class RightMissing(WebError):
    """The account is known and may not do this; `right` is what its role lacks."""

    def __init__(self, right: str) -> None:
        super().__init__(f"this needs the right {str(right)!r}, which the account's role does not have")
        self.right = right


class KeyUnknown(WebError):
    """No API key, or more than one, begins like this."""

    def __init__(self, prefix: str, found: int) -> None:
        many = "no key that opens anything begins" if not found else f"{found} keys begin"
        super().__init__(f"{prefix}: {many} like this")


class ScopeMissing(WebError):
    """The key is known and may not do this; `scope` is what it lacks."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"this needs the scope {str(scope)!r}, which the key does not have")
        self.scope = scope


class TooManyRequests(WebError):
    """The key has asked more often than is allowed."""

    def __init__(self, per_minute: int, retry_after_s: int) -> None:
        super().__init__(f"more than {per_minute} requests a minute; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class TooBusy(WebError):
    """More is asked than can be answered, and the turn of this request did not come."""

    def __init__(self, waited_s: float) -> None:
        super().__init__(f"others were before this request for {waited_s:g} s; try again later")


class UploadRefusal(StrEnum):
    """Why a file or photo is not received."""

    FULL = "full"  # too many are on their way
    YOURS = "yours"  # too many of one person are
    SLOW = "slow"
    ROOM = "room"  # the disk is nearly full


class UploadRefused(WebError):
    """A file or photo is not received; `why` is the reason, the message has its bound."""

    def __init__(self, why: UploadRefusal, detail: str) -> None:
        super().__init__(detail)
        self.why = why


class ReaderGone(WebError):
    """Whoever asked did not wait for the answer."""

    def __init__(self) -> None:
        super().__init__("nobody waits for this answer any more")


class NotOffered(WebError):
    """Something of a standard that this service does not answer."""


class RequestForged(WebError):
    """An unsafe request did not come from one of our own forms."""


class BadParameter(WebError):
    """A caller's value is outside what is allowed; names parameter, value and bound."""

    def __init__(self, parameter: str, value: object, bound: str) -> None:
        super().__init__(f"{parameter}: {value!r} {bound}")
        self.parameter, self.value, self.bound = parameter, value, bound


class NotThere(WebError):
    """What was asked for does not exist; `what` names its kind, `key` the one that was asked for."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"{what} {key!r} does not exist")
        self.what, self.key = what, key


class ReportRefused(WebError):
    """A report cannot be written or published like this; `why` names the reason."""

    def __init__(self, why: str) -> None:
        super().__init__(f"report: {why}")
        self.why = why
