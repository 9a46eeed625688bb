"""Errors after which a process can use its GPU no more, whatever it does: every later call fails likewise.

Told by their text, as PyTorch has no class for them; so this package needs no torch.
"""

from __future__ import annotations

import re

_LOST = re.compile(
    r"""(?:(?:CUDA|HIP)\ (?:driver\ )?error|Triton\ Error\ \[(?:CUDA|HIP)\]):\ (?:
        an\ illegal\ memory\ access|device-side\ assert|unspecified\ launch\ failure|misaligned\ address
        |an\ illegal\ instruction|invalid\ program\ counter|hardware\ stack\ error
        |operation\ not\ supported\ on\ global/shared|the\ launch\ timed\ out|context\ is\ destroyed
        |uncorrectable\ (?:ECC|NVLink)|unknown\ error
    )
    |(?:CUBLAS|CUDNN|CUSOLVER|CUSPARSE|CUFFT)_(?:STATUS_)?(?:
        EXECUTION_FAILED|INTERNAL_ERROR(?!_(?:DEVICE|HOST)_ALLOCATION_FAILED)|MAPPING_ERROR
    )""",
    re.VERBOSE,
)
"""What `cudaGetErrorString` says of errors that leave the process in an inconsistent state, so that it must
end (CUDA runtime API, `cudaError`), by whichever way PyTorch came to it, and how libraries tell of the same;
a lack of memory is none of them."""


class DeviceLostError(Exception):
    """This process must end: its GPU answers it no more. Another one may use it."""


def lost_device(error: BaseException) -> DeviceLostError | None:
    """What to end the process with, if an error, or one that it comes from, is of that kind."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, RuntimeError) and _LOST.search(str(found)):
            first = str(found).partition("\n")[0]
            return DeviceLostError(f"the GPU answers this process no more: {first}")
        found = found.__cause__ or found.__context__
    return None
