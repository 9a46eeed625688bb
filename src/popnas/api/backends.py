"""What computes probabilities from network input: ONNX Runtime, or PyTorch.

Network input is raw: (batch, channels, ...) float32; preprocessing is inside either.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from popnas.api.model_files import DESCRIPTION, ONNX, WEIGHTS, ModelFiles
from popnas.errors import ExportError, UserError, nearest
from popnas.export.description import REMEDY
from popnas.printable import quoted
from popnas.process_state import forks, torch_as_imported

if TYPE_CHECKING:
    from popnas.datasets import Preprocessing
    from popnas.networks.answering import Answering
    from popnas.networks.spec import Contract


class Backend(ABC):
    """A model that is ready to run.

    `size`: the spatial size (h, w) or (t,) that it takes, None where any goes.
    """

    size: tuple[int | None, ...]

    @abstractmethod
    def probabilities(self, x: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        """(b, classes, ...) float32 of a batch (b, c, ...) float32."""


class OnnxBackend(Backend):
    """The exported file in ONNX Runtime, on a GPU where this ONNX Runtime has one, else on the CPU."""

    def __init__(self, files: ModelFiles) -> None:
        import onnxruntime

        content = files.checked(files.onnx_name) if _has_onnx(files) else _exported(files)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        available = onnxruntime.get_available_providers()
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=[name for name in wanted if name in available]
            )
        except Exception as error:  # ONNX Runtime's own errors share no base but Exception
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{quoted(Path(files.place) / files.onnx_name)} cannot be run: {reason}. {REMEDY}"
            ) from error
        _SESSIONS.add(self._session)
        self._file = Path(files.place) / files.onnx_name
        self.size = self._checked_size(files.description().contract)

    def probabilities(self, x: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        """See `Backend`."""
        feed = {"input": x} if lengths is None else {"input": x, "lengths": lengths}
        try:
            return np.asarray(self._session.run(["probabilities"], feed)[0])
        except Exception as error:  # as above
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{quoted(self._file)} does not answer these examples: {reason}. {REMEDY}"
            ) from error

    def _checked_size(self, contract: Contract) -> tuple[int | None, ...]:
        """The spatial size that the file takes; raises UserError if it is another network's."""
        inputs = {item.name: item.shape for item in self._session.get_inputs()}
        outputs = {item.name: item.shape for item in self._session.get_outputs()}
        shape = inputs.get("input", [])
        if (
            inputs.keys() != set(contract.input_names)
            or outputs.keys() != {"probabilities"}
            or len(shape) != contract.num_dims + 2
            or shape[1] != contract.num_channels
            or outputs["probabilities"][1:2] not in ([contract.num_classes], [])
        ):
            raise UserError(
                f"{quoted(self._file)} is not the network that {DESCRIPTION} describes: it takes {inputs} "
                f"and gives {outputs}. {REMEDY}"
            )
        return tuple(extent if isinstance(extent, int) else None for extent in shape[2:])


_SESSIONS: weakref.WeakSet[Any] = weakref.WeakSet()


def _leave_sessions() -> None:
    """Let a forked child never end the sessions of its parent: it would wait for threads that it has not."""
    for session in _SESSIONS:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_leave_sessions)


class TorchBackend(Backend):
    """The network built anew from `model.json` with the weights in it, on the best device present."""

    @torch_as_imported()
    def __init__(self, files: ModelFiles) -> None:
        from popnas.export import DeployedNetwork
        from popnas.training import device

        forks.check('backend="torch"')
        network, preprocessing = _rebuilt(files)
        self._device = device.choose("auto")
        self._network = DeployedNetwork(network, preprocessing).to(self._device)
        contract = network.contract
        self.size = (None,) * contract.num_dims if contract.may_vary_in_size else contract.size

    @torch_as_imported()
    def probabilities(self, x: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        """See `Backend`."""
        import torch

        forks.check('backend="torch"')
        inputs = [torch.from_numpy(array).to(self._device) for array in (x, lengths) if array is not None]
        with torch.inference_mode():
            return np.asarray(self._network(*inputs).cpu().numpy())


def _rebuilt(files: ModelFiles) -> tuple[Answering, Preprocessing]:
    """The network with its weights, and its preprocessing; raises UserError."""
    from popnas.export.stored import network_of

    model = files.description()
    if model.preprocessing is None:
        raise UserError(
            f"{quoted(Path(files.place) / DESCRIPTION)} does not say how input is preprocessed, which the "
            "torch "
            'backend needs; use backend="onnx".'
        )
    return network_of(model, Path(files.place) / WEIGHTS, files[WEIGHTS]), model.preprocessing


def _has_onnx(files: ModelFiles) -> bool:
    """Whether to read an ONNX file: one that is named must be there, a folder's own may be made anew."""
    return files.onnx_name != ONNX or ONNX in files.contents or WEIGHTS not in files.contents


@torch_as_imported()
def _exported(files: ModelFiles) -> bytes:
    """The ONNX file of a model that was saved as weights only."""
    from popnas.export import save_onnx

    network, preprocessing = _rebuilt(files)
    with tempfile.TemporaryDirectory(prefix="popnas-") as folder:
        path = Path(folder) / ONNX
        try:
            save_onnx(network, preprocessing, path)
        except ExportError as error:
            raise UserError(
                f'{error}\n{quoted(files.place)} has no {ONNX} either: use backend="torch".'
            ) from error
        return path.read_bytes()


BACKENDS: dict[str, Callable[[ModelFiles], Backend]] = {"onnx": OnnxBackend, "torch": TorchBackend}


def check_name(name: Any) -> str:
    """The name of a backend.

    Raises:
        UserError: there is none of that name.
    """
    if not isinstance(name, str) or name not in BACKENDS:
        raise UserError(
            f"backend must be one of {', '.join(map(repr, BACKENDS))}, got {name!r}.{nearest(name, BACKENDS)}"
        )
    return str(name)
