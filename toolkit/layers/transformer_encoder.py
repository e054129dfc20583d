"""Transformer encoder: a layer and a stack of them."""

import keras

from toolkit.layers.arguments import Shape, Tensor, first_given
from toolkit.layers.transformer_layer import TransformerLayer, TransformerStack


@keras.saving.register_keras_serializable(package="toolkit")
class TransformerEncoderLayer(TransformerLayer):
    """Self-attention, then a feed-forward network, each in a residual connection.

    Shapes:
        inputs and output: (batch, time, dim). padding_mask: (batch, time), True for real steps.

    Masking:
        Keras's mask stands in for `padding_mask`; it passes through.

    Args:
        num_heads: attention heads.
        intermediate_dim: width of the feed-forward network.
        num_key_value_heads: see `MultiHeadAttention`.
        attention: "full", "blocked", "local" or "lsh".
        attention_options: further arguments of the attention layer, such as {"window": 256}.
        positions: None, "rotary", "relative" or "alibi"; see `MultiHeadAttention`.
        activation: see `FeedForward`.
        norm: "pre" or "post".
        normalization: "layer" or "rms".
        dropout: rate after each sublayer.
        attention_dropout: rate on the attention probabilities; "full" attention only.
        activation_dropout: rate on the intermediate features of the feed-forward network.
        stochastic_depth: rate at which an example skips a sublayer in training.
        epsilon: of the normalisation.
        seed: of everything random.

    Raises:
        ArgumentError: an unknown choice, a size below 1, a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> layer = TransformerEncoderLayer(num_heads=2, intermediate_dim=32, dropout=0.1)
        >>> layer(np.ones((2, 10, 8), "float32")).shape.as_list()
        [2, 10, 8]

    References: Vaswani et al. (arXiv 1706.03762), section 3.1; pre-norm: Xiong et al.
    (arXiv 2002.04745).
    """

    def build(self, inputs_shape: Shape) -> None:
        """Both sublayers."""
        self.self_attention.build(inputs_shape)
        self.feed_forward.build(inputs_shape)

    def call(
        self,
        inputs: Tensor,
        padding_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        use_causal_mask: bool = False,
        training: bool | None = None,
        mask: Tensor | None = None,
        inputs_mask: Tensor | None = None,
    ) -> Tensor:
        """The encoded sequence.

        Args:
            inputs: (batch, time, dim).
            padding_mask: (batch, time), True for steps that count.
            attention_mask: (batch, time, time) or (time, time), True where a step may attend.
            use_causal_mask: attend only to the same step and earlier ones.
            training: apply dropout.
            mask: from Keras.
            inputs_mask: the same, as Keras names it beside other tensors.
        """
        x = self.attend(
            inputs,
            padding_mask=first_given(padding_mask, mask, inputs_mask),
            attention_mask=attention_mask,
            use_causal_mask=use_causal_mask,
        )
        return self.feed_forward(x)

    def compute_output_shape(self, inputs_shape: Shape) -> Shape:
        """As the input."""
        return inputs_shape


@keras.saving.register_keras_serializable(package="toolkit")
class TransformerEncoder(TransformerStack):
    """A stack of encoder layers over embedded inputs.

    Shapes:
        inputs and output: (batch, time, dim). padding_mask: (batch, time), True for real steps.

    Masking:
        Keras's mask stands in for `padding_mask`; it passes through.

    Args:
        num_layers: layers of the stack.
        num_heads: attention heads.
        intermediate_dim: width of the feed-forward networks.
        num_key_value_heads: see `MultiHeadAttention`.
        attention: "full", "blocked", "local" or "lsh".
        attention_options: further arguments of the attention layers, such as {"window": 256}.
        positions: None, "sinusoidal" or "learned" (added to the inputs), "rotary", "relative" or
            "alibi" (in each layer's attention).
        max_length: steps that "learned" positions know; None for 512.
        activation: see `FeedForward`.
        norm: "pre", with one more normalisation at the end, or "post".
        normalization: "layer" or "rms".
        dropout: rate on the inputs and after each sublayer.
        attention_dropout: rate on the attention probabilities; "full" attention only.
        activation_dropout: rate on the intermediate features of the feed-forward network.
        stochastic_depth: rate of the last layer; it falls linearly towards the first.
        epsilon: of the normalisation.
        seed: of everything random.

    Raises:
        ArgumentError: an unknown choice, a size below 1, a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> encoder = TransformerEncoder(
        ...     num_layers=2, num_heads=2, intermediate_dim=32, positions="sinusoidal"
        ... )
        >>> encoder(np.ones((2, 10, 8), "float32")).shape.as_list()
        [2, 10, 8]

    Reference: Vaswani et al. (arXiv 1706.03762), section 3.
    """

    layer_type = TransformerEncoderLayer

    def build(self, inputs_shape: Shape) -> None:
        """All layers."""
        self._build_stack(inputs_shape)

    def call(
        self,
        inputs: Tensor,
        padding_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        use_causal_mask: bool = False,
        training: bool | None = None,
        mask: Tensor | None = None,
        inputs_mask: Tensor | None = None,
    ) -> Tensor:
        """The encoded sequence; arguments as those of `TransformerEncoderLayer`."""
        x = self._begin(inputs)
        for layer in self.layers:
            x = layer(
                x,
                padding_mask=first_given(padding_mask, mask, inputs_mask),
                attention_mask=attention_mask,
                use_causal_mask=use_causal_mask,
            )
        return self._end(x)
