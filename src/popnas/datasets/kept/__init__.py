"""Examples as they are kept on a device: once per process, for all who make batches of them in turn.

What is kept goes with the split that it is of. A part of another split (`dataset.PartSplit`) has nothing of
its own: its batches are picked from the whole. May not import loaders.
"""
