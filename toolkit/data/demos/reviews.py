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

import pandas as pd

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
    while len(rows) < size:
        product = draw.choice(list(PRODUCTS))
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
    strengths = draw.choice(STRENGTHS)
    sentences = [_opinion(draw, product, sign * strength) for strength in strengths]
    sentences += [_filler(draw, product) for _ in range(draw.choice((0, 0, 1, 2)))]
    draw.shuffle(sentences)
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)


def _opinion(draw: random.Random, product: str, value: int) -> str:
    """A sentence worth `value`; in four of ten a contrasted clause says the opposite."""
    counted = _clause(draw, product, value)
    if draw.random() < 0.6:
        return counted
    ignored = _clause(draw, product, draw.choice((1, 2, 3)) * (-1 if value > 0 else 1))
    return draw.choice(CONTRASTS).format(counted=counted, ignored=ignored)


def _clause(draw: random.Random, product: str, value: int) -> str:
    """A clause of the sign and strength of `value`, negated in half of the cases it can be."""
    subject = draw.choice((*PRODUCTS[product], *COMMON))
    be = "are" if subject.split()[-1] in PLURAL.split() else "is"
    strength = abs(value)
    negated = strength > 1 and draw.random() < 0.5
    adjective = draw.choice(POSITIVE if (value > 0) != negated else NEGATIVE)
    if negated and strength == 3:
        return f"{subject} {be} {draw.choice(STRONG_NEGATIONS).format(adjective=adjective)}"
    if negated:
        return f"{subject} {be} {draw.choice(NEGATIONS)} {adjective}"
    degree = {1: draw.choice(DOWNTONERS), 2: "", 3: draw.choice(INTENSIFIERS)}[strength]
    return " ".join(f"{subject} {be} {degree} {adjective}".split())


def _filler(draw: random.Random, product: str) -> str:
    slots = {name: draw.choice(words) for name, words in SLOTS.items()}
    return draw.choice(FILLERS).format(product=product, **slots)
