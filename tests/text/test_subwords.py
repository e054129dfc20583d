"""SentencePiece models, fitted."""

from pathlib import Path

import numpy as np
import pytest

from toolkit.text.subwords import Subwords

TEXTS = np.array(["walk walked walking talk", "small smaller tall talls"] * 30, object)


@pytest.mark.parametrize("form", [None, "NFC", "NFKC"])
def test_a_fit_repeats_byte_for_byte(form: str | None) -> None:
    first, second = (Subwords.fit(TEXTS, 290, form=form) for _ in range(2))
    assert first.model == second.model
    texts = ["walks\ttall", "ﬁne żółć"]
    assert first(texts).to_list() == second(texts).to_list()
    assert first(["a\tb"]).to_list() == first(["a b"]).to_list()


def test_a_fit_does_not_name_the_folder_it_was_made_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert str(tmp_path).encode() not in Subwords.fit(TEXTS, 290, form=None).model
