"""The load test of a class: link, hand, front end, settings, arithmetic, page."""

import collections
import itertools
import json
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

import course
from tools import class_hub, class_link, class_load, class_page, class_student
from tools.class_student import LOOK_S, STEP_S, Front, Message, Step, StudentError, strokes

PROJECT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT / "class_server"

# ------------------------------------------------------------------------------ the link


def parts_of(link):
    """A link as the hub and nbgitpuller read it: ``(address, parameters)``."""
    split = urlsplit(link)
    query = parse_qs(split.query, strict_parsing=True)
    return f"{split.scheme}://{split.netloc}{split.path}", {k: v for k, (v,) in query.items()}


def test_link_says_where_the_course_is_and_what_is_opened():
    link = class_link.pull_link("https://hub.example.org/", "https://git.example.org/a/course/")
    address, asked = parts_of(link)
    assert address == "https://hub.example.org/hub/user-redirect/git-pull"
    assert asked == {
        "repo": "https://git.example.org/a/course",
        "branch": "main",
        "urlpath": "lab/tree/course/notebooks/00_start.ipynb?autodecode",
    }


def test_link_keeps_signs_that_mean_something_in_an_address():
    """A «&» or «#» in a name would end the parameter; a blank or «ü» must arrive as it was."""
    repo = "https://git.example.org/a&b/sound course"
    link = class_link.pull_link("http://h:1/jupyter", repo, branch="a&b", page="für #1/x y.ipynb")
    assert " " not in link
    assert "ü" not in link
    address, asked = parts_of(link)
    assert address == "http://h:1/jupyter/hub/user-redirect/git-pull"
    assert asked["repo"] == repo
    assert asked["branch"] == "a&b"
    path, _, end = asked["urlpath"].rpartition("?")
    assert end == "autodecode"
    assert "#" not in path
    assert unquote(path) == "lab/tree/sound course/für #1/x y.ipynb"


@pytest.mark.parametrize(
    ("hub", "repo", "named"),
    [
        ("hub.example.org", "https://g.example.org/c", "hub"),
        ("https://h.example.org/hub?x=1", "https://g.example.org/c", "hub"),
        ("https://h.example.org", "git@g.example.org:c", "repo"),
        ("https://h.example.org", "", "repo"),
        ("file:///srv/hub", "https://g.example.org/c", "hub"),
    ],
)
def test_what_is_no_address_is_named(hub, repo, named):
    with pytest.raises(ValueError, match=f"^{named} must be an address like https://"):
        class_link.pull_link(hub, repo)


def test_link_without_a_branch_is_refused():
    with pytest.raises(ValueError, match="branch must name"):
        class_link.pull_link("https://h.example.org", "https://g.example.org/c", branch="")


def test_every_part_of_a_link_is_explained(capsys):
    words = ["--hub", "https://h.example.org", "--repo", "https://g.example.org/c"]
    assert class_link.main(words) == 0
    link, empty, *rows = capsys.readouterr().out.splitlines()
    told = [row.split("`")[1] for row in rows[2:]]
    assert empty == ""
    assert told[0] + told[1] + "?" + "&".join(told[2:]) == link, "the parts are not the link"


