"""The downloader against a server on this computer: whole, broken, resumed, wrong, hostile."""

import hashlib
import http.server
import os
import socket
import stat
import threading
import zipfile
from collections import namedtuple

import pytest

from course_utils.data import download
from course_utils.data.download import (
    DownloadError,
    Progress,
    download_file,
    print_progress,
    unpack,
)

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Served:
    """What the server does next; what it was asked."""

    def __init__(self):
        self.content = CONTENT
        self.etag = '"first"'
        self.knows_ranges = True
        self.says_length = True
        self.stops_after = []  # one number of bytes for each answer that breaks off
        self.codes = []  # answers that are errors, before the file comes
        self.moved_to = None
        self.requests = []  # (path, Range, If-Range)
        self.url = ""

    @property
    def ranges(self):
        return [asked for _, asked, _ in self.requests]


def answer(handler, served):
    """Answer one request for the file."""
    asked = handler.headers.get("Range")
    served.requests.append((handler.path, asked, handler.headers.get("If-Range")))
    if served.codes:
        return handler.send_error(served.codes.pop(0))
    if served.moved_to:
        handler.send_response(302)
        handler.send_header("Location", served.moved_to)
        handler.send_header("Content-Length", "0")
        return handler.end_headers()
    content, start = served.content, 0
    same = handler.headers.get("If-Range") in (None, served.etag)
    if asked and served.knows_ranges and same:
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= len(content):
            return handler.send_error(416)
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    else:
        handler.send_response(200)
    if served.etag:
        handler.send_header("ETag", served.etag)
    if served.says_length:
        handler.send_header("Content-Length", str(len(content) - start))
    handler.end_headers()
    end = start + served.stops_after.pop(0) if served.stops_after else len(content)
    handler.wfile.write(content[start:end])
    return None


@pytest.fixture
def served(monkeypatch):
    """A server on 127.0.0.1, its behaviour in the object that comes."""
    state = Served()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self, state)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *arguments: None  # a client that leaves early is meant
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/words.zip"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "_PAUSE_S", 0.0)
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(served, folder, **kwargs):
    settings = {"max_bytes": 2_000_000, "report": None} | kwargs
    return download_file(served.url, folder / "words.zip", **settings)


def assert_one_helpful_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert 20 < len(text) < 300
    assert "words.zip" in text


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# ---------------------------------------------------------------- whole


def test_file_arrives_whole_and_nothing_else_is_left(tmp_path, served):
    path = fetch(served, tmp_path / "new" / "folder", sha256=SHA256, n_bytes=len(CONTENT))
    assert path.read_bytes() == CONTENT
    assert files_in(tmp_path / "new" / "folder") == ["words.zip"]
    assert served.ranges == [None]


def test_file_that_is_there_is_not_asked_for_again(tmp_path, served):
    fetch(served, tmp_path, sha256=SHA256)
    fetch(served, tmp_path, sha256=SHA256)
    assert len(served.requests) == 1
    (tmp_path / "words.zip").write_bytes(b"another file of this name")
    assert fetch(served, tmp_path, sha256=SHA256).read_bytes() == CONTENT


def test_length_that_the_server_does_not_say_is_no_matter(tmp_path, served):
    served.says_length = False
    seen = []
    assert fetch(served, tmp_path, report=seen.append).read_bytes() == CONTENT
    assert seen[-1].n_done == seen[-1].n_total == len(CONTENT)


def test_progress_goes_up_to_the_whole(tmp_path, served):
    seen = []
    fetch(served, tmp_path, report=seen.append)
    assert [progress.n_done for progress in seen] == sorted(progress.n_done for progress in seen)
    assert {progress.n_total for progress in seen} == {len(CONTENT)}
    assert seen[-1].n_done == len(CONTENT)


def test_progress_is_printed_as_one_line_of_text(tmp_path, served, capsys):
    fetch(served, tmp_path, report=print_progress)
    printed = capsys.readouterr().out
    assert printed.endswith("\n")
    assert printed.count("\n") == 1
    assert "words.zip: 1.0 of 1.0 MB, 100 %" in printed


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (
            Progress("a.zip", 50_000_000, 200_000_000, 10.0),
            "a.zip: 50.0 of 200.0 MB, 25 %, 30 s le",
        ),
        (Progress("a.zip", 0, 200_000_000, 0.0), "a.zip: 0.0 of 200.0 MB, 0 %"),
        (Progress("a.zip", 5_000_000, None, 1.0), "a.zip: 5.0 MB"),
        (Progress("a.zip", 150, 200, 5.0, n_before=100), "a.zip: 0.0 of 0.0 MB, 75 %, 5 s left"),
    ],
)
def test_progress_says_what_can_be_known(progress, text):
    assert str(progress).startswith(text)


