"""A training as a process of its own, which tests kill, signal and start several of.

Usage: ``python -m tests.training.job RUN no|yes|auto JSON``, the JSON with the arguments of the
tiny task (``task``), the recipe's section (``train``) and seconds of sleep per call (``pause``).
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


def main(path: Path, resume: str, settings: dict[str, Any]) -> int:
    from tests.training.tiny import Tiny, tiny_examples
    from toolkit.errors import ToolkitError
    from toolkit.recipe import TrainOptions
    from toolkit.training.distribution import distribute
    from toolkit.training.engine import Engine
    from toolkit.training.fit import train
    from toolkit.training.run_directory import RunDirectory

    take = Engine.take

    def slow(self: Engine, *arguments: Any) -> Any:
        time.sleep(settings.get("pause", 0.0))
        return take(self, *arguments)

    Engine.take = slow  # type: ignore[method-assign]
    options = TrainOptions.model_validate(settings["train"])
    task = Tiny(**settings["task"])
    try:
        distribution = distribute(options.devices, options.strategy)
        known: dict[str, Any] = {"no": False, "yes": True, "auto": "auto"}
        run = RunDirectory.open_for_fit(path, known[resume], distribution)
        run.claim({"model": settings["task"], "seed": 1})
        train(
            task,
            task.build_model,
            tiny_examples(),
            tiny_examples(20, seed=1),
            options,
            run,
            distribution=distribution,
            seed=1,
        )
    except ToolkitError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])))
