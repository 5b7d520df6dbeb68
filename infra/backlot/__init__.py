"""The backlot: a local server that speaks the vendors' HTTP contracts and films animatics.

It never imports `infra.providers` or `infra.audio`, nor they it: client and stand-in must not share a mistake.
"""
