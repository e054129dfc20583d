"""Recognition while sound comes in: the layers of a recognizer, run from state to state.

The answer to a sound does not depend on the pieces in which it arrives: frames, convolutions and
recurrence look back only, and the state holds all that later steps need of earlier samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from toolkit.models.acoustic import STRIDES, Front, steadily_normalized
from toolkit.models.ctc import BLANK

State = dict[str, Any]


class Stream:
    """A recognizer of convolutions and one-way recurrence, as a function from state to state.

    Args:
        model: from :func:`toolkit.models.acoustic.recognizer`.
        front: what it was built with; has ``statistics``.
        log_mel: from samples ``(batch, samples)`` to log-mel frames ``(batch, frames, bins)``.
        frame_length: samples that a frame looks at.
        frame_step: samples from one frame to the next.
        lead: samples of silence before the beginning.
        tail: samples of silence after the end; a frame at least.
    """

    def __init__(
        self,
        model: keras.Model,
        front: Front,
        log_mel: Callable[[Any], Any],
        frame_length: int,
        frame_step: int,
        lead: int,
        tail: int,
    ) -> None:
        self.model = model
        self.front = front
        self.log_mel = log_mel
        self.frame_length = frame_length
        self.frame_step = frame_step
        self.lead = lead
        self.tail = tail
        self.recurrence = model.get_layer("recurrence")

    def initial_state(self, batch_size: Any) -> State:
        """What :meth:`step` starts from; every leaf has the batch first.

        ``samples`` that a later frame needs, the frames before the next one at each convolution,
        the recurrent states, and the last step's token.
        """
        shapes = [(2, self.front.num_mel_bins, 1)]
        for _ in STRIDES[self.front.subsampling][1:]:
            shapes.append((2, -(-shapes[-1][1] // 2), self.front.filters))
        before = [ops.zeros((batch_size, *shape)) for shape in shapes]
        units, count = self.recurrence.units, self.recurrence.num_states
        return {
            "samples": ops.zeros((batch_size, self.lead)),
            **{f"before_{number}": frames for number, frames in enumerate(before, start=1)},
            **{f"recurrent_{n}": ops.zeros((batch_size, units)) for n in range(count)},
            "last": ops.full((batch_size,), BLANK, "int32"),
        }

    def step(self, audio: Any, state: State, final: Any) -> tuple[Any, State]:
        """Read on.

        Args:
            audio: ``(batch, samples)`` float32, any number of them.
            state: from :meth:`initial_state` or the step before.
            final: a boolean; whether nothing follows.

        Returns:
            The tokens that are new, ``(batch, steps)``, zeros among them, and the state after.
        """
        samples = ops.concatenate([state["samples"], audio], axis=1)
        samples = ops.pad(samples, [[0, 0], [0, ops.where(final, self.tail, 0)]])
        frames = (ops.shape(samples)[1] - self.frame_length) // self.frame_step + 1
        whole = frames // self.front.subsampling * self.front.subsampling
        count = ops.maximum(ops.where(final, frames, whole), 0)
        found: tuple[Any, State] = ops.cond(
            count > 0,
            lambda: self._run(samples, count, state),
            lambda: (ops.zeros((ops.shape(audio)[0], 0), "int32"), {**state, "samples": samples}),
        )
        return found

    def _run(self, samples: Any, count: Any, state: State) -> tuple[Any, State]:
        used = samples[:, : (count - 1) * self.frame_step + self.frame_length]
        image = steadily_normalized(self.log_mel(used), self.front.statistics)[..., None]
        state = {**state, "samples": samples[:, count * self.frame_step :]}
        for number in range(1, len(STRIDES[self.front.subsampling]) + 1):
            image, state[f"before_{number}"] = self._convolved(
                image, state[f"before_{number}"], number
            )
        steps = self.model.get_layer("steps")(image)
        steps = self.model.get_layer("projection_norm")(self.model.get_layer("projection")(steps))
        names = [f"recurrent_{number}" for number in range(self.recurrence.num_states)]
        encoded, states = self.recurrence.read(steps, [state[name] for name in names])
        state.update(zip(names, states, strict=True))
        best = ops.cast(ops.argmax(self.model.get_layer("logits")(encoded), axis=-1), "int32")
        before = ops.concatenate([state["last"][:, None], best[:, :-1]], axis=1)
        state["last"] = best[:, -1]
        return ops.where(best != before, best, BLANK), state

    def _convolved(self, image: Any, before: Any, number: int) -> tuple[Any, Any]:
        """A convolution on the frames and the two before them, and the last two of all."""
        image = ops.concatenate([before, image], axis=1)
        padded = ops.pad(image, [[0, 0], [0, 0], [1, 1], [0, 0]])
        name = f"convolution_{number}"
        convolved = self.model.get_layer(f"{name}_relu")(self.model.get_layer(name)(padded))
        return convolved, image[:, -2:]