# ---------------------------------------------------------------- interrupted and resumed


def test_connection_that_breaks_is_resumed_within_one_call(tmp_path, served):
    served.stops_after = [300_000, 100_000]
    assert fetch(served, tmp_path, sha256=SHA256).read_bytes() == CONTENT
    assert served.ranges == [None, "bytes=300000-", "bytes=400000-"]
    assert files_in(tmp_path) == ["words.zip"]


def test_call_after_an_interrupted_one_asks_only_for_the_rest(tmp_path, served):
    served.stops_after = [100_000] * 3
    with pytest.raises(DownloadError, match=r"broke off after 0\.3 MB.*0\.3 MB are kept") as error:
        fetch(served, tmp_path)
    assert_one_helpful_sentence(error)
    assert "the lesson goes on with the bundled words" in str(error.value)
    assert files_in(tmp_path) == ["words.zip.part", "words.zip.part.version"]
    seen = []
    assert fetch(served, tmp_path, report=seen.append).read_bytes() == CONTENT
    assert served.requests[-1] == ("/words.zip", "bytes=300000-", '"first"')
    assert seen[0].n_before == 300_000
    assert files_in(tmp_path) == ["words.zip"]


def test_interrupt_by_hand_keeps_what_came(tmp_path, served):
    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(served, tmp_path, report=interrupt)
    kept = (tmp_path / "words.zip.part").stat().st_size
    assert kept > 0
    assert fetch(served, tmp_path).read_bytes() == CONTENT
    assert served.ranges[-1] == f"bytes={kept}-"


def test_interrupt_at_the_very_end_needs_no_server(tmp_path, served):
    (tmp_path / "words.zip.part").write_bytes(CONTENT)
    assert fetch(served, tmp_path, sha256=SHA256, n_bytes=len(CONTENT)).read_bytes() == CONTENT
    assert served.requests == []


def test_file_that_changed_on_the_server_is_begun_anew(tmp_path, served):
    served.stops_after = [100_000] * 3
    with pytest.raises(DownloadError):
        fetch(served, tmp_path)
    served.content, served.etag = CONTENT[::-1], '"second"'
    assert fetch(served, tmp_path).read_bytes() == CONTENT[::-1]


def test_server_without_ranges_sends_everything_again(tmp_path, served):
    served.knows_ranges = False
    served.stops_after = [300_000]
    assert fetch(served, tmp_path, sha256=SHA256).read_bytes() == CONTENT
    assert served.ranges == [None, "bytes=300000-"]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_part_of_which_nobody_knows_the_version_is_begun_anew(tmp_path, served, etag):
    served.etag = etag
    served.stops_after = [300_000]
    assert fetch(served, tmp_path).read_bytes() == CONTENT
    assert served.ranges == [None, None]


def test_checksum_makes_a_part_of_unknown_version_good_enough(tmp_path, served):
    served.etag = None
    served.stops_after = [300_000]
    assert fetch(served, tmp_path, sha256=SHA256).read_bytes() == CONTENT
    assert served.ranges == [None, "bytes=300000-"]


def test_part_that_is_longer_than_the_file_is_thrown_away(tmp_path, served):
    (tmp_path / "words.zip.part").write_bytes(CONTENT + b"more")
    assert fetch(served, tmp_path, sha256=SHA256).read_bytes() == CONTENT
    assert served.ranges == [f"bytes={len(CONTENT) + 4}-", None]


def test_server_that_is_busy_is_asked_again(tmp_path, served):
    served.codes = [503, 500]
    assert fetch(served, tmp_path).read_bytes() == CONTENT


# ---------------------------------------------------------------- refused


def test_wrong_checksum_is_named_and_the_file_thrown_away(tmp_path, served):
    with pytest.raises(DownloadError, match="its checksum is not the one that is known") as error:
        fetch(served, tmp_path, sha256="0" * 64)
    assert_one_helpful_sentence(error)
    assert files_in(tmp_path) == []


def test_wrong_beginning_is_found_by_the_checksum(tmp_path, served):
    (tmp_path / "words.zip.part").write_bytes(b"\0" * 1000)
    with pytest.raises(DownloadError, match="checksum is not the one that is known"):
        fetch(served, tmp_path, sha256=SHA256)
    assert fetch(served, tmp_path, sha256=SHA256).read_bytes() == CONTENT


def test_too_large_is_refused_before_it_comes(tmp_path, served):
    with pytest.raises(DownloadError, match="has 1 MB, more than the 1 that are taken") as error:
        fetch(served, tmp_path, max_bytes=1_000_000)
    assert_one_helpful_sentence(error)
    assert files_in(tmp_path) == []


