"""What encoder and decoder layers, and their stacks, have in common."""

from typing import Any

import keras

from toolkit.layers.arguments import (
    Shape,
    Tensor,
    check_positive,
    check_positive_or_none,
    derived_seed,
)
from toolkit.layers.attention_kinds import make_attention, make_positions, positions_in_attention
from toolkit.layers.dropout import Dropout
from toolkit.layers.feed_forward import FeedForward
from toolkit.layers.residual import NORMALIZATIONS, Residual


class TransformerLayer(keras.layers.Layer):
    """Arguments and parts of a Transformer layer; see the encoder and the decoder layer."""

    def __init__(
        self,
        num_heads: int,
        intermediate_dim: int,
        num_key_value_heads: int | None = None,
        attention: str = "full",
        attention_options: dict[str, Any] | None = None,
        positions: str | None = None,
        activation: str = "relu",
        norm: str = "pre",
        normalization: str = "layer",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        activation_dropout: float = 0.0,
        stochastic_depth: float = 0.0,
        epsilon: float = 1e-6,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.num_key_value_heads = num_key_value_heads
        self.attention = attention
        self.attention_options = attention_options
        self.positions = positions
        self.activation = activation
        self.norm = norm
        self.normalization = normalization
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.activation_dropout = activation_dropout
        self.stochastic_depth = stochastic_depth
        self.epsilon = epsilon
        self.seed = seed
        self.supports_masking = True
        self.self_attention = self._residual(self._self_attention(), "self_attention", 1)
        self.feed_forward = self._residual(self._feed_forward(), "feed_forward", 3)

    def _self_attention(self) -> keras.layers.Layer:
        return make_attention(
            self.attention,
            **self._attention_options(0),
            **({"positions": self.positions} if self.positions else {}),
            **(self.attention_options or {}),
        )

    def _attention_options(self, number: int) -> dict[str, Any]:
        """What all attention of the layer shares."""
        return {
            "num_heads": self.num_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "dropout": self.attention_dropout,
            "seed": derived_seed(self.seed, number),
            "dtype": self.dtype_policy,
            "name": "attention",
        }

    def _feed_forward(self) -> FeedForward:
        return FeedForward(
            self.intermediate_dim,
            activation=self.activation,
            dropout=self.activation_dropout,
            seed=derived_seed(self.seed, 2),
            dtype=self.dtype_policy,
            name="network",
        )

    def _residual(self, layer: keras.layers.Layer, name: str, number: int) -> Residual:
        return Residual(
            layer,
            norm=self.norm,
            normalization=self.normalization,
            dropout=self.dropout,
            stochastic_depth=self.stochastic_depth,
            epsilon=self.epsilon,
            seed=derived_seed(self.seed, number),
            dtype=self.dtype_policy,
            name=name,
        )

    def attend(self, inputs: Tensor, **options: Any) -> Tensor:
        """Self-attention in its residual connection; options as `MultiHeadAttention` takes them."""
        attention = self.self_attention.layer
        return self.self_attention.around(lambda x: attention(x, **options), inputs)


class TransformerStack(keras.layers.Layer):
    """Arguments and parts of a stack of Transformer layers; see the encoder and the decoder."""

    layer_type: type[TransformerLayer]

    def __init__(
        self,
        num_layers: int,
        num_heads: int,
        intermediate_dim: int,
        num_key_value_heads: int | None = None,
        attention: str = "full",
        attention_options: dict[str, Any] | None = None,
        positions: str | None = None,
        max_length: int | None = None,
        activation: str = "relu",
        norm: str = "pre",
        normalization: str = "layer",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        activation_dropout: float = 0.0,
        stochastic_depth: float = 0.0,
        epsilon: float = 1e-6,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(num_layers=num_layers)
        check_positive_or_none(max_length=max_length)
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.num_key_value_heads = num_key_value_heads
        self.attention = attention
        self.attention_options = attention_options
        self.positions = positions
        self.max_length = max_length
        self.activation = activation
        self.norm = norm
        self.normalization = normalization
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.activation_dropout = activation_dropout
        self.stochastic_depth = stochastic_depth
        self.epsilon = epsilon
        self.seed = seed
        self.supports_masking = True
        policy = self.dtype_policy
        self.add_positions: Any = make_positions(
            positions, max_length, dtype=policy, name="positions"
        )
        self.drop = Dropout(dropout, seed=derived_seed(seed, 0), dtype=policy)
        self.layers = [self._layer(number) for number in range(num_layers)]
        # Pre-norm leaves the sum of all branches as it is.
        final = NORMALIZATIONS[normalization](epsilon, dtype=policy, name="final_norm")
        self.final_norm: Any = final if norm == "pre" else None

    def _layer(self, number: int) -> TransformerLayer:
        """The layer; deeper ones skip more often, up to `stochastic_depth`."""
        return self.layer_type(
            num_heads=self.num_heads,
            intermediate_dim=self.intermediate_dim,
            num_key_value_heads=self.num_key_value_heads,
            attention=self.attention,
            attention_options=self.attention_options,
            positions=positions_in_attention(self.positions),
            activation=self.activation,
            norm=self.norm,
            normalization=self.normalization,
            dropout=self.dropout,
            attention_dropout=self.attention_dropout,
            activation_dropout=self.activation_dropout,
            stochastic_depth=self.stochastic_depth * (number + 1) / self.num_layers,
            epsilon=self.epsilon,
            seed=derived_seed(self.seed, number + 1),
            dtype=self.dtype_policy,
            name=f"layer_{number}",
        )

    def _build_stack(self, inputs_shape: Shape, *shapes: Shape) -> None:
        if self.add_positions is not None:
            self.add_positions.build(inputs_shape)
        for layer in self.layers:
            layer.build(inputs_shape, *shapes)
        if self.final_norm is not None:
            self.final_norm.build(inputs_shape)

    def _begin(self, inputs: Tensor, offset: int | Tensor = 0) -> Tensor:
        """The inputs with their positions."""
        if self.add_positions is not None:
            inputs = self.add_positions(inputs, offset=offset)
        return self.drop(inputs)

    def _end(self, x: Tensor) -> Tensor:
        return x if self.final_norm is None else self.final_norm(x)

    def compute_output_shape(self, inputs_shape: Shape, *shapes: Shape) -> Shape:
        """As the input."""
        return inputs_shape
