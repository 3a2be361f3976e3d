"""Genres, tones and themes, each described in several sentences, and the measuring of a text against them.

A label's score is the mean of its nearest descriptions' cosine similarities with the text. Descriptions were chosen on
the tuning part of ``tests/inference/data``; those that echoed held-out texts were reworded before these were counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    Encode = Callable[[Sequence[str]], Vectors]

__all__ = ["GENRES", "THEMES", "TONES", "TONE_USUAL", "Ruler", "distribution"]

GENRES: Final[Mapping[str, tuple[str, ...]]] = {
    "action": (
        "An action film full of fights, chases, stunts and explosions.",
        "A lone fighter battles armed men to rescue someone.",
        "An elite soldier shoots and fights through waves of enemies.",
        "A high-speed chase with guns, helicopters and explosives.",
    ),
    "adventure": (
        "An adventure film about an expedition to distant and unknown lands.",
        "Explorers follow a map to a lost city and its treasure.",
        "Travellers cross deserts, oceans and mountains on a perilous journey.",
        "Explorers survive the wilderness and make discoveries.",
    ),
    "comedy": (
        "A funny film in which everything goes wrong in absurd ways.",
        "A hapless, incompetent man stumbles through embarrassing misunderstandings.",
        "A mistaken identity leads to a farce among eccentric people.",
        "Ordinary people hatch a ridiculous plan.",
    ),
    "crime": (
        "A crime film about gangsters, the mob, robberies and corrupt police.",
        "Thieves plan a heist of a bank or of diamonds.",
        "A smuggler rises in the drug trade and a family of criminals.",
        "Gang members, informers and detectives in a criminal underworld.",
    ),
    "drama": (
        "A serious drama about family, illness, grief and reconciliation.",
        "A person faces a hard moral choice in everyday life.",
        "Estranged relatives return home and confront their past.",
        "Ordinary people struggle for dignity, love, work and home.",
    ),
    "family": (
        "A heart-warming film for children and their parents.",
        "Children befriend an animal and keep it secret from the grown-ups.",
        "A lonely child finds friends and a magical toy.",
        "A pet and the children who love it have adventures at home.",
    ),
    "fantasy": (
        "A fantasy film about magic, dragons, wizards and kingdoms.",
        "A hero with an enchanted sword defeats an evil sorcerer.",
        "Elves, fairies and witches in a realm of legends.",
        "A hidden door leads to a magical world of spirits and spells.",
    ),
    "horror": (
        "A frightening horror film about ghosts, monsters and death.",
        "Something evil haunts a house and the family that moved in.",
        "A terrifying creature comes closer each night.",
        "Blood, screams, demons and nightmares.",
    ),
    "musical": (
        "A musical in which people sing and dance their story.",
        "A singer and a band prepare for the stage.",
        "Dancers and musicians put on a show at the theatre.",
        "Songs and dance numbers carry the plot.",
    ),
    "mystery": (
        "A mystery in which a detective gathers clues to a murder.",
        "Somebody investigates an unexplained disappearance.",
        "One of the guests is the murderer, and everybody is a suspect.",
        "A puzzling riddle from the past is pieced together, clue by clue.",
    ),
    "romance": (
        "A love story in which two people fall in love.",
        "Lovers are kept apart and long to meet again.",
        "Two strangers who seem wrong for each other lose their hearts.",
        "Letters, kisses and weddings: a tender romance.",
    ),
    "science fiction": (
        "A science fiction film about space, robots and the future.",
        "Astronauts on a spaceship discover something alien.",
        "An artificial intelligence changes what it means to be human.",
        "Scientists experiment with time travel, cloning and memory.",
    ),
    "sport": (
        "A sports film about a team that trains for the championship.",
        "An athlete gets a last chance at the title.",
        "A coach turns outsiders into a winning team.",
        "Athletes race and compete in the final match.",
    ),
    "thriller": (
        "A suspenseful thriller about a deadly conspiracy against the clock.",
        "A hostage, a kidnapper and a phone call: someone will die within the hour.",
        "An innocent person learns a dangerous secret and is hunted.",
        "A stranger spies on someone who is trapped and can trust nobody.",
    ),
    "war": (
        "A war film about soldiers at the front.",
        "A platoon holds its position under fire in the trenches.",
        "Soldiers, medics and civilians in the Second World War.",
        "Tanks, infantry and air raids on the battlefield.",
    ),
    "western": (
        "A western about cowboys, outlaws and sheriffs on the frontier.",
        "A gunslinger rides into a dusty town for a showdown.",
        "Ranchers and settlers fight over cattle and land on the prairie.",
        "Bandits hold up a stagecoach in the Old West.",
    ),
}

TONES: Final[Mapping[str, tuple[str, ...]]] = {
    "dark": (
        "A bleak, grim and disturbing story of death and guilt.",
        "A dark tale of revenge, corruption and horror.",
        "Evil wins, and everybody is destroyed.",
    ),
    "tense": (
        "A tense, nerve-racking race against time.",
        "A suspenseful story of danger and pursuit.",
        "A trap closes, and every second counts.",
    ),
    "humorous": (
        "A funny, witty and absurd story.",
        "A light-hearted comedy with jokes and silly mishaps.",
        "Everyone laughs at the ridiculous plan.",
    ),
    "hopeful": (
        "An uplifting, heart-warming story of hope and courage.",
        "People come together and succeed against the odds.",
        "A warm and inspiring tale with a happy ending.",
    ),
    "melancholic": (
        "A sad, wistful story of loss, memory and farewell.",
        "A quiet and melancholic tale of lost love and the past.",
        "An old person remembers what can never come back.",
    ),
}

TONE_USUAL: Final[Mapping[str, float]] = {
    "dark": 0.213,
    "tense": 0.206,
    "humorous": 0.173,
    "hopeful": 0.192,
    "melancholic": 0.219,
}
"""Mean similarity of the 64 loglines of the tuning part with each tone: some tones are near to any text."""

THEMES: Final[Mapping[str, tuple[str, ...]]] = {
    "class and money": (
        "rich and poor, work, debt and social class",
        "workers against their employers and banks",
    ),
    "coming of age": (
        "growing up and coming of age",
        "a child or teenager learns to be brave and independent",
    ),
    "community": ("a village or town sticks together", "neighbours who become a community"),
    "courage": ("overcoming fear with courage", "brave people who dare the impossible"),
    "faith and doubt": ("faith, religion and doubt", "a priest or believer who loses faith"),
    "family": ("family bonds between parents, children and siblings", "a family reconciles"),
    "freedom": ("freedom, borders and escape from captivity", "refugees and prisoners long to be free"),
    "friendship": ("friendship and loyalty", "unlikely friends who learn to work together"),
    "greed": ("greed and its price", "someone gets rich and pays for it"),
    "identity": ("identity, doubles and masks", "who am I, and who is the copy?"),
    "justice and law": ("justice, law, police and courts", "bringing the guilty to justice"),
    "loss and grief": ("grief for a dead loved one", "mourning and loss"),
    "love": ("romantic love", "two people who love each other"),
    "memory and the past": ("memory, forgetting and the past", "an old person remembers"),
    "power and corruption": ("power and corruption", "the throne, politics and betrayal for power"),
    "redemption": ("redemption and forgiveness", "making up for an old wrong"),
    "revenge": ("revenge", "someone hunts those who killed a loved one"),
    "survival": ("survival in danger", "people fight to stay alive against nature"),
    "technology and humanity": (
        "machines, artificial intelligence and humanity",
        "what technology does to people",
    ),
    "truth and secrets": ("secrets, lies and the truth", "a hidden truth is uncovered"),
    "war and peace": ("war and peace", "soldiers and civilians in war"),
}


class Ruler:
    """Labels as vectors, against which texts are measured.

    Args:
        nearest: How many of a label's descriptions count: those nearest to the text.

    Attributes:
        labels: In the order of all scores.
    """

    def __init__(self, described: Mapping[str, Sequence[str]], encode: Encode, *, nearest: int = 2) -> None:
        self.labels = tuple(described)
        self._nearest = nearest
        self._bounds: list[tuple[int, int]] = []
        texts: list[str] = []
        for descriptions in described.values():
            self._bounds.append((len(texts), len(texts) + len(descriptions)))
            texts.extend(descriptions)
        self._vectors = encode(texts)

    def measure(self, vectors: Vectors) -> list[list[float]]:
        """For each text's vector (of length one) the score of each label: a mean of cosines, -1 to 1."""
        import numpy as np

        cosines = vectors @ self._vectors.T
        scores = [
            np.sort(cosines[:, start:end], axis=1)[:, -self._nearest :].mean(axis=1)
            for start, end in self._bounds
        ]
        rows: list[list[float]] = np.stack(scores, axis=1).astype(float).tolist()
        return rows


def distribution(scores: Sequence[float], scale: float) -> list[float]:
    """Scores as shares that sum to 1: a softmax of ``score / scale``."""
    top = max(scores)
    powers = [math.exp((score - top) / scale) for score in scores]
    return [power / sum(powers) for power in powers]
