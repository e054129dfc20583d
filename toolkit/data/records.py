"""Examples as bytes: a record each, written and read many at a time without a loop over rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from toolkit.data.examples import Feature
from toolkit.data.store import StoredExamples
from toolkit.errors import ArgumentError
from toolkit.ragged import Ragged

ALIGNMENT = 8  # bytes; lets NumPy read a value where it lies

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Field:
    """A feature of every example: its type and shape, that of a step where lengths vary."""

    name: str
    role: Literal["input", "target"]
    dtype: str
    shape: tuple[int, ...]
    ragged: bool

    @property
    def size(self) -> int:
        """Numbers in an example, or in a step of it."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Schema:
    """What a record is made of.

    A record is the length of each ragged field as int64, then the fields' values in order, each
    beginning at a multiple of 8 bytes.

    Attributes:
        fields: In the order in which they are written.
        axes: The ragged features whose lengths are the padded axes.
    """

    fields: tuple[Field, ...]
    axes: tuple[str, ...]

    @classmethod
    def of(cls, examples: StoredExamples) -> "Schema":
        """The schema that examples have.

        Raises:
            ArgumentError: A feature that does not hold numbers.
        """
        inputs = [_field(name, "input", one) for name, one in examples.inputs.items()]
        targets = [_field(name, "target", one) for name, one in examples.targets.items()]
        return cls((*inputs, *targets), examples.axes)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Schema":
        """The schema that was written as JSON."""
        fields = [Field(**{**one, "shape": tuple(one["shape"])}) for one in plain["fields"]]
        return cls(tuple(fields), tuple(plain["axes"]))

    def pack(self, examples: StoredExamples) -> list[bytes]:
        """The records of examples.

        Raises:
            ArgumentError: Examples of another schema.
        """
        found = Schema.of(examples)
        if found != self:
            raise ArgumentError(
                "All examples must have the features of the first. "
                f"Expected {_described(self)}. Received: examples={_described(found)}."
            )
        features = [_feature(examples, field) for field in self.fields]
        lengths = self._lengths(features, len(examples))
        offsets, sizes = self._offsets(lengths)
        ends = np.cumsum(sizes)
        buffer = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
        starts = ends - sizes
        header = (starts // ALIGNMENT)[:, None] + np.arange(lengths.shape[1])
        buffer.view(np.int64)[header] = lengths
        counts = self._counts(lengths)
        for number, (field, feature) in enumerate(zip(self.fields, features, strict=True)):
            first = (starts + offsets[:, number]) // field.itemsize
            values = feature.values if isinstance(feature, Ragged) else feature
            places = runs(first, counts[:, number])
            buffer.view(field.dtype)[places] = values.reshape(-1)
        content = buffer.tobytes()
        return [content[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]

    def unpack(self, records: Sequence[bytes]) -> "Records":
        """Records as they were packed, ready to be gathered."""
        content = np.frombuffer(b"".join(records), np.uint8)
        ends = np.cumsum([len(record) for record in records], dtype=np.int64)
        starts = np.concatenate([[0], ends[:-1]])
        num_ragged = sum(field.ragged for field in self.fields)
        header = (starts // ALIGNMENT)[:, None] + np.arange(num_ragged)
        lengths = content.view(np.int64)[header]
        offsets, _ = self._offsets(lengths)
        return Records(self, content, starts[:, None] + offsets, self._counts(lengths))

    def _lengths(self, features: Sequence[Feature], rows: int) -> Places:
        lengths = [feature.lengths for feature in features if isinstance(feature, Ragged)]
        return np.stack(lengths, 1) if lengths else np.zeros((rows, 0), np.int64)

    def _counts(self, lengths: Places) -> Places:
        """Numbers of each field in each row, ``(rows, fields)``."""
        counts = np.empty((len(lengths), len(self.fields)), np.int64)
        ragged = iter(lengths.T)
        for number, field in enumerate(self.fields):
            counts[:, number] = field.size * (next(ragged) if field.ragged else 1)
        return counts

    def _offsets(self, lengths: Places) -> tuple[Places, Places]:
        """Where in its record each field begins, ``(rows, fields)``, and the records' sizes."""
        itemsizes = np.array([field.itemsize for field in self.fields], np.int64)
        bytes_ = self._counts(lengths) * itemsizes
        padded = -(-bytes_ // ALIGNMENT) * ALIGNMENT
        ends = ALIGNMENT * lengths.shape[1] + np.cumsum(padded, axis=1)
        return ends - padded, ends[:, -1]


class Records:
    """Records side by side in one buffer.

    Args:
        schema: Of each.
        content: The buffer.
        starts: ``(rows, fields)`` first byte of each value.
        counts: ``(rows, fields)`` numbers in it.
    """

    def __init__(
        self, schema: Schema, content: NDArray[np.uint8], starts: Places, counts: Places
    ) -> None:
        self.schema, self._content, self._starts, self._counts = schema, content, starts, counts

    def __len__(self) -> int:
        return len(self._starts)

    def feature(self, number: int) -> Feature:
        """A field of all rows as it was packed."""
        field = self.schema.fields[number]
        first, counts = self._starts[:, number] // field.itemsize, self._counts[:, number]
        values = self._content.view(field.dtype)[runs(first, counts)]
        if not field.ragged:
            return values.reshape(len(self), *field.shape)
        splits = np.concatenate([[0], np.cumsum(counts // max(field.size, 1))])
        return Ragged(values.reshape(-1, *field.shape), splits.astype(np.int64))

    def padded(self, number: int, length: int) -> NDArray[np.generic]:
        """A ragged field of all rows, ``(rows, length, ...)``, zeros after each row's end."""
        field = self.schema.fields[number]
        values: NDArray[np.generic] = self._content.view(field.dtype)
        steps = np.arange(length * field.size)
        inside = steps < self._counts[:, number, None]
        result = np.zeros((len(self), len(steps)), values.dtype)
        first = self._starts[:, number, None] // field.itemsize
        result[inside] = values[(first + steps)[inside]]
        return result.reshape(len(self), length, *field.shape)


def runs(first: Places, counts: Places) -> Places:
    """``first[i], first[i] + 1, ...``, ``counts[i]`` of them, for each row end to end."""
    before = np.cumsum(counts) - counts
    return np.repeat(first - before, counts) + np.arange(int(counts.sum()))


def _feature(examples: StoredExamples, field: Field) -> Feature:
    return (examples.inputs if field.role == "input" else examples.targets)[field.name]


def _field(name: str, role: Literal["input", "target"], feature: Feature) -> Field:
    ragged = isinstance(feature, Ragged)
    values = feature.values if isinstance(feature, Ragged) else feature
    if values.dtype.kind not in "biuf" or ALIGNMENT % values.dtype.itemsize:
        raise ArgumentError(
            "What is prepared must be numbers of 1, 2, 4 or 8 bytes. "
            f"Received: {name}={values.dtype}."
        )
    return Field(name, role, values.dtype.str, tuple(values.shape[1:]), ragged)


def _described(schema: Schema) -> str:
    return ", ".join(
        f"{one.name} ({one.dtype}, {'ragged ' if one.ragged else ''}{one.shape})"
        for one in schema.fields
    )
