"""`popnas.Run(path)`: a run to look at from Python and in notebooks. Never imports torch."""

from __future__ import annotations

import base64
import csv
import io
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from popnas import files, objectives
from popnas.errors import MissingExtraError, RunFolderError, UnknownNameError, UserError, must_be, nearest
from popnas.evaluation import Evaluation
from popnas.printable import counted, quoted
from popnas.records import Json
from popnas.report import markup
from popnas.runs import RunFolder, RunState, identity
from popnas.runs.front import trained_front
from popnas.runs.stored.reading import is_there
from popnas.runs.views import VIEWS

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

_SELECTION = "model_selection"
_NUM_SHOWN = 10


class Run:
    """What a search has found, as its journal says at the moment of construction; the search may still run.

    Args:
        path: the run folder.

    Raises:
        RunFolderError: no run is there.
        JournalError: its journal is corrupt.

    Example:
        >>> run = popnas.Run("logs/my_run")
        >>> run.front
        >>> run.table("training_results").describe()
        >>> run.plot("pareto_fronts")
    """

    def __init__(self, path: Path | str) -> None:
        self.folder = RunFolder.open(files.user_path(files.given(path, "the run folder")))
        self.state: RunState = self.folder.state()

    def __repr__(self) -> str:
        return f"<popnas run {self.folder.name}: {self._summary()}>"

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @cached_property
    def config(self) -> Json:
        """The resolved configuration, as the JSON file has it."""
        return self.folder.config_json()

    @property
    def best(self) -> Evaluation | None:
        """The Evaluation of the best score, the empty cell excepted; None before a cell is trained."""
        return self.state.best

    @property
    def front(self) -> DataFrame:
        """The cells on the measured Pareto front, best score first: cell, score and what was measured."""
        items = trained_front(self.state)
        measured = {row.name: [row.figure(item) for item in items] for row in self.state.figures}
        steps = [item.step for item in items]
        return _pandas().DataFrame({"cell": [item.cell for item in items], "blocks": steps, **measured})

    @property
    def tables(self) -> list[str]:
        """Names of the tables that there are: those of `csv/`, and `model_selection` after one."""
        return sorted({*self._views, *self._files})

    def table(self, name: str) -> DataFrame:
        """A table, by its name in `tables`, with the columns of the CSV file.

        Raises:
            UnknownNameError: there is no such table (yet).
            MissingExtraError: pandas is not installed.
        """
        must_be(name, str, "the name of a table", may_be_none=False)
        pandas = _pandas()
        stem = name.removesuffix(".csv")
        if stem in self._views:
            header, rows = self._views[stem]
            return pandas.DataFrame(rows, columns=list(header))
        if stem in self._files:
            return pandas.read_csv(io.StringIO(_text_of(self._files[stem])))
        raise UnknownNameError(
            f"run {self.folder.name} has no table '{name}'.{nearest(stem, self.tables)} It has: "
            f"{', '.join(self.tables) or 'none yet'}."
        )

    @property
    def plots(self) -> list[str]:
        """Names of the figures that apply to this run, in the order of the report."""
        from popnas.report.figures import ordered

        return [name for name, plot in ordered() if plot.compute(self._data) is not None]

    def plot(self, name: str) -> Figure:
        """A figure of the report, by its name in `plots`.

        Raises:
            UnknownNameError: there is no such figure.
            UserError: it does not apply to this run (yet).
        """
        from popnas.report import canvas
        from popnas.report.figures import FIGURES

        plot = FIGURES.get(name)
        info = plot.compute(self._data)
        if info is None:
            raise UserError(
                f"the figure '{name}' does not apply to run {self.folder.name}, or not yet. These do: "
                f"{', '.join(self.plots) or 'none yet'}."
            )
        figure = plot.paint(info)
        # A notebook shows matplotlib's figures only where pyplot has made them.
        figure._repr_png_ = partial(canvas.encode, figure)  # type: ignore[attr-defined]
        return figure

    def _repr_html_(self) -> str:
        """What a notebook shows: the state, the front's best cells, and the scores over the steps."""
        names = self.state.objectives
        head = "".join(f"<th>{markup.text(name)}</th>" for name in ("cell", *names))
        items = trained_front(self.state)
        rows = "".join(_row(item, names) for item in items[:_NUM_SHOWN])
        more = (
            f"<p>and {len(items) - _NUM_SHOWN} more: <code>.front</code></p>"
            if len(items) > _NUM_SHOWN
            else ""
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}" if items else ""
        title = f"<b>{markup.text(self.folder.name)}</b>: {markup.text(self._summary())}"
        return f"<div>{title}{table}{self.picture('step_overview')}</div>"

    def picture(self, name: str) -> str:
        """A figure as HTML with the picture inside; "" where it does not apply (yet).

        Raises:
            UnknownNameError: there is no such figure.
        """
        from popnas.report import canvas
        from popnas.report.figures import FIGURES

        plot = FIGURES.get(name)
        info = plot.compute(self._data)
        if info is None:
            return ""
        data = base64.b64encode(canvas.encode(plot.figure(info))).decode()
        return f'<img alt="{markup.text(plot.caption)}" src="data:image/png;base64,{data}">'

    def _summary(self) -> str:
        evaluations = self.state.evaluations
        num_failed = sum(item.is_failed for item in evaluations)
        failed = f" ({num_failed} failed)" if num_failed else ""
        best = f", best score {self.best.score:.4f}" if self.best and self.best.score is not None else ""
        end = self.state.finish_reason or f"in step {self.state.next_step}"
        return f"{end}, {counted(len(evaluations), 'network')}{failed}{best}"

    @cached_property
    def _data(self) -> Any:
        from popnas.report.run_data import RunData

        return RunData.of(self.folder, self.state)

    @cached_property
    def _views(self) -> dict[str, tuple[Any, Any]]:
        """Header and rows of what the journal alone gives, so that a running search can be looked at."""
        found = [table for view in VIEWS for table in view(self.state)]
        return {Path(name).stem: (header, rows) for name, header, rows in found}

    @cached_property
    def _files(self) -> dict[str, Path]:
        found = {path.stem: path for path in sorted(self.folder.csv.glob("*.csv")) if not _is_empty(path)}
        selected = self.folder.model_selection / "training_results.csv"
        return {**found, _SELECTION: selected} if is_there(selected) else found


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError("a run's tables as DataFrames", "notebook", "pandas") from error
    return pandas


def _text_of(path: Path) -> str:
    """A table's text, every line of it as wide as its header; raises RunFolderError."""
    identity.check_place(path)
    try:
        text = files.read_text(path)
        rows = list(csv.reader(io.StringIO(text), strict=True))
        if len({len(row) for row in rows}) != 1 or "\0" in text:
            raise csv.Error("its lines are not of one table")
    except (OSError, csv.Error) as error:
        raise RunFolderError(
            f"cannot read the table {quoted(path)}: {files.reason(error)}. Remove it: popnas report writes "
            "those of the search again, the same popnas select that of the selection."
        ) from error
    return text


def _is_empty(path: Path) -> bool:
    """Whether a table has no header; one that cannot be read is listed, and told when it is asked for."""
    try:
        identity.check_place(path)
        return not files.read_bytes(path, limit=files.TEXT_LIMIT).strip()
    except (OSError, RunFolderError):
        return False


def _row(item: Evaluation, names: list[str]) -> str:
    values = "".join(f"<td>{objectives.get(name).value(item):.5g}</td>" for name in names)
    return f"<tr><td><code>{markup.text(item.cell)}</code></td>{values}</tr>"
