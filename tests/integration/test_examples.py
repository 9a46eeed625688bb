"""The notebooks in `examples/` run as they stand, and lie there without outputs."""

import json
import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_are_kept_without_outputs_and_their_code_compiles(path):
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 5
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    for cell in code:
        compile("".join(cell["source"]), cell["id"], "exec")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize(("name", "least"), [("images", 0.85), ("series", 0.8)])
def test_they_run(name, least, execute_notebook):
    if name == "series":
        pytest.importorskip("aeon")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    execute_notebook(notebook, seconds=1700)
    texts = [output.text for cell in notebook.cells for output in cell.get("outputs", ()) if "text" in output]
    assert float(re.search(r"accuracy (0\.\d+|1\.0+)(?: \+-|$)", "".join(texts), re.MULTILINE)[1]) > least
