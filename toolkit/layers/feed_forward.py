"""Position-wise feed-forward network."""

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_choice, check_positive, check_rate
from toolkit.layers.dropout import Dropout

GATED = {"swiglu": "silu", "geglu": "gelu", "glu": "sigmoid"}
ACTIVATIONS = ("relu", "gelu", "silu", *GATED)


@keras.saving.register_keras_serializable(package="toolkit")
class FeedForward(keras.layers.Layer):
    """Two dense layers with an activation between them, applied to each step alone.

    relu, gelu, silu: y = f(x W1 + b1) W2 + b2. swiglu, geglu, glu: y = (f(x W) * (x V)) W2 + b2
    with f = silu, gelu, sigmoid; W and V are one matrix product.

    Shapes:
        input and output: (..., dim). A mask passes through; no step sees another.

    Args:
        intermediate_dim: width between the two dense layers.
        activation: "relu", "gelu", "silu", "swiglu", "geglu" or "glu".
        dropout: rate on the intermediate features.
        use_bias: biases of both dense layers.
        kernel_initializer: of both dense layers.
        seed: of the dropout.

    Raises:
        ArgumentError: an unknown activation, a size below 1 or a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> layer = FeedForward(intermediate_dim=32, activation="swiglu")
        >>> layer(np.ones((2, 5, 8), "float32")).shape.as_list()
        [2, 5, 8]

    References: Vaswani et al. (arXiv 1706.03762), section 3.3; Shazeer, "GLU Variants Improve
    Transformer" (arXiv 2002.05202).
    """

    def __init__(
        self,
        intermediate_dim: int,
        activation: str = "relu",
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform",
        seed: int | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(intermediate_dim=intermediate_dim)
        check_choice(ACTIVATIONS, activation=activation)
        check_rate(dropout=dropout)
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self.dropout = dropout
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.seed = seed
        self.gated = activation in GATED
        self.function = keras.activations.get(GATED.get(activation, activation))
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        """The two dense layers; a gated one makes both halves in one product."""
        width = self.intermediate_dim * (2 if self.gated else 1)
        self.expand = self._dense(width, "expand")
        self.contract = self._dense(input_shape[-1], "contract")
        self.drop = Dropout(self.dropout, seed=self.seed, dtype=self.dtype_policy)
        self.expand.build(input_shape)
        self.contract.build((*input_shape[:-1], self.intermediate_dim))

    def _dense(self, units: int | None, name: str) -> keras.layers.Dense:
        return keras.layers.Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=self.kernel_initializer,
            name=name,
            dtype=self.dtype_policy,
        )

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """The transformed inputs."""
        hidden = self.expand(inputs)
        if self.gated:
            gate, hidden = ops.split(hidden, 2, axis=-1)
            hidden = self.function(gate) * hidden
        else:
            hidden = self.function(hidden)
        return self.contract(self.drop(hidden))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        return input_shape