def test_wrong_address_is_said_in_one_line(capsys):
    assert class_link.main(["--hub", "h", "--repo", "https://g.example.org/c"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_guide_shows_the_link_that_the_tool_builds():
    guide = (PROJECT / "docs" / "class-server.md").read_text("utf-8")
    link = class_link.pull_link(
        "https://hub.example.org", "https://code.example.org/school/seeing-sound"
    )
    assert link in guide
    assert class_link.parts_table(link) in guide


# ------------------------------------------------------------------------------ the hand

START, COUNTS = {"n_fft": 9, "n_mels": 0}, {"n_fft": 14, "n_mels": 3}


def test_hand_moves_one_slider_by_one_step_and_stays_on_the_track():
    steps = strokes(START, COUNTS, seconds=60.0, random=Random(3))
    places = dict(START)
    for step in steps:
        assert abs(step.index - places[step.slider]) == 1
        assert 0 <= step.index < COUNTS[step.slider]
        places[step.slider] = step.index
    assert {step.slider for step in steps} == set(START)


def test_hand_makes_four_steps_a_second_in_strokes():
    steps = strokes(START, COUNTS, seconds=200.0, random=Random(0))
    assert len(steps) / 200.0 == pytest.approx(4.0, rel=0.03)
    pauses = [b.at_s - a.at_s for a, b in itertools.pairwise(steps)]
    assert collections.Counter(round(p, 6) for p in pauses).keys() == {
        STEP_S,
        round(STEP_S + LOOK_S, 6),
    }
    for stroke in zip(*[iter(steps)] * class_student.STROKE_STEPS, strict=True):
        assert len({step.slider for step in stroke}) == 1
    assert steps[-1].at_s < 200.0


def test_students_do_not_move_in_step():
    hands = [strokes(START, COUNTS, seconds=9.0, random=Random(seed)) for seed in (1, 1, 2)]
    assert hands[0] == hands[1] != hands[2]


# ------------------------------------------------------------------------------ the front end


class ScriptedKernel:
    """A kernel that answers at once, as a test says: the front end's rules without a hub."""

    def __init__(self, pictures=lambda settings: [settings], idle=True):
        labels = {
            "n_fft": ("512 · 32 ms", "1024 · 64 ms", "2048 · 128 ms"),
            "hop_length": ("256 · 16 ms", "512 · 32 ms"),
            "n_mels": ("40 bands", "64 bands"),
        }
        self.widgets = {
            name: {
                "_model_name": "SelectionSliderModel",
                "description": name,
                "_options_labels": options,
                "index": 1,
            }
            for name, options in labels.items()
        }
        self.values = {n: [int(o.split()[0]) for o in options] for n, options in labels.items()}
        self.settings = {name: values[1] for name, values in self.values.items()}
        shown = {"settings": dict(self.settings)}
        self.widgets["view"] = {
            "picture_mel": shown,
            "picture_spectrogram": shown,
            "visible": [0.0, 1.0],
        }
        self.pictures, self.idle = pictures, idle
        self.sent, self.answers = [], []

    def send(self, kind, content, *, channel="shell", subshell=False):
        assert kind == "comm_msg"
        assert subshell
        self.sent.append((content["comm_id"], content["data"]))
        message_id = str(len(self.sent))
        place = content["data"].get("state", {}).get("index")
        if place is not None:
            name = content["comm_id"]
            self.settings = self.settings | {name: self.values[name][place]}
        if place is not None or content["data"]["method"] == "custom":
            for settings in self.pictures(self.settings):
                both = {
                    f"picture_{lane}": {"settings": settings} for lane in ("mel", "spectrogram")
                }
                data = {"comm_id": "view", "data": {"method": "update", "state": both}}
                self.answer("comm_msg", message_id, data)
        if self.idle:
            self.answer("status", message_id, {"execution_state": "idle"})
        return message_id

    def answer(self, kind, parent, content):
        self.answers.append(Message(class_student.time.monotonic(), "iopub", kind, parent, content))

    def receive(self, timeout_s):
        if self.answers:
            return self.answers.pop(0)
        class_student.time.sleep(max(0.0, min(timeout_s, 0.005)))
        return None

    def indices(self, slider="n_fft"):
        return [data["state"]["index"] for comm, data in self.sent if comm == slider]


def test_each_step_gets_its_picture():
    kernel = ScriptedKernel()
    moves = Front(kernel, "kernel").move([Step(0.0, "n_fft", 2), Step(0.1, "n_mels", 0)])
    assert (moves.steps, moves.sent, moves.asked, moves.failures) == (2, 2, 2, [])
    assert len(moves.latency_ms) == 2


def test_newest_position_wins_while_one_is_in_flight(monkeypatch):
    """As ipywidgets does it: the second step waits, the third takes its place."""
    kernel = ScriptedKernel(idle=False)
    front = Front(kernel, "kernel")
    real = kernel.receive

    def receive(timeout_s):
        if front._hand["n_fft"] == 2 and len(kernel.indices()) == 1:
            kernel.answer("status", str(len(kernel.sent)), {"execution_state": "idle"})
            kernel.idle = True
        return real(timeout_s)

    monkeypatch.setattr(kernel, "receive", receive)
    steps = [Step(0.0, "n_fft", 0), Step(0.05, "n_fft", 1), Step(0.1, "n_fft", 2)]
    moves = front.move(steps)
    assert kernel.indices() == [0, 2]
    assert (moves.steps, moves.sent, len(moves.latency_ms)) == (3, 2, 2)


def test_picture_with_other_settings_is_not_the_answer(monkeypatch):
    """A late picture of an older step must not count as quick."""
    monkeypatch.setattr(class_student, "PICTURE_S", 0.3)
    kernel = ScriptedKernel(pictures=lambda settings: [settings | {"hop_length": 99}])
    moves = Front(kernel, "kernel").move([Step(0.0, "n_fft", 2)])
    assert moves.latency_ms == []
    assert len(moves.failures) == 1
    assert "no picture of" in moves.failures[0]


def test_kernel_that_never_says_idle_is_a_failure_and_no_endless_wait(monkeypatch):
    monkeypatch.setattr(class_student, "PICTURE_S", 0.3)
    moves = Front(ScriptedKernel(idle=False), "kernel").move([Step(0.0, "n_fft", 2)])
    assert moves.failures == ["no answer to n_fft within 0 s"]
    assert len(moves.latency_ms) == 1


def test_browser_asks_once_for_each_stroke_and_says_what_it_rests_on():
    kernel = ScriptedKernel()
    hand = [Step(0.0, "n_fft", 0), Step(0.05, "n_fft", 1), Step(0.1, "n_fft", 2)]
    moves = Front(kernel, "browser").move(hand)
    assert kernel.sent[0] == (
        "view",
        {"method": "update", "state": {"previews": True}, "buffer_paths": []},
    )
    asked = [data["content"] for _, data in kernel.sent if data["method"] == "custom"]
    rest = {"n_fft": 2048, "hop_length": 512, "n_mels": 64}
    assert asked == [{"type": "rest", "settings": rest, "visible": [0.0, 1.0]}]
    assert moves.sent == 3


def test_message_of_the_explorer_is_a_failure():
    kernel = ScriptedKernel()
    front = Front(kernel, "kernel")
    data = {"method": "update", "state": {"error": "n_fft is too long."}}
    kernel.answer("comm_msg", "", {"comm_id": "view", "data": data})
    assert "n_fft is too long." in front.move([Step(0.0, "n_mels", 0)]).failures[0]


def test_lesson_without_an_explorer_is_said():
    kernel = ScriptedKernel()
    del kernel.widgets["n_mels"]
    with pytest.raises(StudentError, match="showed no explorer with the sliders n_fft"):
        Front(kernel, "kernel")


def test_cells_of_a_lesson(tmp_path):
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "text"},
        {"cell_type": "code", "metadata": {}, "source": ["a = 1\n", "a"]},
        {"cell_type": "code", "metadata": {"tags": ["raises-exception"]}, "source": "1 / 0"},
        {"cell_type": "code", "metadata": {"tags": ["nbval-skip"]}, "source": "record()"},
    ]
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps({"cells": cells}), "utf-8")
    assert class_student.code_cells(path) == [("a = 1\na", False), ("1 / 0", True)]


