"""A training as a process of its own: what the tests kill, signal and start several of.

Usage: python -m tests.training.job RUN RESUME '{"task": {...}, "train": {...}, "steps": ...}'
Writes the final variables to RUN/../NAME.npz when it ends.
"""

import json
import sys
from pathlib import Path

import numpy as np


def main() -> int:
    path, resume, text = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    from tests.training.tiny import Tiny, tiny_examples
    from toolkit.errors import ToolkitError
    from toolkit.recipe import TrainOptions
    from toolkit.training.distribution import distribute
    from toolkit.training.fit import train
    from toolkit.training.run_directory import RunDirectory

    options = TrainOptions.model_validate(text["train"])
    try:
        distribution = distribute(options.devices, options.strategy)
        run = RunDirectory.open_for_fit(
            path, {"no": False, "yes": True}.get(resume, "auto"), distribution
        )
        run.claim({"model": text["task"], "seed": 1})
        task = Tiny(**text["task"])
        result = train(
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
    weights = {str(i): v.numpy() for i, v in enumerate(result.model.variables)}
    np.savez(path.parent / f"{path.name}-{distribution.worker}.npz", **weights)
    return 0


if __name__ == "__main__":
    sys.exit(main())
