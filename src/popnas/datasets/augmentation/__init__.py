"""What is done to whole training batches on the device that holds them, after they are made ready for the
network: one callable (`batch.Change`) per kind of data, and mixtures of examples for all.

To add one: a frozen dataclass of its strengths with `__call__(batch, generator)`, here; its fields in
`config/sections.py`; a line in the `own_changes` of the tasks that it suits. Random choices come from the
generator, which is of the CPU and follows from seed and epoch, and go to the device with `placement.sent`: a
batch never waits for it. May not import sources or loaders.
"""