# ------------------------------------------------------------------------------ the hub


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (["python", "-m", "jupyterhub", "-f", "load_test_config.py"], "hub"),
        (["node", "class_server/node_modules/.bin/configurable-http-proxy", "--port"], "proxy"),
        (["python", "bin/jupyterhub-singleuser", "--allow-root"], "servers"),
        (["python", "-m", "ipykernel_launcher", "-f", "homes/jupyterhub/k.json"], "kernels"),
        (["python", "-m", "jupyterhub_idle_culler", "--timeout=5400"], "culler"),
        (["git", "clone"], "other"),
    ],
)
def test_processes_are_told_apart(command, kind):
    assert class_hub.kind_of(command) == kind


def test_missing_proxy_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(class_hub.NoHubError, match="npm ci --prefix class_server"):
        class_hub.find_proxy(tmp_path)


def test_cores_are_cpu_seconds_in_a_second():
    before = class_hub.Cpu(10.0, {"hub": 1.0}, whole=100.0)
    after = class_hub.Cpu(14.0, {"hub": 3.0, "kernels": 2.0}, whole=106.0)
    cores = class_hub.cores_between(before, after)
    assert cores == {"hub": 0.5, "kernels": 0.5, "computer": 1.5}


# ------------------------------------------------------------------------------ the settings


