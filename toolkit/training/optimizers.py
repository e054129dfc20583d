"""Optimizers: Keras's rules and state, applied to gradients that are summed already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

Update = Callable[..., None]
MAX_LOSS_SCALE, STEPS_TO_DOUBLE = 2.0**24, 2000


class FusedAdam(keras.optimizers.Adam):
    """Adam by TensorFlow's one-pass kernel: Keras's formula and state, about half the time.

    ``first_steps`` says, by a variable's number, after how many steps its updates begin: its
    moments are corrected for their start from there.
    """

    first_steps: dict[int, int] = {}  # noqa: RUF012 - replaced, never changed

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update ``variable`` and its two moments in place."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        if index in self.first_steps:
            step = tf.maximum(step - self.first_steps[index], 1.0)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient),
        )


def make_optimizer(options: Any) -> keras.optimizers.Optimizer:
    """Build the optimizer that a recipe's ``train.optimizer`` names.

    Weight decay is not the optimizer's but :class:`UpdateRule`'s; so is the learning rate.
    """
    arguments = {
        name: value
        for name, value in options.arguments().items()
        if name not in ("type", "weight_decay")
    }
    kinds = {
        "adam": FusedAdam,
        "adamw": FusedAdam,
        "lion": keras.optimizers.Lion,
        "adafactor": keras.optimizers.Adafactor,
        "sgd": keras.optimizers.SGD,
    }
    return kinds[options.type](learning_rate=1.0, **arguments)


class UpdateRule:
    """What one step does to the weights: clip, decay, the optimizer's rule, moving average.

    Weight decay is decoupled (Loshchilov and Hutter 2019) and leaves vectors (biases, norms)
    alone. The moving average of the weights warms up: its momentum is
    ``min(ema, (1 + step) / (10 + step))``.

    Args:
        optimizer: a Keras optimizer, not built yet; only its rule and state are used.
        weights: the trainable variables. Call inside the strategy's scope.
        weight_decay: share of a matrix removed per step and unit of learning rate.
        clip_norm: largest norm of all gradients together.
        ema: momentum of the moving average of the weights.
        loss_scale: for float16, the first factor of the loss; steps whose gradients overflow
            are skipped and halve it, 2,000 good steps double it.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        weights: list[keras.Variable],
        *,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        ema: float | None = None,
        loss_scale: float | None = None,
    ) -> None:
        optimizer.build(weights)
        self.optimizer = optimizer
        self.weights = weights
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.ema = ema
        self.averages = [] if ema is None else [_copy(weight) for weight in weights]
        self.scale_state = [] if loss_scale is None else [_scalar(loss_scale), _scalar(0.0)]
        self.holding = False
        """Whether the weights that are held back are still left out of the gradients."""
        self._late: dict[int, tuple[int, float]] = {}

    def hold_back(self, weights: list[keras.Variable], steps: int, rate: float) -> None:
        """Leave some weights as they are for so many steps; then a share of the learning rate."""
        held = {id(weight) for weight in weights}
        places = [index for index, each in enumerate(self.weights) if id(each) in held]
        self._late = dict.fromkeys(places, (steps, rate))
        self.holding = steps > 0
        if isinstance(self.optimizer, FusedAdam):
            self.optimizer.first_steps = dict.fromkeys(places, steps)

    @property
    def learning(self) -> list[keras.Variable]:
        """Return the weights that gradients are needed of."""
        late = self._late if self.holding else {}
        return [weight for index, weight in enumerate(self.weights) if index not in late]

    @property
    def variables(self) -> list[Any]:
        """All that must be saved to go on exactly."""
        return [*self.optimizer.variables, *self.averages, *self.scale_state]

    @property
    def loss_scale(self) -> Any:
        """Return what the loss is multiplied by, or None."""
        return self.scale_state[0].value if self.scale_state else None

    @property
    def steps(self) -> int:
        """Return the number of finished steps."""
        return int(self.optimizer.iterations.numpy())

    def finish_gradients(self, gradients: list[Any]) -> tuple[list[Any], Any]:
        """Unscale and clip summed gradients; also return whether all are finite."""
        if not self._takes_rows():
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        if self.scale_state:
            gradients = [gradient / self.loss_scale for gradient in gradients]
        finite = tf.constant(True)
        if self.scale_state or self.clip_norm is not None:
            norm = tf.linalg.global_norm(gradients)
            finite = tf.math.is_finite(norm)
        if self.clip_norm is not None:
            factor = self.clip_norm / tf.maximum(norm, self.clip_norm)
            gradients = [gradient * factor for gradient in gradients]
        return gradients, finite

    def _takes_rows(self) -> bool:
        """Whether the rule is exact on the touched rows of an embedding alone."""
        plain = isinstance(self.optimizer, keras.optimizers.SGD) and not self.optimizer.momentum
        return plain and self.clip_norm is None and not self.scale_state

    def apply(self, update: Update, gradients: list[Any], finite: Any, learning_rate: Any) -> None:
        """Take one step, given ``Distribution.update``'s ``update``."""
        if not self.scale_state:
            self._step(update, gradients, learning_rate)
            return
        tf.cond(
            finite,
            lambda: self._step(update, gradients, learning_rate),
            lambda: self._skip(update),
        )
        self._adjust_scale(update, finite)

    def _step(self, update: Update, gradients: list[Any], learning_rate: Any) -> tf.Tensor:
        for index, (weight, gradient) in enumerate(zip(self.weights, gradients, strict=True)):

            def rule(variable: Any, gradient: Any, rate: Any, index: int = index) -> None:
                self._update_one(variable, gradient, index, rate)

            update(weight.value, rule, gradient, learning_rate)
        return self._count(update)

    def _skip(self, update: Update) -> tf.Tensor:
        return self._count(update)

    def _count(self, update: Update) -> tf.Tensor:
        update(self.optimizer.iterations.value, lambda variable: variable.assign_add(1))
        return tf.constant(0)

    def _update_one(self, variable: Any, gradient: Any, index: int, learning_rate: Any) -> None:
        if index in self._late:
            steps, rate = self._late[index]
            begun = self.optimizer.iterations.value >= steps
            learning_rate = learning_rate * tf.where(begun, rate, 0.0)
        if self.weight_decay and len(variable.shape) > 1:
            variable.assign(variable * (1.0 - learning_rate * self.weight_decay))
        self.optimizer.update_step(gradient, variable, learning_rate)
        if self.ema is not None:
            step = tf.cast(self.optimizer.iterations, tf.float32)
            momentum = tf.minimum(self.ema, (1.0 + step) / (10.0 + step))
            average = self.averages[index].value
            average.assign(average + (1.0 - momentum) * (variable - average))

    def _adjust_scale(self, update: Update, finite: Any) -> None:
        scale, good = (variable.value for variable in self.scale_state)
        counted = tf.where(finite, good + 1.0, 0.0)
        grow = counted >= STEPS_TO_DOUBLE
        grown = tf.where(grow, tf.minimum(scale * 2.0, MAX_LOSS_SCALE), scale + 0.0)
        new = tf.where(finite, grown, scale / 2.0)
        update(scale, lambda variable, value: variable.assign(value), new)
        update(good, lambda variable, value: variable.assign(value), tf.where(grow, 0.0, counted))


def _copy(weight: keras.Variable) -> keras.Variable:
    return keras.Variable(
        lambda shape, dtype: tf.convert_to_tensor(weight),
        shape=weight.shape,
        dtype=weight.dtype,
        trainable=False,
        name=f"{weight.name}_average",
    )


def _scalar(value: float) -> keras.Variable:
    return keras.Variable(value, dtype="float32", trainable=False, name="loss_scale")
