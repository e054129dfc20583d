"""The rule of the demonstrations: what their docstrings promise."""

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from toolkit.data.demos import motion, reviews


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
