"""A whole job for every problem of an archive, several at a time, each in a process that ends with this one.

In the campaign's folder: `campaign.json` (what was asked), `configs/PROBLEM.json`, `logs/PROBLEM` (the run),
`output/PROBLEM.txt` (what its job told), `failures/PROBLEM.txt`, and the summary: `results.csv`,
`summary.html`. A problem is done when its run says so, so a campaign that was killed goes on where it was.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from popnas import files, resources
from popnas.config import RunConfig
from popnas.errors import PopnasError, RunFolderError, UserError
from popnas.events import Listen, Told, Warned, nobody
from popnas.executors import how_ended
from popnas.printable import counted, quoted
from popnas.records import Json, Record
from popnas.report.archive import page
from popnas.report.archive.page import OWN, ArchiveSummary, ProblemResult
from popnas.report.archive.ranks import ranking
from popnas.report.sections import ensembles
from popnas.runs.folder import place_of_run
from popnas.runs.lock import RunLock
from popnas.runs.stored.reading import is_there, read_record
from popnas.storage import storage_errors, write_json, write_table, write_text
from popnas.workflows.models import selection
from popnas.workflows.models.choices import check_ensemble
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.whole.archives import problems, published
from popnas.workflows.whole.archives.problems import ArchiveProblem
from popnas.workflows.whole.archives.published import Published
from popnas.workflows.whole.archives.request import CampaignRequest
from popnas.workflows.whole.state import JobState

_POLL_SECONDS, _END_SECONDS = 0.5, 60.0


@dataclass(frozen=True)
class _CampaignAsked(Record):
    """`campaign.json`: what must be the same when it goes on."""

    archive: str
    config: Json
    hours: float | None
    options: Sequence[str]
    kept: Sequence[str] = ()


@dataclass(frozen=True)
class _Running:
    problem: ArchiveProblem
    process: subprocess.Popen[bytes]

    def close(self) -> None:
        """Let go of what ties it to this process."""
        if self.process.stdin is not None:
            self.process.stdin.close()


def run(
    archive: Path,
    base: RunConfig,
    request: CampaignRequest,
    *,
    name: str | None = None,
    logs: Path | str = "logs",
    tell: Listen = nobody,
) -> tuple[Path, ArchiveSummary]:
    """Do what is not done of an archive's problems in the folder `logs`/`name` (None: the archive's name);
    returns that folder and the summary. What failed in an earlier call is tried again.

    Raises:
        UserError: no archive there, another campaign in the folder, results that cannot be read.
        StorageError: the disk refused.
    """
    found = problems.find(archive)
    against: Published = {} if request.against is None else published.read(request.against)
    place = place_of_run(logs, name or files.user_path(archive).resolve().name)
    asked = _CampaignAsked(
        str(files.user_path(archive).resolve()),
        base.to_json(),
        request.hours,
        _options(request),
        problems.stated(request.sets),
    )
    with storage_errors(place):
        place.mkdir(parents=True, exist_ok=True)
    with RunLock(place / "campaign.lock"):
        _check_same(place, asked)
        write_json(place / "campaign.json", asked.to_json(), is_durable=True, is_proven=True)
        shutil.rmtree(place / "failures", ignore_errors=True)
        for sentence in published.comparable([item.name for item in found], against)[1]:
            tell(Warned(sentence))
        campaign = _Campaign(place, found, base, request, asked.kept, tell)
        with campaign.summarised(against):
            campaign.run()
        return place, summary(place, found, against)


def _options(request: CampaignRequest) -> list[str]:
    check_ensemble(request.ensemble, request.max_params)
    given = {"-k": request.num_cells, "-jms": request.selection_partial, "-jlt": request.training_partial}
    given |= {"--ensemble": request.ensemble, "--max-params": request.max_params}
    return [word for option, value in given.items() if value is not None for word in (option, _named(value))]


def _named(value: int | str) -> str:
    """A file by its whole path: jobs run elsewhere."""
    return str(Path(value).resolve()) if isinstance(value, str) and Path(value).is_file() else str(value)


def _check_same(place: Path, asked: _CampaignAsked) -> None:
    path = place / "campaign.json"
    if not is_there(path):
        if any(item.name != "campaign.lock" for item in place.iterdir()):
            raise UserError(
                f"{quoted(place)} exists already and is no campaign's folder. Choose another `name`."
            )
        return
    known = read_record(path, _CampaignAsked, must={}, remedy="remove the campaign's folder and begin anew")
    if known.to_json() != json.loads(json.dumps(asked.to_json())):
        raise UserError(
            f"{quoted(place)} holds a campaign of another archive, configuration or limits. Ask as it was "
            "begun, or choose another `name`."
        )


class _Campaign:
    """One campaign under way."""

    def __init__(
        self,
        place: Path,
        found: Sequence[ArchiveProblem],
        base: RunConfig,
        request: CampaignRequest,
        kept: Sequence[str],
        tell: Listen,
    ) -> None:
        self.place, self.base, self.request, self.tell = place, base, request, tell
        self.all, self.kept = found, kept
        self.pending = [item for item in found if not is_done(place, item)]
        self.running: list[_Running] = []
        cores = len(resources.available_cores())
        at_once = request.workers or cores
        self.workers = min(at_once, max(len(self.pending), 1))
        # By all problems: what one gets must not depend on how many are left where a campaign goes on.
        self.is_alone = min(at_once, len(found)) == 1

    def run(self) -> None:
        """Until nothing is pending."""
        self.tell(
            Told(
                f"{counted(len(self.pending), 'problem')} of {len(self.all)} to do, {self.workers} at a time."
            )
        )
        try:
            while self.pending or self.running:
                while self.pending and len(self.running) < self.workers:
                    self._start(self.pending.pop(0))
                time.sleep(_POLL_SECONDS if self.running else 0)
                for item in [item for item in self.running if item.process.poll() is not None]:
                    self.running.remove(item)
                    item.close()
                    self._ended(item)
        except KeyboardInterrupt:
            for item in self.running:
                item.process.send_signal(signal.SIGINT)
            for item in self.running:
                with suppress(subprocess.TimeoutExpired):
                    item.process.wait(_END_SECONDS)
            raise
        finally:
            for item in self.running:
                item.process.kill()
                item.process.wait()
                item.close()

    def _start(self, problem: ArchiveProblem) -> None:
        run_folder, config = (
            self.place / "logs" / problem.name,
            self.place / "configs" / f"{problem.name}.json",
        )
        if is_there(run_folder / "e2e.json"):
            arguments = ["e2e", "-r", str(run_folder.resolve())]
        else:
            try:
                suited = problems.suited(self.base, problem, self.request.hours, self.is_alone, self.kept)
            except PopnasError as error:
                self._failed(problem, str(error))
                return
            write_json(config, suited.to_json())
            arguments = ["e2e", "-j", str(config.resolve()), "--name", problem.name, *_options(self.request)]
        output = self.place / "output" / f"{problem.name}.txt"
        with storage_errors(output):
            output.parent.mkdir(exist_ok=True)
            with output.open("ab") as stream:
                self.running.append(_Running(problem, _tied(arguments, self.place, stream.fileno())))

    def _ended(self, item: _Running) -> None:
        status = item.process.returncode
        if status == 0 and is_done(self.place, item.problem):
            result = result_of(self.place, item.problem)
            self.tell(Told(f"{item.problem.name}: accuracy {result.accuracy:.4f}, {result.seconds:.0f} s"))
        elif status == 130:
            raise KeyboardInterrupt
        else:
            text = (self.place / "output" / f"{item.problem.name}.txt").read_text(errors="replace")
            lines = text.strip().splitlines() or ["it told nothing"]
            self._failed(item.problem, f"its job {how_ended(status)}: {lines[-1]}")

    def _failed(self, problem: ArchiveProblem, why: str) -> None:
        write_text(self.place / "failures" / f"{problem.name}.txt", why)
        self.tell(Told(f"{problem.name}: failed: {why}"))

    @contextmanager
    def summarised(self, against: Published) -> Iterator[None]:
        """However it ends, there is a summary of what is done."""
        try:
            yield
        finally:
            write(self.place, summary(self.place, self.all, against))


def _tied(arguments: Sequence[str], cwd: Path, output: int) -> subprocess.Popen[bytes]:
    """`popnas ARGUMENTS` in a process that ends when this one does."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "popnas.cli.terminal.tied", sys.argv[0], *arguments],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
        start_new_session=True,  # the terminal's Ctrl-C reaches only this process, which passes it on
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it ended at once: its exit status says so
        process.stdin.write(json.dumps({"told": [], "ahead": None}).encode() + b"\n")
        process.stdin.flush()
    return process


