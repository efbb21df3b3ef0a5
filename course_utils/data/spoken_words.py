"""Spoken words as data: clips of one second, who says them, and honest ways to split them.

Every set of words of the course has this one form, whether its voices are bundled, downloaded
or brought by somebody: :class:`SpokenWords`. The speaker is a part of the data, because the
speaker decides whether a test is honest: a network that heard a voice in its training has
an easier time with the other clips of that voice.
"""

import operator
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
SAMPLE_RATE = 16_000  # Hz
N_SAMPLES = 16_000  # of a clip: one second

_NEARLY_ALL = 1.0 - 1e-4  # of the energy: windows that hold this much are equally good


@dataclass(frozen=True, eq=False, repr=False)
class SpokenWords:
    """Clips of one second, each with its word, its speaker and its name.

    Indexing takes clips out of it, and always gives a smaller ``SpokenWords``: ``words[3]`` is
    one clip, ``words[:10]``, ``words[[2, 5]]`` and ``words[words.labels == 0]`` are several.

    Args:
        waveforms: Samples in [-1, 1], float32, shape ``(n_clips, 16000)``.
        labels: Numbers into ``label_names``, int64, shape ``(n_clips,)``.
        speakers: Who says each clip.
        names: Which file each clip comes from, relative to the folder of the set.
        label_names: What the numbers mean.
        origin: One line: whose voices these are.
        sample_rate: Samples per second, in Hz.
        skipped: One sentence for each file that was left out when the set was read.

    Raises:
        ValueError: If these do not fit together.

    Notebook: 06_cnn.ipynb.
    """

    waveforms: Tensor
    labels: Tensor
    speakers: tuple[str, ...]
    names: tuple[str, ...]
    label_names: tuple[str, ...]
    origin: str
    sample_rate: int = SAMPLE_RATE
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n_clips = len(self.waveforms)
        if self.waveforms.shape != (n_clips, N_SAMPLES) or self.waveforms.dtype != torch.float32:
            raise ValueError(
                f"waveforms must be float32 of shape (n_clips, {N_SAMPLES}), got "
                f"{self.waveforms.dtype} {tuple(self.waveforms.shape)}; fit_to_second makes any "
                "clip fit"
            )
        if self.labels.shape != (n_clips,) or self.labels.dtype != torch.int64:
            raise ValueError(
                f"labels must be int64 of shape ({n_clips},), one for each waveform, got "
                f"{self.labels.dtype} {tuple(self.labels.shape)}"
            )
        if len(self.speakers) != n_clips or len(self.names) != n_clips:
            raise ValueError(
                f"speakers and names must be {n_clips}, one for each waveform, got "
                f"{len(self.speakers)} speakers and {len(self.names)} names"
            )
        if n_clips and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < self.n_labels:
            raise ValueError(
                f"labels must be numbers from 0 to {self.n_labels - 1}, into label_names, got "
                f"{int(self.labels.min())} to {int(self.labels.max())}"
            )

    def __len__(self) -> int:
        return len(self.waveforms)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> "SpokenWords":
        """Take clips out: a number, a slice, a list or tensor of numbers, or a mask."""
        places = self._places(index)
        return replace(
            self,
            waveforms=self.waveforms[places],
            labels=self.labels[places],
            speakers=tuple(self.speakers[place] for place in places.tolist()),
            names=tuple(self.names[place] for place in places.tolist()),
            skipped=(),
        )

    def __repr__(self) -> str:
        return (
            f"SpokenWords({len(self)} clips, {len(self.speaker_names)} speakers, "
            f"{self.n_labels} words)"
        )

    @property
    def n_labels(self) -> int:
        """How many words there are to tell apart."""
        return len(self.label_names)

    @property
    def speaker_names(self) -> tuple[str, ...]:
        """Every speaker once, sorted."""
        return tuple(sorted(set(self.speakers)))

    def of_speakers(self, names: str | Sequence[str]) -> "SpokenWords":
        """Take the clips of these speakers, in their order in the set.

        Args:
            names: One speaker or several, as in ``speaker_names``.

        Raises:
            ValueError: If a speaker is not in the set.
        """
        wanted = {names} if isinstance(names, str) else set(names)
        unknown = sorted(wanted - set(self.speakers))
        if unknown:
            raise ValueError(
                f"no speaker is called {unknown[0]!r}; speaker_names lists the "
                f"{len(self.speaker_names)} of this set{_such_as(self.speaker_names)}"
            )
        return self[[place for place, name in enumerate(self.speakers) if name in wanted]]

    def describe(self) -> str:
        """Say in a few lines what is in the set: clips, speakers, clips of each word, origin."""
        counts = torch.bincount(self.labels, minlength=self.n_labels).tolist()
        per_word = ", ".join(
            f"{name} {count}" for name, count in zip(self.label_names, counts, strict=True)
        )
        lines = [
            f"{_count(len(self), 'clip')} by {_count(len(self.speaker_names), 'speaker')}",
            f"clips of each word: {per_word}",
            f"voices: {self.origin}",
        ]
        if self.skipped:
            lines.append(f"left out: {_count(len(self.skipped), 'file')}; {self.skipped[0]}")
        return "\n".join(lines)

    def _places(self, index: object) -> Tensor:
        """Turn whatever indexes a sequence into places from 0 on, int64, ``(n_chosen,)``."""
        n_clips = len(self)
        if isinstance(index, slice):
            return torch.tensor(range(*index.indices(n_clips)), dtype=torch.int64)
        places = _as_tensor(index)
        if places.dtype == torch.bool:
            if places.shape != (n_clips,):
                raise IndexError(
                    f"a mask needs one True or False for each of {n_clips} clips, got shape "
                    f"{tuple(places.shape)}"
                )
            return places.nonzero()[:, 0]
        if places.numel() == 0 and places.ndim == 1:
            return torch.zeros(0, dtype=torch.int64)
        if places.ndim > 1 or places.is_floating_point() or places.is_complex():
            raise IndexError(
                "clips are chosen by a number, a slice, a list of numbers or a mask, got "
                f"{places.dtype} of shape {tuple(places.shape)}"
            )
        places = places.reshape(-1).to(torch.int64)
        if not -n_clips <= int(places.min()) <= int(places.max()) < n_clips:
            outside = int(places[(places < -n_clips) | (places >= n_clips)][0])
            raise IndexError(f"clip {outside} is not there: the set has {n_clips}, counted from 0")
        return places % n_clips


