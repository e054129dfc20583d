"""BPE-dropout: other cuts of the same text, drawn for each example and epoch, without any state.

Reference: Provilkov et al., "BPE-Dropout" (arXiv 1910.13267).
"""

from __future__ import annotations

import numpy as np
import sentencepiece
from numpy.typing import NDArray

Ids = NDArray[np.int32]
NEVER = np.iinfo(np.int64).max  # rank of a pair that is no piece
SPACE = "\u2581"
ROUNDING = 2  # lengths go in such steps: little padding, and not too many shapes


class BPEDropout:
    """Cuts pieces of a SentencePiece BPE model anew.

    The merge table is the model's vocabulary: two neighbours may merge where their text together is
    a piece, the pieces learnt first being merged first, as SentencePiece does. Each of the
    possible merges of a step is left out with probability ``rate``; a word is done when none is
    left. With a rate of 0 the result is the tokeniser's own.

    Args:
        model: the serialised model.
    """

    def __init__(self, model: bytes) -> None:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        size = processor.get_piece_size()
        self.size = size
        pieces = [processor.id_to_piece(i) for i in range(size)]
        plain = [
            not (processor.is_control(i) or processor.is_unknown(i) or processor.is_byte(i))
            for i in range(size)
        ]
        self.opens = np.array([p.startswith(SPACE) for p in pieces]) | ~np.array(plain)
        ids = {piece: i for i, piece in enumerate(pieces) if plain[i]}
        ranks = {i: -processor.get_score(i) for i in range(size)}
        self._make_table(ids, ranks)
        spelled = [
            [ids[letter] for letter in piece] if plain[i] and set(piece) <= ids.keys() else [i]
            for i, piece in enumerate(pieces)
        ]
        self.counts = np.array([len(letters) for letters in spelled])
        self.starts = np.cumsum(self.counts) - self.counts
        self.letters = np.concatenate(spelled).astype(np.int64)

    def _make_table(self, ids: dict[str, int], ranks: dict[int, float]) -> None:
        """Every pair of pieces that make a piece: key, rank and result, in order of the keys."""
        rows = [
            (ids[piece[:cut]] * self.size + ids[piece[cut:]], ranks[i], i)
            for piece, i in ids.items()
            for cut in range(1, len(piece))
            if piece[:cut] in ids and piece[cut:] in ids
        ]
        rows.sort()
        self.keys = np.array([key for key, _, _ in rows], np.int64)
        self.ranks = np.array([rank for _, rank, _ in rows]).astype(np.int64)
        self.results = np.array([result for _, _, result in rows], np.int64)

    def __call__(self, ids: Ids, seeds: NDArray[np.int32], rate: float) -> Ids:
        """Cut a batch anew.

        Args:
            ids: ``(batch, length)``, 0 as padding at the end.
            seeds: ``(batch, 2)``, of each row.
            rate: probability of leaving a merge out.

        Returns:
            ``(batch, length)`` of a length that suits the new pieces.
        """
        real = ids != 0
        counts = self.counts[ids].sum(axis=1, where=real)
        rows = np.repeat(np.arange(len(ids)), counts)
        if not len(rows):
            return ids
        symbols = self._spell(ids[real])
        opens = self.opens[symbols] | (np.diff(rows, prepend=-1) > 0)
        place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        noise = _mix(_mix(_joined(seeds))[rows] + place.astype(np.uint64))
        symbols, words = self._merge(symbols, np.cumsum(opens) - 1, noise, rate)
        return _padded(symbols, rows[np.flatnonzero(opens)][words], len(ids))

    def _spell(self, ids: Ids) -> NDArray[np.int64]:
        """The letters of pieces, end to end."""
        counts = self.counts[ids]
        ends = np.cumsum(counts)
        places = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
        return np.asarray(self.letters[np.repeat(self.starts[ids], counts) + places])

    def _merge(
        self,
        symbols: NDArray[np.int64],
        words: NDArray[np.int64],
        noise: NDArray[np.uint64],
        rate: float,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Merge the best pair of each word until none is left; a step for all words at once."""
        done: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        limit = np.uint64(min(rate, 1) * 2.0**63)
        step = 0
        while len(symbols):
            rank, result = self._pairs(symbols, words)
            if rate:
                drawn = _mix(noise ^ np.uint64(step << 40)) >> np.uint64(1)
                rank[drawn < limit] = NEVER
            firsts = np.flatnonzero(np.diff(words, prepend=-1))
            best = np.minimum.reduceat(rank, firsts)
            counts = np.diff(firsts, append=len(words))
            goes_on = np.repeat(best < NEVER, counts)
            done.append((symbols[~goes_on], words[~goes_on]))
            chosen = np.flatnonzero((rank == np.repeat(best, counts)) & goes_on)
            _, leftmost = np.unique(words[chosen], return_index=True)
            chosen = chosen[leftmost]
            symbols[chosen] = result[chosen]
            kept = goes_on
            kept[chosen + 1] = False
            symbols, words, noise = symbols[kept], words[kept], noise[kept]
            step += 1
        symbols, words = (np.concatenate(part) for part in zip(*done, strict=True))
        order = np.argsort(words, kind="stable")
        return symbols[order], words[order]

    def _pairs(
        self, symbols: NDArray[np.int64], words: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rank and result of each symbol's merge with its right neighbour."""
        rank = np.full(len(symbols), NEVER)
        result = np.zeros(len(symbols), np.int64)
        if not len(self.keys):
            return rank, result
        keys = symbols[:-1] * self.size + symbols[1:]
        found = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        known = (self.keys[found] == keys) & (words[:-1] == words[1:])
        rank[:-1] = np.where(known, self.ranks[found], NEVER)
        result[:-1] = self.results[found]
        return rank, result


def _joined(seeds: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Two numbers as one of 64 bits."""
    high, low = seeds.astype(np.uint32).astype(np.uint64).T
    joined: NDArray[np.uint64] = (high << np.uint64(32)) | low
    return joined


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finish of SplitMix64: numbers that differ little become numbers that differ much."""
    x = (x + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _padded(symbols: NDArray[np.int64], rows: NDArray[np.int64], batch: int) -> Ids:
    """Rows of symbols, end to end, side by side."""
    counts = np.bincount(rows, minlength=batch)
    longest = -(-counts.max(initial=1) // ROUNDING) * ROUNDING
    padded = np.zeros((batch, longest), np.int32)
    padded[np.arange(longest) < counts[:, None]] = symbols
    return padded
