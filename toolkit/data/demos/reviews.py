"""Generated product reviews whose label follows a rule in which the order of words matters.

The rule, for the columns ``text`` and ``label`` (``negative``, ``positive``):

1. A clause has the sign of its adjective and a strength: 1 with a downtoner ("a bit noisy"), 2
   plain, 3 with an intensifier ("really noisy"). A negation reverses the sign: of strength 2
   ("never sturdy", "far from noisy"), or 3 ("not good at all").
2. Of two contrasted clauses only one counts: the one after "but" or "however", and the one that
   "although" or "even though" does not introduce.
3. The label is the sign of the sum over the clauses that count, which is never 0.

The adjectives of clauses that do not count, and negated ones, are as frequent as the others, so
a model that sees single words alone is right in little more than half of the reviews.

Exactly 2 % of the labels of every split are turned round: the best reachable accuracy is 98 %.
No text is in two splits.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

import pandas as pd

T = TypeVar("T")

SIZES = {"train": 6000, "validation": 1000, "test": 1000}
NOISE = 0.02

# fmt: off
POSITIVE = (
    "good", "great", "excellent", "sturdy", "reliable", "comfortable", "handy", "pleasant",
    "useful", "elegant", "accurate", "durable", "quiet", "bright", "smooth", "solid", "clever",
    "fast", "simple", "beautiful", "generous", "friendly", "fresh", "precise",
)
NEGATIVE = (
    "bad", "awful", "terrible", "flimsy", "unreliable", "uncomfortable", "clumsy", "unpleasant",
    "useless", "ugly", "inaccurate", "fragile", "noisy", "dim", "rough", "cheap", "silly", "slow",
    "confusing", "boring", "stingy", "rude", "stale", "sloppy",
)
# fmt: on

INTENSIFIERS = ("really", "very", "extremely", "remarkably", "truly", "incredibly")
DOWNTONERS = ("a bit", "slightly", "somewhat", "fairly")
NEGATIONS = ("not", "never", "hardly", "far from", "by no means")
STRONG_NEGATIONS = ("not {adjective} at all", "not in the least {adjective}")

PRODUCTS = {
    "kettle": ("the lid", "the handle", "the switch", "the spout", "the cable"),
    "backpack": ("the straps", "the zip", "the lining", "the pockets", "the back panel"),
    "lamp": ("the base", "the shade", "the switch", "the light", "the cable"),
    "headset": ("the sound", "the ear pads", "the microphone", "the case", "the battery"),
    "chair": ("the seat", "the armrests", "the wheels", "the fabric", "the back"),
    "bicycle": ("the saddle", "the brakes", "the gears", "the frame", "the bell"),
    "blender": ("the motor", "the blades", "the jug", "the lid", "the buttons"),
    "tent": ("the poles", "the fabric", "the pegs", "the entrance", "the floor"),
}
COMMON = ("the design", "the build", "the manual", "the delivery", "the support", "the finish")
PLURAL = "straps pockets pads armrests wheels brakes gears blades buttons poles pegs"

FILLERS = (
    "I bought this {product} in {month}",
    "my {person} uses the {product} every day",
    "the {product} came in a {colour} box",
    "we ordered two of them for the {place}",
    "this is our second {product}",
    "it replaces an old {product} from {month}",
    "I have had it for {number} weeks now",
    "the parcel took {number} days",
    "my {person} asked me to write this",
    "it now stands in the {place}",
)
SLOTS = {
    "month": ("March", "June", "August", "October", "January", "May"),
    "person": ("sister", "father", "neighbour", "daughter", "colleague", "uncle"),
    "colour": ("brown", "white", "grey", "green", "blue"),
    "place": ("office", "kitchen", "garage", "cabin", "studio", "garden"),
    "number": ("two", "three", "four", "five", "six", "nine"),
}
CONTRASTS = (
    "{ignored}, but {counted}",
    "{ignored}; however, {counted}",
    "although {ignored}, {counted}",
    "even though {ignored}, {counted}",
    "{counted}, although {ignored}",
    "{counted}, even though {ignored}",
)


# What the sentences of a positive review are worth; the same with the signs turned, of a negative.
STRENGTHS = ((1,), (2,), (2,), (3,), (2, 2), (3, -2), (2, -1), (3, -1))


def generate(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Makes the splits.

    Args:
        seed: Draws other reviews from the same rule.

    Returns:
        ``train`` (6,000 rows), ``validation`` (1,000) and ``test`` (1,000), each with the columns
        ``text``, ``label`` and ``product``.
    """
    draw = random.Random(seed)
    seen: set[str] = set()
    return {name: _split(draw, size, seen) for name, size in SIZES.items()}


