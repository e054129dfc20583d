"""Attention among similar steps, found by hashing."""

from typing import Any

import keras
from keras import ops

from toolkit.errors import ArgumentError
from toolkit.layers.arguments import Shape, Tensor, check_positive
from toolkit.layers.lean_attention import softmax
from toolkit.layers.multi_head_attention import MultiHeadAttention
from toolkit.layers.scaled_attention import scaled

ITSELF = -1e5
"""Added to a step's score for itself: chosen only where there is nothing else."""

HIDDEN = -1e9
"""Added to the score of a key that must not count."""


@keras.saving.register_keras_serializable(package="toolkit")
class LSHAttention(MultiHeadAttention):
    """Multi-head self-attention in which a step sees the steps that hash like it.

    Queries and keys share one projection; keys are scaled to length 1. Each round hashes the keys
    by random rotations into buckets, sorts the steps by bucket, cuts them into chunks and lets a
    step attend to its bucket's steps in its own chunk and the one before. A pair met in several
    rounds counts once, and the rounds are joined by their sums of exponentials. A step attends to
    itself only where it has nothing else. Time and memory grow as length times chunk length.

    Shapes and masking: as `MultiHeadAttention`, without context and `attention_mask`; a masked
    step's heads are 0. There is no decoding step. Attention scores on request are put together as
    the whole map, in quadratic memory.

    Args:
        num_heads: query heads.
        head_dim: features of a head; None for dim / num_heads.
        num_buckets: even, or 1; about twice the length divided by `chunk_length`.
        num_hashes: rounds.
        chunk_length: steps of a chunk.
        use_bias: biases of all projections.
        kernel_initializer: of all projections.
        seed: of the rotations, which are drawn once and kept as a weight that is not trained.

    Raises:
        ArgumentError: as `MultiHeadAttention`; an odd number of buckets, a context, an
            `attention_mask`, positions, dropout or shared key and value heads.

    Example:
        >>> import numpy as np
        >>> layer = LSHAttention(num_heads=2, num_buckets=4, num_hashes=2, chunk_length=8, seed=1)
        >>> layer(np.ones((2, 21, 16), "float32"), use_causal_mask=True).shape.as_list()
        [2, 21, 16]

    Not run on a GPU.

    Reference: Kitaev et al., "Reformer: The Efficient Transformer" (arXiv 2001.04451), section 2
    and appendix A.
    """

    def __init__(
        self,
        num_heads: int,
        head_dim: int | None = None,
        num_buckets: int = 32,
        num_hashes: int = 2,
        chunk_length: int = 64,
        use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_heads,
            head_dim=head_dim,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            seed=seed,
            **kwargs,
        )
        check_positive(num_buckets=num_buckets, num_hashes=num_hashes, chunk_length=chunk_length)
        if num_buckets > 1 and num_buckets % 2:
            raise ArgumentError(
                f"Expected an even number of buckets, or 1. Received: num_buckets={num_buckets}"
            )
        self.num_buckets = num_buckets
        self.num_hashes = num_hashes
        self.chunk_length = chunk_length

    def _build_projections(self, query_shape: Shape, context_shape: Shape | None) -> None:
        if context_shape is not None:
            raise ArgumentError(f"Expected no context. Received: context of {context_shape}")
        width = self.num_heads * self.size
        self.query_value = self._dense(2 * width, "query_value", query_shape)
        self.output_dense = self._dense(query_shape[-1], "output", (*query_shape[:-1], width))
        self.rotations = self.add_weight(
            shape=(self.num_hashes, self.size, max(1, self.num_buckets // 2)),
            initializer=keras.initializers.RandomNormal(stddev=1.0, seed=self.seed),
            trainable=False,
            name="rotations",
        )

    def _project(self, query: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        q, v = ops.split(self._heads(self.query_value(query)), 2, axis=1)
        square = ops.sum(ops.square(ops.cast(q, "float32")), axis=-1, keepdims=True)
        return q, q * ops.cast(ops.rsqrt(square + 1e-12), q.dtype), v

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
        if attention_mask is not None:
            raise ArgumentError(
                f"Expected no attention_mask. Received: attention_mask={attention_mask}"
            )
        length = ops.shape(query)[2]
        counts = ops.ones_like(query[:, 0, :, 0], dtype="bool")
        counts = counts if padding_mask is None else ops.cast(padding_mask, "bool")
        q, k, v = (self._fill(x) for x in (scaled(query), key, value))
        counts = self._fill(ops.cast(counts, "int32")[:, None, :, None])[:, :, :, 0] > 0
        rounds = Rounds(self._hash(k, counts), counts, self.chunk_length, use_causal_mask)
        output, probabilities = rounds.attend(q, k, v, need_scores)
        output = output * ops.cast(counts, output.dtype)[..., None]
        if need_scores:
            probabilities = probabilities * ops.cast(counts, output.dtype)[..., None]
            probabilities = probabilities[:, :, :length, :length]
        return output[:, :, :length], probabilities

    def _fill(self, x: Tensor) -> Tensor:
        """(batch, heads, time, dim) with time filled up to whole chunks."""
        missing = -ops.shape(x)[2] % self.chunk_length
        return ops.pad(x, ((0, 0), (0, 0), (0, missing), (0, 0)))

    def _hash(self, key: Tensor, counts: Tensor) -> Tensor:
        """Buckets (batch, heads, rounds, time); steps that do not count come after all others."""
        turned = ops.einsum("bhtd,rdn->bhrtn", key, ops.cast(self.rotations, key.dtype))
        bucket = ops.argmax(ops.concatenate([turned, -turned], axis=-1), axis=-1)
        bucket = ops.cast(bucket, "int32") * int(self.num_buckets > 1)
        return ops.where(counts[:, :, None], bucket, self.num_buckets)

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """Not offered: a step's bucket is known only among all steps."""
        raise ArgumentError("Expected full, blocked or local attention to decode step by step.")


class Rounds:
    """All rounds of hashing of one call: who meets whom, and what they attend to.

    Axes are (batch, heads, rounds, ...); `sorted` is by bucket, then by time.
    """

    def __init__(self, bucket: Tensor, counts: Tensor, chunk_length: int, causal: bool) -> None:
        length = ops.shape(bucket)[-1]
        self.length, self.chunk_length, self.causal = length, chunk_length, causal
        self.order = ops.argsort(bucket * length + ops.arange(length), axis=-1)  # sorted -> time
        self.place = ops.argsort(self.order, axis=-1)  # time -> sorted
        # Same bucket, same chunk: equal codes. Same bucket, one chunk before: one less. A bucket
        # has one code more than there are chunks, so that no two buckets' codes are neighbours.
        chunk = ops.cast(self.place, "int32") // chunk_length
        self.code = bucket * (length // chunk_length + 1) + chunk
        self.counts = ops.broadcast_to(counts[:, :, None], ops.shape(bucket))

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, need_map: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Outputs (batch, heads, time, head_dim), and the whole map if it is needed."""
        q, k, v = (self._sort(self._each_round(x)) for x in (query, key, value))
        scores = ops.einsum("bhrcqd,bhrckd->bhrcqk", self._chunks(q), self._with_previous(k))
        scores = ops.cast(scores, "float32") + self._bias()
        log_sum = ops.logsumexp(scores, axis=-1, keepdims=True)
        p = ops.cast(ops.exp(scores - log_sum), query.dtype)
        output = ops.matmul(p, self._with_previous(v))
        weight = softmax(self._unsort(log_sum), axis=2)
        weight = ops.cast(weight, query.dtype)
        joined = ops.sum(self._unsort(output) * weight, axis=2)
        return joined, self._map(p, weight) if need_map else None

    def _bias(self) -> Tensor:
        """(batch, heads, rounds, chunks, query, key): 0, hidden, or less for pairs met often."""
        step = ops.broadcast_to(ops.arange(self.length), ops.shape(self.order))
        q_step, k_step = self._pair(step, -1)
        _, k_counts = self._pair(ops.cast(self.counts, "int32"), 0)
        met, times = self._meetings()
        allowed = ops.logical_and(met, k_counts > 0)
        if self.causal:
            allowed = ops.logical_and(allowed, k_step <= q_step)
        bias = ops.where(allowed, -ops.log(ops.maximum(times, 1.0)), HIDDEN)
        return bias + ops.where(q_step == k_step, ITSELF, 0.0)

    def _meetings(self) -> tuple[Tensor, Tensor]:
        """Whether a pair meets in this round, and in how many rounds it does."""
        met: Any = False
        times: Any = 0.0
        rounds = self.code.shape[2]
        number = ops.reshape(ops.arange(rounds), (1, 1, rounds, 1, 1, 1))
        for other in range(rounds):
            code = ops.broadcast_to(self.code[:, :, other : other + 1], ops.shape(self.code))
            q_code, k_code = self._pair(code, -2)
            meets = ops.logical_or(k_code == q_code, k_code == q_code - 1)
            times = times + ops.cast(meets, "float32")
            met = ops.logical_or(met, ops.logical_and(meets, number == other))
        return met, times

    def _pair(self, values: Tensor, fill: int) -> tuple[Tensor, Tensor]:
        """A value per step, as (..., chunks, query, 1) and (..., chunks, 1, key)."""
        ordered = self._sort(values[..., None])
        return self._chunks(ordered), ops.swapaxes(self._with_previous(ordered, fill), -1, -2)

    def _each_round(self, x: Tensor) -> Tensor:
        batch, heads, length, size = ops.shape(x)
        return ops.broadcast_to(x[:, :, None], (batch, heads, self.code.shape[2], length, size))

    def _sort(self, x: Tensor) -> Tensor:
        """(..., time, dim) from the order of time to that of the buckets."""
        return ops.take_along_axis(x, self.order[..., None], axis=3)

    def _chunks(self, x: Tensor) -> Tensor:
        """(..., time, dim) to (..., chunks, chunk_length, dim)."""
        batch, heads, rounds, _, size = ops.shape(x)
        return ops.reshape(x, (batch, heads, rounds, -1, self.chunk_length, size))

    def _with_previous(self, x: Tensor, fill: int = 0) -> Tensor:
        """(..., chunks, 2 chunk_length, dim): each chunk after the one before it."""
        x = self._chunks(x)
        before = ops.pad(x, ((0, 0), (0, 0), (0, 0), (1, 0), (0, 0), (0, 0)), constant_values=fill)
        return ops.concatenate([before[:, :, :, :-1], x], axis=4)

    def _unsort(self, x: Tensor) -> Tensor:
        """(..., chunks, chunk_length, dim) back to (..., time, dim) in the order of time."""
        batch, heads, rounds, _, _, size = ops.shape(x)
        x = ops.reshape(x, (batch, heads, rounds, self.length, size))
        return ops.take_along_axis(x, self.place[..., None], axis=3)

    def _map(self, p: Tensor, weight: Tensor) -> Tensor:
        """The probabilities of all rounds in one map (batch, heads, query, key)."""
        step = ops.broadcast_to(ops.arange(self.length), ops.shape(self.order))
        _, k_step = self._pair(step, -1)
        spread = ops.one_hot(k_step[..., 0, :], self.length, dtype=p.dtype)
        return ops.sum(self._unsort(ops.matmul(p, spread)) * weight, axis=2)
