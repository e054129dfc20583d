"""What masked steps count as."""

from keras import ops

from toolkit.layers.arguments import Tensor


def zero_masked(series: Tensor, mask: Tensor | None) -> Tensor:
    """Zero where the mask `(batch, time)` is False, whatever stood there, NaN included."""
    if mask is None:
        return series
    shape = (*ops.shape(mask), *[1] * (len(series.shape) - 2))
    return ops.where(ops.reshape(mask, shape), series, ops.zeros((), series.dtype))
