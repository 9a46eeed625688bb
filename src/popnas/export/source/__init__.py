"""A network as one PyTorch file to read, that needs no popnas: the layers that it uses as they stand in our
own source, its cells and their wiring written out.

`definitions` gathers the source of layers, `expressions` writes the calls that make them, `rebuilt` the
classes that take their parts instead, `cells` and `networks` write what is put together from them. May not
import workflows. Any macro-architecture is written with its own `forward`; one whose wiring reads better
written out adds a writer to `networks.WRITERS`.
"""

from popnas.export.source.networks import network_source

__all__ = ["network_source"]
