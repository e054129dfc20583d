"""A recurrent decoder that attends to the encoder's outputs."""

from typing import Any

import keras
from keras import ops

from toolkit.layers import AdditiveAttention, DotAttention, MaskedPooling
from toolkit.layers.arguments import Shape, Tensor, check_choice, check_positive, derived_seed
from toolkit.layers.recurrent_stack import CELLS

ATTENTION = ("additive", "dot", "general", "scaled", "none")


@keras.saving.register_keras_serializable(package="toolkit")
class RecurrentDecoder(keras.layers.Layer):
    """Recurrent layers; the lowest one's output asks what the others read from the source.

        h1 = cell_1([x; fed], h1)              fed: the step before's output, with input feeding
        c  = attention(h1, encoded)
        hi = cell_i([h(i-1); c], hi)           i > 1, plus h(i-1)
        y  = tanh(W [h; c])

    With one layer this is Luong's decoder. With more, the upper layers know from their own states
    what was attended to before, as in GNMT, which is what input feeding is for; without input
    feeding, each layer runs over a whole sequence at once, several times as fast. With no
    attention, c is the mean of the encoder's outputs in every step. First states are a layer of
    that mean.

    Shapes:
        inputs and output: (batch, time, dim). encoded: (batch, source, encoded_dim).
        encoder_padding_mask: (batch, source), True for outputs that count.

    Masking:
        Padding of the inputs must stand at the end; no step sees a later one.

    Decoding:
        `initial_state` and `step`, as in `TransformerDecoder`; equal to the call at each step. The
        state holds the last step's `attention` (batch, source).

    Args:
        units: size of the states; also of the output.
        num_layers: recurrent layers.
        cell: "lstm" or "gru".
        attention: "additive", "dot", "general", "scaled" or "none". "dot" and "scaled" want
            encoder outputs of `units` features.
        input_feeding: the lowest layer also reads the step before's output.
        dropout: rate on the inputs, between layers and on the output.
        seed: of the dropout.

    Raises:
        ArgumentError: sizes below 1, an unknown cell or attention.

    References: Luong et al. (arXiv 1508.04025), sections 3.1 and 3.3; Bahdanau et al.
    (arXiv 1409.0473) for the additive score; Wu et al. (arXiv 1609.08144), section 3.
    """

    def __init__(
        self,
        units: int,
        num_layers: int = 1,
        cell: str = "lstm",
        attention: str = "additive",
        input_feeding: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(units=units, num_layers=num_layers)
        check_choice(("lstm", "gru"), cell=cell)
        check_choice(ATTENTION, attention=attention)
        self.units = units
        self.num_layers = num_layers
        self.cell = cell
        self.attention = attention
        self.input_feeding = input_feeding
        self.dropout = dropout
        self.seed = seed
        policy = self.dtype_policy
        self.stack = [
            CELLS[cell](units=units, return_sequences=True, name=f"layer_{i}", dtype=policy)
            for i in range(num_layers)
        ]
        self.num_states = self.stack[0].cell.num_states
        self.pool = MaskedPooling("mean", name="mean", dtype=policy)
        self.drops = [
            keras.layers.Dropout(dropout, seed=derived_seed(seed, i), dtype=policy)
            for i in range(num_layers + 1)
        ]

    def build(self, inputs_shape: Shape, encoded_shape: Shape) -> None:
        """The layers, the attention, and the layers for the first states and the output."""
        batch, time, dim = inputs_shape
        source_dim = encoded_shape[-1] or 0
        fed = self.units if self.input_feeding else 0
        for number, layer in enumerate(self.stack):
            features = self.units + source_dim if number else (dim or 0) + fed
            layer.build((batch, time, features))
        if self.attention == "additive":
            self.attend: Any = AdditiveAttention(self.units, name="attend", dtype=self.dtype_policy)
        else:
            score = "general" if self.attention == "none" else self.attention
            self.attend = DotAttention(score, name="attend", dtype=self.dtype_policy)
        if self.attention != "none":
            self.attend.build((batch, time, self.units), encoded_shape)
        states = self.num_layers * self.num_states * self.units
        self.first = self._dense(states, "first", (batch, source_dim))
        self.output_dense = self._dense(self.units, "output", (batch, self.units + source_dim))

    def _dense(self, units: int, name: str, shape: Shape) -> keras.layers.Dense:
        dense = keras.layers.Dense(units, activation="tanh", name=name, dtype=self.dtype_policy)
        dense.build(shape)
        return dense

    def call(
        self,
        inputs: Tensor,
        encoded: Tensor,
        encoder_padding_mask: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """The decoded sequence.

        Args:
            inputs: (batch, time, dim).
            encoded: the encoder's outputs, (batch, source, encoded_dim).
            encoder_padding_mask: (batch, source), True for outputs that count.
            training: apply dropout.
        """
        inputs = self.drops[0](inputs, training=training)
        state = self.initial_state(encoded, ops.shape(inputs)[0], 0, encoder_padding_mask)
        if self.input_feeding:
            outputs = self._scan(inputs, state, encoder_padding_mask)
        else:
            outputs = self._parallel(inputs, state, encoder_padding_mask, training)
        return self.drops[-1](outputs, training=training)

    def _parallel(
        self, x: Tensor, state: Any, mask: Tensor | None, training: bool | None
    ) -> Tensor:
        """Layer by layer, each over all steps."""
        x = self.stack[0](x, initial_state=state["layers"][0])
        context, _ = self._context(x, state, mask)
        for number, layer in enumerate(self.stack[1:], start=1):
            below = self.drops[number](x, training=training)
            read = ops.concatenate([below, context], axis=-1)
            x = x + layer(read, initial_state=state["layers"][number])
        return self.output_dense(ops.concatenate([x, context], axis=-1))

    def _scan(self, inputs: Tensor, state: Any, mask: Tensor | None) -> Tensor:
        """Step by step, each layer waiting for the step before's output."""

        def step(carry: Any, x: Tensor) -> tuple[Any, Any]:
            fed, layers = carry
            output, after = self._step(x, {**state, "layers": layers, "fed": fed}, mask)
            carry = (output, after["layers"])
            return carry, carry

        steps = ops.transpose(inputs, (1, 0, 2))
        _, (outputs, _) = ops.scan(step, (state["fed"], state["layers"]), steps)
        return ops.transpose(outputs, (1, 0, 2))

    def initial_state(
        self,
        encoded: Tensor,
        batch_size: int | Tensor,
        max_length: int | Tensor,
        encoder_padding_mask: Tensor | None = None,
    ) -> dict[str, Any]:
        """States made of the source's mean, and what the attention needs, made once."""
        del max_length
        mean = self.pool(encoded, mask=encoder_padding_mask)
        flat = ops.split(self.first(mean), self.num_layers * self.num_states, axis=-1)
        parts = [tuple(flat[i :: self.num_layers]) for i in range(self.num_layers)]
        keys = mean if self.attention == "none" else self.attend.project_keys(encoded)
        return {
            "layers": tuple(parts),
            "fed": ops.zeros((batch_size, self.units), encoded.dtype),
            "keys": keys,
            "values": encoded,
            "attention": ops.zeros(ops.shape(encoded)[:2], encoded.dtype),
        }

    def step(
        self,
        x: Tensor,
        state: dict[str, Any],
        index: int | Tensor,
        encoder_padding_mask: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Any]]:
        """One step (batch, dim): its output, and the state after it."""
        del index
        return self._step(x, state, encoder_padding_mask)

    def _step(
        self, x: Tensor, state: dict[str, Any], mask: Tensor | None
    ) -> tuple[Tensor, dict[str, Any]]:
        read = ops.concatenate([x, state["fed"]], axis=-1) if self.input_feeding else x
        x, lowest = self.stack[0].cell(read, state["layers"][0])
        context, attention = self._context(x, state, mask)
        layers = [tuple(lowest)]
        for layer, states in zip(self.stack[1:], state["layers"][1:], strict=True):
            above, new = layer.cell(ops.concatenate([x, context], axis=-1), states)
            x = x + above
            layers.append(tuple(new))
        output = self.output_dense(ops.concatenate([x, context], axis=-1))
        fed = output if self.input_feeding else state["fed"]
        after = {"layers": tuple(layers), "fed": fed, "attention": attention}
        return output, {**state, **after}

    def _context(
        self, query: Tensor, state: dict[str, Any], mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What each query reads of the source, and how it weighs it."""
        if self.attention != "none":
            keys, values = state["keys"], state["values"]
            result: tuple[Tensor, Tensor] = self.attend.attend(
                query, keys, values, mask, return_attention_scores=True
            )
            return result
        mean = state["keys"]
        if len(query.shape) == 3:
            mean = ops.repeat(mean[:, None], ops.shape(query)[1], axis=1)
        return mean, state["attention"]

    def compute_output_shape(self, inputs_shape: Shape, encoded_shape: Shape) -> Shape:
        """(batch, time, units)."""
        return (*inputs_shape[:-1], self.units)
