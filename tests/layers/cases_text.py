"""Rows of the contract table: layers on token and n-gram ids."""

import numpy as np

from tests.layers.contract import Case
from toolkit import layers


def ids(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return (rng.integers(1, 11, (4, 7)).astype("int32"),)


ROWS = {"xla": "how many words a batch has is not known, so their gradient cannot leave XLA"}

CASES: list[Case] = [
    Case(
        "ngram_bag",
        lambda: layers.NGramBag(11, 3),
        ids,
        mask=None,
        mixed_dtype="float32",
    ),
    Case(
        "token_dropout",
        lambda: layers.TokenDropout(0.5, seed=1),
        ids,
        mask=None,
        random=True,
        trainable=False,
        mixed_dtype="int32",
    ),
    Case(
        "token_recurrence",
        lambda: layers.TokenRecurrence(
            layers.TokenEmbedding(11, 4, name="embedding"),
            layers.RecurrentStack(2, 5, return_sequences=True, name="stack"),
        ),
        ids,
        skip=ROWS,
    ),
    Case(
        "token_recurrence_dropout",
        lambda: layers.TokenRecurrence(
            layers.TokenEmbedding(11, 4, name="embedding"),
            layers.RecurrentStack(1, 4, "gru", bidirectional=True, name="stack"),
            dropout=0.3,
            seed=1,
        ),
        ids,
        random=True,
        skip=ROWS,
    ),
]
