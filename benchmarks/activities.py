"""How well and how quickly datasets are grouped into activities.

    python -m benchmarks.activities [--sessions N] [--seed N]

Sessions are made from activities as microscopists do them, with their labels: surveys, diffraction, spectrum images
with a survey picture before each, tilt and focal series, several detectors at once. Reported are the adjusted Rand
index between labels and result, and the time for 10,000 datasets.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import comb

from scopeline.domain.activities import Acquisition, Value, cluster

START = datetime(2026, 2, 6, 8, 0, tzinfo=UTC)


def adjusted_rand_index(truth: Sequence[object], found: Sequence[object]) -> float:
    """Agreement of two groupings of the same things: 1 equal, 0 as by chance.

    Hubert and Arabie, Comparing partitions, Journal of Classification 2 (1985) 193-218, equation 5.
    """
    pairs = sum(comb(n, 2) for n in Counter(zip(truth, found, strict=True)).values())
    of_truth = sum(comb(n, 2) for n in Counter(truth).values())
    of_found = sum(comb(n, 2) for n in Counter(found).values())
    expected = of_truth * of_found / max(comb(len(truth), 2), 1)
    highest = (of_truth + of_found) / 2
    return 1.0 if highest == expected else (pairs - expected) / (highest - expected)


@dataclass
class Scope:
    """The state of a microscope while somebody works at it."""

    random: random.Random
    seconds: float = 0.0
    sample: str = "sample-1"
    voltage: float = 200.0
    magnification: float = 20_000.0
    camera_length: float = 130.0
    spot: int = 5


# What one step of an activity saves: seconds after the step, type, technique and parameters of each dataset.
Shot = tuple[float, str, str, dict[str, Value]]
Activity = Callable[[Scope], list[tuple[float, list[Shot]]]]


def _tem(scope: Scope, **more: Value) -> dict[str, Value]:
    return {
        "Operation Mode": "TEM",
        "Imaging Mode": "Imaging",
        "Detector": "UltraScan",
        "Magnification": scope.magnification,
        **more,
    }


def _stem(scope: Scope, **more: Value) -> dict[str, Value]:
    return {
        "Operation Mode": "STEM",
        "Detector": "HAADF",
        "Magnification": scope.magnification,
        "Camera Length": scope.camera_length * scope.random.uniform(0.995, 1.005),
        **more,
    }


def _human_pause(scope: Scope, median: float, spread: float = 0.6) -> float:
    pause = scope.random.lognormvariate(0, spread) * median
    # Now and then the telephone rings.
    return pause * 3 if scope.random.random() < 0.02 else pause


def tem_survey(scope: Scope) -> list[tuple[float, list[Shot]]]:
    median = scope.random.uniform(20, 90)
    steps: list[tuple[float, list[Shot]]] = []
    for _ in range(scope.random.randint(2, 25)):
        scope.magnification = min(4e5, max(2e3, scope.magnification * scope.random.choice([0.5, 1, 1, 1, 1.3, 2])))
        steps.append((_human_pause(scope, median), [(0, "Image", "TEM", _tem(scope))]))
    return steps


def stem_images(scope: Scope) -> list[tuple[float, list[Shot]]]:
    median = scope.random.uniform(25, 100)
    detectors = scope.random.choice([["HAADF"], ["HAADF"], ["HAADF", "BF"], ["HAADF", "ABF", "BF", "DF4"]])
    steps = []
    for _ in range(scope.random.randint(3, 25)):
        scope.magnification *= scope.random.choice([0.7, 1, 1, 1, 1.4, 2])
        shots: list[Shot] = [(0, "Image", "STEM", _stem(scope, Detector=name)) for name in detectors]
        steps.append((_human_pause(scope, median), shots))
    return steps


def diffraction(scope: Scope) -> list[tuple[float, list[Shot]]]:
    median = scope.random.uniform(25, 90)
    length = scope.random.choice([300.0, 520.0, 840.0])
    shot: dict[str, Value] = {
        "Operation Mode": "TEM",
        "Imaging Mode": "Diffraction",
        "Detector": "UltraScan",
        "Camera Length": length,
    }
    return [
        (_human_pause(scope, median), [(0, "Diffraction", "TEM", dict(shot))])
        for _ in range(scope.random.randint(3, 15))
    ]


def spectrum_images(scope: Scope) -> list[tuple[float, list[Shot]]]:
    technique = scope.random.choice(["EDS", "EELS"])
    minutes = scope.random.uniform(4, 20)
    steps: list[tuple[float, list[Shot]]] = []
    for _ in range(scope.random.randint(2, 7)):
        survey: Shot = (0, "Image", "STEM", _stem(scope))
        steps.append((_human_pause(scope, 40, 0.4), [survey]))
        cube: Shot = (0, "SpectrumImage", technique, _stem(scope, Detector=technique))
        steps.append((60 * minutes * scope.random.uniform(0.7, 1.3), [cube]))
    return steps


def eds_tilt_series(scope: Scope) -> list[tuple[float, list[Shot]]]:
    minutes = scope.random.uniform(3, 12)
    return [
        (
            60 * minutes * scope.random.uniform(0.95, 1.1),
            [
                (0, "Image", "STEM", _stem(scope)),
                (scope.random.uniform(1, 4), "SpectrumImage", "EDS", _stem(scope, Detector="EDS")),
            ],
        )
        for _ in range(scope.random.randint(7, 40))
    ]


def tilt_series(scope: Scope) -> list[tuple[float, list[Shot]]]:
    seconds = scope.random.uniform(40, 240)
    return [
        (seconds * scope.random.uniform(0.9, 1.15), [(0, "Image", "STEM", _stem(scope))])
        for _ in range(scope.random.randint(20, 141))
    ]


def focal_series(scope: Scope) -> list[tuple[float, list[Shot]]]:
    seconds = scope.random.uniform(1, 4)
    return [(seconds, [(0, "Image", "TEM", _tem(scope))]) for _ in range(scope.random.randint(10, 60))]


def point_spectra(scope: Scope) -> list[tuple[float, list[Shot]]]:
    median = scope.random.uniform(60, 150)
    return [
        (_human_pause(scope, median, 0.4), [(0, "Spectrum", "EDS", _stem(scope, Detector="EDS"))])
        for _ in range(scope.random.randint(3, 20))
    ]


ACTIVITIES: tuple[Activity, ...] = (
    tem_survey,
    stem_images,
    diffraction,
    spectrum_images,
    eds_tilt_series,
    tilt_series,
    focal_series,
    point_spectra,
)


def session(seed: int, activities: int | None = None) -> tuple[list[Acquisition], dict[str, int]]:
    """A session's datasets, shuffled, and the number of the activity of each."""
    chance = random.Random(seed)
    scope = Scope(chance)
    datasets: list[Acquisition] = []
    labels: dict[str, int] = {}
    previous: Activity | None = None
    for number in range(activities or chance.randint(1, 9)):
        activity = chance.choice(ACTIVITIES)
        _between_activities(scope, first=number == 0, same=activity is previous)
        previous = activity
        for pause, shots in activity(scope):
            for later, kind, technique, parameters in shots:
                if chance.random() < 0.03:
                    parameters.pop(chance.choice(sorted(parameters)))
                # Most formats write whole seconds.
                at = START + timedelta(seconds=int(scope.seconds + later))
                name = f"{len(datasets):05d}"
                datasets.append(
                    Acquisition(
                        f"{name}.0", name, 0, name, at, scope.sample, kind, technique,
                        {**parameters, "Accelerating Voltage": scope.voltage, "Spot Size": scope.spot},
                    )
                )  # fmt: skip
                labels[f"{name}.0"] = number
            scope.seconds += pause
    chance.shuffle(datasets)
    return datasets, labels


