"""The line a text classifier has to beat: logistic regression on TF-IDF of 1- and 2-grams.

    python benchmarks/regression.py recipes/sentiment/sst2.yaml [--run RUN ...]

Fits the regression on the recipe's training split, its strength chosen on the validation split,
and scores it on the test split. With run directories of the same recipe (other seeds), the mean
of their probabilities is not taken: each run is scored, and the paired bootstrap compares the mean
correctness of the runs with the regression's, example by example. Prints one line of JSON.
"""

import argparse
import json

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import toolkit
from toolkit.api.fitting import checked_splits
from toolkit.api.recipes import open_recipe
from toolkit.data.columns import texts
from toolkit.metrics.bootstrap import paired_difference

STRENGTHS = (1.0, 3.0, 10.0, 30.0)


def columns(table, data) -> tuple[list[str], np.ndarray]:
    return texts(table, data.text), np.array(texts(table, data.label))


def regression(splits, data) -> tuple[np.ndarray, dict[str, float]]:
    """Right or wrong on each test text, and what was chosen."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    written, labels = columns(splits.train, data)
    features = vectorizer.fit_transform(written)
    models = {
        strength: LogisticRegression(C=strength, max_iter=1000).fit(features, labels)
        for strength in STRENGTHS
    }
    written, labels = columns(splits.validation, data)
    features = vectorizer.transform(written)
    best = max(models, key=lambda strength: models[strength].score(features, labels))
    written, labels = columns(splits.test, data)
    right = models[best].predict(vectorizer.transform(written)) == labels
    return right, {"strength": best, "features": len(vectorizer.vocabulary_)}


def beside(ours: list[np.ndarray], theirs: np.ndarray) -> dict[str, object]:
    """Scores of runs, and how far the mean of what they have right is from the regression."""
    difference, interval, p = paired_difference(np.mean(ours, 0), theirs)
    return {
        "ours": [round(100 * right.mean(), 2) for right in ours],
        "ours_mean": round(100 * float(np.mean(ours)), 2),
        "difference": round(100 * difference, 2),
        "interval": [round(100 * bound, 2) for bound in interval],
        "p": p,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--run", action="append", default=[], help="a finished run directory")
    arguments = parser.parse_args()
    recipe = open_recipe(arguments.recipe, (), {})
    splits = checked_splits(recipe)
    data = recipe.options.data
    theirs, chosen = regression(splits, data)
    line = {"case": arguments.recipe, "regression": round(100 * theirs.mean(), 2), **chosen}
    if arguments.run:
        labels = columns(splits.test, data)[1]
        ours = []
        for path in arguments.run:
            predicted = toolkit.load_run(path).predict(splits.test.frame)["prediction"]
            ours.append(predicted.astype(str).to_numpy() == labels)
        line |= beside(ours, theirs)
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
