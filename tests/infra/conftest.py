"""Shared by the tests of infra: a clock that tests own."""

from __future__ import annotations

import pytest
from clocks import TestClock


@pytest.fixture
def test_clock() -> TestClock:
    return TestClock()
