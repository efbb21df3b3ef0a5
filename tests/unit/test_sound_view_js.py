"""The widget's JavaScript: its pure helpers under node, and what it must not contain."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
STATIC = HERE.parents[1] / "course_utils" / "sound_view" / "static"


def test_helpers_under_node():
    node = shutil.which("node")
    if node is None:
        if os.environ.get("SEEING_SOUND_REQUIRE_BROWSER"):
            pytest.fail("node is not installed")
        pytest.skip("node is not installed")
    files = [str(file) for file in sorted((HERE / "js").glob("*.mjs"))]
    run = subprocess.run([node, "--test", *files], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"# pass [1-9]", run.stdout)


FILES = [*STATIC.rglob("*.js"), *STATIC.rglob("*.css")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_is_loaded_from_elsewhere(file):
    text = file.read_text(encoding="utf-8")
    text = text.replace('"http://www.w3.org/2000/svg"', "")  # a namespace's name, no address
    assert not re.search(r"https?://|\bimport\s*\(|^\s*import\s|@import|url\(", text, re.M)


def test_every_part_is_joined_once():
    order = json.loads((STATIC / "parts" / "order.json").read_text(encoding="utf-8"))
    parts = [file.stem for file in (STATIC / "parts").glob("*.js")]
    assert sorted(order) == sorted(["../engine", "../words", *parts])


def test_helpers_and_python_agree_on_the_colour_map():
    import matplotlib as mpl

    text = (STATIC / "parts" / "colours.js").read_text(encoding="utf-8")
    anchors = re.search(r'"((?:[0-9a-f]{6} ){32}[0-9a-f]{6})"', text).group(1).split()
    for i, anchor in enumerate(anchors):
        assert "#" + anchor == mpl.colors.to_hex(mpl.colormaps["magma"](i / 32))
