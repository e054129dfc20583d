"""Learning and searching by an attention decoder, alone or with CTC."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras import ops

from toolkit.models import ctc
from toolkit.models.attentive import AttentiveRecognizer
from toolkit.models.beam import beam_search
from toolkit.models.decoding import Rules
from toolkit.tasks.base import Tensors
from toolkit.tasks.speech.ctc_loss import ctc_losses


def attention_loss(decoded: Any, tokens: Any) -> Any:
    """Cross-entropy in nats a token, the end counted as one: ``(batch,)``.

    Args:
        decoded: ``(batch, length + 1, tokens + 2)`` logits; the last but one is of the end.
        tokens: ``(batch, length)``, 0 after the last.
    """
    end = decoded.shape[-1] - 2
    count = tf.reduce_sum(tf.cast(tokens != 0, tf.int32), axis=1)
    places = tf.range(tf.shape(tokens)[1] + 1)[None]
    right = tf.pad(tokens, [[0, 0], [0, 1]])
    right = tf.where(places == count[:, None], end, right)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(right, tf.cast(decoded, tf.float32))
    there = tf.cast(places <= count[:, None], tf.float32)
    return tf.reduce_sum(losses * there, axis=1) / tf.reduce_sum(there, axis=1)


def search(
    model: AttentiveRecognizer, inputs: Tensors, beam_width: int, ctc_weight: float
) -> Tensors:
    """The likeliest texts that a beam finds.

    With a weight, the beam's texts are ranked by the decoder's and CTC's log-probability together
    (Watanabe et al. 2017, section II-C, rescoring).

    Returns:
        ``tokens`` ``(batch, length)``, zeros after the last; ``score``, the geometric mean of
        their probabilities; ``path``, the likeliest token of each step for CTC.
    """
    encoded = model.encode({name: inputs[name] for name in ("features", "num_frames")})
    logits, steps = encoded["logits"], encoded["num_steps"]
    rules = Rules(model.start_id, model.end_id, ops.maximum(steps, 0) + 1)
    found = beam_search(model, encoded, rules, beam_size=beam_width, num_answers=beam_width)
    tokens, sums = found.tokens, found.log_probabilities
    length = ops.cast(ops.sum(ops.cast(tokens != 0, "int32"), axis=-1) + 1, "float32")
    if ctc_weight and beam_width > 1:
        heard = [_ctc(logits, steps, tokens[:, each]) for each in range(beam_width)]
        total = (1 - ctc_weight) * sums + ctc_weight * tf.stack(heard, axis=1)
        best = tf.argmax(total / length, axis=1, output_type=tf.int32)
    else:
        best = tf.zeros_like(steps)
    tokens = tf.gather(tokens, best, batch_dims=1)
    score = tf.exp(tf.gather(sums / length, best, batch_dims=1))
    return {"tokens": tokens, "score": score, "path": ctc.path(logits, steps)}


def _ctc(logits: Any, steps: Any, tokens: Any) -> Any:
    """Log-probability ``(batch,)`` of texts by CTC; very small where the steps do not suffice."""
    losses, fits = ctc_losses(logits, steps, tokens)
    return tf.where(fits, -losses, ctc.IMPOSSIBLE)
