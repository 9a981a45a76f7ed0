"""What a text says, word by word: stems that carry meaning, numbers, yes and no, refusals."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Polarity = Literal["yes", "no"]

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_STOP_WORDS = frozenset(
    """a about after all also am an and any are as at be because been being both but by can could did do does doing
    during for from had has have having he her hers him his how i if in into is it its itself just like likely may me
    might more most much my of off on or our out over own probably she should so some such than that the their them then
    there these they this those through to too up us very was we were what when where which while who whom whose will
    with would yes you your""".split()  # noqa: SIM905  a list of 110 quoted words is harder to read
)
_NEGATIONS = frozenset("no not never none nothing nobody neither nor cannot without".split())  # noqa: SIM905  the same
_SAME = {"mom": "mother", "mum": "mother", "dad": "father", "kid": "child", "kids": "child", "children": "child"}
_SAME |= {"grandma": "grandmother", "grandpa": "grandfather", "photo": "picture", "photos": "picture", "pic": "picture"}
_HEDGES = frozenset(("likely", "probably", "most", "possibly", "well"))
_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_NUMBERS = {word: number for number, word in enumerate(_UNITS.split())}
_NUMBERS |= {"seventeen": 17, "eighteen": 18, "nineteen": 19, "once": 1, "twice": 2, "thrice": 3, "dozen": 12}
_NUMBERS |= {"single": 1, "hundred": 100, "thousand": 1000}
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBERS |= {word: 10 * tens for tens, word in enumerate(_TENS.split(), 2)}
_SOURCE = (
    r"(?:context|conversations?|dialogues?|memor(?:y|ies)|history|information"
    r"|messages?|records?|results?|sessions?|texts?)"
)
_KNOWLEDGE = r"(?:information|mentions?|records?|evidence|indications?|details?|data|memor(?:y|ies)|references?|answer)"
_SAYS = r"(?:mention|specify|state|contain|provide|indicate|include|say|detail|reveal|confirm|tell)"
_SAID = r"(?:mentioned|specified|stated|provided|detailed|known|answerable|given)"
_PREFACE = re.compile(r"^(?:(?:i'm |i am |we're )?(?:sorry|afraid)|unfortunately)[,;:]?\s+(?:but\s+|that\s+)?")
_REFUSALS = re.compile(
    "|".join(
        (
            r"^(?:unknown|unclear|unanswerable|n/a|none (?:mentioned|specified))\b",
            r"^(?:i|we) (?:(?:really|just) )?(?:don't|do not) know\b",
            r"^(?:i|we) (?:cannot|can't|could not|couldn't) (?:find|answer|tell|determine)\b",
            rf"^(?:i|we) (?:don't|do not|didn't|did not|cannot|can't) (?:have|see|find) (?:\w+ ){{0,3}}?{_KNOWLEDGE}\b",
            rf"^(?:there (?:is|are|was|were) |(?:i|we) (?:have|found|see) )?no (?:\w+ ){{0,3}}?{_KNOWLEDGE}\b",
            rf"^there (?:isn't|aren't|is not|are not|wasn't) (?:\w+ ){{0,3}}?{_KNOWLEDGE}\b",
            rf"^(?:(?:it|this|that) is |(?:it|that)'s )?not (?:\w+ )?{_SAID}\b",
            r"^(?:it |this |that |the question )?(?:cannot|can't|could not) be (?:answered|determined|known)\b",
            rf"^(?:nothing|none) (?:\w+ ){{0,4}}?{_SOURCE}\b",
            rf"\b{_SOURCE} (?:\w+ )?(?:do|does|did)(?: not|n't) (?:\w+ ){{0,2}}?{_SAYS}\b",
            rf"\b{_SOURCE} (?:has|have|holds?|contains?) no\b",
            r"^(?:the |there is )?(?:\w+ )?information (?:\w+ ){0,4}?(?:is|was)(?: not|n't) (?:enough|sufficient)\b",
            r"^(?:the )?information (?:\w+ )?is insufficient\b",
            rf"^you (?:did|have|had)(?: not|n't) (?:\w+ )?{_SAYS}(?:ed)?\b",
            r"\bno (?:(?:specific|explicit|direct) )?mention of\b",
            r"\bnot (?:\w+ly )?(?:mentioned|specified|stated|provided|detailed)\b",
        )
    )
)


_ALSO = re.compile(
    r"(?P<main>.+?)[.;]\s+(?P<other>[^.]+?)(?:\s*\([^)]*\))?\s+(?:is|are)\s+also\s+acceptable", re.IGNORECASE
)
_OR = re.compile(r"(?P<main>[^(]+)\(or (?P<other>[^)]+)\)", re.IGNORECASE)
_SPAN_TOO = re.compile(
    r"Answers ranging from (?P<first>\d{1,3}) \w+ to (?P<last>\d{1,3}) (?P<unit>\w+) are also acceptable", re.IGNORECASE
)
_CLAUSE = re.compile(r"[.,;:()]\s|[—–]| (?:but|and|though|although|because|so) ", re.IGNORECASE)  # noqa: RUF001  dashes as people write them
REACH = 3
"""Words with meaning that a negation reaches."""

ASKED_WEIGHT = 0.3
"""What a word of the ground truth counts for that the question holds already; 1 for the others."""

PREFIX = 6
"""Stems that agree in this many first letters are taken for one word, as "creative" and "creation" are."""


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    import snowballstemmer  # it brings every language: a run without a verdict does not wait for it

    # a stemmer of its own: one keeps the word that it works on, and judges work in several threads
    stem: str = snowballstemmer.stemmer("porter").stemWord(word)
    return stem


def words(text: str) -> list[str]:
    """The words of a text in lower case, numbers without their thousands' commas."""
    plain = text.lower().replace("’", "'")  # noqa: RUF001  the curly apostrophe
    return [_THOUSANDS.sub("", word) if "," in word else word for word in _WORD.findall(plain)]


