"""Every error that shotrunner raises below the flows, and what a person should do about it.

ShotrunnerError                     fixed summary + detail + remedy, exit code
├── UnexpectedError                 a mistake of ours, or one that nobody foresaw      1
├── ReferenceDriftError             a pinned file changed                              2
├── StalePlanError                  plan no longer matches manifest, lock or ledger    2
├── BudgetExceededError             our own limit                                      5
│   └── ShotBudgetExceededError     the limit of one shot: the others go on            5
├── UnexplainedSpendError           the vendor charged more than our ledger knows      5
├── CreditsExhaustedError           the vendor's balance                               5
├── LeaseHeldError                  another run owns the campaign                      9
├── ApprovalNeededError             a gate waits for a person                          4
├── RightsError                     rights or disclosure                               8
├── StoppedError                    asked to stop: nothing new is bought               130
├── ShotFailedError                 no usable take: the film waits for this shot       3
├── QualityError                    a deliverable or a delivery check failed           7
│   └── OfferEndedError             what a film shows was good until a day before now  7
├── MediaError                      a file that is not what it should be               7
│   └── ProgramMissingError         ffmpeg or another program is not there             6
├── StoreError                      the store                                          6
│   ├── NotFoundError  PreconditionFailedError  ConflictError  IntegrityError
│   └── AccessDeniedError  StoreFullError  UnfitStoreError  StoreUnavailableError (transient)
├── PortInUseError                                                                     6
├── ClusterError                    no place for media steps, or none that is fit      6
└── VendorError                     anything a vendor answered, or failed to           6
    ├── RefusedError                certainly not created (4xx, or nothing was sent)
    │   ├── RequestRejectedError    400: our request                                   3
    │   ├── DailyCapError           429: the rolling 24 h cap of one model             3
    │   ├── ModerationError         not sent: moderation refused this shot before      3
    │   ├── ThrottledError          429: too many at once, the next one may pass       3
    │   ├── CredentialsError        401                                                6
    │   │   └── KeyUnreadableError  the place that a key's reference names             6
    │   ├── KeyChangedError         401, and the reference holds another key by now    6
    │   └── VendorUnreachableError  no connection: nothing was sent                    6
    ├── UnknownOutcomeError         a create whose answer was lost: paid or not        3
    ├── StuckTaskError              patience has run out; the task stays in flight      3
    ├── TakeFailedError             FAILED task: failure class, charged credits        3
    ├── LinkExpiredError            an output link no longer answers (fetch the task again)
    ├── DownloadError               output truncated or not what was announced
    ├── TaskMissingError            404 for a task id
    └── VendorUnavailableError      a read that kept failing (transient)
"""

from __future__ import annotations

import datetime as dt
from typing import ClassVar


