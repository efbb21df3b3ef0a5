"""How far a guess can be trusted: a simple rule, measured on clips whose words are known.

A network without a class «none of these» always names a word. What it says about its own certainty
must be compared with how certain it is of words that it hears right. Even then a loud «yes, sure»
proves nothing: the rule can only raise doubts.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from course_utils.models.evaluate import Words, predictions
from course_utils.models.word_model import WordModel
from course_utils.signal import peak_dbfs
from course_utils.signal._checks import check_number, check_waveform

SILENT_BELOW_DBFS = -60.0  # peak: as in lesson 05
FULL_SCALE = 0.999
MOST_CLIPPED = 3  # samples at full scale that may be there by chance
_NEAR_CHANCE = 2.0  # times the share that blind guessing gives each word

Kind = Literal["silent", "chance", "doubtful", "familiar"]
MUST_ANSWER = "It has no answer «none of these»: whatever it hears, it names one of its words."


class Verdict(NamedTuple):
    """What is to be thought of a guess.

    Attributes:
        kind: "silent", "chance", "doubtful" or "familiar".
        sentence: The same for a reader.
    """

    kind: Kind
    sentence: str


@dataclass(frozen=True)
class Confidence:
    """The rule, with the numbers that it was measured with; see :func:`calibrate`.

    Attributes:
        familiar_from: Probability of the first guess; a guess below it is doubtful.
        share: Which share of the clips that were heard right lies below it.
        n_classes: How many words the network knows.
        n_clips: How many clips were measured.
        n_right: How many of them were heard right.
        right_above: Share of right guesses among those from ``familiar_from`` on; NaN if none.
        right_below: Share of right guesses among those below it; NaN if none.
    """

    familiar_from: float
    share: float
    n_classes: int
    n_clips: int
    n_right: int
    right_above: float
    right_below: float

    @property
    def near_chance(self) -> float:
        """Below this probability the first guess is hardly more than drawing lots."""
        return _NEAR_CHANCE / self.n_classes

    def is_familiar(self, probabilities: Tensor) -> Tensor:
        """Say which first guesses are not doubtful.

        Args:
            probabilities: Shape ``(..., n_classes)``.

        Returns:
            Booleans, shape ``(...,)``.
        """
        return probabilities.amax(dim=-1) >= max(self.familiar_from, self.near_chance)

    def judge(self, probabilities: Tensor, waveform: Tensor) -> Verdict:
        """Say what is to be thought of one guess.

        Args:
            probabilities: Of all words, shape ``(n_classes,)``.
            waveform: What the network heard, shape ``(time,)``.
        """
        check_waveform(waveform)
        peak, first = peak_dbfs(waveform).item(), probabilities.max().item()
        if peak < SILENT_BELOW_DBFS:
            level = f"its peak is {peak:.0f} dBFS".replace("-", "\u2212")
            level = level if math.isfinite(peak) else "every sample is zero"
            return Verdict(
                "silent",
                f"There is nothing to hear ({level}), so the word means nothing. {MUST_ANSWER}",
            )
        percent, known = f"{100 * first:.0f} %", f"{100 * (1 - self.share):.0f} %"
        if first < self.near_chance:
            return Verdict(
                "chance",
                f"{percent} is near the {100 / self.n_classes:.0f} % of blind guessing: this is "
                f"no answer. {MUST_ANSWER}",
            )
        limit = f"{100 * self.familiar_from:.0f} %"
        if first < self.familiar_from:
            return Verdict(
                "doubtful",
                f"Doubtful: {percent} is less than {limit}, which {known} of the words that it "
                f"hears right reach. {MUST_ANSWER}",
            )
        return Verdict(
            "familiar",
            f"{percent} is as sure as with words that it hears right ({limit} and more). That is "
            f"no proof. {MUST_ANSWER}",
        )


def calibrate(model: WordModel, words: Words, *, share: float = 0.05) -> Confidence:
    """Measure how sure a network is of the words that it hears right.

    Args:
        model: A trained model.
        words: Clips that it did not learn from, for example the validation part.
        share: Which share of the clips that are heard right the rule may call doubtful.

    Returns:
        The rule.

    Raises:
        ValueError: If ``share`` is not between 0 and 1, or no clip is heard right.

    Notebook: 08_your_sound.ipynb.
    """
    if not 0.0 < check_number(share, "share") < 1.0:
        raise ValueError(f"share={share} must lie between 0 and 1; 0.05 is one clip in twenty")
    if len(words.labels) == 0:
        raise ValueError("words holds no clip: choose a split that is not empty")
    first, guess = predictions(model, words).max(dim=-1)  # (n_clips,)
    right = guess == words.labels
    if not right.any():
        raise ValueError("the model hears none of these clips right: train it first (lesson 06)")
    limit = first[right].quantile(share).item()
    above = first >= limit
    return Confidence(
        familiar_from=limit,
        share=float(share),
        n_classes=len(model.label_names),
        n_clips=len(right),
        n_right=int(right.sum()),
        right_above=right[above].double().mean().item(),
        right_below=right[~above].double().mean().item(),
    )


def count_clipped(waveform: Tensor) -> int:
    """Count the samples at full scale, where a recording that was too loud is cut off."""
    check_waveform(waveform)
    return int(torch.count_nonzero(waveform.abs() >= FULL_SCALE))
