"""The workflow files for a public code host, read: they cannot be run here.

What they say has to be true of the repository: every system and every Python that the course
promises, commands that exist, no more rights than needed.
"""

import copy
import importlib.util
import re
import shutil
from pathlib import Path

import pytest
import yaml

import course
from tools import test_summary

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
SYSTEMS = {"ubuntu-latest", "macos-latest", "windows-latest"}  # «macos-latest» is Apple's own chip


def read(name):
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


def triggers(workflow):
    """The part «on», which YAML 1.1 takes for the word «true»."""
    return workflow.get("on", workflow.get(True))


def steps(workflow):
    """All steps of all jobs."""
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


def commands(workflow):
    """Everything that is run, as one text."""
    return "\n".join(step.get("run", "") for step in steps(workflow))


# ------------------------------------------------------------------------------- all of them


def rule_broken(workflow, text):
    """What is wrong with a workflow, or ``""``."""
    if workflow.get("permissions") != {"contents": "read"}:
        return "it may do more than read"
    if any("permissions" in job for job in workflow["jobs"].values()):
        return "a job takes rights of its own"
    if re.search(r"secrets|token", text, re.IGNORECASE):
        return "it uses a secret"
    if "pull_request_target" in text:
        return "it would run a stranger's change with the project's rights"
    for step in steps(workflow):
        action = step.get("uses", "")
        if action and not re.fullmatch(r"actions/[\w-]+@v\d+", action):
            return f"{action} is not an action of the code host, pinned to a version"
        if action.startswith("actions/checkout") and step["with"]["persist-credentials"]:
            return "the checkout leaves a key behind"
        if action.startswith("actions/setup-python") and step["with"].get("cache") != "pip":
            return "pip's downloads are not kept"
    for name, job in workflow["jobs"].items():
        if "uses" not in job and "timeout-minutes" not in job:
            return f"{name} might run for ever"
    return ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_workflow_keeps_the_rules(path):
    assert rule_broken(read(path.name), path.read_text("utf-8")) == ""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("contents: read", "contents: write", "more than read"),
        ("checkout@v6", "checkout@main", "pinned to a version"),
        ("actions/checkout@v6", "somebody/checkout@v6", "not an action of the code host"),
        ("persist-credentials: false", "persist-credentials: true", "leaves a key"),
        ("cache: pip", "cache: poetry", "not kept"),
        ("timeout-minutes: 90", "continue-on-error: true", "run for ever"),
        ("python course.py test", "echo ${{ secrets.KEY }}", "a secret"),
        ("pull_request:", "pull_request_target:", "stranger"),
    ],
)
def test_broken_rule_is_noticed(old, new, complaint):
    text = (FOLDER / "tests.yml").read_text("utf-8")
    assert old in text
    broken = text.replace(old, new)
    assert complaint in rule_broken(yaml.safe_load(broken), broken)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_commands_and_files_exist(path):
    text = path.read_text("utf-8")
    for name in re.findall(r"course\.py ([\w-]+)", commands(read(path.name))):
        assert name in course.COMMANDS, f"course.py has no command {name}"
    for name in re.findall(r"\b(?:tools|notebooks|tests|\.github)/[\w./-]+\.\w+", text):
        assert (PROJECT / name).is_file(), f"there is no {name}"
    for step in steps(read(path.name)):
        depends_on = step.get("with", {}).get("cache-dependency-path", "")
        assert all((PROJECT / name).is_file() for name in depends_on.split())


# ------------------------------------------------------------------------------- the tests


def missing_combinations(workflow):
    """Those systems and Pythons of the course that no job has."""
    minors = range(course.OLDEST[1], course.NEWEST[1] + 1)
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    excluded = {(one["system"], one["python"]) for one in matrix.get("exclude", [])}
    there = {(system, python) for system in matrix["system"] for python in matrix["python"]}
    return {(system, f"3.{minor}") for system in SYSTEMS for minor in minors} - there | excluded


def test_every_system_and_every_python_is_tested():
    workflow = read("tests.yml")
    assert missing_combinations(workflow) == set()
    assert "python course.py test\n" in commands(workflow) + "\n", "without a choice of tests"
    assert {"push", "pull_request"} <= set(triggers(workflow))
    assert workflow["jobs"]["tests"]["strategy"]["fail-fast"] is False


def test_missing_python_is_noticed():
    workflow = copy.deepcopy(read("tests.yml"))
    workflow["jobs"]["tests"]["strategy"]["matrix"]["python"].remove("3.14")
    assert missing_combinations(workflow) == {(system, "3.14") for system in SYSTEMS}


def test_skipped_tests_are_seen():
    """Without a browser a test fails there, and whatever else is skipped is on the run's page."""
    job = read("tests.yml")["jobs"]["tests"]
    assert job["env"]["SEEING_SOUND_REQUIRE_BROWSER"] == "1"
    last = job["steps"][-1]
    assert last["if"] == "always()"
    assert last["run"] == 'python tools/test_summary.py >> "$GITHUB_STEP_SUMMARY"'


