"""Files of arrays (`.npz`) as every source reads them: names of arrays, members read with care, splits.

Nothing in a file is unpickled; sizes are checked before anything is read into memory.
"""
