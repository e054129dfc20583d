"""The rule of the demonstrations: what their docstrings promise."""

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from toolkit.data.demos import motion, reviews, sentences, shops, stations


def test_reviews_are_balanced_distinct_and_of_known_noise() -> None:
    frames = reviews.generate()
    assert {name: len(frame) for name, frame in frames.items()} == reviews.SIZES
    texts = [text for frame in frames.values() for text in frame["text"]]
    assert len(set(texts)) == len(texts)
    for frame in frames.values():
        assert frame["label"].value_counts()["positive"] == len(frame) / 2
    assert not reviews.generate(1)["test"].equals(frames["test"])
    assert reviews.generate()["test"].equals(frames["test"])


def test_single_words_do_not_tell_a_reviews_label() -> None:
    frames = reviews.generate()
    words = CountVectorizer(binary=True).fit(frames["train"]["text"])
    model = LogisticRegression(max_iter=200)
    model.fit(words.transform(frames["train"]["text"]), frames["train"]["label"])
    score = model.score(words.transform(frames["test"]["text"]), frames["test"]["label"])
    assert score < 0.62


def test_sentences_are_distinct_and_follow_one_rule() -> None:
    frames = sentences.generate()
    assert {name: len(frame) for name, frame in frames.items()} == sentences.SIZES
    sources = [text for frame in frames.values() for text in frame["source"]]
    assert len(set(sources)) == len(sources)
    assert sentences.generate()["test"].equals(frames["test"])
    other = sentences.generate(1)["train"]
    assert not other.equals(frames["train"])
    words = set(" ".join(frames["train"]["target"]).split())
    assert set(" ".join(other["target"]).split()) == words  # the language is the same
    by_rule = {  # place, subject with its adjectives, object with its mark, verb
        "the old red dog hears the quiet coat .": "rala tana melu zekim gave gumoa .",
        "the dog does not hear the large bridge .": "rala netom polo ne gumoa .",
    }
    found = dict(zip(frames["train"]["source"], frames["train"]["target"], strict=True))
    assert {source: found[source] for source in by_rule} == by_rule


def test_stations_have_the_noise_that_is_known() -> None:
    first, second = (pd.concat(stations.generate(seed).values()) for seed in (0, 1))
    assert len(first) == stations.HOURS
    columns = list(stations.COLUMNS)
    apart = (first[columns] - second[columns]).to_numpy()
    best = stations.best_errors(100)
    np.testing.assert_allclose(apart.var(0) / 2, best[-1], rtol=0.06)
    np.testing.assert_allclose(best[0], np.square(stations.NOISE))


def test_shops_sell_around_what_is_expected() -> None:
    frame = pd.concat(shops.generate().values())
    assert frame["item"].nunique() == shops.SHOPS * shops.GOODS
    assert frame["item"].value_counts().between(200, shops.DAYS).all()
    squares = (frame["sold"] - frame["expected"]) ** 2
    assert abs(squares.mean() / frame["expected"].mean() - 1) < 0.05


def test_motion_is_balanced_distinct_and_drawn_by_its_seed() -> None:
    frames = motion.generate()
    assert {name: len(frame) for name, frame in frames.items()} == motion.SIZES
    clips = [clip.tobytes() for frame in frames.values() for clip in frame["clip"]]
    assert len(set(clips)) == len(clips)
    for frame in frames.values():
        assert set(frame["label"].value_counts()) == {len(frame) // len(motion.CLASSES)}
    again, other = motion.generate()["test"], motion.generate(1)["test"]
    np.testing.assert_array_equal(np.stack(again["clip"]), np.stack(frames["test"]["clip"]))
    assert not np.array_equal(np.stack(other["clip"]), np.stack(frames["test"]["clip"]))


def test_one_frame_does_not_tell_a_motion() -> None:
    frames = motion.generate()
    grey = {name: np.stack(frame["clip"]).mean(-1) for name, frame in frames.items()}
    middle = motion.FRAMES // 2
    rows = {name: clips[:, middle].reshape(len(clips), -1) / 255 for name, clips in grey.items()}
    model = LogisticRegression(C=0.01, max_iter=1000).fit(rows["train"], frames["train"]["label"])
    assert model.score(rows["test"], frames["test"]["label"]) < 0.25
