"""What every layer must keep: one table row per layer, one function per promise.

A row (`Case`) says how to make a layer and what to call it with. Costly promises (XLA, export,
two devices) are checked for a whole group of rows in one graph, because each graph has a price.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

Inputs = tuple[Any, ...]
Tolerance = tuple[float, float]


@dataclass(frozen=True)
class Case:
    """One layer of the contract table.

    Attributes:
        name: unique; a layer may stand in several rows.
        make: a new, unbuilt layer.
        inputs: positional call arguments, arrays or nests of arrays, batch first, an even number
            of rows. Make the number of time steps different from every other size.
        mask: keyword by which `call` takes the boolean padding mask (batch, time); None when the
            layer has no time axis to mask.
        masked: the numbers of the positional inputs that the mask covers.
        time_axis: axis of time in the masked inputs and in the outputs that have one.
        output_length: output steps for a number of input steps; an output whose time axis has
            another length is compared whole.
        random: draws random numbers while training.
        trainable: has trainable weights.
        mixed_dtype: dtype of the first output under mixed_bfloat16.
        dynamic_time: accepts an unknown number of time steps in a graph.
        tolerance: absolute and relative, for the same layer computed another way.
        skip: check name to the reason why it does not hold.
    """

    name: str
    make: Callable[[], keras.layers.Layer]
    inputs: Callable[[np.random.Generator], Inputs]
    mask: str | None = "mask"
    masked: tuple[int, ...] = (0,)
    time_axis: int = 1
    output_length: Callable[[int], int] = lambda steps: steps
    random: bool = False
    trainable: bool = True
    mixed_dtype: str = "bfloat16"
    dynamic_time: bool = True
    tolerance: Tolerance = (1e-5, 1e-5)
    skip: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def generator() -> np.random.Generator:
    """The one source of test numbers."""
    return np.random.default_rng(7)


def steps_of(case: Case, inputs: Inputs) -> int:
    """Number of time steps of the masked inputs."""
    return int(inputs[case.masked[0]].shape[case.time_axis])


def padding_mask(case: Case, inputs: Inputs) -> dict[str, np.ndarray]:
    """A right-padding mask as call keyword: even rows whole, odd rows two steps shorter."""
    if case.mask is None:
        return {}
    steps = steps_of(case, inputs)
    lengths = np.where(np.arange(len(inputs[case.masked[0]])) % 2, max(1, steps - 2), steps)
    return {case.mask: np.arange(steps)[None] < lengths[:, None]}


def prepare(case: Case) -> tuple[keras.layers.Layer, Inputs, dict[str, np.ndarray]]:
    """A built layer with its inputs and mask."""
    keras.utils.set_random_seed(3)
    layer, inputs = case.make(), case.inputs(generator())
    mask = padding_mask(case, inputs)
    layer(*inputs, **mask)
    return layer, inputs, mask


def leaves(outputs: Any) -> list[np.ndarray]:
    """Outputs flattened to NumPy, bfloat16 as float32."""

    def array(value: Any) -> np.ndarray:
        if keras.backend.standardize_dtype(value.dtype) == "bfloat16":
            value = keras.ops.cast(value, "float32")
        return np.asarray(keras.ops.convert_to_numpy(value))

    return [array(value) for value in keras.tree.flatten(outputs) if value is not None]


def assert_same(expected: Any, got: Any, case: Case, tolerance: Tolerance | None = None) -> None:
    """Equal structures of close arrays."""
    atol, rtol = tolerance or case.tolerance
    expected, got = leaves(expected), leaves(got)
    assert len(expected) == len(got), case.name
    for left, right in zip(expected, got, strict=True):
        np.testing.assert_allclose(left, right, atol=atol, rtol=rtol, err_msg=case.name)


def training_keyword(layer: keras.layers.Layer, value: bool) -> dict[str, bool]:
    """`training=value` where the layer's call knows it."""
    return {"training": value} if "training" in inspect.signature(layer.call).parameters else {}


def check_config(case: Case) -> None:
    """Plain data out, an equal layer back, every argument of `__init__` kept."""
    layer, inputs, mask = prepare(case)
    config = layer.get_config()
    json.dumps(config)
    missing = set(inspect.signature(type(layer).__init__).parameters) - set(config)
    assert missing <= {"self", "args", "kwargs"}, f"not in the config: {missing}"
    clone = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(clone) is type(layer)
    assert json.dumps(clone.get_config()) == json.dumps(config)
    clone(*inputs, **mask)
    assert [v.path for v in clone.weights] == [v.path for v in layer.weights]
    clone.set_weights(layer.get_weights())
    assert_same(layer(*inputs, **mask), clone(*inputs, **mask), case)


