"""The load test with a real JupyterHub, a real proxy and one real student."""

import os
import re
import sys

import pytest

from tools import class_hub, class_load
from tools.class_hub import (
    COURSE,
    Hub,
    NoHubError,
    check_hub,
    find_proxy,
    kind_of,
    processes_of,
)
from tools.class_link import pull_link
from tools.class_student import Student, StudentError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the load test is for Linux servers"),
]


@pytest.fixture(autouse=True, scope="module")
def _installed():
    """Skipped without hub or proxy; where ``SEEING_SOUND_REQUIRE_HUB=1`` it fails."""
    try:
        check_hub()
        find_proxy()
    except NoHubError as problem:
        if os.environ.get("SEEING_SOUND_REQUIRE_HUB") == "1":
            pytest.fail(str(problem))
        pytest.skip(str(problem))


def test_one_student_comes_in_runs_the_lesson_and_moves_its_sliders(tmp_path, capsys):
    status = class_load.main(["--students", "1", "--seconds", "4", "--out", str(tmp_path)])
    told = capsys.readouterr().out
    assert status == 0, told
    run, line = class_load.read(tmp_path)
    assert run["versions"]["configurable-http-proxy"]
    assert run["versions"]["jupyterhub"]
    assert line["failures"] == []
    assert line["students"] == 1
    for step in ("log_in", "server", "course", "kernel", "lesson"):
        assert len(line[f"{step}_s"]) == 1, f"{step} was not reached"
    kernel, browser = line["moves"]["kernel"], line["moves"]["browser"]
    assert kernel["steps"] == browser["steps"] >= 8
    assert kernel["shown"] == kernel["asked"] == kernel["sent"] > 0
    assert 0 < browser["shown"] == browser["asked"] < kernel["asked"]
    assert kernel["failures"] == browser["failures"] == []
    assert kernel["latency_ms"]["median"] > 0
    assert kernel["cores"]["kernels"] > 0
    memory = line["memory"]
    assert memory["kernel_mb"] > 100
    assert memory["server_mb"] > 50
    assert memory["hub_mb"] > 50
    page = (tmp_path / "scaling.md").read_text("utf-8")
    assert re.search(r"^\| 1 \| Kernel draws each step \|", page, re.MULTILINE)


def test_hub_of_the_class(monkeypatch):
    """Who does not know the password stays out; 20 MB go into a kernel; the end leaves nothing."""
    with Hub() as hub:
        with pytest.raises(StudentError, match="refused the log-in"):
            Student("mallory", hub.url, "a wrong password").log_in()
        student = Student("ada", hub.url, hub.password)
        student.log_in()
        student.start_server()
        student.follow(pull_link(hub.url, hub.course_repository()))
        home = hub.state / "homes" / "ada"
        assert (home / COURSE / "notebooks" / "00_start.ipynb").is_file()
        student.open_notebook(f"{COURSE}/notebooks/00_start.ipynb")
        reply = student.kernel.ask("comm_info_request", {"target_name": "x" * 20_000_000})
        assert reply["status"] == "ok", "a sound of 20 MB would be dropped in silence"
        with pytest.raises(StudentError, match="did not arrive"):
            student.follow(pull_link(hub.url, hub.course_repository(), branch="no-such-branch"))
        state = hub.state
        kinds = {kind_of(process.cmdline()) for process in processes_of(state)}
        assert {"hub", "proxy", "servers", "kernels"} <= kinds
        student.close()
        family = hub.processes()
        assert "culler" in {kind_of(process.cmdline()) for process in family}
        monkeypatch.setattr(class_hub, "STOP_S", 0)  # a busy hub is killed before it has tidied up
    assert [process for process in family if process.is_running()] == [], "nothing lives on"
    assert processes_of(state) == []
    assert not state.exists()
