"""Images with a mask each: `segmentation` is what sources read and how it becomes a `Dataset`, `loader`
hands out batches of both together.

`mask_files` reads masks, `classes` says which of their labels is which class; `colours`, `geometry` and
`npz_writing` build segmentation data: colours to labels, image and mask to another size together, files that
are written piece by piece. `loader` alone imports torch. May not import `sources`.
"""

from popnas.datasets.masks.mask_files import read_mask

__all__ = ["read_mask"]
