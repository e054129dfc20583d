"""Pooling over the real steps of a sequence."""

from typing import Any, Literal, get_args

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_choice
from toolkit.layers.framing import real_length
from toolkit.layers.masking import zero_masked

Kind = Literal["mean", "max", "mean_max", "first", "last"]


@keras.saving.register_keras_serializable(package="toolkit")
class MaskedPooling(keras.layers.Layer):
    """One vector for a sequence: the mean, maximum, first or last of its real steps.

    Shapes: `(batch, time, dim)` to `(batch, dim)`, or `(batch, 2 * dim)` for `"mean_max"`, the
    mean before the maximum.

    Masking: masked steps enter nothing; a row without a real step gives zeros. The mask ends here.

    Args:
        kind: `"mean"`, `"max"`, `"mean_max"`, `"first"` or `"last"`. Means are taken in float32.

    Raises:
        ArgumentError: an unknown `kind`.

    Example:
        >>> import numpy as np
        >>> steps = np.array([[[1.0], [3.0], [9.0]]], "float32")
        >>> MaskedPooling("mean_max")(steps, mask=np.array([[True, True, False]])).numpy()
        array([[2., 3.]], dtype=float32)

    Reference: mean and maximum side by side: Howard and Ruder, "Universal Language Model
    Fine-tuning for Text Classification", arXiv 1801.06146, section 3.3.
    """

    def __init__(self, kind: Kind = "mean", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice(get_args(Kind), kind=kind)
        self.supports_masking = True
        self.kind = kind

    def call(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """The pooled sequence; `mask` is True on real steps."""
        if mask is None:
            mask = ops.ones(ops.shape(sequence)[:2], "bool")
        pools = {"mean": mean, "max": maximum, "first": first, "last": last}
        pooled = [pools[kind](sequence, mask) for kind in self.kind.split("_")]
        return ops.cast(ops.concatenate(pooled, axis=-1), self.compute_dtype)

    def compute_mask(self, sequence: Tensor, mask: Tensor | None = None) -> None:
        """No time is left to mask."""
        return

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        """`(batch, dim)`, or twice the width for `"mean_max"`."""
        batch, _, dim = sequence_shape
        return batch, 2 * dim if self.kind == "mean_max" and dim else dim


def mean(sequence: Tensor, mask: Tensor) -> Tensor:
    """Mean of the real steps, `(batch, dim)`."""
    total = ops.sum(ops.cast(zero_masked(sequence, mask), "float32"), axis=1)
    number = ops.sum(ops.cast(mask, "float32"), axis=1, keepdims=True)
    return ops.cast(total / ops.maximum(number, 1.0), sequence.dtype)


def maximum(sequence: Tensor, mask: Tensor) -> Tensor:
    """Maximum of the real steps, `(batch, dim)`."""
    lowest = ops.cast(float("-inf"), sequence.dtype)
    highest = ops.max(ops.where(mask[..., None], sequence, lowest), axis=1)
    return ops.where(ops.any(mask, axis=1)[:, None], highest, ops.zeros((), sequence.dtype))


def first(sequence: Tensor, mask: Tensor) -> Tensor:
    """The first real step, `(batch, dim)`."""
    return step_at(sequence, mask, ops.argmax(ops.cast(mask, "int32"), axis=1))


def last(sequence: Tensor, mask: Tensor) -> Tensor:
    """The last real step, `(batch, dim)`."""
    return step_at(sequence, mask, ops.maximum(real_length(mask) - 1, 0))


def step_at(sequence: Tensor, mask: Tensor, index: Tensor) -> Tensor:
    """One step of each row, zero where that is masked: `(batch, dim)`."""
    steps = ops.take_along_axis(zero_masked(sequence, mask), index[:, None, None], axis=1)
    return steps[:, 0]
