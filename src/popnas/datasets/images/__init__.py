"""Images: `decoding` of files (all to one size and number of channels), `pixel_arrays` as users save them,
and `augmentation`: crops, flips and cutout of whole batches on the device.

`augmentation` alone imports torch. May not import `masks` or `sources`: they build on this.
"""

from popnas.datasets.images.decoding import read

__all__ = ["read"]
