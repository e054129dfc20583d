"""Builders of forecasters: a linear map of the last steps, and networks around it."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from toolkit import layers
from toolkit.layers.distribution_parameters import Family
from toolkit.layers.fill_gaps import Method

Network = Callable[[Any, Any | None, int, int], Any]
"""From (series, history features), (series, features ahead), steps and outputs a step to the
``(series, steps, outputs)`` that are added to the linear forecast."""


def build(
    context_length: int,
    prediction_length: int,
    channels: int,
    levels: Sequence[float],
    *,
    distribution: Family | None = None,
    past: int = 0,
    known: int = 0,
    seasonal: bool = False,
    missing: Method = "interpolate",
    linear: bool = True,
    individual: bool = False,
    network: Network | None = None,
) -> keras.Model:
    """Build a forecaster of every channel by the same weights (channel independence).

    The last value is taken away from each window and given back to its forecast, as is the
    seasonal part. The linear map, or that of each channel, is not trained but set; a network adds
    to it.

    Args:
        context_length: steps looked back on.
        prediction_length: steps to forecast.
        channels: series forecast side by side.
        levels: of the quantiles.
        distribution: what the forecast is the mean of, instead of quantiles.
        past: features known up to now.
        known: features known ahead.
        seasonal: whether there is an input ``season``.
        missing: what stands in gaps, as in :class:`toolkit.layers.FillGaps`.
        linear: whether there is a linear map.
        individual: whether there is one for each channel.
        network: what adds to it.

    Returns:
        A model from ``target``, ``(batch, context, channels)`` with NaN where there is no value,
        ``scale``, ``(batch, 2, channels)``, and where there are any ``season``, ``(batch, context
        + prediction, channels)``, ``past`` and ``known`` to ``(batch, prediction, channels, 1 +
        levels)``: the forecast and its quantiles, in the unit of ``target``; or the forecast and
        the parameters of its distribution.
    """
    whole = context_length + prediction_length
    inputs = {
        "target": keras.Input((context_length, channels), name="target"),
        "scale": keras.Input((2, channels), name="scale"),
    }
    if seasonal:
        inputs["season"] = keras.Input((whole, channels), name="season")
    if past:
        inputs["past"] = keras.Input((context_length, past), name="past")
    if known:
        inputs["known"] = keras.Input((whole, known), name="known")
    target = inputs["target"]
    if seasonal:
        target = target - inputs["season"][:, :context_length]
    history = layers.FillGaps(missing, name="filled")(target)
    level = history[:, -1:]
    history = history - level
    scale = ops.std(history, axis=1, keepdims=True)
    forecast = level + ops.zeros_like(history[:, :1])
    if linear:
        projection = layers.TimeProjection(prediction_length, "zeros", individual, name="linear")
        projection.trainable = False
        forecast = forecast + projection(history)
    else:
        forecast = ops.repeat(forecast, prediction_length, axis=1)
    spread: Any = layers.QuantileSpread(levels, name="spread")
    more = len(levels)
    if distribution is not None:
        spread = layers.DistributionParameters(distribution, name="spread")
        more = spread.size
    added = None
    if network is not None:
        outputs = _added(network, history, scale, inputs, prediction_length, channels, 1 + more)
        forecast = forecast + outputs[..., 0] * scale
        added = outputs[..., 1:]
    if seasonal:
        forecast = forecast + inputs["season"][:, context_length:]
    around = spread(forecast, scale) if added is None else spread(forecast, scale, added)
    return keras.Model(inputs, ops.concatenate([forecast[..., None], around], axis=-1))


def _added(
    network: Network,
    history: Any,
    scale: Any,
    inputs: dict[str, Any],
    steps: int,
    channels: int,
    size: int,
) -> Any:
    """What a network says of each channel, ``(batch, steps, channels, size)``."""
    context = history.shape[1]
    series = folded(history / ops.maximum(scale, 1e-3))[..., None]
    ahead = None
    if "past" in inputs:
        series = ops.concatenate([series, repeated(inputs["past"], channels)], axis=-1)
    if "known" in inputs:
        known = repeated(inputs["known"], channels)
        series = ops.concatenate([series, known[:, :context]], axis=-1)
        ahead = known[:, context:]
    outputs = network(series, ahead, steps, size)
    outputs = ops.reshape(outputs, (-1, channels, steps, size))
    return ops.transpose(outputs, (0, 2, 1, 3))


def folded(series: Any) -> Any:
    """``(batch, time, channels)`` as ``(batch * channels, time)``."""
    time = series.shape[1]
    return ops.reshape(ops.transpose(series, (0, 2, 1)), (-1, time))


def repeated(features: Any, channels: int) -> Any:
    """Features of a window for each of its channels, as :func:`folded` has them."""
    return ops.repeat(features, channels, axis=0)


def _head(vector: Any, ahead: Any | None, steps: int, outputs: int, dropout: float, seed: int):  # type: ignore[no-untyped-def]
    """``(series, steps, outputs)``, zero before training, from one vector a series."""
    vector = keras.layers.Dropout(dropout, seed=seed + 97, name="head_dropout")(vector)
    flat = keras.layers.Dense(steps * outputs, kernel_initializer="zeros", name="head")(vector)
    result = ops.reshape(flat, (-1, steps, outputs))
    if ahead is not None:
        hidden = keras.layers.Dense(32, activation="relu", name="ahead")(ahead)
        result = result + keras.layers.Dense(
            outputs, kernel_initializer="zeros", name="ahead_head"
        )(hidden)
    return result


def transformer(
    patch_length: int,
    patch_step: int,
    num_layers: int,
    num_heads: int,
    hidden_dim: int,
    intermediate_dim: int,
    dropout: float,
    seed: int,
) -> Network:
    """Patches as tokens of a Transformer encoder (Nie et al., arXiv 2211.14730)."""

    def network(series: Any, ahead: Any | None, steps: int, outputs: int) -> Any:
        patches = layers.Patches(patch_length, patch_step, patch_step, name="patches")(series)
        tokens = keras.layers.Dense(hidden_dim, name="embedding")(patches)
        encoder = layers.TransformerEncoder(
            num_layers,
            num_heads,
            intermediate_dim=intermediate_dim,
            positions="learned",
            max_length=patches.shape[1],
            dropout=dropout,
            activation_dropout=dropout,
            seed=seed,
            name="encoder",
        )
        vector = keras.layers.Flatten()(encoder(tokens))
        return _head(vector, ahead, steps, outputs, dropout, seed)

    return network


def tcn(filters: int, num_layers: int, kernel_size: int, dropout: float, seed: int) -> Network:
    """Dilated causal convolutions, read off at the last step (Bai et al., arXiv 1803.01271)."""

    def network(series: Any, ahead: Any | None, steps: int, outputs: int) -> Any:
        stack = layers.TemporalConvolutionStack(
            filters, num_layers, kernel_size, dropout=dropout, seed=seed, name="convolutions"
        )
        return _head(stack(series)[:, -1], ahead, steps, outputs, dropout, seed)

    return network


def segments(series: Any, length: int) -> Any:
    """Whole segments of so many steps, the last ones, each as one vector."""
    count = series.shape[1] // length
    features = series.shape[2]
    return ops.reshape(series[:, -count * length :], (-1, count, length * features))


def recurrent(
    cell: str,
    units: int,
    num_layers: int,
    segment_length: int,
    dropout: float,
    seed: int,
) -> Network:
    """An encoder and a decoder over segments, the decoder with attention to the encoder.

    Segments instead of steps keep the recurrence short (Lin et al., arXiv 2308.11200); attention
    is Luong's (arXiv 1508.04025).
    """

    def network(series: Any, ahead: Any | None, steps: int, outputs: int) -> Any:
        embedded = keras.layers.Dense(units, activation="relu", name="embedding")(
            segments(series, segment_length)
        )
        sizes: dict[str, Any] = {
            "cell": cell,
            "dropout": dropout,
            "return_sequences": True,
            "return_state": True,
        }
        encoder = layers.RecurrentStack(num_layers, units, **sizes, seed=seed, name="encoder")
        encoded, *states = encoder(embedded)
        count = -(-steps // segment_length)
        queries = ops.zeros_like(encoded[:, :1]) + _positions(count, units)
        if ahead is not None:
            padding = [[0, 0], [0, count * segment_length - steps], [0, 0]]
            known = segments(ops.pad(ahead, padding), segment_length)
            queries = queries + keras.layers.Dense(units, name="ahead")(known)
        decoder = layers.RecurrentStack(num_layers, units, **sizes, seed=seed + 1, name="decoder")
        decoded = decoder(queries, initial_state=states)[0]
        context = layers.DotAttention(name="attention")(decoded, encoded)
        joined = keras.layers.Concatenate()([decoded, context])
        joined = keras.layers.Dense(units, activation="tanh", name="joined")(joined)
        joined = keras.layers.Dropout(dropout, seed=seed + 2, name="head_dropout")(joined)
        flat = keras.layers.Dense(
            segment_length * outputs, kernel_initializer="zeros", name="head"
        )(joined)
        return ops.reshape(flat, (-1, count * segment_length, outputs))[:, :steps]

    return network


def _positions(count: int, units: int) -> Any:
    """Sinusoids that tell the segments ahead apart, ``(1, count, units)``."""
    place = ops.arange(count, dtype="float32")[:, None]
    rate = ops.exp(-ops.arange(units, dtype="float32") / units * ops.log(10000.0))
    return ops.sin(place * rate + ops.arange(units, dtype="float32") % 2 * 1.5707964)[None]


def hybrid(
    hidden_dim: int, num_layers: int, num_heads: int, segment_length: int, dropout: float, seed: int
) -> Network:
    """Blocks of recurrence and attention over segments."""

    def network(series: Any, ahead: Any | None, steps: int, outputs: int) -> Any:
        vectors = keras.layers.Dense(hidden_dim, name="embedding")(segments(series, segment_length))
        for i in range(num_layers):
            block = layers.RecurrentAttention(
                num_heads, dropout=dropout, seed=seed + i, name=f"block_{i}"
            )
            vectors = block(vectors)
        vector = keras.layers.Flatten()(vectors)
        return _head(vector, ahead, steps, outputs, dropout, seed)

    return network