def check_symbolic(case: Case) -> None:
    """A functional model of unknown batch (and time) has the outputs' shapes and dtypes."""
    layer, inputs, _ = prepare(case)
    specs = input_specs(case, inputs)
    symbols = keras.tree.map_structure(
        lambda spec: keras.KerasTensor(spec.shape, spec.dtype.name), specs
    )
    expected = keras.tree.flatten(layer(*inputs))
    symbolic = keras.tree.flatten(layer(*symbols))
    assert len(symbolic) == len(expected)
    for tensor, value in zip(symbolic, expected, strict=True):
        assert keras.backend.standardize_dtype(tensor.dtype) == value.dtype.name
        assert len(tensor.shape) == len(value.shape)
        for said, real in zip(tensor.shape, value.shape, strict=True):
            assert said in (None, real), (tensor.shape, value.shape)


def pad(case: Case, inputs: Inputs, rng: np.random.Generator, extra: int) -> Inputs:
    """Inputs with noise in the masked steps and `extra` more masked steps."""
    valid = padding_mask(case, inputs)[case.mask or ""]

    def noisy(value: np.ndarray) -> np.ndarray:
        widths = [(0, extra if axis == case.time_axis else 0) for axis in range(value.ndim)]
        wide = np.pad(value, widths, mode="wrap")
        noise = rng.permuted(wide, axis=case.time_axis)
        if np.issubdtype(value.dtype, np.floating):
            noise = (noise + 10 * rng.standard_normal(wide.shape)).astype(value.dtype)
        keep = np.pad(valid, [(0, 0), (0, extra)])
        shape = [1] * value.ndim
        shape[0], shape[case.time_axis] = keep.shape
        return np.where(keep.reshape(shape), wide, noise)

    changed = {number: noisy(inputs[number]) for number in case.masked}
    return tuple(changed.get(number, value) for number, value in enumerate(inputs))


def first_steps(case: Case, outputs: Any, row: int, given: int, wanted: int) -> list[np.ndarray]:
    """One row of the outputs, cut to the steps that come from `wanted` of `given` input steps."""
    rows = [value[row : row + 1] for value in leaves(outputs)]
    axis, length = case.time_axis, case.output_length(given)
    end = case.output_length(wanted)
    return [
        np.take(v, np.arange(end), axis) if v.ndim > axis and v.shape[axis] == length else v
        for v in rows
    ]


def check_mask(case: Case) -> None:
    """Neither what stands in padding nor how much of it there is changes a row's outputs."""
    layer, inputs, _ = prepare(case)
    assert case.mask is not None
    steps, valid = steps_of(case, inputs), padding_mask(case, inputs)[case.mask]
    for row in (0, 1):
        length = int(valid[row].sum())

        def cut(number: int, value: Any, row: int = row, length: int = length) -> Any:
            alone = keras.tree.map_structure(lambda v: v[row : row + 1], value)
            if number not in case.masked:
                return alone
            return np.take(alone, np.arange(length), case.time_axis)

        alone = layer(*(cut(number, value) for number, value in enumerate(inputs)))
        expected = first_steps(case, alone, 0, length, length)
        for seed, extra in ((1, 0), (2, 3)):
            padded = pad(case, inputs, np.random.default_rng(seed), extra)
            mask = np.pad(valid, [(0, 0), (0, extra)])
            outputs = layer(*padded, **{case.mask: mask})
            got = first_steps(case, outputs, row, steps + extra, length)
            assert_same(expected, got, case)


def check_precision(case: Case) -> None:
    """Under mixed_bfloat16: float32 variables, bfloat16 outputs, nearly the same values."""
    layer, inputs, mask = prepare(case)
    expected = layer(*inputs, **mask)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = case.make()
        mixed(*inputs, **mask)
        mixed.set_weights(layer.get_weights())
        got = mixed(*inputs, **mask)
    finally:
        keras.config.set_dtype_policy(before)
    assert {v.dtype for v in mixed.trainable_variables} <= {"float32"}
    first = keras.tree.flatten(got)[0]
    assert keras.backend.standardize_dtype(first.dtype) == case.mixed_dtype
    for left, right in zip(leaves(expected), leaves(got), strict=True):
        if np.issubdtype(left.dtype, np.floating):
            scale = 1 + np.abs(left).max()
            assert np.isfinite(right).all()
            assert np.abs(left - right).max() < 0.05 * scale, np.abs(left - right).max()


