"""The words of layer signatures, and checks of arguments that share one wording."""

from typing import Any

from toolkit.errors import ArgumentError

Tensor = Any  # of any backend, symbolic or not
Shape = tuple[int | None, ...]


def check_positive(**arguments: int) -> None:
    """Raise `ArgumentError` unless every argument is a positive integer."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ArgumentError(f"{name}: Expected a positive integer. Received: {name}={value!r}")


def check_rate(**arguments: float) -> None:
    """Raise `ArgumentError` unless every argument is a fraction in [0, 1)."""
    for name, value in arguments.items():
        if not 0 <= value < 1:
            raise ArgumentError(
                f"{name}: Expected a number of at least 0 and below 1. Received: {name}={value!r}"
            )


def check_choice(choices: tuple[str, ...], **arguments: str) -> None:
    """Raise `ArgumentError` unless every argument is one of the choices."""
    for name, value in arguments.items():
        if value not in choices:
            raise ArgumentError(
                f"{name}: Expected one of {', '.join(choices)}. Received: {name}={value!r}"
            )


def check_rank(rank: int, **shapes: Shape) -> None:
    """Raise `ArgumentError` unless every shape has `rank` axes."""
    for name, shape in shapes.items():
        if len(shape) != rank:
            raise ArgumentError(
                f"{name}: Expected {rank} axes. Received: {name} of shape {tuple(shape)}"
            )
