"""Multi-head attention with fused projections and a cache for decoding."""

from typing import Any

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.alibi import ALiBi
from toolkit.layers.arguments import (
    Shape,
    Tensor,
    check_choice,
    check_positive,
    check_positive_or_none,
    check_rank,
    check_rate,
)
from toolkit.layers.dropout import Dropout
from toolkit.layers.relative_position_bias import RelativePositionBias
from toolkit.layers.rotary_positions import RotaryPositions
from toolkit.layers.scaled_attention import (
    causal_mask,
    join_masks,
    key_mask,
    pair_mask,
    scaled_attention,
)

POSITIONS = (None, "rotary", "relative", "alibi")
Cache = dict[str, Tensor]
"""key and value, (batch, key_value_heads, steps, head_dim) each; grown_key and grown_value where
there is only room for the steps so far."""


@keras.saving.register_keras_serializable(package="toolkit")
class MultiHeadAttention(keras.layers.Layer):
    """Attention of several heads, to the sequence itself or to a context.

    head_i = softmax(Q_i K_i' / sqrt(head_dim)) V_i; the output is Concat(head_1 ...) W_O. Queries,
    keys and values of self-attention are one matrix product; of cross-attention, keys and values
    are. Whether it is self- or cross-attention is settled by the first call.

    Shapes:
        query: (batch, query, dim). context: (batch, key, context_dim), None for self-attention.
        padding_mask: (batch, key), True for steps that count.
        attention_mask: (batch, query, key) or (query, key), True where a query may attend.
        output: (batch, query, dim).
        attention scores, on request: (batch, num_heads, query, key).

    Masking:
        Keras's own masks stand in for `padding_mask`: the query's in self-attention, the context's
        in cross-attention. A query that may attend to nothing gets the output's bias alone. The
        query's mask passes through.

    Decoding:
        `step` takes one step at a time. Self-attention goes on from `initial_cache`, and equals
        the call with `use_causal_mask`; cross-attention reads the keys and values that
        `project_context` makes once.

    Args:
        num_heads: query heads.
        head_dim: features of a head; None for dim / num_heads.
        num_key_value_heads: heads of keys and values, each shared by a group of query heads
            (1: multi-query); None for num_heads.
        positions: None, "rotary", "relative" (T5) or "alibi", for self-attention only.
        dropout: rate on the attention probabilities.
        use_bias: biases of all projections.
        kernel_initializer: of all projections.
        seed: of the dropout.

    Raises:
        ArgumentError: sizes that do not divide, an unknown kind of positions, positions with a
            context, inputs that are not (batch, time, dim).

    Example:
        >>> import numpy as np
        >>> layer = MultiHeadAttention(num_heads=4, num_key_value_heads=2, positions="rotary")
        >>> x = np.ones((2, 10, 32), "float32")
        >>> y, scores = layer(x, use_causal_mask=True, return_attention_scores=True)
        >>> y.shape.as_list(), scores.shape.as_list()
        ([2, 10, 32], [2, 4, 10, 10])

    References: Vaswani et al. (arXiv 1706.03762), section 3.2.2; Shazeer, "Fast Transformer
    Decoding" (arXiv 1911.02150); Ainslie et al., "GQA" (arXiv 2305.13245).
    """

    def __init__(
        self,
        num_heads: int,
        head_dim: int | None = None,
        num_key_value_heads: int | None = None,
        positions: str | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(num_heads=num_heads)
        check_positive_or_none(head_dim=head_dim, num_key_value_heads=num_key_value_heads)
        check_choice(POSITIONS, positions=positions)
        check_rate(dropout=dropout)
        if num_heads % (num_key_value_heads or num_heads):
            raise ArgumentError(
                "Expected num_heads to be a multiple of num_key_value_heads. "
                f"Received: num_heads={num_heads}, num_key_value_heads={num_key_value_heads}"
            )
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.num_key_value_heads = num_key_value_heads
        self.positions = positions
        self.dropout = dropout
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.seed = seed
        self.supports_masking = True

    # Building.

    def build(self, query_shape: Shape, context_shape: Shape | None = None) -> None:
        """The projections, fused as far as their inputs are the same."""
        check_rank(3, query=query_shape, context=context_shape or query_shape)
        dim = query_shape[-1]
        if self.head_dim is None and (dim is None or dim % self.num_heads):
            raise ArgumentError(
                "Expected the query's features to be a multiple of num_heads, or a head_dim. "
                f"Received: num_heads={self.num_heads}, query of shape {tuple(query_shape)}"
            )
        self.is_cross = context_shape is not None
        self.size = self.head_dim or (dim or 0) // self.num_heads
        self.shared = self.num_key_value_heads or self.num_heads
        self._build_projections(query_shape, context_shape)
        self.drop = Dropout(self.dropout, seed=self.seed, dtype=self.dtype_policy)
        self._build_positions()

    def _build_projections(self, query_shape: Shape, context_shape: Shape | None) -> None:
        if context_shape is None:
            heads = self.num_heads + 2 * self.shared
            self.query_key_value = self._dense(heads * self.size, "query_key_value", query_shape)
        else:
            self.query = self._dense(self.num_heads * self.size, "query", query_shape)
            self.key_value = self._dense(2 * self.shared * self.size, "key_value", context_shape)
        heads_shape = (*query_shape[:-1], self.num_heads * self.size)
        self.output_dense = self._dense(query_shape[-1], "output", heads_shape)

    def _dense(self, units: int | None, name: str, input_shape: Shape) -> keras.layers.Dense:
        dense = keras.layers.Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=self.kernel_initializer,
            name=name,
            dtype=self.dtype_policy,
        )
        dense.build(input_shape)
        return dense

    def _build_positions(self) -> None:
        self.rotary = self.position_bias = None
        if self.positions and self.is_cross:
            raise ArgumentError(
                "Expected positions only in self-attention. "
                f"Received: positions={self.positions!r} and a context"
            )
        if self.positions == "rotary":
            self.rotary = RotaryPositions(dtype=self.dtype_policy, name="rotary")
            self.rotary.build((None, None, None, self.size))
        elif self.positions:
            kind = RelativePositionBias if self.positions == "relative" else ALiBi
            self.position_bias = kind(self.num_heads, dtype=self.dtype_policy, name="bias")
            self.position_bias.build((None,), (None,))

    # Whole sequences.

    def call(
        self,
        query: Tensor,
        context: Tensor | None = None,
        padding_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        use_causal_mask: bool = False,
        return_attention_scores: bool = False,
        training: bool | None = None,
        mask: Tensor | None = None,
        query_mask: Tensor | None = None,
        context_mask: Tensor | None = None,
    ) -> Any:
        """The attended values, and the attention scores if asked for.

        Args:
            query: (batch, query, dim).
            context: (batch, key, context_dim) for cross-attention.
            padding_mask: (batch, key), True for keys that count.
            attention_mask: (batch, query, key) or (query, key).
            use_causal_mask: attend only to the same step and earlier ones.
            return_attention_scores: also return the probabilities before dropout.
            training: apply dropout.
            mask: the query's mask, from Keras; of the keys too in self-attention.
            query_mask: the same, as Keras names it beside other tensors.
            context_mask: the context's mask, from Keras.
        """
        self._check_context(context)
        own = mask if mask is not None else query_mask
        implied = context_mask if self.is_cross else own
        padding_mask = implied if padding_mask is None else padding_mask
        q, k, v = self._project(query, context)
        output, scores = self._attend(
            q,
            k,
            v,
            padding_mask=padding_mask,
            attention_mask=attention_mask,
            use_causal_mask=use_causal_mask,
            need_scores=return_attention_scores,
        )
        output = self._join(output)
        return (output, scores) if return_attention_scores else output

    def _check_context(self, context: Tensor | None) -> None:
        if (context is not None) != self.is_cross:
            want = "a context, as in the first call" if self.is_cross else "no context"
            raise ArgumentError(f"Expected {want}. Received: context={context}")

    def _project(self, query: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values by heads: (batch, heads, time, head_dim) each."""
        if context is None:
            q, k, v = self._split(self._heads(self.query_key_value(query)))
        else:
            q = self._heads(self.query(query))
            k, v = self.project_context(context).values()
        if self.rotary is not None:
            q, k = self.rotary(q), self.rotary(k)
        return q, k, v

    def _split(self, heads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # A split's gradient is one concatenation; that of slices would be as many padded sums.
        ends = [self.num_heads, self.num_heads + self.shared]
        return tuple(ops.split(heads, ends, axis=1))

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, time, heads * head_dim) to (batch, heads, time, head_dim)."""
        batch, time, _ = ops.shape(x)
        x = ops.reshape(x, (batch, time, x.shape[-1] // self.size, self.size))
        return ops.transpose(x, (0, 2, 1, 3))

    def _join(self, x: Tensor) -> Tensor:
        """(batch, heads, time, head_dim) to the output (batch, time, dim)."""
        batch, _, time, _ = ops.shape(x)
        x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (batch, time, self.num_heads * self.size))
        return self.output_dense(x)

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        padding_mask: Tensor | None,
        attention_mask: Tensor | None,
        use_causal_mask: bool,
        need_scores: bool,
    ) -> tuple[Tensor, Tensor]:
        """The heads' outputs and probabilities; other kinds of attention replace this."""
        steps = ops.arange(ops.shape(query)[2]), ops.arange(ops.shape(key)[2])
        causal = causal_mask(*steps)[None, None] if use_causal_mask else None
        mask = join_masks(key_mask(padding_mask), pair_mask(attention_mask), causal)
        bias = None if self.position_bias is None else self.position_bias(*steps)
        return scaled_attention(query, key, value, mask, bias, self._drop(), need_scores)

    def _drop(self) -> Any:
        # It knows from Keras whether it is training.
        return self.drop if self.dropout else None

    # One step at a time.

    def initial_cache(self, batch_size: int | Tensor, max_length: int | Tensor) -> Cache:
        """Room for the keys and values of `max_length` steps; the layer must be built.

        A number makes room for all of them at once. A tensor makes a cache that grows with each
        step: far less is read and moved where most outputs end long before the limit.
        """
        if isinstance(max_length, int):
            length, names = max_length, ("key", "value")
        else:  # no step yet, of a length that a loop may change
            length, names = 0 * max_length, ("grown_key", "grown_value")
        shape = (batch_size, self.shared, length, self.size)
        return {name: ops.zeros(shape, dtype=self.compute_dtype) for name in names}

    def project_context(self, context: Tensor) -> Cache:
        """Keys and values of a context (batch, key, context_dim), for every step to read."""
        key, value = ops.split(self._heads(self.key_value(context)), 2, axis=1)
        return {"key": key, "value": value}

    def step(
        self,
        query: Tensor,
        cache: Cache,
        index: int | Tensor | None = None,
        padding_mask: Tensor | None = None,
        return_attention_scores: bool = False,
    ) -> Any:
        """One decoding step.

        Args:
            query: (batch, dim), the step's input.
            cache: from `initial_cache` or the step before; of cross-attention, from
                `project_context`, whose rows may each serve several neighbouring queries, such as
                a beam's.
            index: the step's position from 0, a number or a scalar tensor; None in
                cross-attention.
            padding_mask: (batch, key), True for keys that count; as many rows as the cache has.
            return_attention_scores: also return the probabilities (batch, heads, key).

        Returns:
            The output (batch, dim), and the cache with this step's key and value in it.
        """
        if self.is_cross:
            key, value = cache["key"], cache["value"]
            together = (ops.shape(key)[0], -1, self.num_heads, self.size)
            q = ops.transpose(ops.reshape(self.query(query), together), (0, 2, 1, 3))
            bias, mask = None, key_mask(padding_mask)
        else:
            q, cache = self._extend(query, cache, index)
            key, value = cache.values()
            bias, seen = self._at(index, ops.shape(key)[2])
            mask = join_masks(key_mask(padding_mask), seen)
        output, scores = scaled_attention(
            q, key, value, mask, bias, need_scores=return_attention_scores
        )
        output = self.output_dense(_by_query(output))
        if scores is None or not return_attention_scores:
            return output, cache
        scores = ops.transpose(scores, (0, 2, 1, 3))
        return output, cache, ops.reshape(scores, (-1, self.num_heads, ops.shape(key)[2]))

    def _extend(
        self, query: Tensor, cache: Cache, index: int | Tensor | None
    ) -> tuple[Tensor, Cache]:
        """The step's query, and the cache with its key and value written at `index`."""
        shape = (-1, self.num_heads + 2 * self.shared, 1, self.size)
        q, k, v = self._split(ops.reshape(self.query_key_value(query), shape))
        if self.rotary is not None:
            q, k = self.rotary(q, offset=index), self.rotary(k, offset=index)
        if "grown_key" in cache:
            parts = (("grown_key", k), ("grown_value", v))
            return q, {n: ops.concatenate([cache[n], x], axis=2) for n, x in parts}
        start = (0, 0, index, 0)
        key, value = (ops.slice_update(cache[n], start, x) for n, x in (("key", k), ("value", v)))
        return q, {"key": key, "value": value}

    def _at(self, index: int | Tensor | None, length: int | Tensor) -> tuple[Any, Tensor]:
        """Position bias and mask of the step at `index` over the cache's steps."""
        here, steps = ops.reshape(ops.cast(index, "int32"), (1,)), ops.arange(length)
        bias = None if self.position_bias is None else self.position_bias(here, steps)
        return bias, self._visible(here, steps)[None, None]

    def _visible(self, here: Tensor, steps: Tensor) -> Tensor:
        """(1, key): the steps that a decoding step sees."""
        return causal_mask(here, steps)

    # Shapes.

    def compute_output_shape(self, query_shape: Shape, context_shape: Shape | None = None) -> Shape:
        """As the query."""
        return query_shape

    def compute_output_spec(
        self,
        query: Tensor,
        context: Tensor | None = None,
        *args: Any,
        return_attention_scores: bool = False,
        **kwargs: Any,
    ) -> Any:
        """As the query, and the scores' shape if they are asked for."""
        output = keras.KerasTensor(query.shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        keys = (query if context is None else context).shape[1]
        shape = (query.shape[0], self.num_heads, query.shape[1], keys)
        return output, keras.KerasTensor(shape, dtype=self.compute_dtype)


def _by_query(output: Tensor) -> Tensor:
    """(contexts, heads, queries, head_dim) to (contexts * queries, heads * head_dim)."""
    heads, size = output.shape[1], output.shape[3]
    return ops.reshape(ops.transpose(output, (0, 2, 1, 3)), (-1, heads * size))