class ShotrunnerError(Exception):
    """An expected failure. `summary` never varies; `detail` says what, why and where; `remedy` what to do."""

    summary: ClassVar[str] = "something went wrong"
    exit_code: ClassVar[int] = 1

    def __init__(
        self, detail: str, *, remedy: str = "", address: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        self.address = address
        self.request_id = request_id

    def __str__(self) -> str:
        where = f"{self.address}: " if self.address else ""
        asked = f" (request {self.request_id})" if self.request_id else ""
        remedy = f"\n    {self.remedy}" if self.remedy else ""
        return f"{where}{self.summary}: {self.detail}{asked}{remedy}"


class UnexpectedError(ShotrunnerError):
    summary = "something that nobody expected"


class ReferenceDriftError(ShotrunnerError):
    summary = "a pinned file has changed"
    exit_code = 2


class StalePlanError(ShotrunnerError):
    summary = "the plan is stale"
    exit_code = 2


class BudgetExceededError(ShotrunnerError):
    summary = "over budget"
    exit_code = 5


class ShotBudgetExceededError(BudgetExceededError):
    summary = "over the budget of one shot"


class UnexplainedSpendError(ShotrunnerError):
    summary = "the vendor has charged more than the ledger knows of"
    exit_code = 5


class CreditsExhaustedError(ShotrunnerError):
    summary = "the vendor account has not enough credits"
    exit_code = 5


class LeaseHeldError(ShotrunnerError):
    """`seconds_left`: when the lease runs out unless its owner renews it; 0 when ours was taken over. `elsewhere`: its
    owner is on another machine, so nobody here can say whether it lives."""

    summary = "another run holds the campaign"
    exit_code = 9

    def __init__(
        self,
        detail: str,
        *,
        seconds_left: float = 0,
        elsewhere: bool = False,
        remedy: str = "",
        address: str | None = None,
    ) -> None:
        super().__init__(detail, remedy=remedy, address=address)
        self.seconds_left = seconds_left
        self.elsewhere = elsewhere


class ApprovalNeededError(ShotrunnerError):
    summary = "a person has to decide"
    exit_code = 4


class RightsError(ShotrunnerError):
    summary = "rights or disclosure"
    exit_code = 8


class StoppedError(ShotrunnerError):
    summary = "stopped"
    exit_code = 130


class ShotFailedError(ShotrunnerError):
    summary = "no usable take"
    exit_code = 3


class QualityError(ShotrunnerError):
    summary = "quality check failed"
    exit_code = 7


class OfferEndedError(QualityError):
    summary = "its offer has ended"


class MediaError(ShotrunnerError):
    summary = "unusable media file"
    exit_code = 7


class ProgramMissingError(MediaError):
    summary = "a program is missing"
    exit_code = 6


class PortInUseError(ShotrunnerError):
    summary = "the port is in use"
    exit_code = 6


class ClusterError(ShotrunnerError):
    summary = "the cluster for media steps"
    exit_code = 6


class StoreError(ShotrunnerError):
    summary = "the store failed"
    exit_code = 6


class NotFoundError(StoreError):
    summary = "no such object"


class PreconditionFailedError(StoreError):
    summary = "the object is not in the expected state"


class ConflictError(StoreError):
    summary = "another writer was at the same object"


class IntegrityError(StoreError):
    summary = "bytes do not match their digest"


class AccessDeniedError(StoreError):
    summary = "the store refused access"


class StoreFullError(StoreError):
    summary = "the store is full"


class UnfitStoreError(StoreError):
    summary = "nothing may be bought into this store"


class StoreUnavailableError(StoreError):
    summary = "the store does not answer"


class VendorError(ShotrunnerError):
    summary = "the vendor failed"
    exit_code = 6


class RefusedError(VendorError):
    summary = "the vendor refused the request"
    exit_code = 3


class RequestRejectedError(RefusedError):
    summary = "the vendor found the request invalid"


class DailyCapError(RefusedError):
    """`opens`: when the rolling window lets the next create through, as far as our own ledger knows."""

    summary = "the daily cap of this model is reached"

    def __init__(
        self,
        detail: str,
        *,
        remedy: str = "",
        address: str | None = None,
        request_id: str | None = None,
        opens: dt.datetime | None = None,
    ) -> None:
        super().__init__(detail, remedy=remedy, address=address, request_id=request_id)
        self.opens = opens


class ModerationError(RefusedError):
    summary = "not sent: the vendor's moderation refused this shot"


class ThrottledError(RefusedError):
    summary = "the vendor is busy"


class CredentialsError(RefusedError):
    summary = "the key was not accepted"
    exit_code = 6


class KeyUnreadableError(CredentialsError):
    summary = "the key cannot be read from where it is kept"


class KeyChangedError(RefusedError):
    summary = "the key was changed while the run went on"
    exit_code = 6


class VendorUnreachableError(RefusedError):
    summary = "the vendor could not be reached"
    exit_code = 6


class UnknownOutcomeError(VendorError):
    summary = "the answer to a create was lost: it may have been paid"
    exit_code = 3


class StuckTaskError(VendorError):
    summary = "the vendor has not finished it"
    exit_code = 3


class TakeFailedError(VendorError):
    """The vendor made a task and it failed. `code` is the vendor's, `charged` what it kept, `failure_class` ours."""

    summary = "the vendor could not make it"
    exit_code = 3

    def __init__(
        self,
        detail: str,
        *,
        code: str,
        charged: int,
        remedy: str = "",
        address: str | None = None,
        failure_class: str = "internal",
        retryable: bool = False,
    ) -> None:
        super().__init__(detail, remedy=remedy, address=address)
        self.code = code
        self.charged = charged
        self.failure_class = failure_class
        self.retryable = retryable


class LinkExpiredError(VendorError):
    summary = "the output link has expired"


class DownloadError(VendorError):
    summary = "the output did not arrive whole"


class TaskMissingError(VendorError):
    summary = "the vendor does not know this task"


class VendorUnavailableError(VendorError):
    summary = "the vendor does not answer"
