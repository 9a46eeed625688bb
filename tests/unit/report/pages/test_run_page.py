from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from popnas import report
from popnas.cli.main import COMMANDS
from popnas.errors import UserError
from popnas.export import description
from popnas.export.model_values import (
    Deployment,
    HowTrained,
    Int8Summary,
    Int8Times,
    MeasuredFile,
    ModelDescription,
)
from popnas.networks.spec import NetworkSpec
from popnas.report import markup
from popnas.report.run_data import RunData
from popnas.report.sections import details, final, front
from popnas.runs import RunFolder
from popnas.runs.front import train_command, trained_front

MakeRun = Callable[..., RunFolder]


def data(folder: RunFolder) -> RunData:
    return RunData.of(folder, folder.state())


def test_the_front_has_the_command_of_every_point(make_run: MakeRun) -> None:
    run = data(make_run())
    text = front.front_table(run)
    points = trained_front(run.state)
    assert text.count('class="command"') == len(points) > 1
    for item in points:
        assert markup.text(train_command(run.path, run.config, item.cell)) in text


def test_what_to_do_next_are_commands_that_exist(make_run: MakeRun) -> None:
    run = data(make_run(last_step=1))
    lines = re.findall(r'<code class="command">(.*?)</code>', front.next_steps(run))
    typed = [shlex.split(html.unescape(line)) for line in lines]
    assert {words[1] for words in typed} >= {"search", "pick", "select", "train", "draw", "report"}
    for words in typed:
        assert words[0] == "popnas"
        assert words[1] in COMMANDS
        assert str(run.path) in words or words[1] == "draw"


def test_an_unfinished_run_says_how_to_go_on(make_run: MakeRun) -> None:
    assert "popnas search -r" in front.next_steps(data(make_run(last_step=1)))
    assert "popnas search -r" not in front.next_steps(data(make_run("whole", blocks=2)))


def test_a_whole_job_says_how_it_goes_on_or_that_its_limit_ended_the_search(make_run: MakeRun) -> None:
    folder = make_run(last_step=1)
    job = {"last": "evaluation", "started": {"search": 1.0}, "finished": {}, "cuts": []}
    (folder.path / "e2e.json").write_text(json.dumps(job))
    assert f"popnas e2e -r {folder.path}" in front.next_steps(data(folder))
    done = dict.fromkeys(("search", "selection", "training"), 1.0)
    job |= {"started": {**done, "evaluation": 2.0}, "finished": done}
    (folder.path / "e2e.json").write_text(json.dumps(job))
    assert "popnas e2e -r" in front.next_steps(data(folder))
    for name in ("model_selection", "final_training"):
        (folder.path / name).mkdir()
    (folder.path / "final_training" / "eval.json").write_text("{}")
    ended = data(folder)
    ended.state.finish_reason = "max_hours"
    steps = front.next_steps(ended)
    assert "popnas e2e -r" not in steps
    assert f"popnas search -r {folder.path} --set others.max_hours=null" in steps
    assert steps.count("--name more") == 2, "what is there was asked for otherwise"


def test_the_search_s_network_is_compared_with_a_final_one_where_there_is_one(make_run: MakeRun) -> None:
    folder = make_run(blocks=2)
    (folder.path / "best_model").mkdir()
    (folder.path / "best_model" / "model.onnx").write_bytes(b"onnx")
    assert "final training makes it better" in front.next_steps(data(folder))
    deploy = folder.path / "final_training" / "deploy"
    deploy.mkdir(parents=True)
    description.write(deploy, deployed(accuracy=0.9, num_samples=9))
    steps = front.next_steps(data(folder))
    assert "makes it better" not in steps and "final_training/deploy" in steps


def test_what_a_whole_job_found_and_cut_is_told(make_run: MakeRun) -> None:
    folder = make_run(blocks=2)
    assert final.render(data(folder)) == ""
    (folder.path / "e2e.json").write_text(json.dumps({"cuts": ["search: max_children 9 -> 3 (<1 s)"]}))
    deploy = folder.path / "final_training" / "deploy"
    deploy.mkdir(parents=True)
    description.write(deploy, deployed(accuracy=0.98765, num_samples=1234))
    report.write(folder, folder.state())
    page = folder.report_html.read_text()
    assert "search: max_children 9 -&gt; 3 (&lt;1 s)" in page
    assert "accuracy on 1,234 test samples" in page and "0.9877" in page
    assert "mean IoU" in page and "0.1235" in page
    (folder.path / "e2e.json").write_text("[")
    assert final.render(data(folder)).count("<li>") == 0


