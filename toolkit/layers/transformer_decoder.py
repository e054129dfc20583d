"""Transformer decoder: a layer and a stack of them, whole sequences or one step at a time."""

from typing import Any

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, first_given
from toolkit.layers.multi_head_attention import MultiHeadAttention
from toolkit.layers.transformer_layer import TransformerLayer, TransformerStack

State = dict[str, Any]
"""Caches of keys and values by layer; each leaf has the batch first."""

STEPPING = ("full", "blocked", "local")


@keras.saving.register_keras_serializable(package="toolkit")
class TransformerDecoderLayer(TransformerLayer):
    """Causal self-attention, attention to the encoder's outputs, then a feed-forward network.

    Called without encoder outputs the first time, it is a decoder-only layer.

    Shapes:
        inputs and output: (batch, time, dim). encoded: (batch, source, encoded_dim).
        padding_mask: (batch, time). encoder_padding_mask: (batch, source). True for real steps.

    Masking:
        Keras's masks stand in for both padding masks; that of the inputs passes through.

    Decoding:
        `step` takes one step and goes on from `initial_state`; it equals the call.

    Args:
        num_heads: attention heads.
        intermediate_dim: width of the feed-forward network.
        num_key_value_heads: see `MultiHeadAttention`.
        attention: of the sequence to itself: "full", "blocked", "local" or, for whole sequences
            only, "lsh".
        attention_options: further arguments of that attention layer, such as {"window": 256}.
        positions: None, "rotary", "relative" or "alibi"; see `MultiHeadAttention`.
        activation: see `FeedForward`.
        norm: "pre" or "post".
        normalization: "layer" or "rms".
        dropout: rate after each sublayer.
        attention_dropout: rate on the attention probabilities; of the sequence to itself in
            "full" attention only.
        activation_dropout: rate on the intermediate features of the feed-forward network.
        stochastic_depth: rate at which an example skips a sublayer in training.
        epsilon: of the normalisation.
        seed: of everything random.

    Raises:
        ArgumentError: an unknown choice, a size below 1, a rate outside [0, 1); a step with
            "lsh" attention.

    Example:
        >>> import numpy as np
        >>> layer = TransformerDecoderLayer(num_heads=2, intermediate_dim=32)
        >>> x, encoded = np.ones((2, 10, 8), "float32"), np.ones((2, 5, 8), "float32")
        >>> layer(x, encoded).shape.as_list()
        [2, 10, 8]

    Reference: Vaswani et al. (arXiv 1706.03762), section 3.1.
    """

    def build(self, inputs_shape: Shape, encoded_shape: Shape | None = None) -> None:
        """Two sublayers, and between them a third where there are encoder outputs."""
        self.self_attention.build(inputs_shape)
        self.feed_forward.build(inputs_shape)
        self.cross_attention = None
        if encoded_shape is not None:
            attention = MultiHeadAttention(**self._attention_options(4))
            self.cross_attention = self._residual(attention, "cross_attention", 5)
            self.cross_attention.build(inputs_shape, encoded_shape)

    def call(
        self,
        inputs: Tensor,
        encoded: Tensor | None = None,
        padding_mask: Tensor | None = None,
        encoder_padding_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        training: bool | None = None,
        mask: Tensor | None = None,
        inputs_mask: Tensor | None = None,
        encoded_mask: Tensor | None = None,
    ) -> Tensor:
        """The decoded sequence.

        Args:
            inputs: (batch, time, dim).
            encoded: the encoder's outputs, (batch, source, encoded_dim).
            padding_mask: (batch, time), True for steps that count.
            encoder_padding_mask: (batch, source), True for encoder outputs that count.
            attention_mask: (batch, time, time) or (time, time), beside the causal mask.
            training: apply dropout.
            mask: of the inputs, from Keras.
            inputs_mask: the same, as Keras names it beside other tensors.
            encoded_mask: of the encoder's outputs, from Keras.
        """
        x = self.attend(
            inputs,
            padding_mask=first_given(padding_mask, mask, inputs_mask),
            attention_mask=attention_mask,
            use_causal_mask=True,
        )
        if self.cross_attention is not None:
            seen = {"padding_mask": first_given(encoder_padding_mask, encoded_mask)}
            cross = self.cross_attention.layer
            x = self.cross_attention.around(lambda h: cross(h, encoded, **seen), x)
        return self.feed_forward(x)

    def initial_state(
        self, encoded: Tensor | None, batch_size: int | Tensor, max_length: int
    ) -> State:
        """Room for the steps' keys and values, and those of the encoder's outputs, made once.

        With an encoder the state also holds the last step's `attention` (batch, source), the mean
        over the heads; without it in the state, a step does not tell it.
        """
        state = {"self_attention": self.self_attention.layer.initial_cache(batch_size, max_length)}
        if self.cross_attention is not None:
            state["cross_attention"] = self.cross_attention.layer.project_context(encoded)
            state["attention"] = ops.zeros((batch_size, ops.shape(encoded)[1]), self.compute_dtype)
        return state

    def step(
        self,
        x: Tensor,
        state: State,
        index: int | Tensor,
        encoder_padding_mask: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """One step (batch, dim) at position `index`: its output, and the state after it."""
        state = dict(state)
        x, state["self_attention"] = self.self_attention.around(
            lambda h: self.self_attention.layer.step(h, state["self_attention"], index), x
        )
        if self.cross_attention is not None:
            context = state["cross_attention"]
            cross = self.cross_attention.layer
            wanted = "attention" in state
            seen = {"padding_mask": encoder_padding_mask, "return_attention_scores": wanted}
            x, *rest = self.cross_attention.around(lambda h: cross.step(h, context, **seen), x)
            if wanted:
                state["attention"] = ops.mean(rest[-1], axis=1)
        return self.feed_forward(x), state

    def repeat_state(self, state: State, times: int) -> State:
        """The state of `times` rows for each; they read the encoder's outputs together."""
        return {
            name: value if name == "cross_attention" else repeat_rows(value, times)
            for name, value in state.items()
        }

    def compute_output_shape(
        self, inputs_shape: Shape, encoded_shape: Shape | None = None
    ) -> Shape:
        """As the input."""
        return inputs_shape


@keras.saving.register_keras_serializable(package="toolkit")
class TransformerDecoder(TransformerStack):
    """A stack of decoder layers over embedded inputs.

    Called without encoder outputs the first time, it is a decoder-only stack.

    Shapes:
        inputs and output: (batch, time, dim). encoded: (batch, source, encoded_dim).
        padding_mask: (batch, time). encoder_padding_mask: (batch, source). True for real steps.

    Masking:
        Keras's masks stand in for both padding masks; that of the inputs passes through.

    Decoding:
        `initial_state(encoded, batch_size, max_length)` gives a nest whose leaves have the batch
        first; `step(x, state, index)` maps (batch, dim) to the output (batch, dim) and the next
        state, and equals the call at each step; `repeat_state(state, times)` readies a state for
        the rows of a beam. With an encoder the state also holds `attention`
        (batch, source): how the last layer weighed the source, the mean over its heads.

    Args:
        num_layers: layers of the stack.
        num_heads: attention heads.
        intermediate_dim: width of the feed-forward networks.
        num_key_value_heads: see `MultiHeadAttention`.
        attention: "full", "blocked", "local" or, for whole sequences only, "lsh".
        attention_options: further arguments of the self-attention, such as {"window": 256}.
        positions: None, "sinusoidal" or "learned" (added to the inputs), "rotary", "relative" or
            "alibi" (in each layer's attention).
        max_length: steps that "learned" positions know; None for 512.
        activation: see `FeedForward`.
        norm: "pre", with one more normalisation at the end, or "post".
        normalization: "layer" or "rms".
        dropout: rate on the inputs and after each sublayer.
        attention_dropout: rate on the attention probabilities.
        activation_dropout: rate on the intermediate features of the feed-forward networks.
        stochastic_depth: rate of the last layer; it falls linearly towards the first.
        epsilon: of the normalisation.
        seed: of everything random.

    Raises:
        ArgumentError: an unknown choice, a size below 1, a rate outside [0, 1); decoding with
            "lsh" attention.

    Example:
        >>> import numpy as np
        >>> decoder = TransformerDecoder(
        ...     num_layers=2, num_heads=2, intermediate_dim=32, positions="sinusoidal"
        ... )
        >>> x, encoded = np.ones((2, 10, 8), "float32"), np.ones((2, 5, 8), "float32")
        >>> y = decoder(x, encoded)
        >>> state = decoder.initial_state(encoded, batch_size=2, max_length=10)
        >>> first, state = decoder.step(x[:, 0], state, 0)
        >>> bool(np.allclose(first, y[:, 0], atol=1e-5))
        True

    Reference: Vaswani et al. (arXiv 1706.03762), section 3.
    """

    layer_type = TransformerDecoderLayer

    def build(self, inputs_shape: Shape, encoded_shape: Shape | None = None) -> None:
        """All layers."""
        self._build_stack(inputs_shape, *(() if encoded_shape is None else (encoded_shape,)))

    def call(
        self,
        inputs: Tensor,
        encoded: Tensor | None = None,
        padding_mask: Tensor | None = None,
        encoder_padding_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        training: bool | None = None,
        mask: Tensor | None = None,
        inputs_mask: Tensor | None = None,
        encoded_mask: Tensor | None = None,
    ) -> Tensor:
        """The decoded sequence; arguments as those of `TransformerDecoderLayer`."""
        x = self._begin(inputs)
        for layer in self.layers:
            x = layer(
                x,
                encoded,
                padding_mask=first_given(padding_mask, mask, inputs_mask),
                encoder_padding_mask=first_given(encoder_padding_mask, encoded_mask),
                attention_mask=attention_mask,
            )
        return self._end(x)

    def initial_state(
        self,
        encoded: Tensor | None,
        batch_size: int | Tensor,
        max_length: int | Tensor,
        encoder_padding_mask: Tensor | None = None,
    ) -> State:
        """The state before the first step; the stack must be built.

        Args:
            encoded: the encoder's outputs (batch, source, encoded_dim); None without an encoder.
            batch_size: rows to decode.
            max_length: most steps that will be taken.
            encoder_padding_mask: taken for the sake of decoders that need it, and not used.
        """
        del encoder_padding_mask
        if self.attention not in STEPPING:
            raise ArgumentError(
                f"Expected attention {', '.join(STEPPING)} to decode step by step. "
                f"Received: attention={self.attention!r}"
            )
        state: State = {
            layer.name: layer.initial_state(encoded, batch_size, max_length)
            for layer in self.layers
        }
        for layer in self.layers[:-1]:  # nobody asks how these weigh the source
            state[layer.name].pop("attention", None)
        return self._with_attention(state)

    def step(
        self,
        x: Tensor,
        state: State,
        index: int | Tensor,
        encoder_padding_mask: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """One decoding step.

        Args:
            x: (batch, dim), the embedded token, without its position.
            state: from `initial_state` or the step before.
            index: position of the step, from 0; a number or a scalar tensor.
            encoder_padding_mask: (batch, source), True for encoder outputs that count.

        Returns:
            The output (batch, dim), and the state after the step.
        """
        x = self._begin(x[:, None], offset=index)[:, 0]
        after = {}
        for layer in self.layers:
            x, after[layer.name] = layer.step(x, state[layer.name], index, encoder_padding_mask)
        return self._end(x), self._with_attention(after)

    def repeat_state(self, state: State, times: int) -> State:
        """The state of `times` neighbouring rows for each, such as a beam's.

        They read the encoder's keys and values, which stay one row for them all, together; so the
        `encoder_padding_mask` of their steps is that of the single rows too.
        """
        layers = {layer.name: layer.repeat_state(state[layer.name], times) for layer in self.layers}
        return self._with_attention(layers)

    def _with_attention(self, state: State) -> State:
        """The state, with the last layer's attention to the encoder's outputs at hand."""
        last = state[self.layers[-1].name]
        return {**state, "attention": last["attention"]} if "attention" in last else state


def repeat_rows(state: Any, times: int) -> Any:
    """Each row of a nest's leaves `times` times, one after another."""
    return keras.tree.map_structure(lambda x: ops.repeat(x, times, axis=0), state)