def is_done(place: Path, problem: ArchiveProblem) -> bool:
    """Whether the problem's job came to its end; not so if that cannot be read: who goes on says why."""
    try:
        state = JobState.read(place / "logs" / problem.name)
    except PopnasError:
        return False
    return state.last in state.finished


def result_of(place: Path, problem: ArchiveProblem) -> ProblemResult:
    """What came of a problem that is done or failed.

    Raises:
        RunFolderError: its run cannot be read.
    """
    failure = place / "failures" / f"{problem.name}.txt"
    if failure.is_file():
        return ProblemResult(problem.name, error=files.read_text(failure))
    run_folder = place / "logs" / problem.name
    state = JobState.read(run_folder)
    model = ModelFolder(run_folder / "final_training" / "deploy").description()
    if model.deployment is None or model.deployment.measured.split != "test":
        raise RunFolderError(f"{quoted(model.cell)} in {quoted(run_folder)} was not measured on test data.")
    score, reference = _judged(run_folder)
    measured = model.deployment.measured
    return ProblemResult(
        problem.name,
        accuracy=measured.accuracy,
        num_test=measured.num_samples,
        score=score,
        cell=model.cell,
        macro=model.network.macro,
        reference=reference,
        members=len(model.members or [model]),
        params=model.params,
        seconds=state.spent_seconds,
    )