def test_every_week_locked_and_unlocked():
    weekly = read("weekly.yml")
    assert weekly["jobs"]["locked"] == {"uses": "./.github/workflows/tests.yml"}
    assert weekly["jobs"]["unlocked"]["uses"] == "./.github/workflows/tests.yml"
    assert weekly["jobs"]["unlocked"]["with"] == {"unlocked": True}
    assert "unlocked" in triggers(read("tests.yml"))["workflow_call"]["inputs"]
    assert "inputs.unlocked" in read("tests.yml")["jobs"]["tests"]["env"]["SEEING_SOUND_UNLOCKED"]


@pytest.mark.parametrize("name", ["weekly.yml", "binder.yml"])
def test_once_a_week(name):
    (entry,) = triggers(read(name))["schedule"]
    minute, hour, day, month, weekday = entry["cron"].split()
    assert (day, month) == ("*", "*")
    assert weekday in "0123456"
    assert 0 <= int(hour) < 24
    assert 0 < int(minute) < 60, "on the full hour everybody starts"


def test_binder_is_built_and_gets_what_binder_gives():
    said = commands(read("binder.yml"))
    assert "jupyter-repo2docker --no-run" in said
    assert "--memory=2g" in said
    assert "--cpus=1" in said
    assert "course.py binder-check" in said
    python = (PROJECT / "binder" / "runtime.txt").read_text("utf-8").strip().split("-")[1]
    versions = {
        step["with"]["python-version"]
        for step in steps(read("binder.yml"))
        if step.get("uses", "").startswith("actions/setup-python")
    }
    assert versions == {python}, "the check needs a Python of Binder's version"


# -------------------------------------------------------------------- without constraints


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Import a copy of course.py with and without the switch."""
    for name in ("course.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(PROJECT / name, tmp_path)

    def load(switch):
        monkeypatch.setenv("SEEING_SOUND_UNLOCKED", switch)
        spec = importlib.util.spec_from_file_location("course_here", tmp_path / "course.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_unlocked_takes_the_newest_of_everything(load):
    locked, unlocked = load("0").pip_install("-e", "."), load("1").pip_install("-e", ".")
    assert locked[locked.index("-c") + 1] == "constraints.txt"
    assert "constraints.txt" not in unlocked
    assert {"--upgrade", "--upgrade-strategy=eager"} <= set(unlocked)
    assert unlocked[-2:] == ["-e", "."]


def test_going_from_locked_to_unlocked_and_back_installs(load):
    assert load("0").environment_key("3.12") != load("1").environment_key("3.12")
    assert load("0").environment_key("3.12") == load("").environment_key("3.12")


def test_unlocked_installs_although_everything_is_there(load, monkeypatch):
    """An installation that is whole, and a PyTorch that the constraints name, are no reason."""
    calls = []
    for switch in ("0", "1"):
        module = load(switch)
        module.VENV.mkdir(exist_ok=True)
        monkeypatch.setattr(module, "ask_venv", lambda code: "2.13.0+cpu")
        monkeypatch.setattr(module, "answers", lambda url: True)
        monkeypatch.setattr(module, "python_build", lambda: "linux-x86_64")
        monkeypatch.setattr(module, "run", lambda words, **options: calls.append(words) or 0)
        wanted = {"key": "new", "extras": ["dev"], "torch": "preferred"}
        module.install(wanted, stamp={"key": "old", "extras": ["dev"], "torch": "preferred"})
    locked, unlocked = calls
    assert "--no-index" in locked
    assert "--no-index" not in unlocked
    assert unlocked[unlocked.index("--extra-index-url") + 1] == course.CPU_INDEX


# ------------------------------------------------------------------ tools/test_summary.py


def write_report(folder, cases):
    (folder / "tests.xml").write_text(
        f"<testsuites><testsuite>{cases}</testsuite></testsuites>", "utf-8"
    )


def test_summary_names_what_was_skipped_and_why(tmp_path):
    skipped = (
        '<testcase classname="tests.a" name="{}"><skipped message="no | sound\ncard"/></testcase>'
    )
    write_report(
        tmp_path,
        '<testcase classname="tests.a" name="good"/>'
        '<testcase classname="tests.a" name="bad"><failure message="x"/></testcase>'
        + skipped.format("one")
        + skipped.format("two"),
    )
    said = test_summary.summary(tmp_path)
    assert said.startswith("1 passed, 1 failed, 2 skipped.\n")
    assert "| 2 | tests.a | no \\| sound card |\n" in said


def test_summary_without_a_run_says_so(tmp_path):
    assert test_summary.summary(tmp_path) == "No test ran.\n"


def test_summary_without_skipped_tests_has_no_table(tmp_path):
    write_report(tmp_path, '<testcase classname="tests.a" name="good"/>')
    assert test_summary.summary(tmp_path) == "1 passed, 0 failed, 0 skipped.\n"
