"""Optimizers and learning-rate schedules as a recipe names them."""

from typing import Annotated, Literal

from pydantic import Field

from toolkit.recipe.section import Section

Positive = Annotated[float, Field(gt=0)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Decay = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Adam(Section):
    """Adam (Kingma and Ba 2015)."""

    type: Literal["adam"] = "adam"
    beta_1: Momentum = Field(0.9, description="Decay of the mean of the gradients.")
    beta_2: Momentum = Field(0.999, description="Decay of the mean of their squares.")
    epsilon: Positive = Field(1e-7, description="Keeps the division finite.")


class AdamW(Section):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    type: Literal["adamw"] = "adamw"
    weight_decay: Decay = Field(0.004, description="Share of a weight removed per unit of rate.")
    beta_1: Momentum = Field(0.9, description="Decay of the mean of the gradients.")
    beta_2: Momentum = Field(0.999, description="Decay of the mean of their squares.")
    epsilon: Positive = Field(1e-7, description="Keeps the division finite.")


class Lion(Section):
    """Lion (Chen et al. 2023): the sign of a moving average; wants a smaller learning rate."""

    type: Literal["lion"] = "lion"
    weight_decay: Decay = Field(0.0, description="Share of a weight removed per unit of rate.")
    beta_1: Momentum = Field(0.9, description="Mix of the average and the gradient in a step.")
    beta_2: Momentum = Field(0.99, description="Decay of the average.")


class Adafactor(Section):
    """Adafactor (Shazeer and Stern 2018): little memory for large embeddings."""

    type: Literal["adafactor"] = "adafactor"
    weight_decay: Decay = Field(0.0, description="Share of a weight removed per unit of rate.")
    beta_2_decay: float = Field(-0.8, lt=0, description="Exponent of the decay of the squares.")
    clip_threshold: Positive = Field(1.0, description="Largest root mean square of an update.")
    relative_step: bool = Field(False, description="Let the rate fall by the number of steps.")


class SGD(Section):
    """Stochastic gradient descent, with momentum when asked."""

    type: Literal["sgd"] = "sgd"
    weight_decay: Decay = Field(0.0, description="Share of a weight removed per unit of rate.")
    momentum: Momentum = Field(0.0, description="Share of the last step that goes on.")
    nesterov: bool = Field(False, description="Look ahead along the momentum.")


Optimizer = Annotated[AdamW | Adam | Lion | Adafactor | SGD, Field(discriminator="type")]


class ScheduleOptions(Section):
    """What every course of the learning rate has."""

    warmup_steps: int = Field(0, ge=0, description="Steps of linear rise to the learning rate.")


class Cooling(ScheduleOptions):
    """What a course has that goes on for as long as one likes."""

    cooldown: Fraction = Field(
        0.0, description="Share of the steps, the last ones, that fall along a line to nothing."
    )


class Constant(Cooling):
    """The same rate to the end, or to a fall at the end (Hägele et al. 2024)."""

    type: Literal["constant"] = "constant"


class InverseSqrt(Cooling):
    """Falls with the square root of the step (Vaswani et al. 2017)."""

    type: Literal["inverse_sqrt"] = "inverse_sqrt"
    warmup_steps: int = Field(4000, ge=1, description="Steps of linear rise to the learning rate.")


class Cosine(ScheduleOptions):
    """Falls along a half cosine to the last step (Loshchilov and Hutter 2017)."""

    type: Literal["cosine"] = "cosine"
    final: Fraction = Field(0.0, description="Share of the rate that is left at the end.")


class Linear(ScheduleOptions):
    """Falls along a line to the last step."""

    type: Literal["linear"] = "linear"
    final: Fraction = Field(0.0, description="Share of the rate that is left at the end.")


class OneCycle(Section):
    """Rises and falls once over the whole training (Smith and Topin 2018)."""

    type: Literal["one_cycle"] = "one_cycle"
    rise: Fraction = Field(0.3, description="Share of the steps that rise.")
    initial: Fraction = Field(0.04, description="Share of the rate at the start.")
    final: Fraction = Field(1e-4, description="Share of the rate that is left at the end.")

    @property
    def warmup_steps(self) -> int:
        """None of its own: the rise is a share of all steps."""
        return 0


class Plateau(ScheduleOptions):
    """Falls by a factor when a validation score stops improving."""

    type: Literal["plateau"] = "plateau"
    monitor: str = Field("auto", description="Validation score to watch; auto: the task's own.")
    factor: float = Field(0.5, gt=0, lt=1, description="The rate is multiplied by this.")
    patience: int = Field(2, ge=1, description="Validations without improvement before a fall.")
    min_delta: float = Field(0.0, ge=0, description="Smaller improvements do not count.")
    final: Fraction = Field(0.0, description="Share of the rate below which it does not fall.")


Schedule = Annotated[
    Constant | InverseSqrt | Cosine | Linear | OneCycle | Plateau, Field(discriminator="type")
]
