"""What holds for every test: a busy machine is no finding of Hypothesis."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("firmdrill", deadline=None)
settings.load_profile("firmdrill")