def test_too_large_without_a_length_is_cut_off(tmp_path, served):
    served.says_length = False
    with pytest.raises(DownloadError, match="does not end where it should"):
        fetch(served, tmp_path, max_bytes=500_000)
    assert files_in(tmp_path) == []


def test_other_size_than_known_is_refused(tmp_path, served):
    with pytest.raises(DownloadError, match="has 1048576 bytes on the server and not 1000000"):
        fetch(served, tmp_path, n_bytes=1_000_000)
    served.says_length = False
    with pytest.raises(DownloadError, match="its size is not the one that is known"):
        fetch(served, tmp_path, n_bytes=1_000_000)


def test_full_disk_is_said_before_anything_is_written(tmp_path, served, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage(150_000_000))
    with pytest.raises(DownloadError, match=r"needs 1 MB and 200 to spare.* only 150 MB free"):
        fetch(served, tmp_path)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("code", [403, 404, 410])
def test_file_that_is_not_on_the_server_is_said_at_once(tmp_path, served, code):
    served.codes = [code] * 3
    with pytest.raises(DownloadError, match=rf"127\.0\.0\.1 answered {code}") as error:
        fetch(served, tmp_path)
    assert_one_helpful_sentence(error)
    assert len(served.requests) == 1


def test_no_network_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match="no connection: Connection refused") as error:
        download_file(f"http://127.0.0.1:{port}/a", tmp_path / "words.zip", max_bytes=10)
    assert_one_helpful_sentence(error)
    assert str(error.value).endswith("the lesson goes on with the bundled words")
    assert files_in(tmp_path) == []


def test_name_that_no_server_has_is_one_sentence(tmp_path):
    with pytest.raises(DownloadError, match=r"cannot be downloaded from no-such-host\.invalid"):
        download_file("https://no-such-host.invalid/a", tmp_path / "words.zip", max_bytes=10)


# The standard library leaves the socket of such a server to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_server_that_says_nothing_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(download, "_PAUSE_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        with pytest.raises(DownloadError, match="timed out"):
            download_file(url, tmp_path / "words.zip", max_bytes=10)


@pytest.mark.parametrize("url", ["http://example.org/a", "file:///etc/passwd", "ftp://a.b/c", ""])
def test_only_https_is_downloaded(tmp_path, url):
    with pytest.raises(DownloadError, match="the address must be https"):
        download_file(url, tmp_path / "words.zip", max_bytes=10)


@pytest.mark.parametrize(
    ("elsewhere", "match"),
    [("http://example.org/a", "must be https"), ("file:///etc/passwd", "answered 302")],
)
def test_redirection_to_an_unsafe_address_is_not_followed(tmp_path, served, elsewhere, match):
    served.moved_to = elsewhere
    with pytest.raises(DownloadError, match=match):
        fetch(served, tmp_path)
    assert files_in(tmp_path) == []


def test_folder_that_cannot_be_written_is_named(tmp_path, served):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DownloadError, match="cannot be saved"):
        fetch(served, tmp_path / "file")


# ---------------------------------------------------------------- unpack


