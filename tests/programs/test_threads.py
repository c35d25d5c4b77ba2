"""What several hosts decode at once must have been learned before: msgspec crashes when two threads learn a type."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import importlib, msgspec, sys
module, text = sys.argv[1:]
loaded = importlib.import_module(module)
types = [msgspec.Struct]
while types:  # a type that is learned from now on has fields of types that there are not
    types += (one := types.pop()).__subclasses__()
    if one.__module__.startswith("opslib."):
        one.__annotations__ = dict.fromkeys(one.__annotations__, "Nowhere")
print(eval(text, vars(loaded)))
"""


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("opslib.backup.manifest", "decode(b'{\"version\": 99}', 'x')", "x is of version 99"),
        (
            "opslib.backup.manifest",
            "decode(b'{\"version\": 2}', 'x')",
            "x cannot be read: Object missing required field",
        ),
        ("opslib.state.releases", "decode(b'{}')", "Object missing required field"),
        ("opslib.state.freeze", "decode(b'{}')", "Object missing required field"),
        ("opslib.backup.restore.steps", "parts_of({'parts': [{'type': 'cold'}]})", "Object missing required field"),
    ],
)
def test_types_are_learned_while_their_module_is_loaded(module: str, text: str, said: str) -> None:
    ran = subprocess.run([sys.executable, "-c", CODE, module, text], capture_output=True, text=True, check=False)
    assert said in ran.stderr
