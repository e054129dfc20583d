"""Residual connection with normalisation before or after."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from toolkit.layers.arguments import Shape, Tensor, check_choice, check_rate, derived_seed
from toolkit.layers.dropout import Dropout
from toolkit.layers.layer_normalization import LayerNormalization
from toolkit.layers.rms_normalization import RMSNormalization
from toolkit.layers.stochastic_depth import StochasticDepth

NORMALIZATIONS: dict[str, Any] = {"layer": LayerNormalization, "rms": RMSNormalization}


@keras.saving.register_keras_serializable(package="toolkit")
class Residual(keras.layers.Layer):
    """Wraps a layer: pre-norm x + f(norm(x)), or post-norm norm(x + f(x)).

    Shapes:
        input and output: what the wrapped layer maps onto its own shape, (batch, ..., dim).

    Masking:
        A mask reaches the wrapped layer and passes through.

    Args:
        layer: maps its input onto the same shape; a second output, such as attention scores, is
            passed on.
        norm: "pre" or "post".
        normalization: "layer" or "rms".
        dropout: rate on the layer's output.
        stochastic_depth: rate at which an example skips the layer in training.
        epsilon: of the normalisation.
        seed: of the dropout and the stochastic depth.

    Raises:
        ArgumentError: an unknown `norm` or `normalization`, a rate outside [0, 1).

    Example:
        >>> import numpy as np
        >>> block = Residual(keras.layers.Dense(8), norm="pre", dropout=0.1)
        >>> block(np.ones((2, 5, 8), "float32")).shape.as_list()
        [2, 5, 8]

    References: He et al. (arXiv 1512.03385); Xiong et al., "On Layer Normalization in the
    Transformer Architecture" (arXiv 2002.04745).
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        norm: str = "pre",
        normalization: str = "layer",
        dropout: float = 0.0,
        stochastic_depth: float = 0.0,
        epsilon: float = 1e-6,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice(("pre", "post"), norm=norm)
        check_choice(tuple(NORMALIZATIONS), normalization=normalization)
        check_rate(dropout=dropout, stochastic_depth=stochastic_depth)
        self.layer = layer
        self.norm = norm
        self.normalization = normalization
        self.dropout = dropout
        self.stochastic_depth = stochastic_depth
        self.epsilon = epsilon
        self.seed = seed
        self.supports_masking = True

    def build(self, inputs_shape: Shape, context_shape: Shape | None = None) -> None:
        """The wrapped layer and what stands around it."""
        policy = self.dtype_policy
        self.normalize = NORMALIZATIONS[self.normalization](
            self.epsilon, name="normalize", dtype=policy
        )
        self.normalize.build(inputs_shape)
        self.drop = Dropout(self.dropout, seed=self.seed, dtype=policy)
        self.skip = StochasticDepth(
            self.stochastic_depth, seed=derived_seed(self.seed, 0), dtype=policy
        )
        if not self.layer.built:
            shapes = (inputs_shape,) if context_shape is None else (inputs_shape, context_shape)
            self.layer.build(*shapes)
            self.layer.built = True

    def call(
        self,
        inputs: Tensor,
        context: Tensor | None = None,
        training: bool | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        """The inputs plus what the wrapped layer makes of them.

        Args:
            inputs: (batch, ..., dim).
            context: second input of the wrapped layer, not normalised.
            training: apply dropout and stochastic depth.
            mask: of the inputs, from Keras.
        """
        known = mask is not None and "mask" in inspect.signature(self.layer.call).parameters
        masks = {"mask": mask} if known else {}
        given = () if context is None else (context,)
        return self.around(lambda x: self.layer(x, *given, **masks), inputs)

    def around(self, function: Callable[[Tensor], Any], inputs: Tensor) -> Any:
        """The residual connection around any function of the (normalised) inputs.

        For the wrapped layer with more arguments, or its `step`.

        A tuple's first member is added to the inputs, the rest is passed on.
        """
        result = function(self.normalize(inputs) if self.norm == "pre" else inputs)
        branch, rest = (result[0], result[1:]) if isinstance(result, tuple) else (result, ())
        # Whether it is training they know from Keras; to pass a None on would make them forget it.
        branch = self.skip(self.drop(branch))
        output = inputs + branch
        output = self.normalize(output) if self.norm == "post" else output
        return (output, *rest) if rest else output

    def compute_output_shape(
        self, inputs_shape: Shape, context_shape: Shape | None = None
    ) -> Shape:
        """As the input."""
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        """All arguments, the wrapped layer as its own config."""
        names = (
            "norm", "normalization", "dropout", "stochastic_depth", "epsilon", "seed",
        )  # fmt: skip
        own = {name: getattr(self, name) for name in names}
        layer = keras.saving.serialize_keras_object(self.layer)
        layer.pop("build_config", None)  # the wrapper builds it
        return {**super().get_config(), "layer": layer, **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Residual":
        """The wrapper around its layer, made again."""
        config = dict(config)
        layer = keras.saving.deserialize_keras_object(config.pop("layer"))
        return cls(layer, **config)
