"""Words that give an element of a pitch away. Plain rules, and reported as such."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

__all__ = ["CUES", "ELEMENTS", "Cue", "Element", "cue_strength"]

Element = Literal["protagonist", "goal", "obstacle", "stakes", "setting", "hook", "comparables", "audience"]
ELEMENTS: Final[tuple[Element, ...]] = Element.__args__  # type: ignore[attr-defined]


class Cue(NamedTuple):
    """A pattern, and how much it says: 0 (nothing) to 1 (unmistakable)."""

    strength: float
    pattern: re.Pattern[str]


def _cue(strength: float, *alternatives: str, case: bool = False) -> Cue:
    """A cue of any of several patterns; ``case``: capitals matter."""
    return Cue(strength, re.compile("|".join(alternatives), 0 if case else re.IGNORECASE))


_ROLE: Final = (
    r"(?:\w+(?:er|or|ist|ian|man|woman|ant|ess|smith)|king|queen|prince|princess|boy|girl|mother|father|widow|son|"
    r"daughter|brothers?|sisters?|child|teenager|detective|cop|clerk|chef|nurse|judge|captain|cook|maid|priest|monk|"
    r"nun|spy|thief|guard|pilot|student|orphan|outlaw|apprentice|magnate|scientist|family|couple|pensioner|medic|"
    r"midwife|referee|guide|coach|sheriff)"
)
_NAME: Final = r"[A-Z][a-z]+(?: [A-Z][a-z]+)?"
_WHO: Final = r"(?:he|she|they|who|it)"
_PLACE: Final = (
    r"(?:town|village|city|valley|coast|island|camp|hospital|station|kingdom|forest|house|hotel|school|desert|"
    r"mountains?|highway|roof|harbour|ship)"
)

CUES: Final[Mapping[Element, Sequence[Cue]]] = {
    "protagonist": [
        # "Consuelo Vega, a midwife"
        _cue(0.9, rf"\b{_NAME}, (?:an?|the|who|once|aged|\d+)\b", case=True),
        # "a young diver named Ines"
        _cue(0.9, rf"\b(?:an?|the)\b(?: [\w-]+){{0,4}} {_ROLE},? (?:named |called )?{_NAME}\b", case=True),
        _cue(
            0.8,
            rf"\b{_NAME} (?:is|was|has|believes|runs|works|lives) (?:an?|the|ten|never|not|alone)?\b",
            # "Technician Odalys Roy"
            rf"\b(?i:{_ROLE}) {_NAME}\b",
            case=True,
        ),
        _cue(0.7, rf"^(?:an?|two|three|four|eight)\b(?: [\w-]+){{0,4}} {_ROLE}s?\b"),
        _cue(0.6, rf"\b[\w-]+-year-old {_NAME}\b", case=True),
        _cue(0.5, rf"\b(?:an?|the)(?: [\w-]+){{1,3}} {_ROLE}\b"),
    ],
    "goal": [
        _cue(
            0.9,
            rf"\b{_WHO}? ?(?:wants?|longs?|dreams?|hopes?|plans?|aims?|intends?|wishes|seeks?|means)\b(?: only)?"
            r" (?:to|of|one)\b",
            r"\b(?:decides?|determined|swears?|vows?|resolves?|sets? (?:out|off)|tries|try) (?:to|on)\b",
        ),
        _cue(
            0.7,
            r"\b(?:must|has to|have to|needs? to)\b",
            r"\b(?:searches|hunts?|fights?|races?|struggles?) (?:for|to|down|after)\b",
        ),
        _cue(
            0.6,
            r"\b(?:comes?|returns?|goes|sent|leads?)\b.* to (?:arrest|find|reach|close|persuade|win|save|bring|stop|"
            r"prove|claim|rescue|kill)\b",
        ),
        _cue(0.5, r"\bhas (?:one|until|only|ninety|\w+ (?:minutes|hours|days)|a single)\b"),
    ],
    "obstacle": [
        _cue(
            0.9,
            r"\b(?:stands?|stand) (?:in (?:the|\w+) way|against|between)",
            r"in (?:her|his|their|the) way\b",
        ),
        _cue(0.8, r"\bagainst (?:him|her|them)", r"between (?:him|her|them) and\b"),
        _cue(
            0.7,
            r"\bno way (?:out|back)\b",
            r"\b(?:wants?|hates?|hate) (?:them|him|her|each other)\b",
            r"\b(?:arrested|threatens?|stolen from)\b",
            r"\b(?:however|refuses?|forbidden|forbids?|hunted|trapped|sealed|prevents?|on (?:his|her) payroll)\b",
        ),
        _cue(
            0.6,
            r"^but\b|[,;] but\b",
            r"\b(?:although|despite|unless)\b",
            r"\bhas to (?:destroy|fight|face|defeat)",
            r"\b(?:breaks|cracking|leaks|is cut|are cut|closed off)\b",
        ),
        _cue(
            0.5, r"\b(?:enem(?:y|ies)|assassins?|army|gang|cartels?|rivals?|police|guards?|monster|villain)\b"
        ),
    ],
    "stakes": [
        _cue(
            0.9,
            rf"\bif {_WHO}? ?(?:\w+ )?(?:fails?|stops?|loses?|is caught|are caught|cannot|confesses|slips)\b",
            r"\b(?:or else|or lose|or die|or fall|otherwise|at stake|risks? (?:losing|everything|\w+ life))\b",
        ),
        _cue(0.8, r"^(?:if|fail|lose|without|unless)\b.*(?:\bwill\b|\bmay\b|,)"),
        _cue(0.6, r"\b(?:will (?:die|lose|freeze|be lost|be destroyed|disappear)|costs? (?:her|him|them))\b"),
        _cue(0.5, r"\b(?:loses|dies with|turning back means)\b"),
    ],
    "setting": [
        _cue(0.9, r"\b(?:1[5-9]|20|21)\d\d\b", r"\b(?:is set|takes? place|unfolds|spans)\b"),
        _cue(
            0.8,
            r"\b(?:present[- ]day|by night|from now|century|(?:spring|summer|autumn|winter) of)\b",
        ),
        _cue(0.7, rf"^(?:in|on|at) (?:the|an?) (?:[\w-]+ ){{0,4}}{_PLACE}\b"),
        _cue(
            0.6,
            r"\b(?:in|on|near|of|at) (?:the )?(?:port of |city of |town of )?[A-Z][a-z]+",
            case=True,
        ),
    ],
    "hook": [
        _cue(0.9, r"\bwhat if\b"),
        _cue(0.8, r"\?[\"'\u201d\u2019]?$"),
        _cue(
            0.6,
            r"\b(?:the one|the only|the very|no one else|nobody ever|of all people|isn't it)\b",
            r"\bmust (?:learn|convince|pretend|impersonate|find)\b.*\bbefore",
            r"to \w+ .*, (?:the|a) .* must\b",
        ),
        _cue(0.5, r"\b(?:the same|each time|every time|always|but only|turns? out|begins to)\b"),
    ],
    "comparables": [
        _cue(1.0, rf"\b{_NAME} meets {_NAME}", case=True),
        _cue(
            0.9, r"\bin the (?:vein|spirit|tradition|style) of\b|\breminiscent of\b|\bcross(?:ed)? between\b"
        ),
        _cue(0.9, r"\b(?:[Tt]hink|[Ii]magine|[Pp]icture) (?:of )?[A-Z]\w+", case=True),
        _cue(
            0.8,
            r"\b(?:[Ff]ans|readers|viewers|lovers|admirers) of (?:the )?[A-Z]",
            r"\bwho loved [A-Z]",
            r"\b(?:between|echoes of|dread of|charm of|like) (?:\w+ ){0,5}(?:The |A )?[A-Z]\w+.* and .*[A-Z]",
            case=True,
        ),
        _cue(0.7, r"\bits model is\b|\bmodelled on\b|\binspired by\b|\bcomparable to\b"),
    ],
    "audience": [
        _cue(0.9, r"\b(?:aimed at|made for|intended for|appeals? to|will appeal|suitable for)\b"),
        _cue(
            0.8,
            r"\baudiences?\b|\bviewers\b|\bfans of\b|\bfilmgoers\b|\bdate film\b|\bfor the whole family\b",
            r"\b(?:film|movie|comedy|story|one) for (?:adults|children|everyone|grown-ups|teenagers|young|all)\b",
            r"^for (?:adults|everyone|children)\b",
        ),
    ],
}


def cue_strength(sentence: str, element: Element) -> float:
    """The strength of an element's strongest cue in a sentence; 0 without one. Strengths were chosen by hand."""
    return max((cue.strength for cue in CUES[element] if cue.pattern.search(sentence)), default=0.0)
