from typing import Any

import pandas as pd
import pytest
from pydantic import Field, ValidationError

from tests.recipe.small_task import CNN, LSTM, Attention, Ensemble, Options
from toolkit.recipe import Auto, EarlyStopping, Section, TrainOptions


def options(**sections: Any) -> Options:
    return Options.model_validate(
        {"task": "small", "data": {"train": "a", "text": "t"}, **sections}
    )


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("lstm", LSTM()),
        ({"type": "lstm", "attention": "dot"}, LSTM(attention=Attention(type="dot"))),
        ({"type": "lstm", "attention": "none"}, LSTM()),
        ({"type": "ensemble", "members": ["lstm", {"type": "cnn", "widths": [2]}]},
         Ensemble(members=(LSTM(), CNN(widths=(2,))))),
        ("auto", "auto"),
        (None, "auto"),
        (CNN(hidden_dim=8), CNN(hidden_dim=8)),
    ],
)  # fmt: skip
def test_short_form_is_the_long_form(model: Any, expected: Any) -> None:
    assert options(model=model).model == expected


def test_a_section_may_be_left_empty() -> None:
    assert options(train=None, run=None) == options()


def test_default_of_a_union_gives_the_type() -> None:
    optimizer = options(train={"optimizer": {"weight_decay": 0.1}}).train.optimizer

    assert (optimizer.type, optimizer.weight_decay) == ("adamw", 0.1)


@pytest.mark.parametrize("value", [True, "3", 3.0, 0, "none"])
def test_integers_are_strict(value: object) -> None:
    with pytest.raises(ValidationError):
        LSTM(units=value)  # type: ignore[arg-type]


def test_integers_do_for_numbers() -> None:
    assert TrainOptions(learning_rate=1).learning_rate == 1.0


def test_sections_are_frozen_and_hashable() -> None:
    section = CNN(widths=[3, 4])  # type: ignore[arg-type]

    assert hash(section) == hash(CNN())
    with pytest.raises(ValidationError):
        section.widths = (1,)


def test_arguments_leave_the_type_out() -> None:
    assert LSTM(units=3).arguments() == {"units": 3, "attention": None}


def test_a_default_can_be_changed_without_saying_all_again() -> None:
    class Short(TrainOptions):
        epochs: int | Auto = 5
        early_stopping: EarlyStopping | None = EarlyStopping(monitor="f1")

    assert Short().epochs == 5
    assert Short.model_fields["epochs"].description == "Passes over the training data."
    assert Short.model_json_schema()["properties"]["epochs"]["description"]


def test_every_common_key_is_described() -> None:
    def undescribed(section: type[Section]) -> list[str]:
        fields = section.model_fields.items()
        return [name for name, field in fields if name != "type" and not field.description]

    classes = Section.__subclasses__()
    for each in classes:
        classes.extend(each.__subclasses__())
    ours = [each for each in classes if each.__module__.startswith("toolkit.recipe")]
    assert len(ours) > 15
    assert {each.__name__: undescribed(each) for each in ours if undescribed(each)} == {}


def test_a_frame_stands_where_a_path_does() -> None:
    frame = pd.DataFrame({"t": ["x"]})

    assert options(data={"train": frame, "text": "t"}).data.train is frame


def test_field_bounds_hold() -> None:
    class Bounded(Section):
        share: float = Field(ge=0, lt=1, description="A share.")

    with pytest.raises(ValidationError):
        Bounded(share=float("nan"))