def input_specs(case: Case, inputs: Inputs) -> list[Any]:
    """Specs with an unknown batch, and unknown time in masked inputs."""

    def spec(number: int, value: Any) -> Any:
        def one(array: np.ndarray) -> tf.TensorSpec:
            shape: list[int | None] = list(array.shape)
            shape[0] = None
            if case.mask and case.dynamic_time and number in case.masked:
                shape[case.time_axis] = None
            return tf.TensorSpec(shape, array.dtype)

        return keras.tree.map_structure(one, value)

    return [spec(number, value) for number, value in enumerate(inputs)]


def check_function(case: Case) -> None:
    """A graph of unknown sizes answers like eager, with and without a mask."""
    layer, inputs, mask = prepare(case)
    specs = input_specs(case, inputs)
    tensors = keras.tree.map_structure(tf.convert_to_tensor, inputs)

    @tf.function(input_signature=specs)
    def plain(*values: Any) -> Any:
        return layer(*values)

    assert_same(layer(*inputs), plain(*tensors), case)
    if mask:
        masks = {key: tf.TensorSpec([None, None], tf.bool) for key in mask}

        @tf.function(input_signature=[*specs, masks])
        def masked(*values: Any) -> Any:
            return layer(*values[:-1], **values[-1])

        given = keras.tree.map_structure(tf.convert_to_tensor, mask)
        assert_same(layer(*inputs, **mask), masked(*tensors, given), case)


class Pass(NamedTuple):
    """What a layer gives forward and backward."""

    outputs: Any
    loss: tf.Tensor
    by_weights: list[Any]
    by_inputs: list[Any]


def run_through(
    layer: keras.layers.Layer, inputs: Inputs, mask: Mapping[str, Any], **keywords: Any
) -> Pass:
    """Outputs, a loss that each enters differently, its gradients by weights and float inputs."""
    values = [tf.convert_to_tensor(value) for value in keras.tree.flatten(inputs)]
    floats = [value for value in values if value.dtype.is_floating]
    with tf.GradientTape() as tape:
        tape.watch(floats)
        outputs = layer(*keras.tree.pack_sequence_as(inputs, values), **mask, **keywords)
        loss = tf.constant(0.0)
        for value in keras.tree.flatten(outputs):
            if value is not None and value.dtype.is_floating:
                value = tf.cast(value, tf.float32)
                wave = tf.cos(tf.range(tf.size(value[0]), dtype=tf.float32))
                loss += tf.reduce_sum(value * tf.reshape(wave, tf.shape(value)[1:]))
    weights = [variable.value for variable in layer.trainable_variables]
    gradients = tape.gradient(loss, weights + floats)
    return Pass(outputs, loss, gradients[: len(weights)], gradients[len(weights) :])


def check_gradient(case: Case) -> None:
    """Finite gradients that reach every trainable weight, in training as it is done."""
    layer, inputs, mask = prepare(case)
    keywords = training_keyword(layer, True)
    _, loss, weights, by_inputs = run_through(layer, inputs, mask, **keywords)
    assert bool(layer.trainable_variables) == case.trainable
    assert np.isfinite(loss)
    for variable, gradient in zip(layer.trainable_variables, weights, strict=True):
        assert gradient is not None, variable.path
        dense = np.asarray(tf.convert_to_tensor(gradient))
        assert np.isfinite(dense).all(), variable.path
        assert np.any(dense), f"{variable.path}: the gradient is zero"
    assert all(np.isfinite(g).all() for g in by_inputs if g is not None)


def check_determinism(case: Case) -> None:
    """One seed, one result, weights and noise included; no noise outside training."""

    def run() -> list[Any]:
        layer, inputs, mask = prepare(case)
        training = [layer(*inputs, **mask, **training_keyword(layer, True)) for _ in range(2)]
        inference = [layer(*inputs, **mask, **training_keyword(layer, False)) for _ in range(2)]
        return [layer.get_weights(), *training, *inference]

    first, second = run(), run()
    for left, right in zip(first, second, strict=True):
        assert_same(left, right, case, (0, 0))
    assert_same(first[3], first[4], case, (0, 0))
    noisy = any(
        not np.array_equal(a, b) for a, b in zip(leaves(first[1]), leaves(first[2]), strict=True)
    )
    assert noisy == case.random


