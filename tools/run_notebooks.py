"""Runs the notebooks from a fresh kernel and saves them the way they are kept in git.

    python3 course.py notebooks              every chapter and every solution
    python3 course.py notebooks 02_stft      those whose path contains this
    python3 course.py notebooks --check      looks at them and changes nothing

A saved notebook shows its outputs on a code host and in JupyterLab before anything runs. So they
are kept, but clean: no state of widgets (with it such pages show nothing at all), no times, no
folder of this computer. Cells tagged ``nbval-skip`` (a microphone, a long download) are not run.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

PROJECT = Path(__file__).resolve().parents[1]
MAX_BYTES = 1_000_000
CELL_TIMEOUT_S = 600
SKIP_TAG = "nbval-skip"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

KEPT_CELL_METADATA = {"slideshow", "tags", "jupyter", "editable", "deletable"}
KEPT_NOTEBOOK_METADATA = {"title", "authors", "celltoolbar", "rise"}
# The same on every computer, or each run would change them.
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE_INFO = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}

CELL_FILE = re.compile(r"(?:[A-Za-z]:)?[\w./\\~-]*ipykernel_\d+[/\\]\d+\.py")
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")


def find(project: Path, wanted: list[str]) -> list[Path]:
    """Notebooks below ``notebooks/``, chapters before solutions, those that match ``wanted``."""
    found = [
        path
        for path in sorted(
            (project / "notebooks").rglob("*.ipynb"), key=lambda p: (len(p.parts), p.as_posix())
        )
        if not any(part.startswith(".") for part in path.relative_to(project).parts)
    ]
    names = [(path, path.relative_to(project).as_posix()) for path in found]
    return [path for path, name in names if not wanted or any(w in name for w in wanted)]


def tags(cell) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def execute(notebook, folder: Path) -> None:
    """Run a notebook in place, in a new kernel, in its own folder.

    Raises:
        CellExecutionError: If a cell fails that is not tagged ``raises-exception``.
        CellTimeoutError, DeadKernelError: As the names say.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        skip_cells_with_tag=SKIP_TAG,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # its advice on encryption is not ours
    )
    client.execute()


def clean(notebook, project: Path = PROJECT) -> None:
    """Take everything out of a notebook, in place, that does not belong into git."""
    kept = {k: v for k, v in notebook.metadata.items() if k in KEPT_NOTEBOOK_METADATA}
    notebook.metadata = nbformat.from_dict(
        {**kept, "kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO}
    )
    for cell in notebook.cells:
        for key in set(cell.metadata) - KEPT_CELL_METADATA:
            del cell.metadata[key]
        if cell.cell_type == "code":
            cell.outputs = [clean_output(output, project) for output in merge(cell.outputs)]


def merge(outputs: list) -> list:
    """Join neighbouring pieces of the same stream: how a print is cut up is chance."""
    merged: list = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def clean_output(output, project: Path):
    """One output without folders of this computer and without widget views.

    A view needs its kernel: in a notebook that was just opened, JupyterLab prefers it to the
    picture beside it and shows "model not found".
    """
    if output.output_type == "stream":
        output.text = without_folders(output.text, project)
    elif output.output_type == "error":
        output.traceback = [without_folders(line, project) for line in output.traceback]
        output.evalue = without_folders(output.evalue, project)
    else:
        output.metadata.pop(WIDGET_VIEW, None)
        if len(output.data) > 1:
            output.data.pop(WIDGET_VIEW, None)
        for kind, text in output.data.items():
            if kind.startswith("text/") and isinstance(text, str):
                output.data[kind] = without_folders(text, project)
    return output


def without_folders(text: str, project: Path) -> str:
    """Replace folders of this computer: the project's, the home folder, the kernel's own files."""
    text = CELL_FILE.sub("<cell>", text)
    text = text.replace(str(project), "seeing-sound")
    home = os.path.expanduser("~")
    if len(home) > 1:
        text = re.sub(re.escape(home) + r"(?=[/\\])", "~", text)
    return text


def problems(notebook, text: str, project: Path = PROJECT) -> list[str]:
    """What is wrong with a saved notebook, one sentence each; empty if nothing is.

    Args:
        notebook: The notebook as it was read.
        text: The file's own text.
        project: Folder that must not appear in it.
    """
    found = [
        *size_problems(notebook, text),
        *run_problems(notebook),
        *output_problems(notebook, project),
    ]
    canonical = nbformat.from_dict(notebook)
    clean(canonical, project)
    if not found and as_text(canonical) != text:
        found.append("it is not in its clean form (other metadata, widget views, spacing)")
    return found


def size_problems(notebook, text: str) -> list[str]:
    """Whether the file is too large, and which cell makes it so."""
    size = len(text.encode("utf-8"))
    if size <= MAX_BYTES:
        return []
    largest, number = max((len(str(c.get("outputs", ""))), n) for n, c in numbered(notebook))
    return [
        f"it has {size / 1e6:.1f} MB, and {MAX_BYTES / 1e6:.0f} MB is the limit; cell {number} "
        f"alone has {largest / 1e6:.1f} MB of output (a smaller figure, a lower dpi?)"
    ]


def run_problems(notebook) -> list[str]:
    """Whether every cell ran, once, from top to bottom."""
    expected, found = 1, []
    for number, cell in numbered(notebook):
        if cell.cell_type != "code" or not cell.source.strip() or SKIP_TAG in tags(cell):
            continue
        if cell.execution_count != expected:
            found.append(f"cell {number} was not run in its turn (number {cell.execution_count})")
            break
        expected += 1
    return found


def output_problems(notebook, project: Path) -> list[str]:
    """Outputs that no reader should meet, or that change with every run."""
    found = ["it holds the state of widgets"] if "widgets" in notebook.metadata else []
    for number, cell in numbered(notebook):
        for output in cell.get("outputs", []):
            text = visible_text(output)
            if output.output_type == "error" and "raises-exception" not in tags(cell):
                found.append(f"cell {number} ends with an error: {output.ename}")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"cell {number} shows red text: {text.strip().splitlines()[-1][:80]}")
            if WIDGET_VIEW in output.get("data", {}) and len(output.data) > 1:
                found.append(f"cell {number} holds a widget view")
            if text != without_folders(text, project):
                found.append(f"cell {number} shows a folder of this computer")
            if ADDRESS.search(text):
                found.append(
                    f"cell {number} shows a memory address: {ADDRESS.search(text).group()}"
                )
    return found


