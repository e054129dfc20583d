"""From the model section of a recipe to a built forecaster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from toolkit.data.windows import WindowExamples
from toolkit.layers.distribution_parameters import Family
from toolkit.layers.fill_gaps import Method
from toolkit.models import forecaster, temporal_fusion
from toolkit.tasks.forecasting import options, ridge

Floats = NDArray[np.float64]
LEAST = 1e-3  # distance between quantiles, in scaled units
RESIDUALS = 100_000  # windows of single series whose residuals are looked at
FEW = 100_000  # windows of single series below which a Transformer is narrow


def build(
    model: Any,
    *,
    context_length: int,
    prediction_length: int,
    channels: int,
    levels: Sequence[float],
    individual: bool,
    distribution: Family | None,
    past: int,
    known: int,
    static: tuple[int, int],
    seasonal: bool,
    season: int,
    missing: Method,
    seed: int,
) -> keras.Model:
    """Build the model that a section names."""
    network = None
    linear = True
    if isinstance(model, options.Network):
        network = build_network(model, context_length, season, static, seed)
        linear = model.linear
    return forecaster.build(
        context_length,
        prediction_length,
        channels,
        levels,
        distribution=distribution,
        past=past,
        known=known,
        seasonal=seasonal,
        missing=missing,
        linear=linear,
        individual=individual,
        network=network,
    )


def sized(section: Any, windows: int) -> Any:
    """A network's section with what it leaves open: a Transformer soon knows few windows by heart.

    Args:
        section: of any model.
        windows: of single series, to train on.
    """
    narrow = isinstance(section, options.Transformer) and windows < FEW
    usual = {"dropout": 0.4 if narrow else 0.2, "hidden_dim": 16 if narrow else 32}
    chosen = {name: value for name, value in usual.items() if getattr(section, name, 0) == "auto"}
    return section.model_copy(update=chosen)


def build_network(
    model: Any, context: int, season: int, static: tuple[int, int], seed: int
) -> forecaster.Network:
    """Build what adds to the linear forecast; its section is :func:`sized`."""
    dropout: float = model.dropout
    if isinstance(model, options.Transformer):
        assert model.hidden_dim != "auto"
        length = min(model.patch_length, context)
        return forecaster.transformer(
            length, min(model.patch_step, length), model.num_layers, model.num_heads,
            model.hidden_dim, model.intermediate_dim, dropout, seed,
        )  # fmt: skip
    if isinstance(model, options.TFT):
        return temporal_fusion.tft(model.hidden_dim, model.num_heads, dropout, seed, static)
    if isinstance(model, options.TCN):
        depth = model.num_layers
        if depth == "auto":
            reach = max(2.0, context / (2 * max(model.kernel_size - 1, 1)))
            depth = int(np.clip(np.ceil(np.log2(reach)), 1, 8))
        return forecaster.tcn(model.filters, depth, model.kernel_size, dropout, seed)
    written = model.segment_length
    usual = max(1, season // 2 if 4 <= season <= 48 else 8)
    segment = min(usual if written == "auto" else written, context)
    if isinstance(model, options.Hybrid):
        return forecaster.hybrid(
            model.hidden_dim, model.num_layers, model.num_heads, segment, dropout, seed
        )
    return forecaster.recurrent(model.type, model.units, model.num_layers, segment, dropout, seed)


def set_spread(
    spread: Any, examples: WindowExamples, weights: Floats, levels: Sequence[float]
) -> None:
    """Let the quantiles begin as those of what a linear map leaves over on the training part.

    Args:
        spread: the layer.
        examples: of the training part.
        weights: the map and its bias, or those of each target.
        levels: of the quantiles.
    """
    targets = examples.past["target"].shape[1]
    left = ridge.residuals(examples, weights, RESIDUALS)
    each = left.astype(np.float32)  # (windows x targets, steps)
    # without gaps, windows of each part come with their targets in turn
    if len(each) % targets == 0 and not np.isnan(examples.rows).any():  # type: ignore[arg-type]
        found = np.quantile(each.reshape(-1, targets, each.shape[1]), levels, axis=0).astype(float)
        found = found.transpose(2, 1, 0)  # (steps, targets, levels)
    else:
        found = np.quantile(each, levels, axis=0).astype(float).T[:, None].repeat(targets, axis=1)
    spread.set_weights([distances(found, levels), np.zeros(len(levels))])


def set_distribution(layer: Any, examples: WindowExamples, weights: Floats) -> None:
    """Let the deviations begin as those of what a linear map leaves over on the training part.

    Degrees of freedom begin at five, a dispersion as a third.

    Args:
        layer: the DistributionParameters.
        examples: of the training part.
        weights: the map and its bias, or those of each target.
    """
    raw, *exponent = (np.array(each) for each in layer.get_weights())
    if layer.family == "negative_binomial":
        raw[:] = np.log(np.expm1(1 / 3))
    else:
        left = ridge.residuals(examples, weights, RESIDUALS)
        raw[..., 0] = np.log(np.expm1(np.maximum(left.std(axis=0), LEAST)))[:, None]
        raw[..., 1:] = np.log(np.expm1(3.0))
    layer.set_weights([raw, *exponent])


def distances(quantiles: Floats, levels: Sequence[float]) -> Floats:
    """The raw weights of a QuantileSpread that has these ``(..., levels)`` quantiles."""
    below = sum(level < 0.5 for level in levels)
    above = sum(level > 0.5 for level in levels)
    middle = np.zeros_like(quantiles[..., :1])
    if below + above < len(levels):
        middle = quantiles[..., below : below + 1]
    low = np.diff(np.concatenate([quantiles[..., :below], middle], axis=-1), axis=-1)
    high = np.concatenate([middle, quantiles[..., len(levels) - above :]], axis=-1)
    apart = np.maximum(np.concatenate([low, np.diff(high, axis=-1)], axis=-1), LEAST)
    raw = np.log(np.expm1(apart))
    shift = middle if below + above < len(levels) else middle[..., :0]
    return np.concatenate([raw[..., :below], shift, raw[..., below:]], axis=-1)
