"""One example as bytes: named arrays and byte strings, laid end to end."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ArgumentError

Value = NDArray[np.generic] | bytes
Example = Mapping[str, Value]

ALIGNMENT = 8  # bytes; lets NumPy read a value where it lies
BYTES = "bytes"


@dataclass(frozen=True)
class Feature:
    """A named value: the arrays' type and number of axes, the same in every example."""

    name: str
    dtype: str
    axes: int


@dataclass(frozen=True)
class Schema:
    """The features of an example, in the order in which they are written.

    A record is the sizes of all axes as int64 (a byte string has one), then each value, each
    beginning at a multiple of 8 bytes.
    """

    features: tuple[Feature, ...]

    @classmethod
    def of(cls, example: Example) -> "Schema":
        """The schema that an example has.

        Raises:
            ArgumentError: A value that is neither bytes nor an array of numbers.
        """
        return cls(tuple(_feature(name, value) for name, value in example.items()))

    def encode(self, example: Example) -> bytes:
        """The example's record.

        Raises:
            ArgumentError: Other features, or values of another type, than the schema's.
        """
        found = Schema.of(example)
        if found != self and {*found.features} != {*self.features}:
            raise ArgumentError(
                "Every example must have the features of the first. "
                f"Expected {_described(self)}. Received: example={_described(found)}."
            )
        values = [example[feature.name] for feature in self.features]
        sizes = [n for value in values for n in _shape(value)]
        parts = [np.asarray(sizes, np.int64).tobytes()]
        for value in values:
            data = value if isinstance(value, bytes) else value.tobytes()
            parts += [data, b"\0" * (-len(data) % ALIGNMENT)]
        return b"".join(parts)

    def decode(self, record: bytes) -> dict[str, Value]:
        """The example that was written; its arrays are read-only."""
        count = sum(feature.axes for feature in self.features)
        sizes = np.frombuffer(record, np.int64, count)
        offset, axis = sizes.nbytes, 0
        example: dict[str, Value] = {}
        for feature in self.features:
            shape = tuple(sizes[axis : axis + feature.axes].tolist())
            axis += feature.axes
            if feature.dtype == BYTES:
                length = shape[0]
                example[feature.name] = record[offset : offset + length]
            else:
                array = np.frombuffer(record, feature.dtype, math.prod(shape), offset)
                length = array.nbytes
                example[feature.name] = array.reshape(shape)
            offset += length + (-length % ALIGNMENT)
        return example


def _feature(name: str, value: Value) -> Feature:
    if isinstance(value, bytes):
        return Feature(name, BYTES, 1)
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
        return Feature(name, value.dtype.str, value.ndim)
    raise ArgumentError(
        "An example holds arrays of numbers and bytes. Expected one of them. "
        f"Received: {name}={type(value).__name__}."
    )


def _shape(value: Value) -> tuple[int, ...]:
    return (len(value),) if isinstance(value, bytes) else value.shape


def _described(schema: Schema) -> str:
    return ", ".join(f"{one.name} ({one.dtype}, {one.axes} axes)" for one in schema.features)
