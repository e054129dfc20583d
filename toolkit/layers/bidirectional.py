"""A recurrent layer in both directions (Schuster and Paliwal 1997)."""

from typing import Any, TypeVar

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, check_choice
from toolkit.layers.recurrent import Recurrent

LayerT = TypeVar("LayerT", bound=keras.layers.Layer)


@keras.saving.register_keras_serializable(package="toolkit")
class Bidirectional(keras.layers.Layer):
    """Reads a sequence forwards and backwards and merges what both have read at each step.

    The weights are the forward layer's and then the backward layer's, as in
    `keras.layers.Bidirectional`.

    Args:
        layer: the forward layer, a `SimpleRNN`, `LSTM` or `GRU` that does not go backwards; the
            backward layer is made of its configuration.
        merge: "concat" (2 * units wide), "sum", or "none" for a pair of outputs.

    Call arguments:
        inputs: (batch, time, features).
        initial_state: the forward layer's states and then the backward layer's; zeros by default.
        mask: boolean (batch, time), False at padding, which may stand anywhere.
        training: whether dropout applies.

    Returns:
        The merged outputs: of every step where the layer has `return_sequences`, else of each
        direction's last step read. Where it has `return_state` a tuple of that (two outputs when
        `merge` is "none") and of both directions' states, forward first.

    Raises:
        ArgumentError: for another kind of layer or of merge.

    Example:
        >>> import keras
        >>> from toolkit.layers import GRU, Bidirectional
        >>> Bidirectional(GRU(4, return_sequences=True))(keras.ops.ones((2, 5, 3))).shape
        TensorShape([2, 5, 8])
    """

    def __init__(self, layer: Recurrent, merge: str = "concat", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice(("concat", "sum", "none"), merge=merge)
        if not isinstance(layer, Recurrent) or layer.go_backwards:
            raise ArgumentError(
                "Expected a SimpleRNN, LSTM or GRU with go_backwards=False. "
                f"Received: layer={layer!r}"
            )
        self.merge = merge
        self.forward_layer = same_layer(layer, f"forward_{layer.name}")
        self.backward_layer = same_layer(layer, f"backward_{layer.name}", go_backwards=True)
        self.layer_name = layer.name
        self.supports_masking = True
        self.supports_jit = layer.supports_jit

    def build(self, inputs_shape: Shape, initial_state_shape: Any = None) -> None:
        """Builds both directions."""
        self.forward_layer.build(inputs_shape)
        self.backward_layer.build(inputs_shape)

    def call(
        self,
        inputs: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> Any:
        """Reads the sequence twice."""
        if mask is None:
            mask = getattr(inputs, "_keras_mask", None)
        results = [
            layer(inputs, initial_state=states, mask=mask, training=training)
            for layer, states in zip(self.layers(), self.halves(initial_state), strict=True)
        ]
        if not self.forward_layer.return_state:
            return self.merged(*results)
        (forward, *forward_states), (backward, *backward_states) = results
        merged = self.merged(forward, backward)
        outputs = merged if self.merge == "none" else (merged,)
        return (*outputs, *forward_states, *backward_states)

    def layers(self) -> tuple[Recurrent, Recurrent]:
        """Both directions."""
        return self.forward_layer, self.backward_layer

    def halves(self, initial_state: Any) -> tuple[Any, Any]:
        """The states of each direction."""
        if initial_state is None:
            return None, None
        states = keras.tree.flatten(initial_state)
        half = self.forward_layer.cell.num_states
        return states[:half], states[half:]

    def merged(self, forward: Tensor, backward: Tensor) -> Any:
        """Both directions' outputs as one, or as a pair."""
        if self.merge == "concat":
            return ops.concatenate([forward, backward], axis=-1)
        return ops.add(forward, backward) if self.merge == "sum" else (forward, backward)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> Any:
        """The inputs' mask on outputs that have steps; none on states."""
        mask = previous_mask if self.forward_layer.return_sequences else None
        outputs = (mask, mask) if self.merge == "none" else (mask,)
        if self.forward_layer.return_state:
            return (*outputs, *[None] * 2 * self.forward_layer.cell.num_states)
        return outputs if self.merge == "none" else mask

    def compute_output_shape(self, inputs_shape: Shape, initial_state_shape: Any = None) -> Any:
        """The shape of what `call` returns."""
        shape = self.forward_layer.compute_output_shape(inputs_shape)
        output, *states = shape if self.forward_layer.return_state else (shape,)
        if self.merge == "concat":
            output = (*output[:-1], 2 * output[-1])
        outputs = (output, output) if self.merge == "none" else (output,)
        if self.forward_layer.return_state:
            return (*outputs, *states, *states)
        return outputs if self.merge == "none" else output

    def get_config(self) -> dict[str, Any]:
        """The forward layer's configuration and the merge."""
        layer = same_layer(self.forward_layer, self.layer_name)
        config = {"layer": keras.saving.serialize_keras_object(layer), "merge": self.merge}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Bidirectional":
        """A layer of the same configuration."""
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})


def same_layer(layer: LayerT, name: str, **changes: Any) -> LayerT:
    """A new layer of the same configuration, not yet built, with another name and changes."""
    made: LayerT = type(layer).from_config({**layer.get_config(), "name": name, **changes})
    return made
