"""What a torch user writes by hand, for the lines of the benchmarks that need torch.

`pip install torch`, in the build for CPUs where there is no GPU. Imported only where torch is.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Pair = tuple[np.ndarray, np.ndarray]


class Translator(nn.Module):
    """`nn.Transformer` with one table for source, target and softmax, and sinusoidal positions."""

    def __init__(
        self, size: int, layers: int, dim: int, inner: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(size, dim, padding_idx=0)
        nn.init.normal_(self.table.weight, std=dim**-0.5)
        self.drop = nn.Dropout(dropout)
        self.transformer = nn.Transformer(
            dim, heads, layers, layers, inner, dropout, batch_first=True, norm_first=True
        )
        place, pair = torch.arange(256)[:, None], torch.arange(0, dim, 2)
        angles = place / 10_000 ** (pair / dim)
        self.register_buffer("places", torch.cat([angles.sin(), angles.cos()], -1))

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """(batch, time) to (batch, time, dim)."""
        vectors = self.table(ids) * self.table.embedding_dim**0.5
        return self.drop(vectors + self.places[: ids.shape[1]])

    def forward(self, source: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """(batch, source) and (batch, time) to logits (batch, time, size)."""
        steps = before.shape[1]
        future = torch.ones(steps, steps, dtype=torch.bool).triu(1)
        hidden = self.transformer(
            self.embed(source),
            self.embed(before),
            tgt_mask=future,
            tgt_is_causal=True,
            src_key_padding_mask=source == 0,
            memory_key_padding_mask=source == 0,
        )
        return functional.linear(hidden, self.table.weight)


class TranslationTraining:
    """Trains a `Translator` on batches of source and target ids, padded with 0."""

    def __init__(self, model: Translator, batches: Iterator[Pair], start: int, steps: int) -> None:
        self.model, self.batches, self.start, self.steps = model.train(), batches, start, steps
        self.optimizer = torch.optim.Adam(model.parameters(), 1e-3, betas=(0.9, 0.98), eps=1e-9)

    def __call__(self) -> float:
        """Train on some batches and say on how many target pieces."""
        pieces = 0
        for _ in range(self.steps):
            source, target = (torch.from_numpy(x.astype(np.int64)) for x in next(self.batches))
            before = functional.pad(target[:, :-1], (1, 0), value=self.start)
            logits = self.model(source, before)
            loss = functional.cross_entropy(
                logits.flatten(0, 1), target.flatten(), ignore_index=0, label_smoothing=0.1
            )
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            pieces += int((target != 0).sum())
        return float(pieces)


class Recogniser(nn.Module):
    """Log-mel frames, two convolutions, two `nn.LSTM` in both directions, pooling."""

    def __init__(self, filterbank: np.ndarray, filters: int, units: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("filterbank", torch.from_numpy(filterbank))  # (129, bins)
        self.register_buffer("window", torch.hann_window(200))
        bins = filterbank.shape[1]
        self.first = nn.Conv2d(1, filters, 3, (2, 2), 1)
        self.second = nn.Conv2d(filters, filters, 3, (1, 2), 1)
        self.project = nn.Linear(filters * bins // 4, units)
        self.lstm = nn.LSTM(
            units, units, num_layers=2, batch_first=True, bidirectional=True, dropout=0.2
        )
        self.head = nn.Linear(2 * units, classes)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """(batch, samples) to logits (batch, classes)."""
        spectrum = torch.stft(
            samples, 256, 80, 200, self.window, center=False, return_complex=True
        ).abs()
        frames = torch.log(spectrum.square().transpose(1, 2) @ self.filterbank + 1e-6)
        image = functional.relu(self.second(functional.relu(self.first(frames[:, None]))))
        steps = self.project(image.permute(0, 2, 1, 3).flatten(2))
        return self.head(self.lstm(steps)[0].amax(1))


class RecogniserTraining:
    """Trains a `Recogniser` on clips padded to one length, shuffled."""

    def __init__(
        self,
        model: Recogniser,
        clips: np.ndarray,
        labels: Sequence[int],
        batch: int,
        steps: int,
        seconds: float,
    ) -> None:
        self.model = model.train()
        self.clips, self.labels = torch.from_numpy(clips), torch.tensor(labels)
        self.batch, self.steps, self.seconds = batch, steps, seconds
        self.optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def __call__(self) -> float:
        """Train on some batches and say on how many seconds of sound."""
        for rows in torch.randperm(len(self.clips))[: self.steps * self.batch].split(self.batch):
            loss = functional.cross_entropy(self.model(self.clips[rows]), self.labels[rows])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return self.steps * self.batch * self.seconds
