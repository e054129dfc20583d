from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recipe.small_task import find
from toolkit.errors import RecipeError
from toolkit.recipe import Recipe, load_recipe

Load = Callable[..., Recipe]
Fail = Callable[..., str]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Writes texts to files of the current folder and loads the last one."""
    monkeypatch.chdir(tmp_path)

    def load_texts(*texts: str, overrides: Any = (), **files: str) -> Recipe:
        for name, text in [*files.items(), *(("my", text) for text in texts)]:
            path = Path(f"{name.replace('__', '/')}.yaml")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return load_recipe(path, overrides, find)

    return load_texts


@pytest.fixture
def fail(load: Load) -> Fail:
    """The same for a recipe that is wrong: answers the whole message."""

    def fail_on(*texts: str, **more: Any) -> str:
        with pytest.raises(RecipeError) as caught:
            load(*texts, **more)
        return str(caught.value)

    return fail_on
