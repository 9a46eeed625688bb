"""Data sets: where they come from, how they are split and prepared, and the loader that hands out batches.

What lives here, from source to batch:

- `sources/`      one file per source: digits, aeon's bundled problems, `.npz`, class folders, `.ts`, named
  downloads
- `images.py`, `series.py`   what a source reads (`ImageData`, `SeriesData`), made into arrays of one shape
- `pixel_arrays.py`   arrays of images checked and made bytes
- `segmentation.py`, `ragged.py`   images with masks (`SegmentationData`), of any size
- `masks.py`, `mask_classes.py`   reading mask files; which of their labels is which class
- `colour_tables.py`, `pair_geometry.py`, `npz_writing.py`   building segmentation data: colours to labels,
  image and mask to another size together, files that are written piece by piece
- `findings.py`   what readers passed over, turned or converted, counted; mistakes of many files at once
- `labels.py`, `label_notes.py`   class order, remapping, class weights; spellings that merge or look alike
- `splits.py`, `folds.py`   stratified draws: sample limit, validation split, folds
- `preprocessing.py`   the per-channel numbers between raw values and network input
- `dataset.py`    `Split`, `Fold`, `Dataset`; `storage.py` keeps a prepared `Dataset` as memory-mapped files
  for workers
- `augmentation.py`, `loader.py`, `segmentation_loader.py`   batches on the device (the only files here that
  import torch)

Not imported here: networks, training, tasks, or anything above; aeon's and Hugging Face's packages only
inside their source.

To add a source: one file in `sources/` with a `Source` class registered in `SOURCES` (or, in a package of
your own, an entry point of the group `popnas.datasets`). A new kind of content is one more file beside
`images.py` whose class knows how to `assemble` itself into a `Dataset`.
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