def first_words(text: str, count: int) -> str:
    """The text up to its word number `count`, words being what blanks separate."""
    return " ".join(text.split()[:count])


@lru_cache(maxsize=1024)  # to grade one answer asks for the same texts several times
def content(text: str) -> tuple[str, ...]:
    """The stems of the words that carry meaning, in their order; number words as digits."""
    found = [word.removesuffix("'s") for word in words(text)]
    return tuple(
        str(_NUMBERS[word]) if word in _NUMBERS else _stem(_SAME.get(word, word))
        for word in found
        if word not in _STOP_WORDS and word not in _NEGATIONS and not word.endswith("n't")
    )


def numbers(text: str) -> set[float]:
    """The numbers of a text, in digits or words: "twenty-one" is 21, "twice" is 2."""
    found: set[float] = set()
    tens: float | None = None
    for word in words(text):
        value = _value(word)
        if tens is not None:
            found.add(tens + value if value is not None and 0 < value < 10 else tens)
            if value is not None and 0 < value < 10:
                value = None
            tens = None
        if value is not None and 20 <= value < 100 and value % 10 == 0 and word.isalpha():
            tens = value
        elif value is not None:
            found.add(value)
    return found | ({tens} if tens is not None else set())


def _value(word: str) -> float | None:
    if word in _NUMBERS:
        return float(_NUMBERS[word])
    try:
        return float(word.replace(",", ""))
    except ValueError:
        return None


def polarity(text: str) -> Polarity | None:
    """Whether a text opens with yes or no ("Likely no; ..."), None if with neither."""
    for word in words(text)[:3]:
        if word in ("yes", "no"):
            return "yes" if word == "yes" else "no"
        if word not in _HEDGES:
            break
    return None


def negated(text: str) -> bool:
    """Whether a text holds a word that denies."""
    return any(word in _NEGATIONS or word.endswith("n't") for word in words(text))


def contradict(one: str, other: str) -> bool:
    """Whether a word that the one denies is said by the other without denial."""
    (denied, stated), (denied_too, stated_too) = _denied(one), _denied(other)
    return bool((denied - denied_too) & (stated_too - denied_too) or (denied_too - denied) & (stated - denied))


def _denied(text: str) -> tuple[set[str], set[str]]:
    """The stems that a denial reaches, and the others: it reaches `REACH` of them, not beyond its clause."""
    denied, stated = set[str](), set[str]()
    for clause in _CLAUSE.split(text):
        left = 0
        for word in words(clause):
            if word in _NEGATIONS or word.endswith("n't"):
                left = REACH
                continue
            for stem in content(word):
                (denied if left else stated).add(stem)
                left = max(0, left - 1)
    return denied, stated


def alternatives(truth: str) -> list[str]:
    """The ground truth, or each of those that it lets pass: "5 days. 6 days (...) is also acceptable." has two."""
    if match := _SPAN_TOO.search(truth):
        first, last, unit = int(match["first"]), int(match["last"]), match["unit"]
        return [truth[: match.start()], *(f"{count} {unit}" for count in range(first, last + 1))]
    if match := _ALSO.match(truth) or _OR.match(truth):
        return [match["main"], match["other"]]
    return [truth]


def first_sentence(text: str) -> str:
    """The text up to its first full stop, question or exclamation mark that a blank follows."""
    return re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0]


def is_refusal(text: str) -> bool:
    """Whether a text opens by declining to answer, whatever follows."""
    opening = first_sentence(text).lower().replace("’", "'")  # noqa: RUF001  the curly apostrophe
    return bool(_REFUSALS.search(_PREFACE.sub("", opening)))


def recall(question: str, truth: str, said: str) -> float | None:
    """The weighted share, 0 to 1, of the words of `truth` that `said` holds; None if no word of it carries meaning."""
    asked, held = set(content(question)), set(content(said))
    prefixes = {stem[:PREFIX] for stem in held if len(stem) >= PREFIX}
    weights = {stem: ASKED_WEIGHT if stem in asked else 1.0 for stem in content(truth)}
    if not weights:
        return None
    found = sum(weight for stem, weight in weights.items() if stem in held or stem[:PREFIX] in prefixes)
    return found / sum(weights.values())
