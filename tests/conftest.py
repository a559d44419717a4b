"""What holds for every test: a busy machine is no finding of Hypothesis, and Ctrl-C is heard."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("firmdrill", deadline=None)
settings.load_profile("firmdrill")

# Who starts the tests in the background of a script has them, and all that they start, ignore it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
