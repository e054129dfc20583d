"""From padded sources to answers, as a recipe's task section says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import ops

from toolkit.models.beam import beam_search
from toolkit.models.decoding import Answers, Rules
from toolkit.models.preset_seq2seq import PresetSeq2Seq
from toolkit.models.sampling import sample
from toolkit.models.seq2seq import Uncached
from toolkit.tasks.translation.models import OWN
from toolkit.tasks.translation.options import TranslationSection
from toolkit.tasks.translation.sides import Sides

Searching = Callable[..., Answers]


def traced_search(find: Searching) -> Searching:
    """Trace ``find(source, penalty, prefix=None)`` once, whichever graphs it is called from.

    A search takes TensorFlow seconds to trace, and choosing the penalty, scoring the test split
    and exporting call it from graphs of their own.
    """
    ids = tf.TensorSpec([None, None], tf.int32)
    penalty = tf.TensorSpec([None], tf.float32)
    free = tf.function(find, input_signature=[ids, penalty], autograph=False)
    begun = tf.function(find, input_signature=[ids, penalty, ids], autograph=False)

    def searched(source: Any, penalty: Any, prefix: Any = None) -> Answers:
        found: Answers
        found = free(source, penalty) if prefix is None else begun(source, penalty, prefix)
        return found

    return searched


def search(
    model: Any,
    sides: Sides,
    task: TranslationSection,
    seed: int,
    source: Any,
    prefix: Any = None,
    length_penalty: Any = 1.0,
) -> Answers:
    """Search for the answers, or draw them.

    Args:
        model: one of this package, or any with its inputs and output, which is run anew in each
            step.
        sides: whose ids these are.
        task: how to search.
        seed: of the draws; the same source draws the same.
        source: ``(batch, length)`` ids, 0 as padding.
        prefix: ``(batch, length)`` ids that answers must begin with, 0 where free; or None.
        length_penalty: of the beam's ranking, a number or ``(batch,)``.
    """
    decoder = model if isinstance(model, OWN | PresetSeq2Seq) else Uncached(model)
    encoded = decoder.encode(source)
    rules = Rules(sides.start, sides.end, sides.limits(source, prefix), prefix)
    if task.sampling is None:
        return beam_search(
            decoder,
            encoded,
            rules,
            beam_size=task.beam_size,
            length_penalty=length_penalty,
            coverage_penalty=task.coverage_penalty,
            num_answers=task.num_answers,
        )
    places = ops.arange(ops.shape(source)[1], dtype="int32") + 1
    seeds = seed + ops.sum(source * places * 7919, axis=1)
    return sample(
        decoder,
        encoded,
        rules,
        seeds=ops.cast(seeds, "int32"),
        num_answers=task.num_answers,
        **task.sampling.arguments(),
    )
