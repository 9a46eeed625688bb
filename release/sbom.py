"""The bill of materials of popnas: what `pip install popnas` brings, as CycloneDX JSON, for `make release`.

    python release/sbom.py dist

It is made of the environment that it runs in, whose versions are those of constraints.txt, and says which one
that was: the default build of PyTorch for Linux brings NVIDIA's packages along, the one for CPUs none. Equal
environments give equal files: there is no time and no random number in it.
"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path
from uuid import UUID, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs" / "_site"))
from licences import key, licence, needed, requirements  # noqa: E402 - the closure that the site lists

_OF_POPNAS = UUID("8f7a3a52-6f0c-5d0e-9a53-6d6f0c1d2b11")


def bill() -> Bom:
    """popnas and all that it needs, each with what it needs itself."""
    root, packages = distribution("popnas"), needed()
    bom = Bom()
    bom.metadata.component = _component(root, ComponentType.APPLICATION)
    bom.metadata.timestamp = None  # type: ignore[assignment]
    bom.metadata.properties.update(_environment())
    bom.serial_number = uuid5(
        _OF_POPNAS, " ".join(f"{each.name} {each.version}" for each in [root, *packages])
    )
    components = {key(each.name): _component(each) for each in packages}
    bom.components.update(components.values())
    bom.register_dependency(bom.metadata.component, _of(root, components))
    for each in packages:
        bom.register_dependency(components[key(each.name)], _of(each, components))
    return bom


def _component(package: Distribution, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    # What is there by a local name (a CPU build of PyTorch) is of the public version in the bill.
    version = package.version.partition("+")[0]
    url = PackageURL("pypi", name=key(package.name), version=version)
    return Component(
        type=kind,
        name=package.name,
        version=version,
        purl=url,
        bom_ref=str(url),
        description=package.metadata["Summary"],
        licenses=[LicenseFactory().make_from_string(licence(package))],
    )


def _environment() -> list[Property]:
    facts = {
        "torch": distribution("torch").version,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "platform": f"{sys.platform} {platform.machine()}",
    }
    return [Property(name=f"popnas:environment:{name}", value=value) for name, value in facts.items()]


def _of(package: Distribution, components: dict[str, Component]) -> list[Component]:
    return [components[name] for name in requirements(package) if name in components]


def write(folder: Path) -> Path:
    """Write the bill of this version into a folder."""
    path = folder / f"popnas-{distribution('popnas').version}.cdx.json"
    path.write_text(JsonV1Dot6(bill()).output_as_string(indent=2) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