def visible_text(output) -> str:
    """All text of an output in one piece."""
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return "\n".join([*output.traceback, output.evalue])
    return "\n".join(v for k, v in output.data.items() if k.startswith("text/"))


def numbered(notebook):
    """Cells with their number as a person counts them, from 1."""
    return enumerate(notebook.cells, start=1)


def as_text(notebook) -> str:
    """The text of a notebook file."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def save(path: Path, text: str) -> None:
    """Write a file in one step: an interruption leaves the old one."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=".", delete=False
    ) as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def renew(path: Path, project: Path = PROJECT) -> list[str]:
    """Run one notebook and save it if all is well.

    Returns:
        What is wrong, one sentence each; then the file is as it was.
    """
    notebook = nbformat.read(path, as_version=4)
    try:
        execute(notebook, path.parent)
    except CellExecutionError as error:
        return [f"a cell fails: {error.ename}: {error.evalue}\n{error}"]
    except CellTimeoutError:
        return [f"a cell takes more than {CELL_TIMEOUT_S} s"]
    except DeadKernelError:
        return ["the kernel died (out of memory?)"]
    clean(notebook, project)
    text = as_text(notebook)
    found = problems(notebook, text, project)
    if not found and text != path.read_text("utf-8"):
        save(path, text)
    return found


def check(path: Path, project: Path = PROJECT) -> list[str]:
    """What is wrong with a notebook as it lies there."""
    text = path.read_text("utf-8")
    return problems(nbformat.reads(text, as_version=4), text, project)


def main(arguments: list[str] | None = None, project: Path = PROJECT) -> int:
    """Handle all chosen notebooks and return the exit code."""
    parser = argparse.ArgumentParser(prog="course.py notebooks", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="part of the path, like 02_stft or solutions")
    parser.add_argument("--check", action="store_true", help="run nothing, change nothing")
    options = parser.parse_args(arguments)
    paths = find(project, options.names)
    if not paths:
        print("No notebook fits:", *options.names)
        return 2
    failed = 0
    for path in paths:
        start = time.monotonic()
        found = check(path, project) if options.check else renew(path, project)
        took = "" if options.check else f", {time.monotonic() - start:.0f} s"
        size = f"{path.stat().st_size / 1000:.0f} kB"
        name = path.relative_to(project).as_posix()
        print(f"{name}: {'not saved' if found and not options.check else size}{took}", flush=True)
        for problem in found:
            print(f"    {problem}", flush=True)
        failed += bool(found)
    print(f"{len(paths) - failed} of {len(paths)} notebooks are clean.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
