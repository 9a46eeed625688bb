"""The architectures of NAS-Bench-201: a cell of four nodes, an operation on each of the six edges.

A = architectures, 6 = edges in the order (1<-0), (2<-0), (2<-1), (3<-0), (3<-1), (3<-2); node 0 is the input,
node 3 the output, and a node is the sum of its edges. Operations are numbered as in `OPERATIONS`, and an
architecture by its six operations as the digits of a number, the first edge most significant.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from popnas.errors import DataError

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NONE, SKIP = 0, 1
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""(to, from), as in the architectures' text form."""
NUM_ARCHITECTURES = len(OPERATIONS) ** len(EDGES)
_DIGITS = len(OPERATIONS) ** np.arange(len(EDGES))[::-1]


def codes(edges_A6: np.ndarray) -> np.ndarray:
    """(A,) int64, 0 to 15,624."""
    return np.asarray(edges_A6.astype(np.int64) @ _DIGITS)


def edges(codes_A: np.ndarray) -> np.ndarray:
    """The inverse of `codes`: (A, 6) int8."""
    return (codes_A[:, None] // _DIGITS % len(OPERATIONS)).astype(np.int8)


def text(edges_6: np.ndarray) -> str:
    """As NAS-Bench-201 writes it: |nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|none~2|."""
    nodes = []
    for node in (1, 2, 3):
        names = [
            f"{OPERATIONS[operation]}~{source}"
            for (target, source), operation in zip(EDGES, edges_6.tolist(), strict=True)
            if target == node
        ]
        nodes.append(f"|{'|'.join(names)}|")
    return "+".join(nodes)


def parse(written: object) -> list[int]:
    """The operations of the six edges of a text, as a file has it, which may have anything else.

    Raises:
        DataError: it is no architecture of NAS-Bench-201.
    """
    nodes = written.split("+") if isinstance(written, str) else []
    names = [name for node in nodes for name in node.strip("|").split("|")]
    sources = [f"{source}" for _, source in EDGES]
    parts = [name.rpartition("~") for name in names]
    if [part[2] for part in parts] != sources or any(part[0] not in OPERATIONS for part in parts):
        raise DataError(
            f"{str(written)[:100]!r} is no architecture of NAS-Bench-201, such as "
            f"{text(edges(np.zeros(1, dtype=np.int64))[0])}."
        )
    return [OPERATIONS.index(part[0]) for part in parts]


@cache
def functions() -> np.ndarray:
    """(15,625,) int64 by code: the smallest code of those that compute the same, as far as this tells.

    Edges that lie on no path from the input to the output are as none (what operates on zeros gives zeros,
    but for the shift that its normalisation has learnt); where node 2 does not read node 1 the
    two may change places; where the last edge is a skip, what goes into node 2 may as well go into node 3, so
    their edges from nodes 0 and 1 may change places.
    """
    alive_A6 = _alive(edges(np.arange(NUM_ARCHITECTURES)))
    code_A = codes(alive_A6)
    is_free, is_skip = alive_A6[:, 2] == NONE, alive_A6[:, 5] == SKIP
    same = [
        (np.arange(NUM_ARCHITECTURES), code_A),
        (code_A[is_free], codes(alive_A6[is_free][:, [1, 0, 2, 3, 5, 4]])),
        (code_A[is_skip], codes(alive_A6[is_skip][:, [0, 3, 4, 1, 2, 5]])),
    ]
    one, other = (np.concatenate(ends) for ends in zip(*same, strict=True))
    graph = coo_matrix((np.ones(len(one), bool), (one, other)), shape=(NUM_ARCHITECTURES,) * 2)
    _, group_A = connected_components(graph, directed=False)
    _, first = np.unique(group_A, return_index=True)
    return first[group_A]


def _alive(edges_A6: np.ndarray) -> np.ndarray:
    """With none on all edges that lie on no path from the input to the output."""
    is_on = edges_A6 != NONE
    e10, e20, e21, e30, e31, e32 = is_on.T
    has1, has2 = e10, e20 | (e21 & e10)
    used2 = e32
    used1 = e31 | (e21 & used2)
    kept = np.stack([e10 & used1, e20 & used2, e21 & has1 & used2, e30, e31 & has1, e32 & has2], axis=1)
    return np.where(kept, edges_A6, NONE).astype(np.int8)
