"""The cache of decoded clips: shared, checked, bounded, rebuilt."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from tests.data.videos import ramp, write
from toolkit.data.array_files import HEAD
from toolkit.data.cache import list_cache
from toolkit.data.clips import ABANDONED, Clip, ClipStore
from toolkit.data.video_files import Decoding
from toolkit.errors import DataError

DECODING = Decoding(16, 8)


def arrays(count: int = 3) -> list[Clip]:
    random = np.random.default_rng(0)
    return [
        Clip(random.integers(0, 256, (6, 16, 16, 3), np.uint8), f"row {number}")
        for number in range(count)
    ]


def files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.clip"))


def finish(store: ClipStore) -> None:
    for number in range(len(store)):
        store.frames(number)
    store.close()


def test_frames_come_as_they_were(tmp_path: Path) -> None:
    clips = arrays()
    store = ClipStore(clips, DECODING, tmp_path)
    for number, clip in enumerate(clips):
        np.testing.assert_array_equal(store.frames(number), clip.video)
        assert store.count(number) == 6
    size = sum(path.stat().st_size for path in files(tmp_path))
    assert size == 3 * (6 * 16 * 16 * 3 + HEAD.size)
    entries = list_cache(tmp_path)
    assert len(entries) == 1
    assert entries[0].in_use
    store.close()
    assert not list_cache(tmp_path)[0].in_use


def test_content_not_its_name_decides(tmp_path: Path) -> None:
    first = write(tmp_path / "a.mp4", ramp())
    second = tmp_path / "b.mp4"
    second.write_bytes(first.read_bytes())
    cache = tmp_path / "cache"
    finish(ClipStore([Clip(first, "1"), Clip(second, "2")], DECODING, cache))
    assert len(files(cache)) == 1
    finish(ClipStore([Clip(first, "1", 0.0, 1.0)], DECODING, cache))
    assert len(files(cache)) == 2
    finish(ClipStore([Clip(first, "1")], Decoding(8, 8), cache))
    assert len(list_cache(cache)) == 2


def test_what_is_there_is_not_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(ClipStore(arrays(), DECODING, tmp_path))

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("toolkit.data.clips.decode", refuse)
    finish(ClipStore(arrays(), DECODING, tmp_path))


@pytest.mark.parametrize("damage", ["flipped", "short", "empty"])
def test_a_damaged_clip_is_decoded_again(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    finish(ClipStore(arrays(), DECODING, tmp_path))
    path = files(tmp_path)[0]
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes({"flipped": content, "short": content[:100], "empty": b""}[damage])
    clips = arrays()
    store = ClipStore(clips, DECODING, tmp_path)
    for number, clip in enumerate(clips):
        np.testing.assert_array_equal(store.frames(number), clip.video)
    store.close()
    assert "not as it was written" in caplog.text


def test_a_clip_removed_meanwhile_is_decoded_again(tmp_path: Path) -> None:
    clips = arrays()
    store = ClipStore(clips, DECODING, tmp_path)
    store.frames(0)
    for path in files(tmp_path):
        path.unlink()
    np.testing.assert_array_equal(store.frames(0), clips[0].video)
    store.close()


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    old, new = arrays()[:1], arrays()[1:]
    finish(ClipStore(old, DECODING, tmp_path))
    room = 2 * files(tmp_path)[0].stat().st_size
    store = ClipStore(new, DECODING, tmp_path, limit=room)
    store.folder.joinpath("old.part").write_bytes(b"half")
    past = time.time() - 2 * ABANDONED
    os.utime(store.folder / "old.part", (past, past))
    finish(store)
    store._trim()
    assert len(files(tmp_path)) == 2
    assert not (store.folder / "old.part").exists()


def test_two_stores_at_once_share_one_folder(tmp_path: Path) -> None:
    clips = arrays(8)
    first, second = (ClipStore(clips, DECODING, tmp_path, threads=2) for _ in range(2))
    for number, clip in enumerate(clips):
        np.testing.assert_array_equal(first.frames(number), clip.video)
        np.testing.assert_array_equal(second.frames(number), clip.video)
    first.close()
    second.close()
    assert len(files(tmp_path)) == 8
    assert not list(tmp_path.rglob("*.part"))


def test_a_bad_video_is_named_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "bad.mp4"
    path.write_bytes(b"no video")
    store = ClipStore([Clip(path, "clips.csv, line 2")], DECODING, tmp_path / "cache")
    with pytest.raises(DataError, match=r"clips.csv, line 2: .*bad.mp4: is no video"):
        store.frames(0)
    store.close()
