"""Where raw data come from: one file per source, each with a `Source` class registered in `SOURCES`.

A source offers data sets by name (`dataset.name`), or recognizes a file or folder (`dataset.path`), or both.
It only reads: labels, splits, sizes and scaling are the business of what it returns (`ImageData`,
`SeriesData`).

To add one: a file here, or a module of your own behind an entry point of the group `popnas.datasets`.
Optional packages are imported inside the functions that need them, and only there.
"""

from popnas.datasets.sources._base import RawData, Request, Source
from popnas.registry import Registry

SOURCES: Registry[type[Source]] = Registry("data source", "popnas.datasets.sources", "popnas.datasets")

__all__ = ["SOURCES", "RawData", "Request", "Source"]
