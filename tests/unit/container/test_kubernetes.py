"""The manifest for Kubernetes, as far as it can be read without a cluster: it fits the image and itself."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from popnas.cli.jobs.search import command as search

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[3]
MANIFEST = ROOT / "docs" / "kubernetes" / "raycluster.yaml"
pytestmark = pytest.mark.skipif(not MANIFEST.is_file(), reason="needs the repository")


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """By kind."""
    return {part["kind"]: part for part in yaml.safe_load_all(MANIFEST.read_text())}


@pytest.fixture(scope="module")
def containers(parts: dict[str, Any]) -> dict[str, Any]:
    """By name."""
    cluster = parts["RayCluster"]["spec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"], parts["Job"]["spec"]]
    found = [each for group in groups for each in group["template"]["spec"]["containers"]]
    return {each["name"]: each for each in found}


def before() -> list[list[str]]:
    """The commands that its head names."""
    lines = re.findall(r"^#   (.*)$", MANIFEST.read_text(), re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_all_run_one_image_which_holds_popnas_and_ray(containers: dict[str, Any]) -> None:
    (image,) = {each["image"] for each in containers.values()}
    (build,) = [words for words in before() if words[:2] == ["docker", "build"]]
    assert image in build and set(containers) == {"ray-head", "ray-worker", "search"}
    (extras,) = [word.removeprefix("EXTRAS=") for word in build if word.startswith("EXTRAS=")]
    assert "ray" in extras.split(",")
    assert "ARG EXTRAS=" in (ROOT / "Dockerfile").read_text()


def test_its_ray_is_the_one_that_the_image_is_built_with(parts: dict[str, Any]) -> None:
    constraints = (ROOT / "constraints.txt").read_text()
    assert f"\nray=={parts['RayCluster']['spec']['rayVersion']}\n" in constraints


def test_nobody_comes_in_without_the_token(containers: dict[str, Any]) -> None:
    (secret,) = [words for words in before() if "secret" in words]
    for each in containers.values():
        given = {variable["name"]: variable for variable in each["env"]}
        assert given["RAY_AUTH_MODE"]["value"] == "token"
        reference = given["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"]
        assert reference["name"] in secret
        assert any(word.startswith(f"--from-literal={reference['key']}=") for word in secret)


def test_ports_that_are_looked_at_are_those_that_are_opened(
    parts: dict[str, Any], containers: dict[str, Any]
) -> None:
    cluster, head = parts["RayCluster"]["spec"], containers["ray-head"]
    port = head["ports"][0]["containerPort"]
    (group,) = cluster["workerGroupSpecs"]
    opened = {"ray-head": port, "ray-worker": int(group["rayStartParams"]["node-manager-port"])}
    for name, number in opened.items():
        for probe in ("readinessProbe", "livenessProbe"):
            assert containers[name][probe]["tcpSocket"]["port"] == number
    assert f"{parts['RayCluster']['metadata']['name']}-head-svc:{port}" in containers["search"]["args"][0]


def test_the_search_goes_on_where_it_was(parts: dict[str, Any], containers: dict[str, Any]) -> None:
    script = containers["search"]["args"][0].replace("\\\n", "")
    again, first = (shlex.split(line) for line in re.findall(r"exec (popnas search .*)", script))
    known = {option for parameter in search.params for option in parameter.opts}
    for words in (again, first):
        assert {word for word in words[2:] if word.startswith("-")} <= known
    given = dict(zip(first[2::2], first[3::2], strict=True))
    assert again[2:] == ["-r", f"{given['--logs']}/{given['--name']}"]
    mounts = {each["mountPath"]: each["name"] for each in containers["search"]["volumeMounts"]}
    volumes = {each["name"]: each for each in parts["Job"]["spec"]["template"]["spec"]["volumes"]}
    claim = volumes[mounts[given["--logs"]]]["persistentVolumeClaim"]["claimName"]
    assert claim == parts["PersistentVolumeClaim"]["metadata"]["name"]
    (configmap,) = [words for words in before() if "configmap" in words]
    config = Path(given["-j"])
    assert volumes[mounts[str(config.parent)]]["configMap"]["name"] in configmap
    assert any(word.startswith(f"--from-file={config.name}=") for word in configmap)


def test_as_many_workers_as_the_cluster_may_grow_to(
    parts: dict[str, Any], containers: dict[str, Any]
) -> None:
    (group,) = parts["RayCluster"]["spec"]["workerGroupSpecs"]
    cores = group["maxReplicas"] * int(containers["ray-worker"]["resources"]["limits"]["cpu"])
    assert f"others.executor.workers={cores}" in containers["search"]["args"][0]
