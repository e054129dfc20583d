"""Exact attention block by block: the TensorFlow loops, and a gradient that computes blocks again.

Neither pass holds more of the score matrix than one block of one example's heads. This is
TensorFlow and not `keras.ops` because only its own loops can be kept from running ahead of
themselves (`parallel_iterations=1`), and each iteration ahead holds another block. A real loop
also keeps XLA from unrolling the blocks and holding them all.

References: Rabe and Staats, "Self-attention Does Not Need O(n^2) Memory" (arXiv 2112.05682);
the backward pass from the saved log-sum: Dao et al., "FlashAttention" (arXiv 2205.14135).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from toolkit.layers.arguments import Tensor

HIDDEN = -1e9
"""Added to the score of a key that does not count."""


class Blocks(NamedTuple):
    """What both passes read: everything cut into blocks, one row per example and block."""

    query: Tensor  # (batch * query blocks, heads, query_block, head_dim)
    key: Tensor  # (batch * key blocks, heads, key_block, head_dim)
    value: Tensor  # like key
    bias: Tensor  # (batch * key blocks, heads, key_block, 1)


def blocked_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    padding_mask: Tensor | None,
    causal: bool,
    query_block: int,
    key_block: int,
) -> Tensor:
    """softmax(query key') value.

    Args:
        query: (batch, heads, query, head_dim), already scaled.
        key: (batch, heads, key, head_dim).
        value: like `key`.
        padding_mask: (batch, key), True for keys that count.
        causal: a query sees no later key.
        query_block: queries of a block.
        key_block: keys of a block.

    Returns:
        Shaped like `query`; zeros for a query that sees no key.
    """
    batch, length = tf.shape(query)[0], tf.shape(query)[2]
    # Halves would lose the probabilities in the rounding of their log-sum.
    query32, key32, value32 = (tf.cast(x, float_of(x.dtype)) for x in (query, key, value))
    bias = cut(hidden_keys(key32, padding_mask), key_block, HIDDEN)
    parts = cut(query32, query_block), cut(key32, key_block), cut(value32, key_block)

    @tf.custom_gradient
    def attend(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Callable[..., Any]]:
        blocks = Blocks(q, k, v, bias)
        loop = Loop(blocks, batch, causal)
        output, log_sum = loop.forward()
        return output, lambda upstream: loop.backward(output, log_sum, upstream)

    output = join(attend(*parts), batch)[:, :, :length]
    return tf.cast(tf.ensure_shape(output, query.shape), query.dtype)


def float_of(dtype: tf.DType) -> tf.DType:
    """The precision to compute in."""
    return tf.float64 if dtype == tf.float64 else tf.float32


def hidden_keys(key: Tensor, padding_mask: Tensor | None) -> Tensor:
    """(batch, heads, key, 1): 0 for a key that counts, `HIDDEN` for one that does not."""
    if padding_mask is None:
        return tf.zeros_like(key[..., :1])
    hidden = tf.where(padding_mask, tf.zeros((), key.dtype), HIDDEN)[:, None, :, None]
    return hidden + tf.zeros_like(key[..., :1])


def cut(x: Tensor, block: int, fill: float = 0.0) -> Tensor:
    """(batch, heads, time, dim) to (batch * blocks, heads, block, dim), filled up at the end."""
    heads, dim = x.shape[1], x.shape[3]
    missing = -tf.shape(x)[2] % block
    x = tf.pad(x, ((0, 0), (0, 0), (0, missing), (0, 0)), constant_values=fill)
    x = tf.reshape(x, (tf.shape(x)[0], heads, -1, block, dim))
    return tf.reshape(tf.transpose(x, (0, 2, 1, 3, 4)), (-1, heads, block, dim))


def join(x: Tensor, batch: Tensor) -> Tensor:
    """The reverse of `cut`, still filled up."""
    _, heads, block, dim = x.shape
    x = tf.reshape(x, (batch, -1, heads, block, dim))
    return tf.reshape(tf.transpose(x, (0, 2, 1, 3, 4)), (batch, heads, -1, dim))


class Loop:
    """Both passes over the blocks of queries (outer loop) and of keys (inner loop)."""

    def __init__(self, blocks: Blocks, batch: Tensor, causal: bool) -> None:
        self.blocks = blocks
        self.causal = causal
        one = tf.ones_like(blocks.query[..., :1])
        # Terms that are the same for all keys or all queries ride along in the products: a pass
        # over the scores, with a column or a row to repeat, costs more than one more feature.
        self.queries = tf.concat([blocks.query, one], -1)
        self.keys = tf.concat([blocks.key, blocks.bias], -1)
        self.rows = tf.shape(blocks.query)[0]
        self.queries_each = self.rows // batch
        self.keys_each = tf.shape(blocks.key)[0] // batch

    def keys_of(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """First and one past the last block of keys that a block of queries sees."""
        first = row // self.queries_each * self.keys_each
        if not self.causal:
            return first, first + self.keys_each
        end = (row % self.queries_each + 1) * self.blocks.query.shape[2]
        seen = (end - 1) // self.blocks.key.shape[2] + 1
        return first, first + tf.minimum(seen, self.keys_each)

    def scores(self, queries: Tensor, keys: Tensor, row: Tensor, place: Tensor) -> Tensor:
        """Scores (heads, query, key) of a block of queries and a block of keys."""
        scores = tf.matmul(queries, keys[place], transpose_b=True)
        if not self.causal:
            return scores
        hidden = tf.where(self.later(row, place), tf.constant(HIDDEN, scores.dtype), 0.0)
        return scores + hidden

    def later(self, row: Tensor, place: Tensor) -> Tensor:
        """(query, key): True where the key comes after the query."""
        query_block, key_block = self.blocks.query.shape[2], self.blocks.key.shape[2]
        queries = row % self.queries_each * query_block + tf.range(query_block)
        keys = place % self.keys_each * key_block + tf.range(key_block)
        return keys[None, :] > queries[:, None]

    def forward(self) -> tuple[Tensor, Tensor]:
        """Outputs, and per query the logarithm of the sum of its exponentials."""

        def one(row: Tensor, outputs: Any, log_sums: Any) -> tuple[Any, ...]:
            output, log_sum = self.attend(row)
            return row + 1, outputs.write(row, output), log_sums.write(row, log_sum)

        dtype, shape = self.blocks.query.dtype, self.blocks.query.shape[1:]
        outputs = tf.TensorArray(dtype, self.rows, element_shape=shape)
        log_sums = tf.TensorArray(dtype, self.rows, element_shape=(*shape[:2], 1))
        _, outputs, log_sums = repeat(0, self.rows, one, (outputs, log_sums))
        return outputs.stack(), log_sums.stack()

    def attend(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """A block of queries; sums are kept relative to the highest score so far."""
        queries = self.queries[row]

        def add(place: Tensor, total: Tensor, weight: Tensor, peak: Tensor) -> tuple[Any, ...]:
            scores = self.scores(queries, self.keys, row, place)
            higher = tf.maximum(peak, tf.reduce_max(scores, -1, keepdims=True))
            exponentials, shrink = tf.exp(scores - higher), tf.exp(peak - higher)
            weight = weight * shrink + tf.reduce_sum(exponentials, -1, keepdims=True)
            total = total * shrink + tf.matmul(exponentials, self.blocks.value[place])
            return place + 1, total, weight, higher

        column = tf.zeros_like(queries[..., :1])
        state = tf.zeros_like(self.blocks.query[row]), column, column + 2 * HIDDEN
        _, total, weight, peak = repeat(*self.keys_of(row), add, state)
        sees = peak > HIDDEN / 2
        # Nothing seen: the output is 0, and so is exp(score - log_sum) in the backward pass.
        log_sum = tf.where(sees, peak + tf.math.log(weight), -HIDDEN)
        return tf.where(sees, total / weight, 0.0), log_sum

    def backward(self, output: Tensor, log_sum: Tensor, upstream: Tensor) -> tuple[Tensor, ...]:
        """Gradients by queries, keys and values, from probabilities computed again."""
        # sum over keys of p dp, from what is at hand.
        delta = tf.reduce_sum(output * upstream, -1, keepdims=True)
        queries = tf.concat([self.queries, -log_sum], -1)
        upstream_less = tf.concat([upstream, -delta], -1)
        keys, values = (
            tf.concat([x, tf.ones_like(x[..., :1])], -1) for x in (self.keys, self.blocks.value)
        )

        def one(row: Tensor, outputs: Any, dk: Tensor, dv: Tensor) -> tuple[Any, ...]:
            given = queries[row], keys, upstream_less[row], values
            dq, dk, dv = self.gradients(row, *given, dk, dv)
            return row + 1, outputs.write(row, dq), dk, dv

        query = self.blocks.query
        outputs = tf.TensorArray(query.dtype, self.rows, element_shape=query.shape[1:])
        state = outputs, tf.zeros_like(self.blocks.key), tf.zeros_like(self.blocks.value)
        _, outputs, dk, dv = repeat(0, self.rows, one, state)
        return outputs.stack(), dk, dv

    def gradients(
        self,
        row: Tensor,
        queries: Tensor,
        keys: Tensor,
        upstream: Tensor,
        values: Tensor,
        dk: Tensor,
        dv: Tensor,
    ) -> tuple[Tensor, ...]:
        """The gradient by a block of queries; its share is added to those by keys and values."""
        plain, up = self.blocks.query[row], upstream[..., :-1]

        def add(place: Tensor, dq: Tensor, dk: Tensor, dv: Tensor) -> tuple[Any, ...]:
            p = tf.exp(self.scores(queries, keys, row, place))
            ds = p * tf.matmul(upstream, values[place], transpose_b=True)
            dq += tf.matmul(ds, self.blocks.key[place])
            dk = add_at(dk, place, tf.matmul(ds, plain, transpose_a=True))
            dv = add_at(dv, place, tf.matmul(p, up, transpose_a=True))
            return place + 1, dq, dk, dv

        state = tf.zeros_like(plain), dk, dv
        _, dq, dk, dv = repeat(*self.keys_of(row), add, state)
        return dq, dk, dv


def add_at(sums: Tensor, place: Tensor, block: Tensor) -> Tensor:
    """Adds to one row, in place inside a loop."""
    return tf.tensor_scatter_nd_add(sums, tf.reshape(place, (1, 1)), block[None])


def repeat(first: Any, end: Any, body: Callable[..., Any], state: tuple[Any, ...]) -> Any:
    """A loop over first .. end - 1 that starts no iteration before the last one is done."""
    start = tf.convert_to_tensor(first, tf.int32), *state
    return tf.while_loop(lambda place, *_: place < end, body, start, parallel_iterations=1)
