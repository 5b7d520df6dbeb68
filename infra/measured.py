"""How long a bought line of speech is. The store knows once the line was decoded; it is not decoded here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from infra.media.steps import STEPS
from infra.records import read_record
from infra.storage.base import ObjectStore
from manifests.digest import step_key
from manifests.journal import BlobRef, StepResult
from manifests.naming import step_record_key

SAMPLE_RATE = 48000
AS_BOUGHT = Decimal(1)


def speech_params(speed: Decimal) -> dict[str, Any]:
    """Of the steps that decode a line."""
    return {"sample_rate": SAMPLE_RATE, "speed": str(speed)}


def seconds_of_speech(step: StepResult) -> Decimal:
    """When the last sound of the line is over."""
    return Decimal(str(step.facts["ends"]))


def measured_seconds(store: ObjectStore, sound: BlobRef) -> Decimal | None:
    """None until the line was decoded. That it was is enough: the decoded bytes may be gone."""
    key = step_key("speech", STEPS["speech"], speech_params(AS_BOUGHT), {"sound": sound.sha256})
    record = read_record(store, step_record_key(key), StepResult)
    return None if record is None else seconds_of_speech(record)
