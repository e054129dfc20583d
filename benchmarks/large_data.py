"""Memory and speed of data larger than memory: prepared once, then read in training batches.

    python benchmarks/large_data.py [--megabytes 1000] [--model JSON] [--steps 2000] [--keep DIR]

Writes a file of JSON lines (a text of some hundred words, a label), opens it by a recipe of text
classification with `prepare: always`, in a process of its own, and reads training batches of 64
as `toolkit fit` does, without a model, in steps of all epochs' random order. Prints one line of
JSON: the peak resident set of that process in MiB, that of a process that only loads the
libraries, seconds to prepare, and rows a second when preparing and when reading.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from timing import in_process, peak_memory, report

WORDS, POOL, LONGEST, BATCH = 50_000, 1_000_000, 200, 64


def write_file(path: Path, megabytes: int) -> int:
    """Rows of words in Zipf's proportions, until the file is as large as asked; their number."""
    random = np.random.default_rng(0)
    words = [_word(number) for number in range(WORDS)]
    pool = [words[number] for number in np.minimum(random.zipf(1.2, POOL), WORDS) - 1]
    rows = 0
    with path.open("w") as file:
        while file.tell() < megabytes * 1e6:
            starts = random.integers(0, POOL - LONGEST, 10_000).tolist()
            counts = random.integers(20, LONGEST, 10_000).tolist()
            for start, count in zip(starts, counts, strict=True):
                label = "good" if len(pool[start]) % 2 else "bad"
                text = " ".join(pool[start : start + count])
                row = {"id": rows, "text": text, "label": label, "source": "generated"}
                file.write(json.dumps(row) + "\n")
                rows += 1
    return rows


def _word(number: int) -> str:
    letters = "etaoinshrdlu"
    word = ""
    number += 1
    while number:
        number, digit = divmod(number, len(letters))
        word += letters[digit]
    return word


def measure(path: str, model: str, steps: int) -> None:
    """What the fresh process does."""
    import toolkit
    from toolkit.data.batches import BatchPlan
    from toolkit.data.pipeline import make_dataset

    start = time.monotonic()
    data = {"train": path, "prepare": "always"}
    prepared = toolkit.prepare(task="sentiment", data=data, model=json.loads(model))
    seconds = time.monotonic() - start
    prepared_peak = peak_memory()
    examples = prepared.train
    plan = BatchPlan(examples.lengths, batch_size=BATCH)
    dataset = make_dataset(examples, plan, steps=steps)
    start = time.monotonic()
    rows = sum(len(element[-1]) for element in dataset)
    reading = time.monotonic() - start
    total = sum(len(table) for _, table in prepared.splits.items())
    figures = {
        "rows": total,
        "prepare_seconds": round(seconds, 1),
        "prepare_rows_per_second": round(total / seconds),
        "read_rows_per_second": round(rows / reading),
        "prepared_peak_mib": round(prepared_peak),
        "peak_mib": round(peak_memory()),
    }
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--model", default='{"type": "lstm", "bag": false}', help="as JSON")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--keep", type=Path, help="folder for the file, kept")
    parser.add_argument("--measure", help="the file: what the process of its own is given")
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.model, options.steps)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = (options.keep or Path(folder)) / f"{options.megabytes}.jsonl"
        if not path.exists():
            write_file(path, options.megabytes)
        os.environ["TOOLKIT_CACHE"] = str(Path(folder) / "cache")
        loaded = "import json, sys; sys.path.insert(0, 'benchmarks'); import tensorflow, keras, "
        loaded += "toolkit.api.fitting; from timing import peak_memory; "
        base = in_process("-c", loaded + "print(json.dumps({'mib': round(peak_memory())}))")
        arguments = ["--measure", str(path), "--model", options.model, "--steps", options.steps]
        figures = in_process(__file__, *map(str, arguments))
        report("large_data", f"{options.megabytes} MB", libraries_mib=base["mib"], **figures)


if __name__ == "__main__":
    main()
