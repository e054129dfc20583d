"""What of a checkpoint answers."""

import keras
import numpy as np

from toolkit.recipe import TrainOptions
from toolkit.training.distribution import distribute
from toolkit.training.fit import build
from toolkit.training.session import make_rule
from toolkit.training.state import answering_weights, capture


def test_averages_stand_where_their_weights_are_also_under_equal_paths() -> None:
    def two() -> keras.Model:
        inputs = keras.Input((2,))
        halves = []
        for _ in range(2):  # each a model of its own, whose layer is called as the other's
            layer = keras.layers.Dense(1, use_bias=False, name="dense")
            layer.build((None, 2))
            model = keras.Sequential([layer])
            model.build((None, 2))
            halves.append(model(inputs))
        return keras.Model(inputs, halves)

    distribution = distribute("cpu")
    model = build(two, distribution, "float32", seed=0)
    first, second = model.trainable_variables
    assert first.path == second.path
    rule = make_rule(model, TrainOptions.model_validate({"ema": 0.9}), distribution)
    for number, average in enumerate(rule.averages):
        average.assign(np.full((2, 1), 5.0 + number))
    weights = answering_weights(model, rule, capture(model, rule))
    assert sorted(array[0, 0] for array in weights.values() if array.shape == (2, 1)) == [5, 6]
