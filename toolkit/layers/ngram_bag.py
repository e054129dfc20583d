"""A bag of n-grams: a linear classifier on what naive Bayes trusts."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive, check_rank


@keras.saving.register_keras_serializable(package="toolkit")
class NGramBag(keras.layers.Layer):
    """Logits from the n-grams of a text.

    With the fixed scale `s[f]` of n-gram `f`, which says how much it tells of any class:

    `logit[c] = sum_f s[f] * w[f, c] / sqrt(sum_f s[f] ** 2) + b[c]`

    where f runs over the ids of a text, or over the different ones: `repeats` is fixed too. The
    division gives all texts unit length, so that long and short ones weigh alike.

    Shapes: `(batch, ngrams)` integer ids, the same ones side by side, to `(batch, num_classes)`,
    float32 whatever the policy.

    Masking: id 0 is padding and counts nothing; a text without known n-grams gets the bias.

    Args:
        vocabulary_size: ids are below this.
        num_classes: number of classes.

    Raises:
        ArgumentError: sizes that are not positive, inputs without exactly two axes.

    Example:
        >>> import numpy as np
        >>> bag = NGramBag(vocabulary_size=3, num_classes=2)
        >>> bag.build((None, None))
        >>> bag.set_solution(np.array([0, 1, 2]), np.array([[0, 0], [-1, 1], [2, -2]]), [0, 0.5])
        >>> bag(np.array([[1, 0], [2, 0]])).numpy()
        array([[-1. ,  1.5],
               [ 2. , -1.5]], dtype=float32)

    Reference: Wang and Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic
    Classification", ACL 2012, section 2, for scales that are naive Bayes log-count ratios.
    """

    def __init__(self, vocabulary_size: int, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_positive(vocabulary_size=vocabulary_size, num_classes=num_classes)
        self.vocabulary_size = vocabulary_size
        self.num_classes = num_classes

    def build(self, ngram_ids_shape: Shape) -> None:
        """The scales `s`, whether repeats count, the weights `w` and the bias `b`."""
        check_rank(2, ngram_ids=ngram_ids_shape)
        rows, classes = self.vocabulary_size, self.num_classes
        self.scale = self.add_weight(
            name="scale", shape=(rows,), initializer="ones", trainable=False
        )
        self.repeats = self.add_weight(
            name="repeats", shape=(), initializer="zeros", trainable=False
        )
        self.kernel = self.add_weight(name="kernel", shape=(rows, classes), initializer="zeros")
        self.bias = self.add_weight(name="bias", shape=(classes,), initializer="zeros")

    def set_solution(
        self, scale: Tensor, kernel: Tensor, bias: Tensor, repeats: bool = False
    ) -> None:
        """Set `s`, `(vocabulary_size,)`, `w`, `(vocabulary_size, num_classes)`, and `b`.

        With `repeats` an id counts as often as it is there.
        """
        self.scale.assign(scale)
        self.repeats.assign(float(repeats))
        self.kernel.assign(kernel)
        self.bias.assign(bias)

    def call(self, ngram_ids: Tensor) -> Tensor:
        """The logits of each text."""
        known = ops.cast(ops.not_equal(ngram_ids, 0), "float32")
        again = ops.cast(ops.equal(ngram_ids[:, 1:], ngram_ids[:, :-1]), "float32")
        again = ops.pad(again, [[0, 0], [1, 0]])[:, : ops.shape(ngram_ids)[1]]
        known *= 1 - again * (1 - ops.cast(self.repeats, "float32"))
        scale = ops.cast(ops.take(self.scale, ngram_ids, axis=0), "float32") * known
        weights = ops.cast(ops.take(self.kernel, ngram_ids, axis=0), "float32")
        length = ops.sqrt(ops.maximum(ops.sum(ops.square(scale), axis=1, keepdims=True), 1e-12))
        unit = ops.expand_dims(scale / length, 1)  # (batch, 1, ngrams)
        return ops.squeeze(ops.matmul(unit, weights), 1) + ops.cast(self.bias, "float32")

    def compute_output_spec(self, ngram_ids: Tensor) -> keras.KerasTensor:
        """Float32 whatever the policy, since probabilities are to come of it."""
        return keras.KerasTensor((ngram_ids.shape[0], self.num_classes), "float32")

    def compute_output_shape(self, ngram_ids_shape: Shape) -> Shape:
        """`(batch, num_classes)`."""
        return ngram_ids_shape[0], self.num_classes
