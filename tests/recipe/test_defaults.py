from textwrap import dedent

from tests.recipe.conftest import Load
from tests.recipe.small_task import Options
from toolkit.recipe import defaults


def test_every_key_with_its_default_and_what_it_takes() -> None:
    lines = [line.rstrip() for line in defaults(Options).splitlines()]

    assert lines[:3] == [
        "task:                        # What to learn.",
        "  type: small                # A small task.",
        "  beam_size: 1               # Beams. Takes an integer of at least 1.",
    ]
    assert (
        "  text: ...                  # Column of the text. Required. "
        "Takes a column's name or number."
    ) in lines


def test_each_model_is_told_with_its_keys() -> None:
    text = defaults(Options)
    model = text[text.index("model:") : text.index("train:  ")]

    assert model == dedent(
        """\
        model: auto                  # What learns. Takes 'lstm', 'cnn', 'ensemble' or 'auto'.
        # model:
        #   type: lstm               # A long short-term memory.
        #   units: 128               # Size of the state. Takes an integer of at least 1.
        #   attention: none          # The states. Takes 'additive', 'dot', a mapping or 'none'.
        #   # attention:
        #   #   type: additive       # Its kind. Takes 'additive' or 'dot'.
        #   #   num_heads: 1         # Parts. Takes an integer of at least 1.
        # model:
        #   type: cnn                # Convolutions over words.
        #   widths: [3, 4]           # Words a filter sees. Takes a list (an integer each).
        #   hidden_dim: auto         # Filters. Takes an integer or 'auto'.
        #   num_heads: 4             # Parts. Takes an integer.
        # model:
        #   type: ensemble           # Several models.
        #   members: ...             # Its models. Required. Takes a list of at least 2 \
('lstm' or 'cnn' each).
        """
    )


def test_defaults_with_the_required_keys_filled_in_are_a_recipe(load: Load) -> None:
    text = defaults(Options).replace("...", "demo:x")

    assert load(text) == load("task: small\ndata: {train: demo:x, text: demo:x}")
