"""Windows over the rows of series, cut when they are asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolkit.data.examples import Arrays, Batch, Examples, Feature

Rows = NDArray[np.int64]


class WindowExamples(Examples):
    """Examples of which each is a window: steps to look back on and steps to forecast.

    The rows are held once; a batch gathers its windows from them, so that memory grows with the
    table, not with table x context.

    Args:
        past: features by name, ``(rows, ...)``, of which a window has the steps looked back on.
        span: features of which a window has all steps.
        fixed: features of a series, ``(series, ...)``; a loss is given them too.
        target: ``(rows, targets)`` what is forecast; None for windows that end where rows end.
        starts: ``(windows,)`` row of each window's first step to forecast.
        series: ``(windows,)`` number of the series.
        context_length: steps to look back on.
        prediction_length: steps to forecast.
        ids: names of the series.
    """

    def __init__(
        self,
        past: Arrays,
        span: Arrays,
        fixed: Arrays,
        target: NDArray[np.float32] | None,
        starts: Rows,
        series: Rows,
        context_length: int,
        prediction_length: int,
        ids: tuple[str, ...] = ("",),
    ) -> None:
        self.past, self.span, self.fixed, self.rows = past, span, fixed, target
        self.starts, self.series = starts, series
        self.context_length = context_length
        self.prediction_length = prediction_length
        self.ids = ids

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> Rows:
        """None: all windows are of one length."""
        return np.zeros((len(self), 0), np.int64)

    def batch(self, rows: Rows, shape: tuple[int, ...] = ()) -> Batch:
        """Cut the windows with one vectorised read per feature."""
        del shape
        first = self.starts[rows][:, None]
        past = first + np.arange(-self.context_length, 0)
        ahead = first + np.arange(self.prediction_length)
        whole = np.concatenate([past, ahead], axis=1)
        inputs = {name: values[past] for name, values in self.past.items()}
        inputs |= {name: values[whole] for name, values in self.span.items()}
        inputs |= {name: values[self.series[rows]] for name, values in self.fixed.items()}
        targets: Arrays = {}
        if self.rows is not None:
            targets = {"target": self.rows[ahead], **{name: inputs[name] for name in self.fixed}}
        return Batch(inputs, targets, np.ones(len(rows), np.float32))

    def target(self, name: str) -> Feature:
        """The steps to forecast of all windows, ``(windows, steps, targets)``, in memory."""
        assert self.rows is not None, f"no {name} without rows to forecast"
        ahead = self.starts[:, None] + np.arange(self.prediction_length)
        return np.asarray(self.rows[ahead])

    def taken(self, rows: Rows) -> WindowExamples:
        """Some of the windows, of the same rows."""
        return WindowExamples(
            self.past, self.span, self.fixed, self.rows, self.starts[rows], self.series[rows],
            self.context_length, self.prediction_length, self.ids,
        )  # fmt: skip
