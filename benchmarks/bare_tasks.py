"""Tasks without Prefect around them: what an orchestrator costs is not what a benchmark of media looks at. To be
imported before anything that is decorated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tasks.policy


def _plainly(name: str) -> Callable[[Any], Any]:
    return lambda function: function


tasks.policy.production_task = _plainly
