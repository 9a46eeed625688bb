"""The files in which NAS-Bench-201 comes, read into popnas's own.

- Official files of NATS-Bench's topology space (`NATS-tss-*.pickle.pbz2`, or a folder of them), through the
  package `nats_bench`. They are pickles, and are read by an unpickler that makes plain containers and numpy's
  numbers and refuses everything else: nothing that such a file names is ever called.
- A `.parquet` file with a row per architecture: `index`, `arch`, and for each data set `val12_`, `test200_`,
  `val200_s0_` to `_s2_`, `train_time_s_` (200 epochs) and `params_`, as `../shared/data/nasbench201` has it.
- A file that was made here.

Axes: as `evaluators.nasbench201.stored`.
"""

from __future__ import annotations

import bz2
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from popnas import files
from popnas.errors import DataError, MissingExtraError, nearest
from popnas.evaluators.nasbench201 import architectures, stored
from popnas.evaluators.nasbench201.architectures import NUM_ARCHITECTURES
from popnas.evaluators.nasbench201.stored import DATA_SETS, NasBench201
from popnas.events import Listen, PhaseAdvanced, PhaseStarted, nobody
from popnas.printable import counted, quoted
from popnas.storage import compact_json

if TYPE_CHECKING:
    from nats_bench import NATStopology
    from pyarrow import Table

_PICKLES = ".pickle.pbz2"
_VALIDATED_ON = {"cifar10": "cifar10-valid"}
"""The official name of what is trained without the validation part, where it is another one."""
_PORTION = 250
_PARTS = ("validation_12", "test_200", "training_seconds", "params")

Figures = dict[str, np.ndarray]
"""By the names of `NasBench201`, with one architecture a column, (D, A') or (D, A', R)."""


def read(path: Path, tell: Listen = nobody) -> NasBench201:
    """The figures of files of any kind.

    Raises:
        DataError: no such files, not of all architectures, or not sound.
        MissingExtraError: the package that reads them is not installed.
    """
    if not files.exists(path):
        raise DataError(f"{quoted(path)} does not exist.{files.near_hint(path)}")
    if path.suffix == ".npz":
        return stored.read(path)
    if path.suffix == ".parquet":
        return _ordered(*_of_parquet(path), source=path.name)
    if files.is_folder(path) or path.name.endswith(_PICKLES):
        return _ordered(*_of_nats_bench(path, tell), source=f"NATS-Bench, {path.name}")
    raise DataError(
        f"{quoted(path)} is no file of NAS-Bench-201: give NATS-tss-*{_PICKLES}, a folder of such files, a "
        ".parquet file, or an .npz file that popnas made."
    )


def _ordered(texts: Sequence[object], index: np.ndarray, figures: Figures, *, source: str) -> NasBench201:
    """In the order of codes; all architectures must be there."""
    order = np.argsort(_codes(texts, source))
    table = NasBench201(
        about=np.array(compact_json({"source": source})),
        index=index[order],
        **{name: values[:, order] for name, values in figures.items()},
    )
    if (fault := stored.fault_of(table)) is not None:
        raise DataError(f"{source}: {fault}")
    return table


def _codes(texts: Sequence[object], source: str) -> np.ndarray:
    """(A,) the code of each row's architecture; all must be there, once."""
    code = architectures.codes(
        np.array([architectures.parse(text) for text in texts], dtype=np.int64).reshape(-1, 6)
    )
    if len(np.unique(code)) < NUM_ARCHITECTURES or len(code) > NUM_ARCHITECTURES:
        raise DataError(
            f"{source} has {len(np.unique(code)):,} architectures in {len(code):,} rows, and must have all "
            f"{NUM_ARCHITECTURES:,} once."
        )
    return code


# --- parquet


def with_latency(table: NasBench201, path: Path, device: str) -> NasBench201:
    """The figures with the latencies of a device: of a `.parquet` file with a row per architecture, `arch`
    and `DEVICE_latency_DATASET` in milliseconds, as HW-NAS-Bench (Li et al. 2021) has them.

    Raises:
        DataError: no such file or device, or not all architectures.
        MissingExtraError: the package that reads it is not installed.
    """
    columns = _columns(path)
    ending = f"_latency_{DATA_SETS[0]}"
    devices = [name.removesuffix(ending) for name in columns.column_names if name.endswith(ending)]
    if device not in devices:
        raise DataError(
            f"{quoted(path)} has no latencies of the device '{device}'; it has those of: "
            f"{', '.join(devices) or 'none'}.{nearest(device, devices)}"
        )
    code = _codes(_texts(columns), path.name)
    values = _latencies(columns, device, path)
    if lacking := _num_lacking(values):
        whole = [other for other in devices if not _num_lacking(_latencies(columns, other, path))]
        raise DataError(
            f"{quoted(path)} has no latency of {counted(lacking, 'architecture')} on '{device}' (what a "
            "device cannot run has none above 0), and a search needs those of all. Devices with all of them: "
            f"{', '.join(whole) or 'none'}."
        )
    about = compact_json({**table.provenance, "latency": f"{device}, {path.name}"})
    found = replace(table, about=np.array(about), latency_ms=values[:, np.argsort(code)].astype(np.float32))
    if (fault := stored.fault_of(found)) is not None:
        raise DataError(f"{quoted(path)}: {fault}")
    return found


