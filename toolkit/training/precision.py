"""In what precision to compute: where half of the bits pay, and where they only cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from toolkit.errors import ArgumentError
from toolkit.tasks.base import Decision
from toolkit.training.distribution import Distribution

CPU_INFO = Path("/proc/cpuinfo")
AMPERE = (8, 0)  # the first compute capability with bfloat16 products
FAST_BFLOAT16 = "amx_bf16"
# Names that Linux gives to a processor's instructions, on x86 and on ARM.
INSTRUCTIONS = {
    "mixed_bfloat16": frozenset({FAST_BFLOAT16, "avx512_bf16", "bf16"}),
    "mixed_float16": frozenset({"amx_fp16", "avx512_fp16", "asimdhp"}),
}


def settle_precision(
    asked: str, own: str | None, distribution: Distribution, noted: Mapping[str, Any] | None
) -> Decision:
    """Return the precision to train in and, where it was chosen, why.

    Args:
        asked: what the recipe says.
        own: the precision of a user's own model, which stays as it was made; None without one.
        distribution: on which devices; the chief's count for all workers.
        noted: what the chief's manifest of a run that goes on says of an earlier choice, or None;
            kept, so that a run which moves to another machine goes on as it began.

    Raises:
        ArgumentError: half precision is asked of a model of the user's own that has another.
    """
    if own is not None:
        if asked not in ("auto", "float32", own):
            raise ArgumentError(
                "train.precision: a model of your own computes in the precision it was made in. "
                f"Expected a model made under keras.config.set_dtype_policy({asked!r}). "
                f"Received: one in {own}."
            )
        return Decision(own, "the model's own")
    if asked != "auto":
        return Decision(asked, "the recipe's")
    if noted is None:
        noted = (_for_gpus() if distribution.on_gpus else _for_processor()).as_dict()
    return Decision(**distribution.from_chief_text(noted))


def emulated(precision: str, distribution: Distribution) -> str | None:
    """Return what to tell who asked for a precision that the processor has to imitate."""
    if distribution.on_gpus or precision not in INSTRUCTIONS:
        return None
    known = _instructions()
    if known is None or known & INSTRUCTIONS[precision]:
        return None
    short = precision.removeprefix("mixed_")
    return (
        f"train.precision: this processor has no instructions for {short}, so that steps with "
        f"{precision} take several times as long as with float32. 'precision: auto' looks first."
    )


def _for_gpus() -> Decision:
    details = [
        tf.config.experimental.get_device_details(gpu)
        for gpu in tf.config.get_visible_devices("GPU")
    ]
    capabilities = [one.get("compute_capability", (0, 0)) for one in details]
    if capabilities and min(capabilities) >= AMPERE:
        return Decision("mixed_bfloat16", "the GPUs have bfloat16 products")
    return Decision("float32", "the GPUs are not known to have bfloat16 products")


def _for_processor() -> Decision:
    if FAST_BFLOAT16 in (_instructions() or ()):
        return Decision("mixed_bfloat16", "the processor has bfloat16 products, by AMX")
    return Decision("float32", "the processor is not known to have fast bfloat16 products")


def _instructions() -> frozenset[str] | None:
    """Return the names of the processor's instruction sets; None where Linux does not tell."""
    try:
        lines = CPU_INFO.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return None
