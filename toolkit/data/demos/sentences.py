"""Generated pairs of English sentences and their translations into an invented language.

The rule, for the columns ``source`` and ``target``:

1. Words are translated one for one; articles are dropped.
2. The place comes first, then the subject, the object, and the verb at the end.
3. Adjectives come after their noun, in the reverse order, and a number after these.
4. The noun and adjectives of more than one end in ``ri``; the noun of an object in ``m``, after
   that.
5. The verb ends in ``t`` in the past, and then in ``u`` if the subject is more than one, else in
   ``a``. A negation is ``ne`` before the verb.

A sentence has one translation, so a BLEU score of 100 is possible. No source is in two splits, so
that what was only learnt by heart is of no use.
"""

import random
from collections.abc import Sequence

import pandas as pd

SIZES = {"train": 4000, "validation": 300, "test": 300}

NOUNS = [
    "farmer", "teacher", "sailor", "doctor", "singer", "child", "dog", "cat", "horse", "bird",
    "boat", "house", "tree", "letter", "apple", "lamp", "coat", "river", "garden", "bridge",
]  # fmt: skip
PLURALS = {"child": "children"}
BEINGS, PLACES = NOUNS[:10], NOUNS[-9:]
ADJECTIVES = [
    "old", "young", "small", "large", "red", "blue", "green", "quiet", "strange", "heavy",
]  # fmt: skip
VERBS = {
    "see": "saw", "find": "found", "paint": "painted", "carry": "carried", "follow": "followed",
    "hear": "heard", "like": "liked", "draw": "drew", "watch": "watched", "bring": "brought",
}  # fmt: skip
NUMBERS = ["two", "three", "four", "five", "six"]
NEAR = ["near", "behind", "under", "beside"]
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


def generate(seed: int = 0) -> dict[str, pd.DataFrame]:
    """The splits, as data frames with the columns ``source`` and ``target``."""
    draw = random.Random(seed)
    words = _dictionary(random.Random(1))  # the language is the same for every seed
    pairs: dict[str, str] = {}
    while len(pairs) < sum(SIZES.values()):
        source, target = _sentence(draw, words)
        pairs[source] = target
    rows = iter(pairs.items())
    return {
        name: pd.DataFrame([next(rows) for _ in range(size)], columns=["source", "target"])
        for name, size in SIZES.items()
    }


def _dictionary(draw: random.Random) -> dict[str, str]:
    """An invented word of two syllables, none twice, for each English one."""
    known: dict[str, str] = {}
    for word in (*NOUNS, *ADJECTIVES, *VERBS, *NUMBERS, *NEAR):
        made = ""
        while not made or made in known.values():
            made = "".join(draw.choice(CONSONANTS) + draw.choice(VOWELS) for _ in range(2))
        known[word] = made
    return known


def _sentence(draw: random.Random, words: dict[str, str]) -> tuple[str, str]:
    many, subject, translated = _phrase(draw, words, BEINGS)
    _, thing, object_translated = _phrase(draw, words, NOUNS, marked="m")
    verb, past, negated = draw.choice(list(VERBS)), draw.random() < 0.5, draw.random() < 0.2
    english = [subject, _verb(verb, past, many, negated), thing]
    place_translated = ""
    if draw.random() < 0.5:
        near, place = draw.choice(NEAR), draw.choice(PLACES)
        english += [near, "the", place]
        place_translated = f"{words[place]} {words[near]}"
    ending = words[verb] + ("t" if past else "") + ("u" if many else "a")
    parts = [place_translated, translated, object_translated, "ne" if negated else "", ending]
    return " ".join([*english, "."]), " ".join([*filter(None, parts), "."])


def _phrase(
    draw: random.Random, words: dict[str, str], nouns: Sequence[str], marked: str = ""
) -> tuple[bool, str, str]:
    """Whether it is more than one, the English phrase, and its translation."""
    noun, many = draw.choice(nouns), draw.random() < 0.4
    adjectives = draw.sample(ADJECTIVES, draw.choice((0, 1, 1, 2)))
    number = draw.choice(NUMBERS) if many and draw.random() < 0.6 else ""
    named = PLURALS.get(noun, f"{noun}s") if many else noun
    english = [number or "the", *adjectives, named]
    ending = "ri" if many else ""
    translated = [words[noun] + ending + marked]
    translated += [words[each] + ending for each in reversed(adjectives)]
    return many, " ".join(english), " ".join([*translated, *([words[number]] if number else [])])


def _verb(verb: str, past: bool, many: bool, negated: bool) -> str:
    if negated:
        return f"{'did' if past else 'do' if many else 'does'} not {verb}"
    if past:
        return VERBS[verb]
    singular = {"carry": "carries", "watch": "watches"}.get(verb, f"{verb}s")
    return verb if many else singular
