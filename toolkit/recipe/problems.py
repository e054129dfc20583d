"""Errors of a recipe: each with its place, all reported at once, with suggestions."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.errors import RecipeError
from toolkit.recipe.nodes import Place


@dataclass(frozen=True)
class Problem:
    """One mistake: where, at which key, and what is wrong."""

    message: str
    place: Place
    path: str = ""
    missing: bool = False

    def order(self, source: str) -> tuple[Any, ...]:
        """Sorts by place: the recipe, other files, settings; keys that are not there come last."""
        place = self.place
        rank = 2 * place.source.startswith("--set") or place.source != source
        return (self.missing, rank, place.source, place.line, place.column)


def report(source: str, problems: Sequence[Problem], hint: str = "") -> RecipeError:
    """The one error that lists every problem of a recipe.

    Args:
        source: the recipe's file, or "" for a Python mapping.
        problems: at least one.
        hint: the next command, on a line of its own.
    """
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: problem.order(source))
    wheres = [_where(problem.place, source) for problem in ordered]
    width = max(len(where) for where in wheres)
    count = "1 error" if len(ordered) == 1 else f"{len(ordered)} errors"
    lines = [f"{source or 'The recipe'} has {count}:"]
    for where, problem in zip(wheres, ordered, strict=True):
        start = f"  {where:<{width}} " if width else "  "
        lines.append(f"{start}{problem.path + ': ' if problem.path else ''}{problem.message}")
    return RecipeError("\n".join([*lines, hint] if hint else lines))


def _where(place: Place, source: str) -> str:
    position = f"{place.line}:{place.column}" if place.line else ""
    if place.source == source:
        return position
    return ":".join(part for part in (place.source, position) if part)


def nearest(word: Any, candidates: Iterable[Any], cutoff: float = 0.6) -> str | None:
    """The candidate that ``word`` most likely means: nearest in letters, or by its initials."""
    if not isinstance(word, str):
        return None
    plain = {_plain(name): name for name in candidates if isinstance(name, str)}
    inside = [name for name in plain.values() if _is_part(_plain(word), _plain(name))]
    if len(inside) == 1:
        return inside[0]
    close = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=cutoff)
    if close:
        return plain[close[0]]
    initials = (name for name in plain.values() if "_" in name and _initials(name) == word)
    return next(initials, None)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def _is_part(word: str, name: str) -> bool:
    """Whether ``name`` is ``word`` with whole words before or after it."""
    return bool(word) and (name.endswith(f"_{word}") or name.startswith(f"{word}_"))


def _initials(name: str) -> str:
    return "".join(part[:1] for part in name.split("_"))


def did_you_mean(word: Any, candidates: Iterable[Any]) -> str:
    """`` Did you mean 'x'?``, or nothing when no candidate is near."""
    found = nearest(word, candidates)
    return f" Did you mean {found!r}?" if found is not None else ""


def shown(value: Any) -> str:
    """A value as an error message quotes it: in YAML's words, short."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        text = f"[{', '.join(shown(each) for each in value)}]"
    elif isinstance(value, str | int | float):
        text = repr(value)
    else:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def listed(names: Iterable[Any], last: str = "or") -> str:
    """``'a', 'b' or 'c'``."""
    quoted = [shown(name) for name in names]
    return f" {last} ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]])) if quoted else ""
