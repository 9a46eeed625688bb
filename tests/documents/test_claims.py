"""What pages claim of popnas is so: figures, names and lists that nothing else would hold to the code."""

from __future__ import annotations

import json
import re
import tomllib
from fnmatch import fnmatch
from typing import get_args

import pytest
from packaging.specifiers import SpecifierSet

import popnas
from popnas import config, printable
from popnas.cli.looking.list import _of_search
from popnas.config import after_search
from popnas.datasets import layouts
from popnas.datasets.images import decoding
from popnas.errors import ConfigError
from popnas.evaluators.training import compiling
from popnas.export import int8
from popnas.report.pages.run_page import OUTLINE
from popnas.server.access import places
from popnas.server.access.settings import STATE_FOLDER
from popnas.trackers import _thread as trackers
from popnas.training import device
from popnas.workflows.models import choices, earlier
from popnas.workflows.settings import load_config
from popnas.workflows.whole import budget

from . import made_data
from .pages import DOCS, ROOT, blocks, pages
from .test_reference import site

__all__ = ["site"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def words(name: str) -> str:
    """A page in one line, as sentences are wrapped anywhere."""
    return " ".join(page(name).split())


def section(name: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level."""
    found = re.search(rf"^(#+) {re.escape(heading)}$(.*?)(?=^\1 |\Z)", page(name), re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[2]


def rows(text: str) -> list[list[str]]:
    """The cells of a table's rows, its heading left out."""
    lines = [line.strip("| ") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines[2:]]


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def test_two_gpus_are_used_by_those_who_ask_for_them():
    text = section("questions.md", "How do I use two GPUs?")
    assert "`others.train_strategy` to `multi-GPU`" in text
    assert device.names("multi-GPU", 2) == ("cuda:0", "cuda:1")
    assert "By default only the first GPU is used" in " ".join(text.split())
    assert config.RunConfig.model_fields["others"].annotation is config.OthersConfig
    assert config.OthersConfig().train_strategy == "auto"
    assert device.names("auto", 2) == ("cuda:0",)
    taken = {codes(name)[0]: words for name, words in rows(section("gpu.md", "Which device is taken"))}
    assert taken.keys() == set(device.TRAIN_STRATEGIES)


def test_a_tpu_needs_an_environment_of_its_own():
    extras = PROJECT["optional-dependencies"]
    (of_xla,) = [text.removeprefix("torch-xla[tpu]") for text in extras["tpu"] if "xla" in text]
    assert set(extras["tpu"]) == {f"torch-xla[tpu]{of_xla}", f"torch{of_xla}"}
    pins = (ROOT / "constraints.txt").read_text()
    (pinned,) = re.findall(r"^torch==(\S+)$", pins, re.MULTILINE)
    assert not SpecifierSet(of_xla).contains(pinned)  # else it could be one of `all`
    assert "torch-xla" not in pins
    assert "tpu" not in re.split(r"[\[\],]", extras["all"][0])
    told = section("gpu.md", "TPU")
    assert 'pip install -e ".[tpu]"' in told
    assert "-c constraints.txt" not in told


def test_extras_are_those_of_the_project():
    told = {name for row in rows(section("install.md", "Extras")) for name in codes(row[0])}
    assert told == PROJECT["optional-dependencies"].keys() - {"test", "dev"}


def test_what_is_switched_off_and_what_is_left_in_the_home():
    text = section("install.md", "What it sends and leaves")
    assert set(popnas._TELEMETRY) <= set(codes(text))
    tables = (ROOT / "src/popnas/datasets/sources/_hub_tables.py").read_text(encoding="utf-8")
    assert "cache_dir" not in tables, "the hub's data lie in its own cache: install.md and README say so"
    assert "~/.cache/huggingface" in text


def test_the_report_is_described_part_by_part():
    told = [row[0] for row in rows(section("howto/report.md", "From top to bottom"))]
    assert [name for name in told if name != "parts of plug-ins"] == [title for title, _, _ in OUTLINE]


def test_the_whole_job_takes_what_the_page_says():
    text = words("howto/plan.md")
    run = load_config("run")
    assert f"the {choices.NUM_CELLS} best cells" in text
    epochs = {
        name: json.loads(config.preset_text(name) or "")["training_hyperparameters"]["epochs"]
        for name in config.partial_preset_names()
        if name.endswith(("_images", "_ts"))
    }
    assert {number for name, number in epochs.items() if name.startswith("model_selection")} == {200}
    assert {number for name, number in epochs.items() if name.startswith("last_training")} == {600}
    assert "for 200 epochs each" in text and "for 600 epochs" in text
    networks, num_epochs = _of_search(run)["networks"], run.training_hyperparameters.epochs
    assert f"up to {networks} networks for {num_epochs} epochs each" in text
    assert f"worth about {(choices.NUM_CELLS * 200 + 600) // num_epochs} more" in text
    assert budget.SEARCH_SHARE == budget.SELECTION_SHARE == 0.4
    assert text.count("at least 40 %") == 2


def test_int8_is_kept_by_the_rule_that_the_page_states():
    assert (int8.MAX_LOSS, int8.MIN_GAIN) == (0.01, 0.05)
    (told,) = [row[1] for row in rows(page("howto/deploy.md")) if row[0] == "`model.int8.onnx`"]
    assert "at most one point of accuracy" in told and "smaller or at least 5 % faster" in told


def test_image_formats_are_those_that_are_read():
    text = section("howto/images.md", "Lay the files out")
    names = {"JPEG2000": "JPEG 2000", "WEBP": "WebP"}
    for kind in (*decoding._FORMATS, *decoding._BY_SUFFIX.values()):
        assert names.get(kind, kind) in text, kind


def test_splits_of_v3_are_read():
    text = section("from-v3.md", "Data")
    assert {"keras_training", "keras_validation", "keras_test"} <= set(codes(text))
    assert [layouts.split_named(f"keras_{name}") for name in ("training", "validation", "test")] == [
        "train",
        "validation",
        "test",
    ]


REFUSED = [
    (codes(field)[0], json.loads(value))
    for field, values, _ in rows(section("from-v3.md", "Values that are refused"))
    for value in codes(values)
]


@pytest.mark.parametrize(("place", "value"), REFUSED)
def test_what_is_said_to_be_refused_of_v3_is(place, value):
    sets = [f"{place}={json.dumps(value)}"]
    if "lookahead" in place:
        other = {"sync_period": 6, "slow_step_size": 0.5} | {place.rpartition(".")[2]: value}
        sets = [f"{place.rpartition('.')[0]}={json.dumps(other)}"]
    load_config("run_cifar10")
    with pytest.raises(ConfigError) as caught:
        load_config("run_cifar10", sets=sets)
    assert [problem.place for problem in caught.value.problems] == [place]


def test_activations_are_all_there():
    (told,) = [row[2] for row in rows(page("from-v3.md")) if row[0] == "`activation_function`"]
    field = config.ArchitectureConfig.model_fields["activation_function"]
    assert set(codes(told)) == set(get_args(field.annotation))


def test_fields_of_old_sections_go_where_the_page_says():
    told = [
        (codes(home)[0], codes(names))
        for home, names in rows(section("from-v3.md", "Rewrite older configurations"))
    ]
    assert len(told) == 2
    for home, names in told:
        moved = config.migrated({"cnn_hp": dict.fromkeys(names)}, is_whole=False).document
        assert set(moved) == {home} and set(moved[home]) == set(names)


def test_what_later_stages_ignore_is_said():
    assert "architecture_hyperparameters.multi_output" in after_search._BOTH
    assert "`multi_output` has no effect there" in words("from-v3.md")


def test_the_run_folder_is_described_file_by_file():
    """Whatever a search leaves, and what a model's folder may hold."""
    text = page("reference/run-folder.md")
    told = [name.rstrip("/") for name in codes(text)]
    run = made_data.run_on_digits()
    names = [path.relative_to(run) for path in run.rglob("*") if path.is_file()]
    assert len(names) > 20
    unknown = [str(name) for name in names if not _is_told(str(name), told)]
    assert unknown == []
    last = [name.rpartition("/")[2] for name in told]
    assert [name for name in earlier._OWN if not any(fnmatch(known, name) for known in last)] == []


def _is_told(name: str, told: list[str]) -> bool:
    patterns = [re.sub(r"\{b\}", "*", known.replace("B2", "B*").replace("B1/0", "B*/*")) for known in told]
    return any(
        fnmatch(name, pattern) or fnmatch(name, f"{pattern}/*") or fnmatch(name.removeprefix("csv/"), pattern)
        for pattern in patterns
        if pattern not in ("csv", "restore")
    )


def test_trackers_and_logs_name_what_is_there():
    extras = PROJECT["optional-dependencies"]
    assert [text.partition(">")[0] for text in extras["mlflow"]] == ["mlflow-skinny"]
    assert "`mlflow-skinny`" in page("trackers.md")
    assert any(text.startswith("tensorboard>") for text in extras["server"])
    assert f"`logs/{STATE_FOLDER}/jobs/`" in page("logs.md")


def test_what_logs_hide_is_said():
    text = section("logs.md", "What is not in them")
    assert set(printable._SECRET_NAMES) <= set(codes(text))
    assert printable._SHORTEST_SECRET == 6 and "from six characters on" in text


def test_what_the_server_says_of_names_and_times_is_so():
    assert places.RUN_NAME == r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
    assert "up to 100 letters (a-z, A-Z), digits, `.`, `_` and `-`, with a letter or digit first" in words(
        "server.md"
    )
    pytest.importorskip("fastapi")
    from popnas.server import boards

    assert boards.IDLE_SECONDS == 600 and "when nobody has looked for ten minutes" in words("server.md")
    assert trackers.MOST_WAITING == 10_000 and "a queue of 10,000 messages" in words("trackers.md")
    assert compiling.PAYS_FROM_SECONDS == 600 and "expected to take ten minutes or more" in words("gpu.md")


def test_the_clusters_page_names_the_floor_of_ray():
    (floor,) = PROJECT["optional-dependencies"]["ray"]
    assert f"Ray {floor.removeprefix('ray>=')} or later" in words("cluster.md")


def test_versions_say_what_test_lowest_leaves_as_it_is(site):
    text = (ROOT / "release" / "floors.py").read_text(encoding="utf-8")
    heavy = re.search(r"^HEAVY = \((.*?)\)", text, re.MULTILINE | re.DOTALL)
    assert heavy is not None
    told = " ".join(section("versions.md", "Python and versions of packages").split())
    left = told.partition("as `constraints.txt` has them: ")[2].partition(". -")[0]
    assert set(codes(left.partition(". ")[0])) == set(re.findall(r'"([^"]+)"', heavy[1]))
    licences = {each.name.lower(): site["licences"].licence(each) for each in site["licences"].needed()}
    copyleft = [name for name, licence in licences.items() if re.search(r"GPL|Mozilla|MPL", licence)]
    if not any(name.startswith("nvidia") for name in licences):
        assert [name for name in copyleft if name != "moocore"] == []


def test_exit_statuses_are_those_of_the_command_line():
    from popnas.cli import main

    told = [row[0] for row in rows(page("reference/commands.md"))]
    said = " ".join((main.__doc__ or "").split())
    assert told == ["0", "1", "2", "128 + n"]
    assert "0 done, 1 failed, 2 a mistake of the user's, 128 + n ended by signal n (Ctrl-C: 130)" in said


def test_presets_are_a_table(site):
    table = site["parts"].markdown().partition("## Presets")[2].partition("\n## ")[0]
    assert [codes(row[0])[0] for row in rows(table)] == [
        *config.preset_names(),
        *config.partial_preset_names(),
    ]


def test_every_troubleshooting_entry_with_a_command_is_checked():
    """Each command of the page either must fail with the text below it, or is what helps."""
    found = blocks(DOCS / "troubleshooting.md")
    failing = [block for block in found if block.fails]
    assert len(failing) >= 15
    assert [block.line for block in failing if not block.output] == []


def test_no_page_names_a_module_that_is_not_there():
    """Files of the source that pages name by their path; the log tells of those that were, too."""
    for path in (path for path in pages() if path.name != "log.md"):
        for name in re.findall(
            r"`((?:src/popnas/|tests/|benchmarks/|release/|examples/|docs/)[\w./-]+)`",
            path.read_text(encoding="utf-8"),
        ):
            assert (ROOT / name).exists(), f"{path.name}: {name}"
