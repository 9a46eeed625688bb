"""Whole HTML pages, each one file with everything inside: of a run (`run_page`), of several (`comparison`),
of a model's test results, of predicted masks, of data.

`_base` frames them; pages do not know one another. May import figures, sections and what they are made from.
"""
