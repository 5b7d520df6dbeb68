"""What people read of a run while it works."""

from __future__ import annotations

from typing import Any

from clocks import TestClock

from flows.views import Pace, event_line


def film(number: int, *, made: bool = True) -> dict[str, Any]:
    return {"message_type": "film", "file": f"f{number}.mp4", "frames": 360, "number": number, "of": 10, "made": made}


def test_a_film_is_told_with_its_frames() -> None:
    assert event_line(film(3)) == "film 3 of 10: f3.mp4, 360 frames"
    assert event_line(film(4, made=False)) == "film 4 of 10: f4.mp4, there already"


def test_the_rest_is_guessed_from_films_that_were_made() -> None:
    clock = TestClock()
    pace = Pace(clock)
    said = []
    for event in (film(1, made=False), film(2), film(3), film(4, made=False), film(5), film(10)):
        clock.elapsed += 20
        pace.add(event)
        said.append(pace.left(event))
    assert said == ["", "", "; about 2 min left", "; about 2 min left", "; about 2 min left", ""]
    assert pace.frames == 4 * 360
