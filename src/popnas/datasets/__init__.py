"""Data sets: where they come from, how they are split and prepared, and the loader that hands out batches.

What lives here, from source to batch:

- `sources/`      one file per source: digits, aeon's bundled problems, `.npz`, class folders, `.ts`, named
  downloads
- `npz/`, `layouts.py`   files of arrays, and folders, as several sources read them: names, splits, members
- `images/`, `series.py`   what a source reads (`ImageData`, `SeriesData`), made into arrays of one shape
- `masks/`        images with a mask each (`SegmentationData`): their files, classes, batches; building them
- `ragged.py`     arrays of differing sizes, each read when it is asked for
- `findings.py`   what readers passed over, turned or converted, counted; mistakes of many files at once
- `labels.py`, `label_notes.py`   class order, remapping, class weights; spellings that merge or look alike
- `variation.py`   what does not vary in training examples, so that nothing can be learnt from it
- `splits.py`, `folds.py`   stratified draws: sample limit, validation split, folds
- `preprocessing.py`   the per-channel numbers between raw values and network input
- `dataset.py`    `Split`, `Fold`, `Dataset`; `prepared.py` lays a prepared `Dataset` down once for all who
  train on it
- `loader.py`     batches on the device; `augmentation/` what is done to them there (with
  `images/augmentation.py`, which crops bytes, and `masks/loader.py` the only files here that import torch)

Not imported here: networks, training, tasks, or anything above; aeon's and Hugging Face's packages only
inside their source.

To add a source: one file in `sources/` with a `Source` class registered in `SOURCES` (or, in a package of
your own, an entry point of the group `popnas.datasets`). A new kind of content is one more file beside
`series.py` whose class knows how to `assemble` itself into a `Dataset`.
"""

from popnas.datasets.dataset import Dataset, Fold, Split
from popnas.datasets.loading import check_name, check_path, load, names
from popnas.datasets.preprocessing import Preprocessing
from popnas.datasets.sources import SOURCES

__all__ = [
    "SOURCES",
    "Dataset",
    "Fold",
    "Preprocessing",
    "Split",
    "check_name",
    "check_path",
    "load",
    "names",
]
