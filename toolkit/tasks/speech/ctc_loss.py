"""The loss of connectionist temporal classification, for any texts."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from toolkit.models import ctc


def ctc_losses(logits: Any, num_steps: Any, tokens: Any) -> tuple[Any, Any]:
    """Negative log-probability of texts, in nats.

    TensorFlow's kernel refuses a batch in which any text is empty; here that of an empty one is
    the probability of blanks alone.

    Args:
        logits: ``(batch, steps, tokens)``, the blank first.
        num_steps: ``(batch,)`` that count.
        tokens: ``(batch, length)``, 0 after the last.

    Returns:
        ``(batch,)`` losses, and which of the texts the steps suffice for; the losses of the others
        mean nothing.
    """
    logits = tf.cast(logits, tf.float32)
    fits = ctc.required_frames(tokens) <= num_steps
    empty = tokens[:, 0] == 0
    first = tf.cast(tf.range(tf.shape(tokens)[1]) == 0, tokens.dtype)[None]  # stands in
    given = tf.where((fits & ~empty)[:, None], tokens, first)
    losses = tf.nn.ctc_loss(
        labels=tf.sparse.from_dense(given),
        logits=logits,
        label_length=None,
        logit_length=num_steps,
        logits_time_major=False,
        blank_index=ctc.BLANK,
    )
    there = tf.cast(tf.sequence_mask(num_steps, tf.shape(logits)[1]), tf.float32)
    blanks = tf.nn.log_softmax(logits)[..., ctc.BLANK]
    return tf.where(empty, -tf.reduce_sum(blanks * there, axis=1), losses), fits


def silenced(logits: Any, num_steps: Any, tokens: Any, unheard: Any) -> Any:
    """Logits that say nothing in a clip's first steps.

    A network that looks back only tells a clip's first step, of which it has heard nothing, from
    all others, and soon writes the commonest first token there, since the paths that begin so are
    many and no worse at first. Where it does not count for a number of steps that differs from
    clip to clip, it learns to write what it has heard.

    Args:
        logits: ``(batch, steps, tokens)``, the blank first.
        num_steps: ``(batch,)`` that count.
        tokens: ``(batch, length)``, 0 after the last.
        unheard: ``(batch,)`` steps, as many of which as leave room for the tokens are silenced.
    """
    logits = tf.cast(logits, tf.float32)  # half precision has no such small numbers
    room = tf.cast(num_steps - ctc.required_frames(tokens), tf.float32)
    steps = tf.range(tf.shape(logits)[1], dtype=tf.float32)
    silent = steps < tf.minimum(unheard, room)[:, None]
    spoken = tf.range(tf.shape(logits)[2]) != ctc.BLANK
    return tf.where(silent[..., None] & spoken, ctc.IMPOSSIBLE, logits)
