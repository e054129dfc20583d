"""Training steps as one compiled function: many steps a call, on all replicas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from toolkit.training.distribution import Distribution
from toolkit.training.optimizers import UpdateRule

Loss = Callable[[keras.Model, Any, Any, Any], Any]


class TrainingSteps:
    """Compiled steps of ``model`` under ``rule``.

    The weights of a share are divided by its global batch's total already, so the loss and the
    gradients of a step are plain sums over micro-batches, replicas and workers; nothing is
    averaged and nothing has to be undone.

    Args:
        loss: ``(model, inputs, targets, weights) -> sum(weights * loss)``.
        model: the model, built in the distribution's scope.
        rule: what to do with the summed gradients.
        distribution: the replicas.
        micro_batches: shares per replica and step; their gradients are added up.
        xla: whether to compile each replica's loss and gradients by XLA.
    """

    def __init__(
        self,
        loss: Loss,
        model: keras.Model,
        rule: UpdateRule,
        distribution: Distribution,
        *,
        micro_batches: int = 1,
        xla: bool = False,
    ) -> None:
        self.loss = loss
        self.model = model
        self.rule = rule
        self.distribution = distribution
        self.micro_batches = micro_batches
        # One function per local replica: each captures its own copies of the variables.
        self._compiled = [
            tf.function(self.gradients, jit_compile=True, reduce_retracing=True, autograph=False)
            for _ in range(distribution.local_replicas if xla else 0)
        ]
        self._run: Any = None

    def iterate(self, dataset: tf.data.Dataset) -> Any:
        """Return an iterator for :meth:`run` over single shares in order."""
        if self.micro_batches > 1:
            # padded, since augmentation may have changed the lengths of some
            dataset = dataset.padded_batch(self.micro_batches, drop_remainder=True)
        return iter(self.distribution.distribute(dataset))

    def run(
        self, iterator: Any, learning_rates: NDArray[np.float32], signals: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Take one step per learning rate.

        Args:
            iterator: from :meth:`iterate`.
            learning_rates: ``(steps,)``.
            signals: numbers to add up over all workers, so that all can act alike.

        Returns:
            Each step's loss and the added signals, the same on every worker.
        """
        if self._run is None:  # traced once, for any number of steps
            any_length = tf.TensorSpec([None], tf.float32)
            function = tf.function(self._steps, autograph=False)
            self._run = function.get_concrete_function(iterator, any_length, any_length)
        losses, agreed = self._run(iterator, tf.constant(learning_rates), tf.constant(signals))
        return losses.numpy(), agreed.numpy()

    def _steps(self, iterator: Any, learning_rates: Any, signals: Any) -> tuple[Any, Any]:
        count = tf.shape(learning_rates)[0]

        def body(index: Any, losses: Any) -> tuple[Any, Any]:
            shares = self.distribution.next_shares(iterator)
            replicas = self.distribution.run(self._replica_step, shares, learning_rates[index])
            loss = self.distribution.local(replicas)[0]
            return index + 1, losses.write(index, loss)

        initial = (tf.constant(0), tf.TensorArray(tf.float32, count))
        _, losses = tf.while_loop(lambda i, _: i < count, body, initial, parallel_iterations=1)
        return losses.stack(), self._agree(signals)

    def _agree(self, signals: Any) -> Any:
        if self.distribution.num_workers == 1:
            return signals
        total = self.distribution.run(self._add_signals, signals)
        return self.distribution.local(total)[0] / self.distribution.local_replicas

    def _add_signals(self, signals: Any) -> Any:
        # the copy lies on the replica's device, which the reduction goes by
        return self.distribution.total_inside([tf.identity(signals)])[0]

    def _replica_step(self, shares: list[Any], learning_rate: Any) -> Any:
        loss, gradients = self._sum_lanes(shares)
        loss, *gradients = self.distribution.total_inside([loss, *gradients])
        gradients, finite = self.rule.finish_gradients(gradients)
        self.distribution.update(self._apply, gradients, finite, learning_rate, self._statistics())
        return loss

    def _apply(
        self, update: Any, gradients: Any, finite: Any, learning_rate: Any, means: Any
    ) -> None:
        self.rule.apply(update, gradients, self.distribution.local(finite)[0], learning_rate)
        for variable, mean in zip(self._averaged(), means, strict=True):
            update(variable.value, lambda copy, value: copy.assign(value), mean)

    def _averaged(self) -> list[keras.Variable]:
        """Return running statistics, such as batch normalisation's, which each replica updates."""
        if self.distribution.num_replicas == 1:
            return []
        fixed = self.model.non_trainable_variables
        return [v for v in fixed if keras.backend.is_float_dtype(v.dtype)]

    def _statistics(self) -> list[Any]:
        variables = self._averaged()
        values = [tf.convert_to_tensor(variable.value) for variable in variables]
        return self.distribution.mean_inside(values) if values else []

    def _sum_lanes(self, shares: list[Any]) -> tuple[Any, list[Any]]:
        """Return the loss and the gradients of the lanes' shares.

        Nothing binds them together before their sum: TensorFlow computes them at the same time.
        """
        lanes = [self._sum_micro_batches(*share[:3]) for share in shares]
        losses, gradients = zip(*lanes, strict=True)
        return tf.add_n(losses), [_sum(parts) for parts in zip(*gradients, strict=True)]

    def _sum_micro_batches(self, inputs: Any, targets: Any, weights: Any) -> tuple[Any, list[Any]]:
        gradients = self._gradient_function()
        if self.micro_batches == 1:
            return gradients(inputs, targets, weights)

        def body(index: Any, loss: Any, totals: Any) -> tuple[Any, Any, Any]:
            part = tf.nest.map_structure(lambda x: x[index], (inputs, targets, weights))
            more, added = gradients(*part)
            added = [a + tf.convert_to_tensor(b) for a, b in zip(totals, added, strict=True)]
            return index + 1, loss + more, added

        zeros = [tf.zeros(weight.shape, weight.dtype) for weight in self.rule.weights]
        _, loss, totals = tf.while_loop(
            lambda i, *_: i < self.micro_batches,
            body,
            (tf.constant(0), tf.constant(0.0), zeros),
            parallel_iterations=1,
            maximum_iterations=self.micro_batches,
        )
        return loss, totals

    def _gradient_function(self) -> Callable[..., tuple[Any, list[Any]]]:
        if not self._compiled:
            return self.gradients
        compiled: Callable[..., tuple[Any, list[Any]]]
        compiled = self._compiled[self.distribution.replica_index()]
        return compiled

    def gradients(self, inputs: Any, targets: Any, weights: Any) -> tuple[Any, list[Any]]:
        """Return a share's loss and the gradients of the weights, times the loss scale."""
        variables = [weight.value for weight in self.rule.weights]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([weight.value for weight in self.rule.learning])
            loss = tf.cast(self.loss(self.model, inputs, targets, weights), tf.float32)
            if added := self.model.losses:
                shares = self.distribution.num_shares(self.micro_batches)
                loss += tf.add_n([tf.cast(part, tf.float32) for part in added]) / shares
            scale = self.rule.loss_scale
            scaled = loss if scale is None else loss * scale
        return loss, tape.gradient(
            scaled, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )


def _sum(parts: tuple[Any, ...]) -> Any:
    """Add up gradients; rows of an embedding stay rows."""
    if len(parts) == 1:
        return parts[0]
    if not all(isinstance(part, tf.IndexedSlices) for part in parts):
        return tf.add_n([tf.convert_to_tensor(part) for part in parts])
    values, indices = ([getattr(part, name) for part in parts] for name in ("values", "indices"))
    return tf.IndexedSlices(tf.concat(values, 0), tf.concat(indices, 0), parts[0].dense_shape)
