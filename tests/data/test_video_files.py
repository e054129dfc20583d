"""Reading videos: what is kept of them, and what is said of bad ones."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.data.videos import numbers, ramp, write, write_images, write_sound
from toolkit.data import video_files
from toolkit.data.video_files import Decoding, decode, images_in, is_video, video_problem
from toolkit.errors import DataError

ALL = Decoding(16, 100)


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mov", ".webm", ".mkv", ".gif"])
def test_every_container_gives_every_frame(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", ramp())
    assert video_problem(path.name, tmp_path) is None
    frames = decode(path, ALL)
    assert frames.shape == (20, 16, 16, 3)
    assert frames.dtype == np.uint8
    expected = np.linspace(20, 220, 20)
    # a gif of fixed colours keeps eight levels of each
    np.testing.assert_allclose(frames.mean((1, 2, 3)), expected, atol=25 if ".gif" in suffix else 4)


def test_frames_are_thinned_evenly(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", ramp())
    assert numbers(decode(path, Decoding(16, 5))) == [2, 6, 10, 14, 18]


def test_part_of_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", ramp())
    assert numbers(decode(path, ALL, start=0.5, end=1.0)) == [5, 6, 7, 8, 9]
    assert numbers(decode(path, ALL, start=1.8)) == [18, 19]
    with pytest.raises(DataError, match=r"a.mp4: has no frame between start and end"):
        decode(path, ALL, start=5)


def test_a_variable_frame_rate_is_even_in_time(tmp_path: Path) -> None:
    stamps = [*range(10), *range(20, 120, 10)]  # then ten times slower
    path = write(tmp_path / "a.mkv", ramp(), stamps)
    kept = numbers(decode(path, Decoding(16, 10)))
    assert kept.count(0) + kept.count(1) <= 1
    assert sum(number >= 10 for number in kept) >= 8


def test_arrays_of_the_right_size_are_kept_to_the_byte() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    np.testing.assert_array_equal(decode(frames, ALL), frames)


@pytest.mark.parametrize("shape", [(37, 51), (1, 1), (200, 3), (3, 200)])
@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_odd_sizes(shape: tuple[int, int], fit: str) -> None:
    frames = decode(np.full((2, *shape, 3), 200, np.uint8), Decoding(16, 4, fit))  # type: ignore[arg-type]
    assert frames.shape == (2, 16, 16, 3)
    middle = frames[:, 7:9, 7:9].max((1, 2)).astype(int)
    assert np.abs(middle - 200).max() <= 1


def test_black_borders_where_the_frame_is_wide() -> None:
    frames = decode(np.full((1, 8, 32, 3), 255, np.uint8), Decoding(16, 1, "pad"))
    assert frames[0, :, 0, 0].tolist() == [0] * 6 + [255] * 4 + [0] * 6


def test_rotation_is_undone() -> None:
    frames = np.zeros((1, 16, 16, 3), np.uint8)
    frames[:, :8] = 200  # bright above

    class Turned:
        height = width = 16
        rotation = 90

        def reformat(self, **_: object) -> "Turned":
            return self

        def to_ndarray(self) -> np.ndarray:
            return frames[0]

    square = video_files._square(Turned(), Decoding(16, 1))
    assert square[:, 0, 0].tolist() == [200] * 16  # bright to the left


def test_folders_of_images_go_by_number(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "clip", ramp(12))
    assert [path.stem for path in images_in(folder)] == [str(n) for n in range(12)]
    assert numbers(decode(folder, Decoding(16, 4)), 12) == [1, 4, 7, 10]
    assert is_video(folder)


def damaged(folder: Path, kind: str) -> Path:
    path = folder / f"bad{'.gif' if 'gif' in kind else '.mkv' if 'mkv' in kind else '.mp4'}"
    if kind == "no video":
        path.write_bytes(b"these are words, not frames" * 40)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "sound":
        return write_sound(folder / "bad.mp4")
    elif kind == "folder":
        path.mkdir()
    else:
        whole = write(path, np.random.default_rng(0).integers(0, 256, (40, 96, 96, 3), np.uint8))
        content = whole.read_bytes()
        path.write_bytes(content[: len(content) * 2 // 5])
    return path


BAD = {
    "no video": "is no video, or is damaged",
    "empty": "is empty",
    "sound": "has no video stream",
    "folder": "is a folder without images",
    "cut mp4": "is no video, or is damaged",  # the table of frames is at the end
    "cut mkv": "is cut short",
    "cut gif": "is cut short",
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_named_before_and_while_decoding(tmp_path: Path, kind: str) -> None:
    path = damaged(tmp_path, kind)
    problem = video_problem(path.name, tmp_path)
    assert problem is not None
    assert problem.startswith(BAD[kind])
    with pytest.raises(DataError, match=rf"{path.name}: {BAD[kind]}.*Expected a video"):
        decode(path, ALL)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert video_problem("gone.mp4", tmp_path) == "is not there"


@pytest.mark.parametrize(
    "frames",
    [np.zeros((2, 4, 4, 1), np.uint8), np.zeros((2, 4, 4, 3)), np.zeros((0, 4, 4, 3), np.uint8)],
)
def test_arrays_that_are_no_frames(frames: np.ndarray) -> None:
    assert "is no frames" in str(video_problem(frames, Path()))


DECODES = """
import sys
from pathlib import Path
from toolkit.data.video_files import Decoding, decode
decode(Path(sys.argv[1]), Decoding(80, 64))
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_length_of_a_large_video(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (270, 480, 3), np.uint8)
    large = frame.repeat(8, 0).repeat(8, 1)
    peaks = []
    for count in (70, 350):
        path = write(tmp_path / f"{count}.mp4", np.broadcast_to(large, (count, *large.shape)))
        done = subprocess.run(
            [sys.executable, "-c", DECODES, str(path)], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.1 * peaks[0]
