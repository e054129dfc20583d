"""A bag of n-grams: logistic regression on naive Bayes ratios."""

from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Shape, Tensor, check_positive, check_rank, check_rate


@keras.saving.register_keras_serializable(package="toolkit")
class NGramBag(keras.layers.Layer):
    """Logits from the set of n-grams of a text, beginning as naive Bayes.

    With the log-count ratio `r[f, c]` of n-gram `f` for class `c` (fixed, given through
    `set_ratio`), and a learnt correction `v`, starting at 0:

    `logit[c] = exp(s) * sum_f r[f, c] * (1 + gain * v[f, c]) / sqrt(sum_f r[f, c] ** 2) + b[c]`

    Untrained, this is multinomial naive Bayes on the presence of n-grams, of unit length, so that
    long and short texts weigh alike; training turns it into logistic regression on features
    scaled by how much naive Bayes trusts them. `gain` sets the pace of `v` against the other
    weights of a model under Adam, whose steps do not depend on a gradient's size.

    Shapes: `(batch, ngrams)` integer ids to `(batch, num_classes)`, float32 whatever the policy.

    Masking: id 0 is padding and counts nothing; a text without known n-grams gets the bias.

    Args:
        vocabulary_size: ids are below this.
        num_classes: number of classes.
        gain: pace of the corrections.
        dropout: share of the n-grams of a text left out in training.
        seed: of the dropout.

    Raises:
        ArgumentError: sizes that are not positive, a dropout outside [0, 1), inputs without
            exactly two axes.

    Example:
        >>> import numpy as np
        >>> bag = NGramBag(vocabulary_size=3, num_classes=2)
        >>> bag.build((None, None))
        >>> bag.set_ratio(np.array([[0, 0], [-1, 1], [2, -2]]))
        >>> bag(np.array([[1, 0], [2, 0]])).numpy()
        array([[-1.,  1.],
               [ 1., -1.]], dtype=float32)

    Reference: Wang and Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic
    Classification", ACL 2012, section 2.
    """

    def __init__(
        self,
        vocabulary_size: int,
        num_classes: int,
        gain: float = 10.0,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(vocabulary_size=vocabulary_size, num_classes=num_classes)
        check_rate(dropout=dropout)
        self.vocabulary_size = vocabulary_size
        self.num_classes = num_classes
        self.gain = gain
        self.dropout = dropout
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, ngram_ids_shape: Shape) -> None:
        """The ratios `r`, the corrections `v`, the scale `s` and the bias `b`."""
        check_rank(2, ngram_ids=ngram_ids_shape)
        table = (self.vocabulary_size, self.num_classes)
        weight = self.add_weight
        self.ratio = weight(name="ratio", shape=table, initializer="ones", trainable=False)
        self.correction = weight(name="correction", shape=table, initializer="zeros")
        self.log_scale = weight(name="log_scale", shape=(), initializer="zeros")
        self.bias = weight(name="bias", shape=(self.num_classes,), initializer="zeros")

    def set_ratio(self, ratio: Tensor) -> None:
        """Set `r`, `(vocabulary_size, num_classes)`; row 0 is the padding's and is ignored."""
        self.ratio.assign(ratio)

    def call(self, ngram_ids: Tensor, training: bool = False) -> Tensor:
        """The logits of each text."""
        known = ops.cast(ops.not_equal(ngram_ids, 0), "float32")[..., None]
        ratio = ops.cast(ops.take(self.ratio, ngram_ids, axis=0), "float32") * known
        weight = 1 + self.gain * ops.cast(ops.take(self.correction, ngram_ids, axis=0), "float32")
        length = ops.sqrt(ops.maximum(ops.sum(ops.square(ratio), axis=1), 1e-6))
        if training and self.dropout:
            ratio *= keras.random.dropout(known, self.dropout, seed=self.seed_generator)
        score = ops.sum(ratio * weight, axis=1) / length
        scale = ops.exp(ops.cast(self.log_scale, "float32"))
        return scale * score + ops.cast(self.bias, "float32")

    def compute_output_spec(self, ngram_ids: Tensor, training: bool = False) -> keras.KerasTensor:
        """Float32 whatever the policy, since probabilities are to come of it."""
        return keras.KerasTensor((ngram_ids.shape[0], self.num_classes), "float32")

    def compute_output_shape(self, ngram_ids_shape: Shape) -> Shape:
        """`(batch, num_classes)`."""
        return ngram_ids_shape[0], self.num_classes
