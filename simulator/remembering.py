"""Remember what was asked before, but for long texts: they come from strangers. A core."""

from __future__ import annotations

from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


def remembered(most: int, *, longest: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep the latest `most` answers of a function of texts (or None), given by position.

    What is asked with more than `longest` characters in all is worked out anew each time, for a
    hostile peer could fill the memory with it.
    """

    def keep(work: Callable[P, T]) -> Callable[P, T]:
        kept = lru_cache(maxsize=most)(work)

        @wraps(work)
        def ask(*texts: Any) -> T:
            size = sum(map(len, filter(None, texts)))
            return kept(*texts) if size <= longest else work(*texts)  # type: ignore[call-arg]

        return ask  # type: ignore[return-value]

    return keep