def _latencies(columns: Table, device: str, path: Path) -> np.ndarray:
    """(D, A) milliseconds by row of the file."""
    names = [f"{device}_latency_{name}" for name in DATA_SETS]
    return np.stack([_numbers(columns, name, path, may_lack=True) for name in names])


def _num_lacking(latencies_DA: np.ndarray) -> int:
    is_there = np.isfinite(latencies_DA) & (latencies_DA > 0)
    return int((~is_there.all(axis=0)).sum())


def _texts(columns: Table) -> list[object]:
    """The column `arch`, whatever it holds; nothing where there is none."""
    return columns["arch"].to_pylist() if "arch" in columns.column_names else []


def _columns(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise MissingExtraError(f"reading {quoted(path)}", "bench", "pyarrow") from None
    if not files.exists(path):
        raise DataError(f"{quoted(path)} does not exist.{files.near_hint(path)}")
    try:
        return parquet.read_table(path)
    except (ArrowException, OSError):
        raise DataError(
            f"{quoted(path)} cannot be read as parquet: it is damaged, cut off, or none."
        ) from None


def _numbers(columns: Table, name: str, path: Path, *, may_lack: bool = False) -> np.ndarray:
    """(A,) float64; `may_lack`: rows without a number are NaN.

    Raises:
        DataError: no such column, or something else than numbers in it.
    """
    if name not in columns.column_names:
        raise DataError(f"{quoted(path)} has no column '{name}'; it has: {', '.join(columns.column_names)}.")
    try:
        values = np.asarray(columns[name].to_numpy(), dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"the column '{name}' of {quoted(path)} holds {columns[name].type}, and must hold numbers."
        ) from None
    lacking = int((~np.isfinite(values)).sum())
    if lacking and not may_lack:
        raise DataError(
            f"the column '{name}' of {quoted(path)} has {counted(lacking, 'row')} without a number, and must "
            "have one of every architecture."
        )
    return values


def _of_parquet(path: Path) -> tuple[list[object], np.ndarray, Figures]:
    columns = _columns(path)

    def of_data_sets(start: str, *, may_lack: bool = False) -> np.ndarray:
        names = [f"{start}{name}" for name in DATA_SETS]
        return np.stack([_numbers(columns, name, path, may_lack=may_lack) for name in names])

    index = _numbers(columns, "index", path).astype(np.int64)
    # Not all were trained three times.
    seeds = np.stack([of_data_sets(f"val200_s{number}_", may_lack=True) for number in range(3)], axis=2)
    return (
        _texts(columns),
        index,
        {
            "validation_12": of_data_sets("val12_").astype(np.float32),
            "validation_200": seeds.astype(np.float32),
            "test_200": of_data_sets("test200_").astype(np.float32),
            "training_seconds": of_data_sets("train_time_s_").astype(np.float32),
            "params": of_data_sets("params_").round().astype(np.int64),
        },
    )


# --- the official files


class _PlainUnpickler(pickle.Unpickler):
    """Makes containers and numpy's numbers; whatever else a file names is refused before it is looked up."""

    allowed = frozenset(
        {
            ("collections", "OrderedDict"),
            ("collections", "defaultdict"),
            ("builtins", "set"),
            ("builtins", "list"),
            ("builtins", "dict"),
            ("numpy", "dtype"),
            ("numpy", "ndarray"),
            ("numpy._core.multiarray", "scalar"),
            ("numpy._core.multiarray", "_reconstruct"),
        }
    )

    def find_class(self, module: str, name: str) -> type:
        """See `pickle.Unpickler`; numpy's parts have moved since such files were written."""
        module = module.replace("numpy.core.", "numpy._core.")
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return cast("type", super().find_class(module, name))


def unpickled(path: Path) -> object:
    """What a pickle compressed with bz2 holds, of plain containers and numbers.

    Raises:
        DataError: it cannot be read, or asks for anything else.
    """
    try:
        with files.open_binary(path) as raw, bz2.open(raw) as stream:
            return _PlainUnpickler(stream).load()
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{quoted(path)} is not read: {error}, and only plain containers and numbers are made of a "
            "pickle here, since anything else could run whatever the file says."
        ) from None
    except Exception as error:  # a damaged pickle raises many kinds
        told = isinstance(error, OSError) and error.errno is not None
        why = files.reason(error) if told else "it is damaged, cut off, or none"
        raise DataError(f"{quoted(path)} cannot be read as a pickle compressed with bz2: {why}.") from error