def _split(draw: random.Random, size: int, seen: set[str]) -> pd.DataFrame:
    rows: list[tuple[str, bool, str]] = []
    products = list(PRODUCTS)
    while len(rows) < size:
        product = _pick(draw, products)
        positive = len(rows) % 2 == 0
        text = _review(draw, product, positive)
        if text not in seen:
            seen.add(text)
            rows.append((text, positive, product))
    turned = round(NOISE * size) // 2
    wrong = {*draw.sample(range(0, size, 2), turned), *draw.sample(range(1, size, 2), turned)}
    labels = [positive != (row in wrong) for row, (_, positive, _) in enumerate(rows)]
    order = draw.sample(range(size), size)
    return pd.DataFrame(
        {
            "text": [rows[row][0] for row in order],
            "label": ["positive" if labels[row] else "negative" for row in order],
            "product": [rows[row][2] for row in order],
        }
    )


def _review(draw: random.Random, product: str, positive: bool) -> str:
    """One or two sentences of opinion, in any order with up to two that say nothing."""
    sign = 1 if positive else -1
    strengths = _pick(draw, STRENGTHS)
    sentences = [_opinion(draw, product, sign * strength) for strength in strengths]
    sentences += [_filler(draw, product) for _ in range(_pick(draw, (0, 0, 1, 2)))]
    draw.shuffle(sentences)
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)


def _opinion(draw: random.Random, product: str, value: int) -> str:
    """A sentence worth `value`; in four of ten a contrasted clause says the opposite."""
    counted = _clause(draw, product, value)
    if draw.random() < 0.6:
        return counted
    ignored = _clause(draw, product, _pick(draw, (1, 2, 3)) * (-1 if value > 0 else 1))
    return _pick(draw, CONTRASTS).format(counted=counted, ignored=ignored)


def _clause(draw: random.Random, product: str, value: int) -> str:
    """A clause of the sign and strength of `value`, negated in half of the cases it can be."""
    subject = _pick(draw, (*PRODUCTS[product], *COMMON))
    be = "are" if subject.split()[-1] in PLURAL.split() else "is"
    strength = abs(value)
    negated = strength > 1 and draw.random() < 0.5
    adjective = _pick(draw, POSITIVE if (value > 0) != negated else NEGATIVE)
    if negated and strength == 3:
        return f"{subject} {be} {_pick(draw, STRONG_NEGATIONS).format(adjective=adjective)}"
    if negated:
        return f"{subject} {be} {_pick(draw, NEGATIONS)} {adjective}"
    degree = {1: _pick(draw, DOWNTONERS), 2: "", 3: _pick(draw, INTENSIFIERS)}[strength]
    return " ".join(f"{subject} {be} {degree} {adjective}".split())


def _filler(draw: random.Random, product: str) -> str:
    filler = _pick(draw, FILLERS)
    slots = {name: _pick(draw, words) for name, words in SLOTS.items() if name in filler}
    return filler.format(product=product, **slots)


def _pick(draw: random.Random, options: Sequence[T]) -> T:
    """One of the options; several times faster than ``random.Random.choice``."""
    return options[int(draw.random() * len(options))]
