"""Linear maps of single targets, where the validation part says that one for all is not enough.

Columns of one table may be as unlike as a temperature and a wind. A map of its own, drawn towards
the one that all share, costs a column nothing where they are alike (Toner and Darlow, arXiv
2403.14587, solve single maps in closed form; what they are drawn towards is ours).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from toolkit.tasks.base import Decision
from toolkit.tasks.forecasting import options, ridge
from toolkit.tasks.forecasting.origins import Origin

if TYPE_CHECKING:
    from toolkit.data.windows import WindowExamples
    from toolkit.tasks.forecasting.task import Forecasting

Floats = NDArray[np.float64]
STRENGTHS = (100.0, 1e3, 1e4, 3e4, 1e5, 1e6)  # of what draws a map towards the shared one
SHARED = -1.0  # stands for the shared map in a list of strengths
MOST = 20_000_000  # weights of all maps together
# Share of a target's error that a map of its own must save. Of hourly data of two years, validation
# parts promised up to .046 that the test did not keep; of unlike columns, .06 to .59.
PAYS = 0.05
MEMORY = 2**26  # bytes of sums of products at a time


def settle(task: Forecasting, origin: Origin, shared: Floats, *, little: bool) -> None:
    """Settle which targets get a map of their own, and how strongly it is drawn.

    Args:
        task: the rest of its linear forecast is settled.
        origin: the training part, and the validation part after it.
        shared: the map of all, fitted on the training part.
        little: whether there is too little data to tell.
    """
    wanted, targets = _wanted(task.model_options), len(task.targets)
    few_targets = 1 < targets <= MOST // shared.size
    task.individual = []
    if wanted is False or (wanted == "auto" and (little or not few_targets)):
        return
    learnt, held = task.cut(origin.before), task.cut(origin.after)
    moments = zip(_moments(task, learnt), _moments(task, held), strict=True)
    every = [_errors(known, asked, shared) for known, asked in moments]
    found = [_best(errors, own=wanted is True) for errors in every]
    own = [name for name, one in zip(task.targets, found, strict=True) if one != SHARED]
    task.individual = found if own else []
    if wanted == "auto":
        before = sum(errors[SHARED] for errors in every) / targets
        reason = f"validation error {before:.4g} by one map for all"
        if own:
            after = sum(errors[one] for errors, one in zip(every, found, strict=True)) / targets
            reason += f", {after:.4g} with maps for {', '.join(own)}"
        task.decisions["model.individual"] = Decision(bool(own), reason)


def _wanted(model: Any) -> Literal["auto"] | bool:
    """What the recipe says of single maps; no for a model without a linear part."""
    if isinstance(model, options.LinearModel):
        return model.individual
    without = isinstance(model, options.Baseline) or not getattr(model, "linear", True)
    return False if without else "auto"


def maps(task: Forecasting, examples: WindowExamples, shared: Floats) -> Floats:
    """``(targets, context + 1, prediction)``: the shared map where a target has no other."""
    every = zip(task.individual, _moments(task, examples), strict=True)
    return np.stack([shared if one == SHARED else known.solve(one, shared) for one, known in every])


def _errors(learnt: ridge.Moments, held: ridge.Moments, shared: Floats) -> dict[float, float]:
    """A target's errors by the shared map, and by maps that are drawn to it, by their strength."""
    errors = {one: held.error(learnt.solve(one, shared)) for one in STRENGTHS}
    return {SHARED: held.error(shared), **errors}


def _best(errors: dict[float, float], *, own: bool) -> float:
    """The best strength; the shared map where it does not pay, unless maps have to be ``own``."""
    best = min(STRENGTHS, key=lambda strength: errors[strength])
    return best if own or errors[best] < errors[SHARED] * (1 - PAYS) else SHARED


def _moments(task: Forecasting, examples: WindowExamples) -> Iterator[ridge.Moments]:
    """Of each target by itself, as many at a time as there is room for."""
    context, ahead = task.lengths
    size = (context + 1) * (context + 1 + ahead) * np.dtype(np.float64).itemsize
    together = max(1, MEMORY // size)
    for first in range(0, len(task.targets), together):
        last = min(first + together, len(task.targets))
        yield from ridge.moments_of_targets(examples, range(first, last))
