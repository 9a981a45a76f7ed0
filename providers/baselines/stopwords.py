"""English words that a lexical search leaves out of a question: they are in most messages and tell none apart."""

_LINES = (
    "a an the this that these those",
    "i me my we us our you your he him his she her it its they them their",
    "am is are was were be been being do does did has have had having",
    "can could will would shall should might must",  # without "may", which is a month as well
    "and or but if so not no nor than then as",
    "of in on at to from for by with about into onto over",
    "what when where which who whom whose why how",
    "there here",
    "s t d m ll re ve",  # what is left of Caroline's, don't, I'd, I'm, we'll, they're, I've
)
STOP_WORDS = frozenset(word for line in _LINES for word in line.split())
"""90 words in lower case."""