def _between_activities(scope: Scope, *, first: bool, same: bool) -> None:
    """Find another area, align, change a sample: what happens between two activities takes minutes."""
    chance = scope.random
    if first:
        return
    if chance.random() < 0.15:
        scope.sample = f"sample-{int(scope.sample[7:]) + 1}"
        scope.seconds += 60 * chance.uniform(10, 40)
        return
    if same or chance.random() < 0.4:
        # The same kind of work goes on elsewhere: only the time tells, and people need some to get there.
        scope.seconds += 60 * chance.uniform(12, 40)
    else:
        scope.seconds += 60 * chance.lognormvariate(0, 0.7) * 3
    if chance.random() < 0.2:
        scope.camera_length *= chance.choice([0.5, 2.0])
    if chance.random() < 0.1:
        scope.voltage = 80.0 if scope.voltage == 200.0 else 200.0
    scope.magnification = chance.choice([5e3, 2e4, 8e4, 3e5])


def score(seed: int) -> float:
    """The adjusted Rand index of one made session."""
    datasets, labels = session(seed)
    found = {dataset: number for number, ids in enumerate(cluster(datasets)) for dataset in ids}
    ids = sorted(labels)
    return adjusted_rand_index([labels[i] for i in ids], [found[i] for i in ids])


def seconds_for(count: int, rounds: int = 7) -> float:
    """The median of the processor seconds that grouping `count` datasets takes; it uses one thread and no disk."""
    datasets = session(1, activities=count // 15)[0][:count]
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        cluster(datasets)
        taken.append(time.process_time() - begin)
    assert len(datasets) == count
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--seed", type=int, default=10_000)
    given = parser.parse_args()
    scores = sorted(score(given.seed + n) for n in range(given.sessions))
    print(f"adjusted Rand index of {given.sessions} made sessions (budget: mean at least 0.95)")
    print(f"  mean {statistics.mean(scores):.4f}   median {statistics.median(scores):.4f}")
    print(f"  worst tenth from {scores[0]:.3f} to {scores[len(scores) // 10]:.3f}")
    for count in (1_000, 10_000):
        print(f"{count:6d} datasets: {1000 * seconds_for(count):.1f} ms (budget for 10,000: 50 ms)")


if __name__ == "__main__":
    main()