def deployed(accuracy: float, num_samples: int) -> ModelDescription:
    """A final network's deployment."""
    int8 = Int8Summary(False, "none is made here", 9, 8, None, None, None, None, Int8Times(None, None, None))
    measured = MeasuredFile("model.onnx", "test", num_samples, accuracy, 99, {"mean_iou": 0.12345})
    network = NetworkSpec("classification", (8, 8, 1), 2)
    how, deployment = HowTrained(best_epoch=7, num_epochs=7), Deployment(measured, int8)
    return ModelDescription("[]", network, ["a", "b"], params=5, flops=6, training=how, deployment=deployment)


@pytest.mark.parametrize("place", ["best_model", "final_training/deploy"])
def test_how_an_input_of_a_network_is_made_is_told_as_its_model_json_says(
    make_run: MakeRun, place: str
) -> None:
    folder = make_run(blocks=2)
    (model := folder.path / place).mkdir(parents=True)
    (model / "model.onnx").write_bytes(b"onnx")
    content = deployed(accuracy=0.5, num_samples=9).to_json()
    show = front.next_steps if place == "best_model" else final.render
    for given, steps in (({}, []), ({"how_to_make": ["bring <16> to 255"]}, ["bring &lt;16&gt; to 255"])):
        described = content | {"input": {"shape": ["batch", 1, 8, 8], **given}}
        (model / "model.json").write_text(json.dumps(described))
        assert re.findall("<ol><li>(.*?)</li></ol>", show(data(folder))) == steps


def test_failures_stand_with_their_reasons(make_run: MakeRun) -> None:
    run = data(make_run(blocks=1, failures="some"))
    text = details.failures(run)
    assert text.count("<tr>") == 1 + sum(item.is_failed for item in run.state.evaluations)
    assert "time limit" in text and "&lt;b&gt;" in text and "<b>" not in text
    assert details.failures(data(make_run("fine", blocks=1))) == ""


def test_settings_and_versions(make_run: MakeRun) -> None:
    text = details.settings(data(make_run(blocks=1)))
    run = data(make_run("executed", blocks=1))
    run.sessions.append({"executor": {"kind": "inline", "workers": None}})
    assert html.escape('{"kind": "inline", "workers": null}') in details.settings(run)
    assert "learning_rate" in text and "3.12.1" in text and "max_children" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.00042, "420 µs"),
        (0.25, "250 ms"),
        (12.34, "12.3 s"),
        (245, "4 min 05 s"),
        (12_000, "3 h 20 min"),
        (0, "0 µs"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert markup.duration(seconds) == words


def test_numbers() -> None:
    assert markup.large(1_234_567).html == "1.23 M" and markup.count(12345).html == "12,345"
    assert markup.score(None).html == "–" and markup.large(999).html == "999"


def test_tables_escape_and_sort_by_value() -> None:
    text = markup.table(["<a>"], [["<b>"], [markup.count(1200)]])
    assert "<b>" not in text and 'data-sort="1200.0"' in text
    assert markup.table(["a"], []) == ""


def test_the_report_has_no_clock_in_it(make_run: MakeRun) -> None:
    folder = make_run(blocks=1, operators=["identity"])
    report.write(folder, folder.state())
    first = folder.report_html.read_bytes()
    report.write(folder, folder.state())
    assert folder.report_html.read_bytes() == first


def test_plots_as_pdf(make_run: MakeRun) -> None:
    folder = make_run(blocks=1, operators=["identity"])
    report.write_pdf(folder, folder.state())
    files = list(folder.plots.glob("*.pdf"))
    assert files and all(path.read_bytes().startswith(b"%PDF") for path in files)


def test_runs_compared(make_run: MakeRun, tmp_path: Path) -> None:
    folders = [
        make_run("a<b", blocks=2, objectives=("time", "params")),
        make_run("c", blocks=2),
        make_run("d", failures="all"),
    ]
    path = tmp_path / "out" / "comparison.html"
    report.compare(folders, path)
    text = path.read_text()
    assert "a&lt;b" in text and "a<b" not in text
    assert text.count("<img") == 2 and text.count('class="cell"') == 2
    assert "parameters" in text or "params" in text


def test_what_cannot_be_compared(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(blocks=1)
    with pytest.raises(UserError, match="at least two"):
        report.compare([folder], tmp_path / "x.html")


def test_imports_are_light() -> None:
    code = (
        "import sys; import popnas.report\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import popnas.report.pages.run_page, popnas.report.pages.comparison, popnas.report.drawing.paint\n"
        "from popnas.report.figures import FIGURES; FIGURES.names()\n"
        "print([name for name in ('torch', 'sklearn', 'scipy', 'matplotlib.pyplot') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_links_lead_somewhere(make_run: MakeRun) -> None:
    folder = make_run(blocks=1, operators=["identity"])
    report.write(folder, folder.state())
    text = folder.report_html.read_text()
    targets = re.findall(r'href="#([^"]+)"', text)
    assert len(targets) > 5 and all(f'id="{target}"' in text for target in targets)
