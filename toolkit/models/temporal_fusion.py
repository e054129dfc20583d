"""The Temporal Fusion Transformer as a network of :mod:`toolkit.models.forecaster`."""

from typing import Any

import keras
from keras import ops

from toolkit import layers
from toolkit.models.forecaster import Network


def tft(
    hidden_dim: int, num_heads: int, dropout: float, seed: int, static: tuple[int, int] = (0, 0)
) -> Network:
    """A Temporal Fusion Transformer (Lim et al., arXiv 1912.09363, section 4).

    Every feature is a variable of its own, and so is the place in the window, which is known
    ahead. Static variables are selected among once for a window; what comes of it leads the
    selection at each step, begins the encoder and enriches what it gives (section 4.3). The layers
    ``past_selection``, ``ahead_selection``, ``static_selection`` and ``attention`` also give their
    weights, for :func:`interpreted`.

    Args:
        hidden_dim: width.
        num_heads: of the attention.
        dropout: rate.
        seed: of the dropout.
        static: the first of the known features that never change, and the one after the last.
    """

    def network(series: Any, ahead: Any | None, steps: int, outputs: int) -> Any:
        context = series.shape[1]
        contexts: dict[str, Any] = {}
        if ahead is not None and static[1] > static[0]:
            contexts = _static_contexts(ahead[:, 0, slice(*static)], hidden_dim, dropout, seed + 70)
            shift = series.shape[-1] - ahead.shape[-1]
            series, ahead = _without(series, static, shift), _without(ahead, static, 0)
        place = ops.linspace(-1.0, 1.0, context + steps)[None, :, None]
        place = ops.zeros_like(series[:, :1, :1]) + place
        known = [place[:, context:]] if ahead is None else [ahead, place[:, context:]]
        leads = contexts.get("selection")
        joined = ops.concatenate([series, place[:, :context]], -1)
        past = _selected(joined, leads, hidden_dim, dropout, seed, "past")
        joined = ops.concatenate(known, -1)
        future = _selected(joined, leads, hidden_dim, dropout, seed + 10, "ahead")
        encoder = layers.LSTM(hidden_dim, return_sequences=True, return_state=True, name="encoder")
        begins = [contexts["state"], contexts["cell"]] if contexts else None
        encoded, *states = encoder(past, initial_state=begins)
        decoder = layers.LSTM(hidden_dim, return_sequences=True, name="decoder")
        decoded = decoder(future, initial_state=states)
        sequence = _gated(
            ops.concatenate([encoded, decoded], 1), ops.concatenate([past, future], 1), dropout,
            seed + 20, "local",
        )  # fmt: skip
        enrich = layers.GatedResidualNetwork(
            hidden_dim, dropout=dropout, seed=seed + 30, name="enriched"
        )
        enriched = enrich(sequence, contexts["enrichment"]) if contexts else enrich(sequence)
        attention = layers.InterpretableAttention(hidden_dim, num_heads, name="attention")
        attended, _ = attention(enriched[:, context:], enriched, return_attention_scores=True)
        attended = _gated(attended, enriched[:, context:], dropout, seed + 40, "attended")
        final = layers.GatedResidualNetwork(
            hidden_dim, dropout=dropout, seed=seed + 50, name="final"
        )(attended)
        final = _gated(final, sequence[:, context:], dropout, seed + 60, "output")
        return keras.layers.Dense(outputs, kernel_initializer="zeros", name="head")(final)

    return network


def _without(features: Any, static: tuple[int, int], shift: int) -> Any:
    """The features but for the static ones, which begin so many places further on."""
    first, last = (place + shift for place in static)
    return ops.concatenate([features[..., :first], features[..., last:]], axis=-1)


def _static_contexts(features: Any, units: int, dropout: float, seed: int) -> dict[str, Any]:
    """What static variables, ``(series, variables)``, lead to: a vector for each use."""
    embedding = keras.layers.EinsumDense(
        "bv,vd->bvd",
        output_shape=(features.shape[-1], units),
        bias_axes="vd",
        name="static_embedding",
    )
    selection = layers.VariableSelection(units, dropout, seed, name="static_selection")
    chosen, _ = selection(embedding(features), return_selection_weights=True)
    uses = ("selection", "state", "cell", "enrichment")
    return {
        use: layers.GatedResidualNetwork(
            units, dropout=dropout, seed=seed + number, name=f"context_{use}"
        )(chosen)
        for number, use in enumerate(uses, start=1)
    }


def _selected(
    features: Any, context: Any | None, units: int, dropout: float, seed: int, name: str
) -> Any:
    """Variables embedded each on its own, and the selected sum."""
    variables = features.shape[-1]
    embedding = keras.layers.EinsumDense(
        "btv,vd->btvd",
        output_shape=(features.shape[1], variables, units),
        bias_axes="vd",
        name=f"{name}_embedding",
    )
    selection = layers.VariableSelection(units, dropout, seed, name=f"{name}_selection")
    given = (embedding(features),) if context is None else (embedding(features), context)
    return selection(*given, return_selection_weights=True)[0]


def _gated(inputs: Any, skipped: Any, dropout: float, seed: int, name: str) -> Any:
    """Dropout, a gated linear unit, the residual, a normalisation."""
    inputs = layers.Dropout(dropout, seed=seed, name=f"{name}_dropout")(inputs)
    both = keras.layers.Dense(2 * inputs.shape[-1], name=f"{name}_gate")(inputs)
    gate, value = ops.split(both, 2, axis=-1)
    skipped += ops.sigmoid(gate) * value
    return layers.LayerNormalization(name=f"{name}_normalization")(skipped)


def interpreted(model: keras.Model, inputs: Any, channels: int) -> tuple[Any, dict[str, Any]]:
    """A Temporal Fusion Transformer's forecast and what it looked at, means over the channels.

    Returns:
        The forecast, and ``past_importance``, ``ahead_importance`` and where there are static
        variables ``static_importance``, ``(batch, variables)``, and ``attention``, ``(batch,
        context + prediction)``, each adding up to 1.
    """
    names = {"past_importance": "past_selection", "ahead_importance": "ahead_selection",
             "static_importance": "static_selection", "attention": "attention"}  # fmt: skip
    there = {layer.name for layer in model.layers}
    names = {key: name for key, name in names.items() if name in there}
    read = [model.get_layer(name).output[1] for name in names.values()]
    forecast, *weights = keras.Model(model.input, [model.output, *read])(inputs, training=False)
    found = {}
    for name, each in zip(names, weights, strict=True):
        mean = each if len(each.shape) == 2 else ops.mean(each, axis=1)  # over steps or queries
        mean = ops.reshape(mean, (-1, channels, mean.shape[-1]))
        found[name] = ops.cast(ops.mean(mean, axis=1), "float32")
    return forecast, found
