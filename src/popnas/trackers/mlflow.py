"""Runs of an MLflow server: a search is a run, each of its networks a run nested in it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from popnas import files
from popnas.errors import MissingExtraError, UserError
from popnas.records import Json
from popnas.trackers._figures import EPOCHS_FILE
from popnas.trackers._tracker import REGISTRY, Scope, TrackedNetwork, Tracker, UnreachableError

_ADDRESS = "MLFLOW_TRACKING_URI"
_EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
_DEFAULTS = {
    # Requests are repeated by whoever calls the tracker, which knows when the work is over.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_KIND, _RUN, _NETWORK, _PARENT = "popnas.kind", "popnas.run", "popnas.network", "mlflow.parentRunId"
_STATUS = "popnas.status"
_PARAMS_AT_ONCE, _METRICS_AT_ONCE, _PAGE = 100, 900, 1000
_LONGEST_PARAM = 6000
_TOO_MANY, _SERVER_ERROR = 429, 500
_EXISTS = "RESOURCE_ALREADY_EXISTS"
_STATES = {"failed": "FAILED", "interrupted": "KILLED"}


@REGISTRY.register(
    "mlflow", description=f"an MLflow server ({_ADDRESS}): a run per search, nested ones per network"
)
class MlflowTracker(Tracker):
    """The run of a search, found again when it goes on; or that of one training, nested in its search's.

    The experiment is that of MLFLOW_EXPERIMENT_NAME, "popnas" unless it is set. ONNX files of best and final
    models become versions of a registered model named by the run.
    """

    is_remote: ClassVar[bool] = True

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        # Imported here: it takes seconds.
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=os.environ[_ADDRESS])
        self._networks: dict[str, str] | None = None
        self._steps = _Steps(self._client)
        with _reaching():
            self._experiment = self._made_experiment(os.environ.get(_EXPERIMENT) or "popnas")
            self._id = self._opened()

    @classmethod
    def check(cls) -> None:
        """See `Tracker`."""
        if find_spec("mlflow") is None:
            raise MissingExtraError("the tracker 'mlflow'", "mlflow", "mlflow")
        if not os.environ.get(_ADDRESS):
            raise UserError(
                f"others.trackers has 'mlflow', and {_ADDRESS} is not set: the address of a server "
                f"(export {_ADDRESS}=http://127.0.0.1:5000, where `mlflow server` runs). Or leave it out."
            )

    def params(self, values: Json) -> None:
        """See `Tracker`."""
        with _reaching():
            self._log(self._id, self._unknown(self._id, values), [])

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker`. Of a search each figure is drawn over its networks."""
        with _reaching():
            try:
                self._log(self._id, {}, self._steps.lacking(self._id, [(values, step)]))
            except Exception:
                self._steps.ask(self._id)  # the request may have got through or not
                raise

    def network(self, network: TrackedNetwork) -> None:
        """A nested run, unless an earlier attempt has made it whole."""
        with _reaching():
            if self._networks is None:  # at first, and when a request may have got through or not
                self._networks = self._known_networks()
            known = self._networks.get(network.name)
            if known == "":
                return
            try:
                self._tell_network(network, known)
            except Exception:
                self._networks = None
                raise
            self._networks[network.name] = ""

    def artifact(self, path: Path) -> None:
        """See `Tracker`. An ONNX file is registered, too."""
        with _reaching():
            if path.suffix == ".onnx":
                self._register(path)
            else:
                folder = self.place(path).rpartition("/")[0]
                self._client.log_artifact(self._id, str(path), folder or None)

    def status(self, status: str) -> None:
        """See `Tracker`."""
        with _reaching():
            self._client.set_tag(self._id, _STATUS, status)
            self._client.set_terminated(self._id, _STATES.get(status, "FINISHED"))

    def close(self) -> None:
        """Nothing is held."""

    # --- runs ---

    def _made_experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            _once(lambda: self._client.create_experiment(name))
            found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id)

    def _opened(self) -> str:
        """The run of this scope, which an earlier attempt may have made."""
        scope = self.scope
        tags = {_KIND: scope.kind, _RUN: scope.run or str(scope.folder.resolve())}
        if scope.kind == "training":
            stage = [] if scope.folder.parent.name == scope.name else [scope.folder.parent.name]
            tags[_NETWORK] = "/".join([*stage, scope.folder.name, *([scope.part] if scope.part else [])])
        known = self._found(tags)
        # A training in the place of an earlier one, that was told of, gets a run of its own.
        if known is not None and not (scope.is_anew and known.data.metrics):
            self._client.update_run(known.info.run_id, status="RUNNING")
            self._steps.ask(known.info.run_id)
            return str(known.info.run_id)
        search = self._found({_KIND: "run", _RUN: tags[_RUN]}) if scope.kind == "training" else None
        parent = {} if search is None else {_PARENT: search.info.run_id}
        return self._create(tags.get(_NETWORK) or scope.name or scope.folder.name, {**tags, **parent})

    def _create(self, name: str, tags: Mapping[str, str], start: int | None = None) -> str:
        made = self._client.create_run(self._experiment, run_name=name, tags=dict(tags), start_time=start)
        return str(made.info.run_id)

    def _found(self, tags: Mapping[str, str]) -> Any:
        """The newest run with these tags; None: there is none."""
        wanted = " and ".join(f"tags.`{name}` = '{_quoted(text)}'" for name, text in tags.items())
        return next(self._pages(wanted), None)

    def _pages(self, wanted: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs([self._experiment], wanted, max_results=_PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    # --- networks ---

    def _known_networks(self) -> dict[str, str]:
        """By name the id of the run of each, empty where it is whole."""
        found = {}
        for run in self._pages(f"tags.`{_PARENT}` = '{_quoted(self._id)}'"):
            if name := run.data.tags.get(_NETWORK):
                found[name] = run.info.run_id if run.info.status == "RUNNING" else ""
        return found

    def _tell_network(self, network: TrackedNetwork, run: str | None) -> None:
        params = dict(_flat(network.params))
        if run is None:
            kind = {_KIND: "network", _PARENT: self._id, _RUN: self.scope.run or "", _NETWORK: network.name}
            run = self._create(network.name, {**kind, _STATUS: network.status})
        else:  # an earlier attempt has come so far, or further
            self._steps.ask(run)
            params = self._unknown(run, network.params)
            self._client.set_tag(run, _STATUS, network.status)
        epochs = network.epochs()
        steps = [*zip(epochs, range(1, len(epochs) + 1), strict=True), (network.figures, len(epochs))]
        self._log(run, params, self._steps.lacking(run, steps))
        if network.folder.is_dir():
            for path in sorted(network.folder.iterdir()):
                if path.is_file() and not path.name.startswith(".") and path.name != EPOCHS_FILE:
                    self._client.log_artifact(run, str(path))
        self._client.set_terminated(run, "FINISHED" if network.status == "completed" else "FAILED")
        self._steps.forget(run)

    def _unknown(self, run: str, values: Json) -> dict[str, str]:
        """Those that the run lacks: what an earlier attempt has told, with other limits perhaps, cannot be
        told otherwise."""
        known = self._client.get_run(run).data.params
        return {name: text for name, text in _flat(values) if name not in known}

    def _log(self, run: str, params: Mapping[str, str], metrics: Sequence[Any]) -> None:
        """In as few requests as the server takes."""
        from mlflow.entities import Param

        told = [Param(name, text[:_LONGEST_PARAM]) for name, text in params.items()]
        while told or metrics:
            self._client.log_batch(run, metrics[:_METRICS_AT_ONCE], told[:_PARAMS_AT_ONCE])
            told, metrics = told[_PARAMS_AT_ONCE:], metrics[_METRICS_AT_ONCE:]

    # --- files ---

    def _register(self, path: Path) -> None:
        """A version of the run's registered model, unless this run of ours has one."""
        name = "popnas-" + (self.scope.name or self.scope.folder.name)
        with tempfile.TemporaryDirectory(prefix="popnas-mlflow-") as place:
            _write_model(path, Path(place))
            self._client.log_artifacts(self._id, place, "model")
        _once(lambda: self._client.create_registered_model(name))
        if not self._client.search_model_versions(f"name = '{_quoted(name)}' and run_id = '{self._id}'"):
            source = f"{self._client.get_run(self._id).info.artifact_uri}/model"
            self._client.create_model_version(name, source, run_id=self._id, await_creation_for=0)


class _Steps:
    """Which steps of which figures runs have that an earlier attempt may have told."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._known: dict[str, dict[str, set[int]]] = {}

    def ask(self, run: str) -> None:
        """From now on: its server is asked what it has."""
        self._known[run] = {}

    def forget(self, run: str) -> None:
        """It is whole."""
        self._known.pop(run, None)

    def lacking(self, run: str, steps: Iterable[tuple[Mapping[str, float], int]]) -> list[Any]:
        """Of figures by name at each step those that the run lacks, as its library takes them."""
        from mlflow.entities import Metric

        now, known = int(time.time() * 1000), self._known.get(run)
        found = []
        for values, step in steps:
            for name, value in values.items():
                if known is not None and name not in known:
                    points = self._client.get_metric_history(run, name)
                    known[name] = {point.step for point in points}
                if known is None or step not in known[name]:
                    found.append(Metric(name, value, now, step))
        return found


def _write_model(onnx_file: Path, folder: Path) -> None:
    """What `mlflow.onnx.save_model` writes, as far as loading needs it: that one loads and checks the network
    anew, for seconds."""
    from mlflow.version import VERSION

    shutil.copyfile(onnx_file, folder / "model.onnx")
    python = platform.python_version()
    loader = {"loader_module": "mlflow.onnx", "data": "model.onnx", "python_version": python}
    model = {
        "flavors": {
            "onnx": {
                "data": "model.onnx",
                "onnx_version": version("onnx"),
                "providers": ["CPUExecutionProvider"],
            },
            "python_function": {**loader, "env": {"virtualenv": "python_env.yaml"}},
        },
        "mlflow_version": VERSION,
        "utc_time_created": str(datetime.now(UTC).replace(tzinfo=None)),
    }
    needed = [f"{name}=={version(name)}" for name in ("onnx", "onnxruntime", "numpy")]
    needed.insert(0, f"mlflow=={VERSION}")
    environment = {"python": python, "build_dependencies": ["pip"], "dependencies": needed}
    # JSON is YAML.
    (folder / "MLmodel").write_text(json.dumps(model, indent=2))
    (folder / "python_env.yaml").write_text(json.dumps(environment))
    (folder / "requirements.txt").write_text("\n".join([*needed, ""]))


class _reaching:  # noqa: N801 - a block, not a thing
    """Says of what the block raises whether it may get through later."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException

        if isinstance(error, RequestException):
            raise UnreachableError(_why(error)) from error
        if isinstance(error, MlflowException):
            status = error.get_http_status_code()
            if status >= _SERVER_ERROR or status == _TOO_MANY:
                raise UnreachableError(_why(error)) from error


def _why(error: BaseException) -> str:
    """In few words: what the system said of the connection, without the calls that passed it on."""
    waiting, seen = [error], set[int]()
    while waiting:
        first = waiting.pop(0)
        if isinstance(first, ConnectionError | TimeoutError):
            return f"{os.environ[_ADDRESS]} does not answer: {files.reason(first)}"
        seen.add(id(first))
        # The library below keeps some in the arguments of its own.
        about = (first.__cause__, first.__context__, getattr(first, "reason", None), *first.args)
        waiting += [item for item in about if isinstance(item, BaseException) and id(item) not in seen]
    return str(error)


def _once(make: Callable[[], object]) -> None:
    """Make what may be there already, of another process or an attempt whose answer got lost."""
    from mlflow.exceptions import MlflowException

    try:
        make()
    except MlflowException as error:
        if error.error_code != _EXISTS:
            raise


def _flat(values: Json, before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    return text.replace("'", "\\'")
