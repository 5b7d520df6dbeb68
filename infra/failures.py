"""What a vendor's failure code means for us (vendor sheet §5). Only says; the policy for each class is in tasks."""

from __future__ import annotations

from manifests.journal import FailureClass

# First match wins, on whole parts of the code: the vendor adds parts at the end without notice.
_CODES: tuple[tuple[str, FailureClass, bool], ...] = (
    ("SAFETY.OUTPUT", FailureClass.OUTPUT_MODERATED, False),
    ("SAFETY", FailureClass.INPUT_MODERATED, False),
    ("INPUT_PREPROCESSING.SAFETY", FailureClass.INPUT_MODERATED, False),
    ("INPUT_PREPROCESSING.INTERNAL", FailureClass.INTERNAL, True),
    ("INTERNAL.BAD_OUTPUT", FailureClass.BAD_OUTPUT, True),
    ("INTERNAL", FailureClass.INTERNAL, True),
    ("ASSET", FailureClass.INVALID_INPUT, False),
    ("THIRD_PARTY", FailureClass.THIRD_PARTY, True),
)


def classify_failure(code: str | None) -> tuple[FailureClass, bool]:
    """(class, whether the next take number may be tried). A code that we do not know is not tried again."""
    if not code:
        return FailureClass.INTERNAL, True
    parts = code.split(".")
    for prefix, failure_class, retryable in _CODES:
        wanted = prefix.split(".")
        if parts[: len(wanted)] == wanted:
            return failure_class, retryable
    return FailureClass.INTERNAL, False
