"""Encoder-decoders side by side."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from toolkit.layers.arguments import Tensor
from toolkit.models.decoding import repeated
from toolkit.models.seq2seq import Seq2Seq

State = dict[str, Any]


@keras.saving.register_keras_serializable(package="toolkit")
class Seq2SeqEnsemble(keras.Model):
    """Models of one vocabulary that write one answer together.

    Inputs and output are those of `Seq2Seq`, and so are `encode`, `initial_state`, `repeat_state`
    and `step`. The logits are the mean of the members' logits, whose softmax is the members'
    geometric mean:

        P(y) = prod_m P_m(y) ** (1 / M) / sum_y' prod_m P_m(y') ** (1 / M)

    The members share no weight. Trained together by the mean of their own losses, each learns what
    it would learn alone.

    Args:
        members: one or more, of the same vocabularies and start token.

    Reference: Hinton (Neural Computation 14, 2002), section 1, for products of experts.
    """

    def __init__(self, members: Sequence[Seq2Seq], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members = list(members)
        self.built = True  # the members are

    def call(self, inputs: dict[str, Tensor], training: bool | None = None) -> Tensor:
        """Logits (batch, time, vocabulary)."""
        return _mean([member(inputs, training=training) for member in self.members])

    def encode(self, source: Tensor, training: bool | None = None) -> list[tuple[Tensor, Tensor]]:
        """What each member's encoder says."""
        return [member.encode(source, training) for member in self.members]

    def initial_state(
        self,
        encoded: list[tuple[Tensor, Tensor]],
        batch_size: int | Tensor,
        max_length: int | Tensor,
    ) -> State:
        """What `step` starts from; `encoded` is from `encode`."""
        pairs = zip(self.members, encoded, strict=True)
        states = [member.initial_state(of, batch_size, max_length) for member, of in pairs]
        return _opened(states, states[0]["padding_mask"])

    def repeat_state(self, state: State, times: int) -> State:
        """The state of `times` hypotheses for each row, in each member's way."""
        pairs = zip(self.members, state["members"], strict=True)
        states = [repeated(member, of, times) for member, of in pairs]
        return _opened(states, states[0]["padding_mask"])

    def step(self, tokens: Tensor, state: State, index: int | Tensor) -> tuple[Tensor, State]:
        """Logits (batch, vocabulary) of position `index` after `tokens` (batch,)."""
        pairs = zip(self.members, state["members"], strict=True)
        steps = [member.step(tokens, of, index) for member, of in pairs]
        after = _opened([new for _, new in steps], state["padding_mask"])
        return _mean([logits for logits, _ in steps]), after

    def get_config(self) -> dict[str, Any]:
        """The members' own configs."""
        members = [keras.saving.serialize_keras_object(member) for member in self.members]
        return {"name": self.name, "dtype": self.dtype_policy.name, "members": members}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Seq2SeqEnsemble":
        """The models made again."""
        members = [keras.saving.deserialize_keras_object(of) for of in config["members"]]
        return cls(**{**config, "members": members})


def _mean(each: list[Tensor]) -> Tensor:
    return sum(each[1:], each[0]) / len(each)


def _opened(members: list[State], mask: Tensor) -> State:
    """The states, with the padding and the mean attention where a search looks for them."""
    attention = _mean([ops.cast(member["attention"], "float32") for member in members])
    return {"members": members, "padding_mask": mask, "attention": attention}
