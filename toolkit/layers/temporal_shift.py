"""Channels moved along time."""

from typing import Any

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor
from toolkit.layers.masking import zero_masked


@keras.saving.register_keras_serializable(package="toolkit")
class TemporalShift(keras.layers.Layer):
    """Move some channels one step back and as many one step forth: time for no products.

    Of `dim` channels, `floor(share * dim)` come from the step after, as many from the step before,
    and the rest stay; zeros come in at both ends. Before a convolution over space, it gives each
    frame a look at its neighbours.

    Shapes: `(batch, time, ..., dim)` in and out.

    Masking: masked steps count as zeros, as what lies beyond the ends does; the mask goes through.

    Args:
        share: of the channels that are moved each way, at most a half.

    Raises:
        ArgumentError: a share outside 0..0.5.

    Example:
        >>> import numpy as np
        >>> steps = np.array([[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]], "float32")
        >>> TemporalShift(0.5)(steps).numpy()[0].T
        array([[2., 3., 0.],
               [0., 1., 2.]], dtype=float32)

    Reference: Lin et al., "TSM: Temporal Shift Module", arXiv 1811.08383, section 3.
    """

    def __init__(self, share: float = 0.125, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= share <= 0.5:
            raise ArgumentError(f"share: Expected 0 to 0.5. Received: share={share}")
        self.supports_masking = True
        self.share = share

    def call(self, sequence: Tensor, mask: Tensor | None = None) -> Tensor:
        """The shifted sequence; `mask` is True on real steps."""
        sequence = zero_masked(sequence, mask)
        moved = int(self.share * sequence.shape[-1])
        later, earlier = sequence[..., :moved], sequence[..., moved : 2 * moved]
        edge = ops.zeros_like(later[:, :1])
        later = ops.concatenate([later[:, 1:], edge], axis=1)
        earlier = ops.concatenate([edge, earlier[:, :-1]], axis=1)
        return ops.concatenate([later, earlier, sequence[..., 2 * moved :]], axis=-1)

    def compute_output_shape(self, sequence_shape: Shape) -> Shape:
        """As the input."""
        return sequence_shape
