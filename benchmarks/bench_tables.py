"""Searches over tables: this one against others with the same seeds and budgets; means with 95 % intervals.

At 60, 100 and 150 networks: over our own tables (`benchmarks/tables/*.npz`) with seeds 0 to 199, each with
the trainings that were measured and, as NAME-drawn, with 16 of every cell drawn around them with the noise
that was measured (`docs/tables.md`): only there can a search repeat trainings and be judged by others. Over
NAS-Bench-201 (`data/nasbench201` in the folder that POPNAS_SHARED names, default ../shared; left out without
it) with seeds 0 to 29:

- cifar10-12, cifar100-12, ImageNet16-120-12: validation accuracies after 12 epochs are the only signal;
- cifar10-200: those after 200, at 60 networks, within which the best is to be found.
- cifar10-edgegpu: after 12, beside latencies that were measured (HW-NAS-Bench, an edge GPU), at 200 networks.

    python benchmarks/bench_tables.py [NAME ...] [--seeds N] [--networks N,N] [--workers N] [--folder FOLDER]

Every finished search is kept in FOLDER (default: logs/bench_tables), so the same command goes on after an
interruption; tables and plots lie there, too. What is demanded is said beside what was measured, misses among
it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from popnas.cli.tables.compare import as_text
from popnas.events import JobEvent, PhaseAdvanced, Warned
from popnas.records import Json
from popnas.workflows.tables.comparing import comparison
from popnas.workflows.tables.comparing.folder import ComparisonFolder
from popnas.workflows.tables.comparing.request import CompareRequest, NamedConfig
from popnas.workflows.tables.comparing.results import ComparisonResult

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("POPNAS_SHARED", HERE.parent.parent / "shared"))
OTHERS = ("random", "progressive-random", "evolution", "nsga2")
FOUND: Json = {
    "search_strategy": {"score_share": 0.25, "rounds": 4},
    "others": {"predictors": {"score": "trees", "time": "sums"}},
}
"""What native searches of NAS-Bench-201 and `popnas init` have; a table is searched as it was built for.
`proposed` is all that `popnas init` proposes."""
REPEATS = ("search_strategy.repeats=8",)
"""Half of K, which is 16 in the tables' configurations."""
FEW_SINGLES = ("search_strategy.single_block_repeats=3", "search_strategy.untrained_parents=30")
OWN = CompareRequest(
    methods=("search", *OTHERS),
    seeds=200,
    configs=(
        NamedConfig("rounds", FOUND),
        NamedConfig("repeats", FOUND, REPEATS),
        NamedConfig("proposed", FOUND, (*REPEATS, *FEW_SINGLES)),
    ),
)
DRAWN = 16
BLOCKS = {"fashion_mnist": 2}
"""Of tables that are whole for fewer blocks than they have cells of: the others are for predictors."""
PUBLISHED = CompareRequest(seeds=30)


@dataclass(frozen=True)
class Case:
    """One table with what is compared over it."""

    name: str
    table: Path
    request: CompareRequest


def cases() -> Iterator[Case]:
    for table in sorted((HERE / "tables").glob("*.npz")):
        request = replace(OWN, blocks=BLOCKS.get(table.stem))
        yield Case(table.stem, table, request)
        yield Case(f"{table.stem}-drawn", table, replace(request, trainings=DRAWN))
    benchmark = SHARED / "data" / "nasbench201" / "nasbench201.parquet"
    if not benchmark.is_file():
        print(f"NAS-Bench-201 is left out: there is no {benchmark}")
        return
    for data_set in ("cifar10", "cifar100", "ImageNet16-120"):
        yield Case(f"{data_set}-12", benchmark, replace(PUBLISHED, data_set=data_set, epochs=12))
    yield Case("cifar10-200", benchmark, replace(PUBLISHED, epochs=200, networks=(60,)))
    latency = ("edgegpu", str(benchmark.parent / "hw_nas_bench_201.parquet"))
    measured = replace(PUBLISHED, epochs=12, networks=(200,), objective="inference_time", latency=latency)
    yield Case(f"cifar10-{latency[0]}", benchmark, measured)


def hear(event: JobEvent) -> None:
    if isinstance(event, Warned):
        print(event.text, file=sys.stderr)
    elif isinstance(event, PhaseAdvanced) and event.done % 20 == 0:
        print(f"  {event.done} searches done, {event.what}", file=sys.stderr)


