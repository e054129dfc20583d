"""Rows of the contract table: recurrent layers and cells."""

from typing import Any

import numpy as np

from tests.layers.contract import Case
from toolkit import layers


def sequence(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return (rng.standard_normal((4, 7, 3)).astype("float32"),)


def one_step(states: int) -> Any:
    def inputs(rng: np.random.Generator) -> tuple[Any, ...]:
        def draw(width: int) -> np.ndarray:
            return rng.standard_normal((4, width)).astype("float32")

        return draw(3), tuple(draw(5) for _ in range(states))

    return inputs


def with_states(rng: np.random.Generator) -> tuple[Any, ...]:
    return *sequence(rng), one_step(2)(rng)[1]


CASES: list[Case] = [
    Case("simple_rnn", lambda: layers.SimpleRNN(5, return_sequences=True), sequence),
    Case("simple_rnn_relu", lambda: layers.SimpleRNN(5, "relu"), sequence),
    Case("simple_rnn_cell", lambda: layers.SimpleRNNCell(5), one_step(1), mask=None),
    Case("lstm", lambda: layers.LSTM(5, return_sequences=True, return_state=True), sequence),
    Case(
        "lstm_backwards", lambda: layers.LSTM(5, go_backwards=True, return_sequences=True), sequence
    ),
    Case("lstm_states", lambda: layers.LSTM(5, forget_bias=2.0, return_state=True), with_states),
    Case("lstm_dropout", lambda: layers.LSTM(5, dropout=0.3, seed=1), sequence, random=True),
    Case(
        "lstm_recurrent_dropout",
        lambda: layers.LSTM(5, recurrent_dropout=0.3, seed=1),
        sequence,
        random=True,
    ),
    Case(
        "lstm_variants",
        lambda: layers.LSTM(5, layer_normalization=True, peepholes=True, return_sequences=True),
        sequence,
    ),
    Case("lstm_cell", lambda: layers.LSTMCell(5), one_step(2), mask=None),
    Case("gru", lambda: layers.GRU(5, return_sequences=True, return_state=True), sequence),
    Case("gru_backwards", lambda: layers.GRU(5, go_backwards=True), sequence),
    Case("gru_cell", lambda: layers.GRUCell(5), one_step(1), mask=None),
    Case(
        "bidirectional",
        lambda: layers.Bidirectional(layers.LSTM(5, return_sequences=True, name="lstm")),
        sequence,
    ),
    Case(
        "bidirectional_pair",
        lambda: layers.Bidirectional(layers.GRU(5, return_state=True, name="gru"), merge="none"),
        sequence,
    ),
    Case("recurrent_stack", lambda: layers.RecurrentStack(2, 5), sequence),
    Case(
        "recurrent_stack_residual",
        lambda: layers.RecurrentStack(
            3, 4, "gru", bidirectional=True, residual=True, dropout=0.2, return_sequences=True
        ),
        sequence,
        random=True,
    ),
]