def make_zip(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as bundle:
        for name, content in files:
            bundle.writestr(name, content)
    return path


FILES = [("words/yes/a.wav", b"A" * 100), ("words/no/b.wav", b"B" * 200), ("words/note.txt", b"n")]
BOUNDS = {"max_files": 10, "max_bytes": 1_000_000}


def test_archive_is_unpacked_as_it_is(tmp_path):
    archive = make_zip(tmp_path / "words.zip", FILES)
    paths = unpack(archive, tmp_path / "out", **BOUNDS)
    assert paths == [tmp_path / "out" / name for name, _ in FILES]
    assert [path.read_bytes() for path in paths] == [content for _, content in FILES]
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 3


def test_only_what_is_wanted_is_unpacked(tmp_path):
    archive = make_zip(tmp_path / "words.zip", FILES)
    unpack(archive, tmp_path / "out", wanted=lambda name: name.endswith(".wav"), **BOUNDS)
    assert not (tmp_path / "out" / "words" / "note.txt").exists()
    assert (tmp_path / "out" / "words" / "no" / "b.wav").exists()


def test_unpacking_that_was_interrupted_goes_on(tmp_path):
    archive = make_zip(tmp_path / "words.zip", FILES)
    done, half = tmp_path / "out/words/yes/a.wav", tmp_path / "out/words/no/b.wav"
    done.parent.mkdir(parents=True)
    half.parent.mkdir(parents=True)
    done.write_bytes(b"A" * 100)
    half.write_bytes(b"B" * 50)
    before = done.stat().st_mtime_ns
    unpack(archive, tmp_path / "out", **BOUNDS)
    assert done.stat().st_mtime_ns == before
    assert half.read_bytes() == b"B" * 200


@pytest.mark.parametrize(
    "name",
    ["../evil.wav", "words/../../evil.wav", "/tmp/evil.wav", "C:/evil.wav", "..\\evil.wav"],
)
def test_path_that_leads_out_of_the_folder_is_refused_with_everything(tmp_path, name):
    archive = make_zip(tmp_path / "words.zip", [*FILES, (name, b"evil")])
    with pytest.raises(DownloadError, match="leads out of the folder: it is not unpacked") as error:
        unpack(archive, tmp_path / "out", **BOUNDS)
    assert_one_helpful_sentence(error)
    assert files_in(tmp_path) == ["words.zip"]


def test_link_in_an_archive_is_refused(tmp_path):
    link = zipfile.ZipInfo("words/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = make_zip(tmp_path / "words.zip", [*FILES, (link, "/etc/passwd")])
    with pytest.raises(DownloadError, match="'words/link', a link or a device"):
        unpack(archive, tmp_path / "out", **BOUNDS)
    assert files_in(tmp_path) == ["words.zip"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_link_that_lies_in_the_folder_is_not_followed_out_of_it(tmp_path):
    archive = make_zip(tmp_path / "words.zip", FILES)
    (tmp_path / "out" / "words").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "words" / "no").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DownloadError, match="outside of «out», through a link"):
        unpack(archive, tmp_path / "out", **BOUNDS)
    assert files_in(tmp_path / "elsewhere") == []


def test_bomb_is_refused_before_it_goes_off(tmp_path):
    archive = make_zip(tmp_path / "words.zip", [("zeros.wav", bytes(50_000_000))])
    assert archive.stat().st_size < 100_000
    with pytest.raises(DownloadError, match="would unpack to more than 1 MB: it is not unpacked"):
        unpack(archive, tmp_path / "out", **BOUNDS)
    assert files_in(tmp_path) == ["words.zip"]


def test_bomb_that_lies_about_its_size_does_not_go_off(tmp_path):
    archive = make_zip(tmp_path / "words.zip", [("zeros.wav", bytes(50_000_000))])
    content = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):  # where the size is told
        place = content.index(signature) + offset
        assert int.from_bytes(content[place : place + 4], "little") == 50_000_000
        content[place : place + 4] = (1000).to_bytes(4, "little")
    archive.write_bytes(content)
    with pytest.raises(DownloadError, match="is damaged"):
        unpack(archive, tmp_path / "out", **BOUNDS)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_too_many_files_are_refused(tmp_path):
    archive = make_zip(tmp_path / "words.zip", [(f"{n}.wav", b"") for n in range(11)])
    with pytest.raises(DownloadError, match="holds more than 10 files"):
        unpack(archive, tmp_path / "out", **BOUNDS)


def test_name_that_comes_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = make_zip(tmp_path / "words.zip", [("a.wav", b"1"), ("a.wav", b"2")])
    with pytest.raises(DownloadError, match=r"'a\.wav' more than once"):
        unpack(archive, tmp_path / "out", **BOUNDS)


def test_damaged_archive_is_named_and_leaves_no_half_file(tmp_path):
    archive = make_zip(tmp_path / "words.zip", FILES, zipfile.ZIP_STORED)
    whole = archive.read_bytes()
    for content in (
        b"",
        b"not a zip",
        whole[: len(whole) // 2],
        whole.replace(b"BBBB", b"BXBB", 1),
    ):
        archive.write_bytes(content)
        with pytest.raises(DownloadError, match=r"words\.zip is damaged") as error:
            unpack(archive, tmp_path / "out", **BOUNDS)
        assert_one_helpful_sentence(error)
        assert not (tmp_path / "out" / "words" / "no" / "b.wav").exists()
        assert not list((tmp_path / "out").rglob(".*"))


def test_archive_that_needs_a_password_is_named(tmp_path):
    archive = make_zip(tmp_path / "words.zip", FILES, zipfile.ZIP_STORED)
    content = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        content[content.index(signature) + offset] |= 1
    archive.write_bytes(content)
    with pytest.raises(DownloadError, match=r"'words/yes/a\.wav', locked by a pass"):
        unpack(archive, tmp_path / "out", **BOUNDS)


def test_disk_without_room_is_said_before_anything_is_written(tmp_path, monkeypatch):
    archive = make_zip(tmp_path / "words.zip", FILES)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage(1000))
    with pytest.raises(DownloadError, match="the disk has only 0 MB free"):
        unpack(archive, tmp_path / "out", **BOUNDS)
    assert files_in(tmp_path / "out") == []