def _judged(run_folder: Path) -> tuple[float | None, str | None]:
    """What the selection says of what is delivered: its score, and which known network it is, None: none, or
    several."""
    models = selection.read_selection(run_folder / "model_selection")
    plan = ensembles.read(run_folder / "final_training")
    if plan is None:
        best = selection.best_of(models)
        return (None, None) if best is None else (best.score, best.reference)
    members = [item for number, item in enumerate(plan.delivered, start=1) if number not in plan.left_out]
    known = {model.folder.name: model.reference for model in models}
    reference = known.get(members[0].origin) if len(members) == 1 else None
    return None if plan.left_out else plan.size.score, reference


def summary(place: Path, found: Sequence[ArchiveProblem], against: Published) -> ArchiveSummary:
    """What is done so far, beside what others have reached."""
    results, num_open = [], 0
    for problem in found:
        if is_done(place, problem) or (place / "failures" / f"{problem.name}.txt").is_file():
            try:
                results.append(result_of(place, problem))
            except PopnasError as error:
                results.append(ProblemResult(problem.name, error=str(error)))
        else:
            num_open += 1
    own = {item.problem: item.accuracy for item in results if item.accuracy is not None}
    kept, told = published.comparable([item.name for item in found], against)
    ranked = ranking({OWN: own, **kept}, OWN) if own and kept else None
    if against and ranked is None:
        told.append("no problem that is done has an accuracy of every method, so there are no ranks.")
    return ArchiveSummary(place.name, results, num_open, kept, ranked, told)


def write(place: Path, found: ArchiveSummary) -> None:
    """The table and the page. Raises StorageError."""
    header = list(asdict(ProblemResult("")))
    rows = [list(asdict(replace(item, error=(item.error or "")[:200])).values()) for item in found.results]
    write_table(place / "results.csv", header, rows)
    write_text(place / "summary.html", page.html(found))
