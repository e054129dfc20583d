"""Local attention equals exact attention under a band mask."""

import numpy as np
import pytest

from toolkit.errors import ArgumentError
from toolkit.layers import LocalAttention, MultiHeadAttention

RNG = np.random.default_rng(1)
X = RNG.standard_normal((2, 21, 8)).astype("float32")
PADDED = np.arange(21) < np.array([[21], [15]])


def band(window: int, places: list[int], causal: bool) -> np.ndarray:
    steps = np.arange(21)
    ahead = steps[None] - steps[:, None]
    chosen = np.isin(steps, places)
    sees = (abs(ahead) <= window // 2) | chosen[None] | chosen[:, None]
    return sees & (ahead <= 0) if causal else sees


@pytest.mark.parametrize("places", [[], [0, 7], [2, 40]])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [2, 6, 64])
def test_equals_exact_attention_with_a_band(places, causal: bool, window: int) -> None:
    local = LocalAttention(4, window=window, global_positions=places, num_key_value_heads=2)
    exact = MultiHeadAttention(4, num_key_value_heads=2)
    exact.build(X.shape)
    local.build(X.shape)
    local.set_weights(exact.get_weights())
    mask = band(window, places, causal)
    expected, scores = exact(
        X, padding_mask=PADDED, attention_mask=mask, return_attention_scores=True
    )
    options = {"padding_mask": PADDED, "use_causal_mask": causal}
    np.testing.assert_allclose(local(X, **options), expected, atol=1e-5)
    _, got = local(X, **options, return_attention_scores=True)
    np.testing.assert_allclose(got, scores, atol=1e-6)


def test_no_context() -> None:
    with pytest.raises(ArgumentError, match=r"Expected self-attention.*Received: context=True"):
        LocalAttention(2)(X, X)
