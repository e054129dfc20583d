"""The clips of a table: files, parts of files, or arrays."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toolkit.data.audio import Header, Wave, array_wave, header, read_wave
from toolkit.data.columns import column_name, paths
from toolkit.data.parts import parts
from toolkit.data.report import Finding, raise_all, row_finding

if TYPE_CHECKING:
    from toolkit.data.table import Table
    from toolkit.tasks.speech.options import SpeechData

MOST_RATE, ARRAY_RATE = 16_000, 16_000
LOOK_ROWS = 500  # whose rates settle the model's
FULL_SCALE, CLIPPED_SHARE = 0.999, 0.01
LITTLE = 0.1  # seconds that the end of a part may be after that of its file
SILENT = 1e-4  # largest sample of a clip that holds nothing


class Clips:
    """Random access to the waves of a table's rows.

    Args:
        table: with the audio column.
        data: the recipe's section.
        array_rate: Hz of arrays.
    """

    def __init__(self, table: Table, data: SpeechData, array_rate: int = ARRAY_RATE) -> None:
        self.table = table
        self.array_rate = array_rate
        self.cells = list(table.frame[column_name(table, data.audio)])
        self.paths = paths(table, data.audio)
        self.starts, self.ends = parts(table, data.start, data.end)

    def __len__(self) -> int:
        return len(self.cells)

    def read(self, row: int) -> Wave:
        """Decode one clip.

        Raises:
            DataError: it cannot be decoded, or holds no samples or what is no number.
        """
        try:
            wave = self._decoded(row)
        except (ValueError, OSError) as error:
            self._refuse(row, f"{self._name(row)} {error}", "a whole sound file")
        if not len(wave.samples):
            self._refuse(row, f"{self._name(row)} holds no samples", "at least one sample")
        if not np.isfinite(wave.samples).all():
            self._refuse(row, f"{self._name(row)} holds NaN or infinity", "samples of -1 to 1")
        return wave

    def header(self, row: int) -> Header:
        """Length and rate of one clip, without decoding it.

        Raises:
            DataError: it is not there, or no sound.
        """
        if self._is_array(row):
            return Header(len(self.cells[row]), self.array_rate)
        try:
            whole = header(self.paths[row])
        except (ValueError, OSError) as error:
            self._refuse(row, f"{self._name(row)} {error}", "a whole sound file")
        start, end = self._part(row)
        rate = whole.sampling_rate
        first = min(round(start * rate), whole.num_samples)
        last = whole.num_samples if end is None else min(round(end * rate), whole.num_samples)
        return Header(max(0, last - first), rate)

    def _decoded(self, row: int) -> Wave:
        start, end = self._part(row)
        if not self._is_array(row):
            return read_wave(self.paths[row], start, end)
        wave = array_wave(self.cells[row], self.array_rate)
        first = round(start * wave.sampling_rate)
        last = None if end is None else round(end * wave.sampling_rate)
        return Wave(wave.samples[first:last], wave.sampling_rate)

    def lacking(self, row: int, wave: Wave) -> float:
        """Seconds of a row's part that its file does not have."""
        start, end = self._part(row)
        return 0.0 if end is None else end - start - wave.seconds

    def _part(self, row: int) -> tuple[float, float | None]:
        start, end = float(self.starts[row]), float(self.ends[row])
        return 0.0 if np.isnan(start) else start, None if np.isnan(end) else end

    def _is_array(self, row: int) -> bool:
        return isinstance(self.cells[row], np.ndarray)

    def _name(self, row: int) -> str:
        return "the clip" if self._is_array(row) else str(self.paths[row])

    def _refuse(self, row: int, what: str, expected: str) -> None:
        raise_all([row_finding("error", self.table, [row], what, expected)])


def usual_rate(clips: Clips) -> tuple[int, str]:
    """The highest rate that half of the files have or exceed, at most 16,000 Hz, and why."""
    step = max(1, len(clips) // LOOK_ROWS)
    rates = sorted(clips.header(row).sampling_rate for row in range(0, len(clips), step))
    rate = rates[len(rates) // 2]
    listed = ", ".join(f"{rate:,} Hz: {count}" for rate, count in Counter(rates).most_common(3))
    return min(rate, MOST_RATE), f"rates of the training clips looked at: {listed}"


class Doubts:
    """Gathers what is odd about clips while they are decoded, to be told once.

    Args:
        table: whose clips.
        sampling_rate: that the model hears at.
    """

    def __init__(self, table: Table, sampling_rate: int) -> None:
        self.table = table
        self.sampling_rate = sampling_rate
        self.silent: list[int] = []
        self.short: list[int] = []
        self.clipped: list[int] = []
        self.others: list[int] = []
        self.rates: Counter[int] = Counter()

    def look(self, row: int, wave: Wave, lacking: float) -> None:
        """Look at one clip, of whose part so many seconds are lacking."""
        if lacking > LITTLE:
            self.short.append(row)
        loud = np.abs(wave.samples)
        if loud.max() < SILENT:
            self.silent.append(row)
        if (loud >= FULL_SCALE).mean() > CLIPPED_SHARE:
            self.clipped.append(row)
        if wave.sampling_rate != self.sampling_rate:
            self.others.append(row)
            self.rates[wave.sampling_rate] += 1

    def tell(self, *, rates: bool) -> None:
        """Warn of short, silent and clipped clips and, if asked, of those that were resampled."""
        for finding in self._findings(rates):
            warnings.warn(str(finding), stacklevel=4)

    def _findings(self, rates: bool) -> Iterable[Finding]:
        if self.short:
            yield self._finding(self.short, "a clip that ends after its file", "an end within it")
        if self.silent:
            yield self._finding(self.silent, "a silent clip", "sound")
        if self.clipped:
            what = "a clip with more than 1 % of its samples at full scale"
            yield self._finding(self.clipped, what, "a recording that does not clip")
        if rates and self.others:
            listed = ", ".join(f"{rate:,}" for rate, _ in self.rates.most_common(3))
            what = f"resampled from {listed} Hz"
            yield self._finding(self.others, what, f"{self.sampling_rate:,} Hz, as in training")

    def _finding(self, rows: Sequence[int], what: str, expected: str) -> Finding:
        return row_finding("warning", self.table, rows, what, expected)


def stack(waves: Sequence[Wave]) -> dict[str, NDArray[Any]]:
    """Waves side by side: the raw inputs of the exported model."""
    lengths = np.array([len(wave.samples) for wave in waves], np.int32)
    audio = np.zeros((len(waves), max(1, int(lengths.max(initial=1)))), np.float32)
    for number, wave in enumerate(waves):
        audio[number, : len(wave.samples)] = wave.samples
    rates = np.array([wave.sampling_rate for wave in waves], np.int32)
    return {"audio": audio, "num_samples": lengths, "sampling_rate": rates}