def _as_tensor(index: object) -> Tensor:
    """Turn numbers or a mask, in whatever they come, into a tensor."""
    try:
        return index if isinstance(index, Tensor) else torch.as_tensor(np.asarray(index))
    except (TypeError, ValueError) as error:
        raise IndexError(
            "clips are chosen by a number, a slice, a list of numbers or a mask, got "
            f"{type(index).__name__}"
        ) from error


def _count(number: int, noun: str) -> str:
    """Say «1 clip», «2 clips»."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _such_as(names: Sequence[str]) -> str:
    """Name a few of many."""
    return f", such as {', '.join(names[:3])}" if names else ""


def fit_to_second(waveform: Tensor, *, n_samples: int = N_SAMPLES) -> Tensor:
    """Make a clip last one second: pad it at both ends, or keep the part with the sound in it.

    A shorter clip comes to lie in the middle of silence. Of a longer one the window is kept
    that holds the most energy; where several hold it, the one whose middle is nearest to the
    energy's own centre. A clip of the right length stays as it is.

    Args:
        waveform: Clips, shape ``(..., time)``.
        n_samples: Length wanted, in samples.

    Returns:
        Clips, shape ``(..., n_samples)``.

    Raises:
        ValueError: If a clip has no sample, or ``n_samples`` is not positive.

    Notebook: 06_cnn.ipynb.
    """
    if n_samples < 1:
        raise ValueError(f"n_samples={n_samples} must be a positive integer")
    if waveform.ndim == 0 or waveform.shape[-1] == 0:
        raise ValueError(
            f"waveform must have at least one sample, got shape {tuple(waveform.shape)}"
        )
    n_missing = n_samples - waveform.shape[-1]
    if n_missing >= 0:
        before = n_missing // 2
        return torch.nn.functional.pad(waveform, (before, n_missing - before))
    starts = _loudest_window(waveform.reshape(-1, waveform.shape[-1]), n_samples)
    places = starts[:, None] + torch.arange(n_samples)  # (n_clips, n_samples)
    cropped = waveform.reshape(-1, waveform.shape[-1]).gather(1, places)
    return cropped.reshape(*waveform.shape[:-1], n_samples)


def _loudest_window(waveforms: Tensor, n_samples: int) -> Tensor:
    """Where the window with the most energy begins: ``(n_clips, time)`` -> ``(n_clips,)``."""
    energy = waveforms.double() ** 2
    total = torch.nn.functional.pad(energy.cumsum(dim=-1), (1, 0))
    held = total[:, n_samples:] - total[:, :-n_samples]  # by the window at each start
    good = held >= held.amax(dim=-1, keepdim=True) * _NEARLY_ALL
    starts = torch.arange(held.shape[-1])
    times = torch.arange(energy.shape[-1], dtype=torch.float64) + 0.5
    centre = (energy @ times) / total[:, -1].clamp(min=1e-30)
    silent = total[:, -1] == 0
    centre = torch.where(silent, energy.shape[-1] / 2, centre)
    distance = (starts + n_samples / 2 - centre[:, None]).abs()
    return torch.where(good, distance, torch.inf).argmin(dim=-1)


# ---------------------------------------------------------------------------------------- splits


def split_by_speaker(
    words: SpokenWords, *, shares: tuple[float, float, float] = (0.7, 0.15, 0.15), seed: int = 0
) -> tuple[SpokenWords, SpokenWords, SpokenWords]:
    """Split into training, validation and test so that no speaker is in two of them.

    Speakers are whole, so the shares are met as nearly as whole speakers allow: they are dealt
    out in random order, each to the part that lacks the most clips, and then exchanged where
    that brings the parts nearer to their shares.

    Args:
        words: The set.
        shares: How much of the clips goes to training, validation and test; they add up to 1.
        seed: Seed of the order: another seed puts other people into the test.

    Returns:
        Training, validation and test set. Together they are the whole set.

    Raises:
        ValueError: If the shares do not add up to 1, or there are fewer speakers than parts.

    Notebook: 06_cnn.ipynb.
    """
    _check_shares(shares)
    sizes = _clips_of_speakers(words)
    n_parts = sum(share > 0 for share in shares)
    if len(sizes) < n_parts:
        raise ValueError(
            f"{_count(len(sizes), 'speaker')} cannot be split into {n_parts} parts without one "
            "in two of them; take recordings of more people, or set a share to 0"
        )
    rng = np.random.default_rng(seed)
    order = [sorted(sizes)[place] for place in rng.permutation(len(sizes))]
    targets = [share * len(words) for share in shares]
    parts = _deal(order, sizes, targets)
    _exchange(parts, sizes, targets)
    training, validation, test = (words.of_speakers(part) for part in parts)
    return training, validation, test


def split_at_random(
    words: SpokenWords, *, shares: tuple[float, float, float] = (0.7, 0.15, 0.15), seed: int = 0
) -> tuple[SpokenWords, SpokenWords, SpokenWords]:
    """Split into three by clip, so that the same voices are everywhere: the leak.

    The parts have exactly as many clips as those of :func:`split_by_speaker` with the same
    shares and seed: what differs between the two is only who is in them.

    Args:
        words: The set.
        shares: How much of the clips goes to training, validation and test.
        seed: Seed of the order.

    Returns:
        Training, validation and test set. Together they are the whole set.

    Raises:
        ValueError: As in :func:`split_by_speaker`.

    Notebook: 06_cnn.ipynb.
    """
    counts = [len(part) for part in split_by_speaker(words, shares=shares, seed=seed)]
    order = np.random.default_rng(seed).permutation(len(words))
    ends = np.cumsum(counts)[:-1]
    training, validation, test = (words[np.sort(part)] for part in np.split(order, ends))
    return training, validation, test


class SpeakerFolds(Sequence):
    """Pairs (training, test) like a list, each made when it is asked for: they are large."""

    def __init__(self, words: SpokenWords, test_speakers: Sequence[Sequence[str]]) -> None:
        self._words = words
        self.test_speakers = tuple(tuple(sorted(names)) for names in test_speakers)

    def __len__(self) -> int:
        return len(self.test_speakers)

    def __getitem__(self, index: int) -> tuple[SpokenWords, SpokenWords]:
        tested = set(self.test_speakers[operator.index(index)])
        in_test = torch.tensor([name in tested for name in self._words.speakers])
        return self._words[~in_test], self._words[in_test]

    def __repr__(self) -> str:
        return f"SpeakerFolds({len(self)} pairs of training and test)"


def speaker_folds(words: SpokenWords, *, n_folds: int = 5, seed: int = 0) -> SpeakerFolds:
    """Make folds by speaker: every clip is tested exactly once, by a network that never heard it.

    As many folds as there are speakers is called leave one speaker out.

    Args:
        words: The set.
        n_folds: How many, from 2 to the number of speakers.
        seed: Seed of who comes together.

    Returns:
        Pairs (training, test): ``for training, test in speaker_folds(words, n_folds=5)``.

    Raises:
        ValueError: If ``n_folds`` is out of range.

    Notebook: 06_cnn.ipynb.
    """
    sizes = _clips_of_speakers(words)
    if not 2 <= n_folds <= len(sizes):
        raise ValueError(
            f"n_folds={n_folds} must be from 2 to the number of speakers, which is {len(sizes)}"
        )
    rng = np.random.default_rng(seed)
    shuffled = [sorted(sizes)[place] for place in rng.permutation(len(sizes))]
    folds: list[list[str]] = [[] for _ in range(n_folds)]
    for name in sorted(shuffled, key=sizes.__getitem__, reverse=True):  # ties stay shuffled
        min(folds, key=lambda fold: sum(sizes[other] for other in fold)).append(name)
    return SpeakerFolds(words, sorted(folds, key=min))


def _check_shares(shares: Sequence[float]) -> None:
    """Raise unless these are three shares of one whole."""
    good = isinstance(shares, (tuple, list)) and len(shares) == 3
    good = good and all(0.0 <= share <= 1.0 for share in shares)
    if not good or abs(sum(shares) - 1.0) > 1e-6:
        raise ValueError(
            f"shares={shares} must be three numbers from 0 to 1 that add up to 1, for "
            "training, validation and test, such as (0.7, 0.15, 0.15)"
        )


def _clips_of_speakers(words: SpokenWords) -> dict[str, int]:
    """How many clips each speaker has."""
    return dict(Counter(words.speakers))


def _deal(order: list[str], sizes: dict[str, int], targets: list[float]) -> list[list[str]]:
    """Give each speaker to the part that lacks the most clips; no part that wants any is empty."""
    parts: list[list[str]] = [[] for _ in targets]
    lacks = list(targets)
    for n_dealt, name in enumerate(order):
        empty = [part for part, target in enumerate(targets) if target > 0 and not parts[part]]
        open_parts = range(len(parts)) if len(order) - n_dealt > len(empty) else empty
        part = max((part for part in open_parts if targets[part] > 0), key=lacks.__getitem__)
        parts[part].append(name)
        lacks[part] -= sizes[name]
    return parts


def _exchange(parts: list[list[str]], sizes: dict[str, int], targets: list[float]) -> None:
    """Swap two speakers as long as that brings the parts nearer to their targets, in place."""
    lacks = [
        target - sum(sizes[name] for name in part)
        for part, target in zip(parts, targets, strict=True)
    ]
    better = True
    while better:
        better = False
        for a, b in ((0, 1), (0, 2), (1, 2)):
            swap = _best_swap(parts[a], parts[b], sizes, lacks[a], lacks[b])
            if swap is None:
                continue
            i, j = swap
            moved = sizes[parts[a][i]] - sizes[parts[b][j]]
            parts[a][i], parts[b][j] = parts[b][j], parts[a][i]
            lacks[a] += moved
            lacks[b] -= moved
            better = True


def _best_swap(
    part: list[str], other: list[str], sizes: dict[str, int], lack: float, other_lack: float
) -> tuple[int, int] | None:
    """Which two speakers to exchange between two parts, or None if no exchange helps."""
    if not part or not other:
        return None
    moved = np.subtract.outer([sizes[name] for name in part], [sizes[name] for name in other])
    error = np.abs(lack + moved) + np.abs(other_lack - moved)
    i, j = np.unravel_index(error.argmin(), error.shape)
    return (int(i), int(j)) if error[i, j] < abs(lack) + abs(other_lack) - 1e-9 else None
