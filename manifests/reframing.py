"""A picture filmed in one ratio and shown in another: what is filmed, and what a crop keeps of it."""

from __future__ import annotations

from manifests.schema import Shot, Spot


def filmed_ratio(spot: Spot, shot: Shot) -> str:
    """The ratio that a shot is bought in: its own, whatever the film's."""
    return shot.reframe.from_ if shot.reframe is not None else spot.generate.ratio