def config_of(name, **environment):
    """A configuration file as JupyterHub reads it."""
    pytest.importorskip("jupyterhub", reason="needs the extra «class»")
    from traitlets.config import PyFileConfigLoader

    with pytest.MonkeyPatch.context() as patch:
        for variable in ("CLASS_LOAD_PASSWORD", "CLASS_LOAD_PORTS", "CLASS_STUDENTS"):
            patch.delenv(variable, raising=False)
        for variable, value in environment.items():
            patch.setenv(variable, value)
        return PyFileConfigLoader(name, path=str(CONFIGS)).load_config()


LOAD_TEST = {
    "CLASS_LOAD_PASSWORD": "only for this test",
    "CLASS_LOAD_PORTS": "1 2 3",
    "CLASS_LOAD_PROXY": "proxy",
    "CLASS_STATE": "state",
}


@pytest.mark.parametrize(
    ("name", "environment"), [("jupyterhub_config.py", {}), ("load_test_config.py", LOAD_TEST)]
)
def test_every_setting_is_one_that_jupyterhub_knows(name, environment):
    """JupyterHub says nothing about a setting whose name is misspelt: it is without effect."""
    config = config_of(name, **environment)
    systemdspawner = pytest.importorskip("systemdspawner", reason="needs the extra «class»")
    from jupyter_client.manager import KernelManager
    from jupyter_lsp.manager import LanguageServerManager
    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager
    from jupyterhub import app, auth, proxy, spawner
    from jupyterhub.authenticators.shared import SharedPasswordAuthenticator

    known = {
        kind.__name__: kind
        for kind in (
            app.JupyterHub,
            auth.Authenticator,
            proxy.ConfigurableHTTPProxy,
            spawner.Spawner,
            spawner.SimpleLocalProcessSpawner,
            systemdspawner.SystemdSpawner,
            SharedPasswordAuthenticator,
            KernelManager,
            LanguageServerManager,
            ServerApp,
            MappingKernelManager,
        )
    }
    settings = [(kind, setting) for kind, section in config.items() for setting in section]
    words = [w.removeprefix("--").partition("=")[0] for w in config.Spawner.args if "." in w]
    settings += [tuple(word.split(".", 1)) for word in words]
    assert len(settings) > 20
    for kind, setting in settings:
        assert known[kind].class_traits(config=True).get(setting), f"{kind}.{setting}"


def test_student_may_upload_what_the_course_allows_elsewhere():
    """Asked of the server's own reading of its arguments: the .venv has the same setting."""
    from jupyter_server.serverapp import ServerApp

    app = ServerApp()
    app.parse_command_line(config_of("jupyterhub_config.py").Spawner.args)
    wanted = course.SERVER_SETTINGS["ServerApp"]["tornado_settings"]
    assert app.tornado_settings == wanted
    assert app.config.KernelManager.transport == "ipc"


def test_class_lets_only_its_list_in(tmp_path):
    names = tmp_path / "students.txt"
    names.write_text("ada\nemmy\n", "utf-8")
    config = config_of("jupyterhub_config.py", CLASS_STUDENTS=str(names), CLASS_TEACHERS="lise")
    assert config.JupyterHub.authenticator_class == "pam"
    assert config.Authenticator.allowed_users == {"ada", "emmy"}
    assert config.Authenticator.admin_users == {"lise"}
    assert "allow_all" not in config.Authenticator


