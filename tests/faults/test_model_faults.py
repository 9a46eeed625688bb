"""Broken and hostile model folders: a sentence that names the file, or an answer.

The generator is in `model_faults.py`, which also runs more cases:
    python tests/faults/model_faults.py --seed 1 --count 300
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

SPEC = importlib.util.spec_from_file_location("model_faults", Path(__file__).with_name("model_faults.py"))
model_faults = importlib.util.module_from_spec(SPEC)
sys.modules["model_faults"] = model_faults
SPEC.loader.exec_module(model_faults)


def test_commands_and_python_refuse_in_words_what_they_cannot_use(tmp_path):
    found = model_faults.sweep(tmp_path, 11, range(36))
    assert [(case, wrong) for case, _, wrong in found if wrong] == []
    assert {"refused", "answered"} == {end for _, end, _ in found}