def compared(case: Case, folder: Path, workers: int | None) -> ComparisonResult:
    place = folder / case.name
    if (place / "comparison").is_dir():
        begun = ComparisonFolder(place).read().started.request
        if replace(begun, seconds=()) != case.request:
            sys.exit(f"{place} was begun with other seeds, budgets or methods: take another --folder.")
        return comparison.resume(place, workers=workers, tell=hear)
    return comparison.compare(
        case.table, case.request, name=case.name, logs=folder, workers=workers, tell=hear
    )


def regrets(result: ComparisonResult, figure: str, networks: float) -> dict[str, float]:
    return {
        item.method: item.figures[figure].mean
        for item in result.readings
        if item.axis == "networks" and item.at == networks and figure in item.figures
    }


def demanded(case: Case, found: dict[str, float], ours: list[str]) -> Iterator[str]:
    """What the best of ours has of the best others, and of the search that the table was built for."""
    known = [found[name] for name in OTHERS if name in found]
    mine = {name: found[name] for name in ours if name in found}
    if not known or not mine:
        return
    best = min(mine, key=mine.__getitem__)
    wanted = {f"the best of {', '.join(OTHERS)}": (min(known), 0.5)}
    if case.table.suffix == ".npz":
        wanted["today's search"] = (mine.get("search", 0.0), 0.7)
    for what, (other, most) in wanted.items():
        ratio = mine[best] / other if other > 0 else float("inf")
        is_met = "met" if ratio <= most else "missed"
        yield f"{best} has {ratio:.2f} of {what} (at most {most} is demanded: {is_met})"


def verdicts(case: Case, result: ComparisonResult) -> Iterator[str]:
    """What is demanded of the best search of popnas, and what it came to."""
    ours = [name for name in result.request.names if name not in (*OTHERS, "local-search")]
    for networks in result.request.networks:
        for figure in ("score_regret", "hypervolume_regret"):
            for sentence in demanded(case, regrets(result, figure, networks), ours):
                yield f"{networks} networks, {figure}: {sentence}"
    if case.name == "cifar10-12":
        tests = {name: test for name, test in regrets(result, "test", 100).items() if name in ours}
        best = max(tests, key=tests.__getitem__, default=None)
        if best is not None:
            is_met = "met" if tests[best] >= 94.2 else "missed"
            yield f"test after 100 networks: {best} {tests[best]:.2f} % (94.2 is demanded: {is_met})"
    if case.request.latency is not None:
        left = regrets(result, "hypervolume_regret", 200)
        best = min((name for name in ours if name in left), key=left.__getitem__, default=None)
        if best is not None and "nsga2" in left:
            is_met = "met" if left[best] < left["nsga2"] else "missed"
            figures = f"{best} {left[best]:.4f}, nsga2 {left['nsga2']:.4f}"
            yield f"hypervolume regret over latency after 200: {figures} (less is demanded: {is_met})"
    if case.name == "cifar10-200":
        needed = {name: number for name in ours if (number := result.networks_to_best.get(name)) is not None}
        shown = ", ".join(f"{name} {number:.0f}" for name, number in needed.items()) or "none of ours"
        is_met = "met" if min(needed.values(), default=1e9) <= 60 else "missed"
        yield f"networks until the optimum, median: {shown} (60 are demanded: {is_met})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seeds", type=int, help="fewer than are demanded, for a look")
    parser.add_argument("--networks", help="other budgets, as in 60,100")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--folder", type=Path, default=Path("logs/bench_tables"))
    asked = parser.parse_args()
    known = list(cases())
    if unknown := set(asked.names) - {case.name for case in known}:
        parser.error(f"no {', '.join(sorted(unknown))}; there are: {', '.join(case.name for case in known)}")
    for case in known:
        if asked.names and case.name not in asked.names:
            continue
        request = case.request if asked.seeds is None else replace(case.request, seeds=asked.seeds)
        if asked.networks:
            request = replace(request, networks=tuple(map(int, asked.networks.split(","))))
        result = compared(replace(case, request=request), asked.folder, asked.workers)
        print(f"\n## {case.name}\n\n{as_text(result)}\n")
        for verdict in verdicts(case, result):
            print(f"- {verdict}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