# Checks of a whole group: one graph for many layers.


def chosen(cases: Iterable[Case], check: str) -> list[Case]:
    """The cases that do not skip the check."""
    return [case for case in cases if check not in case.skip]


def check_xla(cases: Iterable[Case]) -> None:
    """XLA compiles every layer, forward and backward, and answers as eager does."""
    cases = chosen(cases, "xla")
    rows = [prepare(case) for case in cases]

    def compute() -> list[Any]:
        passes = [run_through(*row) for row in rows]
        return [(each.outputs, each.by_weights, each.by_inputs) for each in passes]

    for case, expected, got in zip(
        cases, compute(), tf.function(compute, jit_compile=True)(), strict=True
    ):
        assert_same(dense(expected), dense(got), case, (1e-4, 1e-4))


def dense(nest: Any) -> Any:
    """A flat list of whole tensors; gradients of embeddings come in rows."""
    return [tf.convert_to_tensor(value) for value in tf.nest.flatten(nest) if value is not None]


def check_saved_model(cases: Iterable[Case], directory: Path) -> None:
    """An export of all layers, loaded again, answers as they do."""
    cases = chosen(cases, "saved_model")
    rows = [prepare(case) for case in cases]
    archive = keras.export.ExportArchive()
    for case, (layer, inputs, mask) in zip(cases, rows, strict=True):
        archive.track(layer)
        masks = {key: tf.TensorSpec([None, None], tf.bool) for key in mask}
        signature = keras.tree.flatten((input_specs(case, inputs), masks))
        archive.add_endpoint(case.name, flat_call(layer, (inputs, mask)), signature)
    archive.write_out(str(directory), verbose=False)
    restored = tf.saved_model.load(str(directory))
    for case, (layer, inputs, mask) in zip(cases, rows, strict=True):
        got = getattr(restored, case.name)(
            *map(tf.convert_to_tensor, keras.tree.flatten((inputs, mask)))
        )
        assert_same(layer(*inputs, **mask), got, case)


def flat_call(layer: keras.layers.Layer, nest: Any) -> Callable[..., Any]:
    """The layer's call with flat arguments and results, as a signature needs them."""

    def serve(*values: Any) -> Any:
        inputs, mask = keras.tree.pack_sequence_as(nest, values)
        return dense(layer(*inputs, **mask))

    return serve


def check_strategy(cases: Iterable[Case], strategy: Any) -> None:
    """Two replicas with half the rows each: the same outputs, and gradients that add up."""
    cases = chosen(cases, "strategy")
    rows = [prepare(case) for case in cases]
    with strategy.scope():
        layers = [case.make() for case in cases]
        for layer, (single, inputs, mask) in zip(layers, rows, strict=True):
            layer(*inputs, **mask)
            layer.set_weights(single.get_weights())
    nests = [(inputs, mask) for _, inputs, mask in rows]

    def half(value: np.ndarray, replica: int) -> tf.Tensor:
        count = len(value) // 2
        return tf.constant(value[replica * count : (replica + 1) * count])

    def local(context: Any) -> Any:
        number = context.replica_id_in_sync_group
        return keras.tree.map_structure(lambda value: half(value, number), nests)

    def step(nests: Any) -> Any:
        results = []
        for layer, (inputs, mask) in zip(layers, nests, strict=True):
            outputs, loss, weights, _ = run_through(layer, inputs, mask)
            results.append((keras.tree.flatten(outputs), [loss, *dense(weights)]))
        return results

    values = strategy.experimental_distribute_values_from_function(local)
    results = tf.function(lambda: strategy.run(step, args=(values,)))()
    for case, (layer, inputs, mask), result in zip(cases, rows, results, strict=True):
        first, second = (
            tf.nest.map_structure(lambda v, n=n: strategy.experimental_local_results(v)[n], result)
            for n in (0, 1)
        )
        halves = zip(leaves(first[0]), leaves(second[0]), strict=True)
        outputs = [np.concatenate(pair) for pair in halves]
        expected, loss, weights, _ = run_through(layer, inputs, mask)
        assert_same(expected, outputs, case)
        sums = [a + b for a, b in zip(leaves(first[1]), leaves(second[1]), strict=True)]
        assert_same([loss, *dense(weights)], sums, case, (1e-4, 1e-4))