def test_load_test_listens_to_this_computer_only_and_wants_a_password():
    config = config_of("load_test_config.py", **LOAD_TEST)
    addresses = (
        config.JupyterHub.bind_url,
        config.JupyterHub.hub_bind_url,
        config.ConfigurableHTTPProxy.api_url,
    )
    assert {urlsplit(address).hostname for address in addresses} == {"127.0.0.1"}
    assert config.Spawner.ip == "127.0.0.1"
    with pytest.raises(SystemExit, match="CLASS_LOAD_PASSWORD"):
        config_of("load_test_config.py")


def test_load_test_has_the_limits_and_times_of_the_class():
    real = config_of("jupyterhub_config.py")
    test = config_of("load_test_config.py", **LOAD_TEST)
    for name in ("mem_limit", "default_url", "start_timeout", "http_timeout", "cmd"):
        assert test.Spawner[name] == real.Spawner[name], name
    assert set(real.Spawner.args) <= set(test.Spawner.args)
    assert real.Spawner.environment.items() <= test.Spawner.environment.items()
    assert test.JupyterHub.services == real.JupyterHub.services


# ------------------------------------------------------------------------------ the arithmetic


def test_class_is_as_large_as_the_memory_that_may_be_used():
    assert class_load.largest_class(10, 7000.0, 400.0, spare_mb=3000.0) == 20
    assert class_load.largest_class(10, 7399.0, 400.0, spare_mb=3000.0) == 20
    assert class_load.largest_class(10, 2000.0, 400.0, spare_mb=3000.0) == 10
    with pytest.raises(ValueError, match="per_student_mb=0 must be positive"):
        class_load.largest_class(10, 7000.0, 0)


def test_quantiles_are_times_that_were_measured():
    values = [float(ms) for ms in range(100, 0, -1)]
    assert class_load.quantiles(values) == {"median": 50.5, "p95": 95.0, "largest": 100.0}
    assert class_load.quantiles([7.0]) == {"median": 7.0, "p95": 7.0, "largest": 7.0}
    assert class_load.quantiles([]) == {}


# ------------------------------------------------------------------------------ the page

RUN = {
    "what": "run",
    "date": "2026-01-02",
    "processor": "A processor",
    "cores": 4,
    "memory_mb": 16000,
    "available_mb": 15000,
    "load": 0.1,
    "system": "Linux",
    "versions": {"Python": "3.11", "jupyterhub": "6"},
    "seconds": 40.0,
    "command": "python tools/class_load.py",
}


def moves(students, p95, computer, failures=()):
    """Numbers of a row: half a core for each student, 0.01 for hub and proxy."""
    return {
        "moving": students,
        "steps": 160 * students,
        "sent": 150 * students,
        "asked": 150 * students,
        "shown": 149 * students,
        "latency_ms": {"median": 20.0, "p95": p95, "largest": 300.0},
        "cores": {
            "servers": 0.2 * students,
            "kernels": 0.3 * students,
            "hub": 0.004 * students,
            "proxy": 0.006 * students,
            "students' browsers": 0.1,
            "computer": computer,
        },
        "failures": list(failures),
    }


def level(students, p95=50.0, computer=1.0, failures=(), **more):
    return {
        "what": "level",
        "students": students,
        "wanted": str(students),
        "new": students,
        "all_ready_s": 20.0,
        "start_cpu_s": 6.0,
        **{f"{step}_s": [1.0, 3.0] for step in ("log_in", "server", "course", "kernel", "lesson")},
        "moves": {"kernel": moves(students, p95, computer)},
        "memory": {
            "server_mb": 100.0,
            "kernel_mb": 200.0,
            "hub_mb": 150.0,
            "less_available_mb": 310.0,
            "available_mb": 9000,
        },
        "failures": list(failures),
    } | more


def test_page_does_the_arithmetic_and_shows_it():
    text = class_page.page([RUN, level(1), level(2, computer=1.5)])
    # (1500 + 150 + 30 * 300) MB, 30 * 0.5 cores, a quarter of them, 30 * 6 s on 4 cores
    assert "1500 + 150 + 30 × 300 MB = **11 GB**" in text
    assert "30 × 0.500 = **15.0 cores**" in text
    assert "0.25 × 15.0 = 3.8" in text
    assert "30 × 0.0100 = 0.30 of one" in text
    assert "30 × 6.0 s: 45 s on 4 cores" in text
    assert "1500 + 150 + 300 × 300 MB = **92 GB**" in text
    assert "Calculated from the rows above, not measured" in text


