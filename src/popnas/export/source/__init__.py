"""A network as one PyTorch file to read, that needs no popnas: the layers that it uses as they stand in our
own source, its cells and their wiring written out.

`definitions` gathers the source of layers, `expressions` writes the calls that make them, `cells` and
`networks` write what is put together from them. May not import workflows. A macro-architecture of its own
module class adds its writer to `networks.WRITERS`.
"""

from popnas.export.source.networks import network_source

__all__ = ["network_source"]
