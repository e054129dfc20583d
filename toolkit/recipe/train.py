"""The train section: how long, how fast, on what, and what is kept."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from toolkit.recipe.optimization import AdamW, Optimizer, Schedule
from toolkit.recipe.scalars import Every, Expects
from toolkit.recipe.section import Auto, Refusal, Section

Count = Annotated[int, Field(ge=1)]
Devices = Annotated[
    str,
    StringConstraints(pattern=r"^(auto|cpu|all|gpu(:\d+(,\d+)*)?|cpu:[1-9]\d*)$"),
    Expects("auto, cpu, all, gpu, gpu:0,1 or cpu:2"),
]


class EarlyStopping(Section):
    """When to stop before the end: the monitored score has not improved for a while."""

    short: ClassVar[str | None] = "monitor"

    monitor: Auto | str = Field(
        "auto", description="Validation score to watch, such as loss or f1; auto: the task's own."
    )
    patience: int = Field(3, ge=0, description="Validations without improvement before stopping.")
    min_delta: float = Field(0.0, ge=0, description="Smaller improvements do not count.")
    mode: Literal["auto", "min", "max"] = Field("auto", description="Which way is better.")


class Keep(Section):
    """Which checkpoints stay on disk besides the best."""

    short: ClassVar[str | None] = "last"

    last: int = Field(2, ge=1, description="The newest ones.")
    every: Count | None = Field(None, description="Also every n-th, for good.")


class TrainOptions(Section):
    """How to train; what the data decides is auto."""

    epochs: Count | Auto = Field("auto", description="Passes over the training data.")
    steps: Count | Auto = Field("auto", description="Optimizer steps, instead of epochs.")
    batch_size: Count | Auto = Field("auto", description="Examples per step over all devices.")
    batch_tokens: Count | None = Field(
        None, description="Tokens (or frames) per step over all devices, instead of batch_size."
    )
    learning_rate: Annotated[float, Field(gt=0)] | Auto = Field(
        "auto", description="The schedule's peak; auto: the model's own, or a short range test."
    )
    optimizer: Optimizer = Field(default_factory=AdamW, description="Rule of the updates.")
    schedule: Schedule | Auto = Field("auto", description="Course of the learning rate.")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of the target spread over all classes."
    )
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Largest norm of all gradients together."
    )
    accumulation: Count | Auto = Field(
        "auto", description="Micro-batches added up per step; auto: one, more when out of memory."
    )
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Momentum of the moving average of the weights, such as 0.999."
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16", "auto"] = Field(
        "float32",
        description="Of the computation; weights stay float32. auto: mixed_bfloat16 where the "
        "device is fast at it.",
    )
    compile: Literal["auto", "xla", "none"] = Field("auto", description="Compile steps by XLA.")
    steps_per_execution: Count | Auto = Field("auto", description="Steps per call of the device.")
    devices: Devices = Field(
        "auto", description="auto, cpu, all, gpu:0,1, or cpu:N for N replicas to try things out."
    )
    strategy: Literal["auto", "one_device", "mirrored", "multi_worker"] = Field(
        "auto", description="How devices share the work; auto: by what there is."
    )
    checkpoint_every: Every = Field(
        Every(1, "epochs"), description="500 (steps), 10m or 1 epoch between checkpoints."
    )
    keep: Keep = Field(default_factory=Keep, description="Checkpoints that stay besides the best.")
    average_checkpoints: int = Field(
        1, ge=1, description="The model is the average of the last n checkpoints; 1: the best one."
    )
    choose: Literal["best", "last"] = Field(
        "best",
        description="Which weights the model gets: the best by the validation score, or the last, "
        "which are better where the validation split is so small that chance decides.",
    )
    early_stopping: EarlyStopping | None = Field(None, description="When to stop early.")
    shuffle: bool = Field(True, description="A new order of the examples each epoch.")

    @property
    def replicas_of_cpu(self) -> int:
        """Logical CPU replicas that ``devices: cpu:N`` asks for, else 0."""
        return int(self.devices[4:]) if self.devices.startswith("cpu:") else 0

    def refusals(self) -> Iterator[Refusal]:
        """Yield what does not go together."""
        yield from super().refusals()
        if self.steps != "auto" and self.epochs != "auto":
            yield Refusal("steps", "steps and epochs cannot both be given; keep one")
        if self.batch_tokens is not None and self.batch_size != "auto":
            yield Refusal(
                "batch_tokens", "batch_tokens and batch_size cannot both be given; keep one"
            )
        rows = self.batch_size if isinstance(self.batch_size, int) else None
        if rows and isinstance(self.accumulation, int) and self.accumulation > rows:
            yield Refusal("accumulation", "more micro-batches than examples in a batch")
        several = self.replicas_of_cpu > 1 or "," in self.devices
        if several and self.strategy == "one_device":
            yield Refusal(
                "strategy", f"one_device cannot use the several devices of {self.devices}"
            )
        if self.compile == "xla" and self.replicas_of_cpu > 1:
            yield Refusal(
                "compile", f"XLA cannot compile for the replicas of {self.devices}; use none"
            )
