"""Rows of the contract table: signals, normalisation of series, pooling and blocks."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.layers.contract import Case, Inputs
from toolkit import layers
from toolkit.layers.framing import frame_count


def series(*shape: int) -> Callable[[np.random.Generator], Inputs]:
    """One standard normal input."""
    return lambda rng: (rng.standard_normal(shape).astype("float32"),)


def framed(length: int, step: int) -> Callable[[int], int]:
    return lambda steps: frame_count(steps, length, step)


WAVE: dict[str, Any] = {"sampling_rate": 8000, "frame_length": 50, "frame_step": 20}

SIGNALS = [
    Case(
        "batch_normalization",
        layers.BatchNormalization,
        series(4, 7, 5),
        tolerance=(1e-4, 1e-4),
    ),
    Case(
        "log_mel",
        lambda: layers.LogMelSpectrogram(**WAVE, num_mel_bins=12),
        series(4, 133),
        output_length=framed(50, 20),
        trainable=False,
    ),
    Case(
        "mfcc",
        lambda: layers.MFCC(**WAVE, num_mel_bins=12, num_coefficients=6),
        series(4, 133),
        output_length=framed(50, 20),
        trainable=False,
    ),
    Case(
        "spec_augment",
        lambda: layers.SpecAugment(frequency_width=4, time_width=5, time_ratio=0.5, seed=1),
        series(4, 23, 10),
        random=True,
        trainable=False,
    ),
    Case(
        "patches",
        lambda: layers.Patches(patch_length=5, patch_step=3, end_padding=3),
        series(4, 23, 2),
        output_length=lambda steps: frame_count(steps + 3, 5, 3),
        trainable=False,
    ),
    Case(
        "frame_differences",
        lambda: layers.FrameDifferences(keep_frames=True),
        series(4, 7, 3, 4, 2),
        trainable=False,
    ),
    Case(
        "motion_statistics",
        lambda: layers.MotionStatistics(lags=(1, 3), thresholds=(0.5, 1.0), grid=2),
        series(4, 7, 3, 4, 2),
        trainable=False,
    ),
    Case(
        "fill_gaps",
        lambda: layers.FillGaps(),
        series(4, 23, 2),
        mask=None,
        trainable=False,
        mixed_dtype="float32",
    ),
    Case(
        "time_projection",
        lambda: layers.TimeProjection(5),
        series(4, 23, 2),
        mask=None,
        dynamic_time=False,
    ),
    Case(
        "time_projection_individual",
        lambda: layers.TimeProjection(5, individual=True),
        series(4, 23, 2),
        mask=None,
        dynamic_time=False,
    ),
    Case(
        "interpretable_attention",
        lambda: layers.InterpretableAttention(6, num_heads=2),
        lambda rng: (
            rng.standard_normal((4, 5, 6)).astype("float32"),
            rng.standard_normal((4, 23, 6)).astype("float32"),
        ),
        mask=None,
        dynamic_time=False,
    ),
    Case(
        "quantile_spread",
        lambda: layers.QuantileSpread((0.1, 0.5, 0.8, 0.9)),
        lambda rng: (
            rng.standard_normal((4, 23, 2)).astype("float32"),
            np.abs(rng.standard_normal((4, 1, 2))).astype("float32"),
            rng.standard_normal((4, 23, 2, 4)).astype("float32"),
        ),
        mask=None,
        dynamic_time=False,
    ),
    *(
        Case(
            f"distribution_parameters_{family}",
            lambda family=family: layers.DistributionParameters(family),
            lambda rng, size=size: (
                rng.standard_normal((4, 23, 2)).astype("float32"),
                np.abs(rng.standard_normal((4, 1, 2))).astype("float32"),
                rng.standard_normal((4, 23, 2, size)).astype("float32"),
            ),
            mask=None,
            dynamic_time=False,
        )
        for family, size in (("student_t", 2), ("negative_binomial", 1))
    ),
    Case(
        "temporal_shift",
        lambda: layers.TemporalShift(0.25),
        series(4, 7, 3, 5, 4),
        trainable=False,
    ),
    Case(
        "reversible_instance_normalization",
        lambda: layers.ReversibleInstanceNormalization(),
        series(4, 9, 3),
    ),
    Case(
        "reversible_instance_normalization_last",
        lambda: layers.ReversibleInstanceNormalization(center="last", affine=False),
        series(4, 9, 3),
        trainable=False,
    ),
]

POOLING = [
    Case(
        f"masked_pooling_{kind}",
        lambda kind=kind: layers.MaskedPooling(kind),  # type: ignore[misc]
        series(4, 9, 3),
        trainable=False,
    )
    for kind in ("mean", "max", "mean_max", "first", "last")
] + [Case("attention_pooling", lambda: layers.AttentionPooling(5), series(4, 9, 3))]

CONVOLUTION = [
    Case(
        "depthwise_convolution",
        lambda: layers.DepthwiseConvolution(4, dilation_rate=2),
        series(4, 11, 6),
    ),
    Case(
        "causal_convolution",
        lambda: layers.CausalConvolution(5, 3, dilation_rate=2, weight_normalization=True),
        series(4, 11, 6),
    ),
    Case(
        "temporal_convolution_block",
        lambda: layers.TemporalConvolutionBlock(5, weight_normalization=True, dropout=0.1),
        series(4, 11, 6),
        random=True,
    ),
    Case(
        "temporal_convolution_stack",
        lambda: layers.TemporalConvolutionStack(6, num_layers=2),
        series(4, 11, 6),
    ),
    Case(
        "convolution_block",
        lambda: layers.ConvolutionBlock(5, kernel_size=4, dropout=0.1, seed=1),
        series(4, 11, 6),
        random=True,
    ),
    Case(
        "text_convolution",
        lambda: layers.TextConvolution(5, kernel_sizes=(2, 3), activation="gelu"),
        series(4, 11, 6),
    ),
]

BLOCKS = [
    Case(
        "conformer_convolution",
        lambda: layers.ConformerConvolution(kernel_size=5),
        series(4, 11, 6),
    ),
    Case(
        "conformer_block",
        lambda: layers.ConformerBlock(num_heads=2, kernel_size=5, dropout=0.1, seed=1),
        series(4, 11, 8),
        random=True,
    ),
    Case(
        "conformer_block_causal",
        lambda: layers.ConformerBlock(
            num_heads=2, kernel_size=5, intermediate_dim=6, positions="relative", causal=True
        ),
        series(4, 11, 8),
    ),
    Case(
        "gated_residual_network",
        lambda: layers.GatedResidualNetwork(6, dropout=0.1),
        lambda rng: series(4, 11, 5)(rng) + series(4, 3)(rng),
        mask=None,
        random=True,
    ),
    Case(
        "gated_residual_network_by_variable",
        lambda: layers.GatedResidualNetwork(5, output_dim=6, num_variables=3),
        series(4, 11, 3, 6),
        mask=None,
    ),
    Case(
        "variable_selection",
        lambda: layers.VariableSelection(6),
        lambda rng: series(4, 11, 3, 5)(rng) + series(4, 2)(rng),
        mask=None,
    ),
    Case(
        "recurrent_attention",
        lambda: layers.RecurrentAttention(num_heads=2, cell="gru", dropout=0.1, seed=1),
        series(4, 11, 8),
        random=True,
    ),
    Case(
        "recurrent_attention_causal",
        lambda: layers.RecurrentAttention(num_heads=2, causal=True),
        series(4, 11, 8),
    ),
]

CASES: list[Case] = SIGNALS + POOLING + CONVOLUTION + BLOCKS