def _of_nats_bench(path: Path, tell: Listen) -> tuple[list[str], np.ndarray, Figures]:
    try:
        import nats_bench
    except ImportError:
        raise MissingExtraError(f"reading {quoted(path)}", "bench", "nats_bench") from None
    tell(PhaseStarted(f"reading {quoted(path)}"))
    names, portions = _folder(path) if files.is_folder(path) else _file(path)
    tell(PhaseStarted("looking up its architectures", len(names)))
    found: list[Figures] = []
    numbers: list[int] = []
    for portion in portions:
        # The package copies what it is given, so it is given a portion at a time.
        content = {"meta_archs": names, "arch2infos": portion, "evaluated_indexes": [*portion]}
        api = nats_bench.create(content, "tss", fast_mode=False, verbose=False)
        found += [figures_of(api, number) for number in portion]
        numbers += [*portion]
        tell(PhaseAdvanced(len(numbers)))
    if not numbers:
        raise DataError(f"{quoted(path)} has no architectures.")
    figures = {name: np.stack([item[name] for item in found], axis=1) for name in found[0]}
    return [names[number] for number in numbers], np.array(numbers, dtype=np.int64), figures


Infos = Mapping[int, object]


def _file(path: Path) -> tuple[list[str], Iterator[Infos]]:
    content = unpickled(path)
    if not isinstance(content, dict) or not {"meta_archs", "arch2infos"} <= content.keys():
        raise DataError(f"{quoted(path)} is no file of NATS-Bench: it lacks 'meta_archs' and 'arch2infos'.")
    infos = content["arch2infos"]
    numbers = sorted(infos)
    portions = (
        {number: infos[number] for number in numbers[first : first + _PORTION]}
        for first in range(0, len(numbers), _PORTION)
    )
    return list(content["meta_archs"]), portions


def _folder(path: Path) -> tuple[list[str], Iterator[Infos]]:
    meta = path / f"meta{_PICKLES}"
    if not files.exists(meta):
        raise DataError(
            f"{quoted(path)} is no folder of NATS-Bench: it has no {meta.name}. Give the unpacked folder of "
            f"its simple files, one *{_PICKLES}, or a .parquet or .npz file."
        )
    content = unpickled(meta)
    if not isinstance(content, dict) or "meta_archs" not in content:
        raise DataError(f"{quoted(meta)} is no file of NATS-Bench: it lacks 'meta_archs'.")
    numbered = sorted(file for file in path.glob(f"[0-9]*{_PICKLES}"))
    portions = (
        {
            int(file.name.removesuffix(_PICKLES)): unpickled(file)
            for file in numbered[first : first + _PORTION]
        }
        for first in range(0, len(numbered), _PORTION)
    )
    return list(content["meta_archs"]), portions


def figures_of(api: NATStopology, number: int) -> Figures:
    """The figures of one architecture, (D,) or (D, R), from the package's own look-ups."""
    rows = [_of_data_set(api, number, name) for name in DATA_SETS]
    found = {name: np.array([row[place] for row in rows]) for place, name in enumerate(_PARTS)}
    seeds = np.full((len(DATA_SETS), 3), np.nan, dtype=np.float32)
    for place, name in enumerate(DATA_SETS):
        trained = _VALIDATED_ON.get(name, name)
        known = api.arch2infos_dict[number]["200"].get_dataset_seeds(trained)[:3]
        for column, seed in enumerate(known):
            info = api.get_more_info(number, trained, hp="200", is_random=int(seed))
            seeds[place, column] = info["valid-accuracy"]
    return {
        "validation_12": found["validation_12"].astype(np.float32),
        "validation_200": seeds,
        "test_200": found["test_200"].astype(np.float32),
        "training_seconds": found["training_seconds"].astype(np.float32),
        "params": found["params"].astype(np.int64),
    }


def _of_data_set(api: NATStopology, number: int, name: str) -> tuple[float, float, float, int]:
    """In the order of `_PARTS`; `params` are given in millions there."""
    trained = _VALIDATED_ON.get(name, name)
    short = api.get_more_info(number, trained, hp="12", is_random=False)
    test = api.get_more_info(number, name, hp="200", is_random=False)
    cost = api.get_cost_info(number, trained, hp="200")
    return (
        short["valid-accuracy"],
        test["test-accuracy"],
        cost["T-train@total"],
        round(cost["params"] * 1e6),
    )
