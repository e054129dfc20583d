"""The words of layer signatures, and checks of arguments that share one wording."""

from typing import Any

from toolkit.errors import ArgumentError

Tensor = Any  # of any backend, symbolic or not
Shape = tuple[int | None, ...]


def check_positive(**arguments: int | None) -> None:
    """Raise `ArgumentError` unless every argument is a positive integer."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ArgumentError(f"{name}: Expected a positive integer. Received: {name}={value!r}")


def check_positive_or_none(**arguments: int | None) -> None:
    """Raise `ArgumentError` unless every argument is a positive integer or None."""
    check_positive(**{name: value for name, value in arguments.items() if value is not None})


def check_rate(**arguments: float) -> None:
    """Raise `ArgumentError` unless every argument is a fraction in [0, 1)."""
    for name, value in arguments.items():
        if not 0 <= value < 1:
            raise ArgumentError(
                f"{name}: Expected a number of at least 0 and below 1. Received: {name}={value!r}"
            )


def check_choice(choices: tuple[str | None, ...], **arguments: str | None) -> None:
    """Raise `ArgumentError` unless every argument is one of the choices."""
    for name, value in arguments.items():
        if value not in choices:
            known = ", ".join(map(str, choices))
            raise ArgumentError(f"{name}: Expected one of {known}. Received: {name}={value!r}")


def check_rank(rank: int, **shapes: Shape) -> None:
    """Raise `ArgumentError` unless every shape has `rank` axes."""
    for name, shape in shapes.items():
        if len(shape) != rank:
            raise ArgumentError(
                f"{name}: Expected {rank} axes. Received: {name} of shape {tuple(shape)}"
            )


def derived_seed(seed: int | None, number: int) -> int | None:
    """A seed of its own for each of a layer's parts, so that they do not draw alike."""
    return None if seed is None else (seed * 1_000_003 + number + 1) % 2**31


def first_given(*values: Tensor | None) -> Tensor | None:
    """The first value that is not None."""
    return next((value for value in values if value is not None), None)