def test_full_processor_does_not_say_what_a_student_needs():
    """Where nothing was left, ten students got less than they asked for."""
    crowded = level(10, computer=3.9)
    crowded["moves"]["kernel"]["cores"] |= {"kernels": 0.5, "servers": 0.5}
    cost = class_page.cost_of_one(RUN, [level(1), level(5, computer=2.9), crowded])
    assert cost.cores["kernel"] == pytest.approx(0.5)
    assert cost.cores_from["kernel"] == 5
    assert cost.memory_from == 10
    assert class_page.CROWDED not in class_page.page([RUN, level(1), crowded])
    assert class_page.CROWDED in class_page.page([RUN, crowded])


def test_promptness_ends_with_the_first_row_that_was_late():
    late = [level(1), level(5, p95=150.0), level(10, p95=90.0)]
    assert "within 100 ms up to 1 student." in class_page.findings(RUN, late)
    assert "within 100 ms in no row." in class_page.findings(RUN, late[1:])


def test_failures_are_told_in_words():
    bad = level(2, failures=["student002, kernel: no kernel"])
    bad["moves"]["kernel"] = moves(2, 50.0, 1.0, [f"no picture {n}" for n in range(12)])
    text = class_page.page([RUN, level(1), bad])
    assert "- 2 students: student002, kernel: no kernel" in text
    assert "no picture 8" in text
    assert "no picture 9" not in text
    assert "and 3 more" in text
    assert "No student met a failure." in class_page.page([RUN, level(1)])


def test_row_without_pictures_has_no_times():
    silent = level(1)
    silent["moves"]["kernel"] |= {"latency_ms": {}, "shown": 0}
    assert "| 150, 0 | – | – | – |" in class_page.page([RUN, silent])


def test_hungriest_lesson_is_in_the_memory_of_a_class():
    peaks = [
        {"what": "lesson", "lesson": stem, "peak_mb": mb, "cpu_s": cpu_s, "failures": []}
        for stem, mb, cpu_s in (("00_start", 300, 3.0), ("06_cnn", 900, 20.0))
    ]
    text = class_page.page([RUN, level(1), *peaks])
    assert "| 06_cnn | 900 | 20 | 0 |" in text
    peak = "all at the peak of 06_cnn at the same moment: 1500 + 150 + 30 × 1000 MB = **32 GB**"
    assert peak in text
    assert "all run 06_cnn at the same moment: 30 × 20.0 s: 150 s on 4 cores" in text


def test_rows_have_as_many_cells_as_the_head():
    text = class_page.page([RUN, level(1), level(2)])
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 2
    for rows in tables:
        assert len({row.count("|") for row in rows}) == 1


def test_lines_come_back_as_they_were_written(tmp_path):
    lines = [RUN, level(1)]
    class_load.write(lines, tmp_path)
    assert class_load.read(tmp_path) == lines
    assert (tmp_path / "scaling.md").read_text("utf-8") == class_page.page(lines)
    assert class_load.read(tmp_path / "nothing") == []


def test_page_is_that_of_its_numbers():
    """docs/scaling.md is written by the tool; whoever changes one of them runs it again."""
    lines = class_load.read(PROJECT / "docs")
    page = (PROJECT / "docs" / "scaling.md").read_text("utf-8")
    assert page == class_page.page(lines), "run: python tools/class_load.py --page"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--students", "max"], "--students"),
        (["--students", "1", "many"], "--students"),
        (["--students", "0"], "--students"),
        (["--seconds", "1"], "--seconds"),
        (["--engine", "steam"], "--engine"),
    ],
)
def test_wrong_wish_is_refused_before_a_hub_starts(words, named, capsys):
    with pytest.raises(SystemExit):
        class_load.main(words)
    assert named in capsys.readouterr().err
