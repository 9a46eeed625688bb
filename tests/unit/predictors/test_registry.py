from __future__ import annotations

import subprocess
import sys


def test_listing_predictors_imports_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys; import popnas.predictors.features; from popnas.predictors import REGISTRY;"
        "assert {'gin', 'svr'} <= set(REGISTRY.names());"
        "assert not {'torch', 'sklearn', 'scipy.stats'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
