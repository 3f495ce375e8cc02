"""Functions of ops in functional models: given a symbolic value, the whole function becomes a layer of the model.

Unusual: without this, every torch function inside would become a layer of its own. What only looks at a value is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


def whole(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which becomes a layer where one of its values is symbolic."""

    @wraps(function)
    def called(*args: P.args, **keywords: P.kwargs) -> R:
        from deepwell.keras.symbolic import applied, symbolic

        if symbolic([args, keywords]):
            return cast(R, applied(function, list(args), keywords))
        return function(*args, **keywords)

    return called
