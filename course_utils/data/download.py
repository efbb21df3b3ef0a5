"""The one downloader: explicit, bounded, resumable, verified; and the unpacking of zip archives.

Nothing here runs by itself: the course works offline, and a download starts only where somebody
calls for it. Whatever goes wrong is one sentence, and what has arrived stays for the next try.
"""

import hashlib
import http.client
import os
import shutil
import stat
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

TIMEOUT_S = 20.0  # without one byte
MAX_SECONDS = 3 * 3600.0  # for one file
N_TRIES = 3  # of one call, each resuming the one before
SPARE_BYTES = 200_000_000  # of the disk that stay free

_BLOCK_BYTES = 1 << 18
_PAUSE_S = 1.0  # before another try
_GO_ON = "the lesson goes on with the bundled words"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class DownloadError(RuntimeError):
    """Something could not be downloaded or unpacked: one sentence with the next step."""


class _Broken(Exception):
    """A connection that broke off: worth another try."""


class _NoConnection(_Broken):
    """A server that was not reached: at the first try, there is probably no network."""


class Progress(NamedTuple):
    """How far a download is."""

    name: str
    n_done: int  # bytes
    n_total: int | None  # bytes; None: the server did not say
    seconds: float  # since the start of this call
    n_before: int = 0  # bytes that were there at its start

    @property
    def seconds_left(self) -> float | None:
        """How long it still takes at the mean speed so far; None where nobody can know."""
        n_new = self.n_done - self.n_before
        if self.n_total is None or n_new <= 0 or self.seconds <= 0:
            return None
        return (self.n_total - self.n_done) / n_new * self.seconds

    def __str__(self) -> str:
        done = f"{self.n_done / 1e6:.1f}"
        if self.n_total is None:
            return f"{self.name}: {done} MB"
        share = 100 * self.n_done // max(1, self.n_total)
        text = f"{self.name}: {done} of {self.n_total / 1e6:.1f} MB, {share} %"
        left = self.seconds_left
        return text if left is None else f"{text}, {left:.0f} s left"


Report = Callable[[Progress], None]


def print_progress(progress: Progress) -> None:
    """Write the progress over its last state, as one line of text."""
    ends = progress.n_done == progress.n_total
    sys.stdout.write(f"\r{progress!s:<70}" + ("\n" if ends else ""))
    sys.stdout.flush()


# -------------------------------------------------------------------------------------- download


def download_file(
    url: str,
    path: str | os.PathLike[str],
    *,
    max_bytes: int,
    sha256: str | None = None,
    n_bytes: int | None = None,
    report: Report | None = print_progress,
) -> Path:
    """Download one file, or what is still missing of it.

    It grows as ``<name>.part`` and gets its name when it is complete and verified. A call after
    an interrupted one asks the server only for the rest; a file that is there is not asked for.

    Args:
        url: Where from; https only (and http on this computer itself).
        path: Where to.
        max_bytes: The most that is taken.
        sha256: Checksum of the whole file in hexadecimal digits, if one is known.
        n_bytes: Its exact size, if it is known.
        report: Called with a :class:`Progress` about four times a second, and at the end.

    Returns:
        The path.

    Raises:
        DownloadError: If the server cannot be reached, the file is too large, is not the one
            that was expected, or the disk is too full.

    Notebook: 06_cnn.ipynb.
    """
    path = Path(path)
    _check_url(url, path.name)
    job = _Job(url, path, max_bytes, sha256, n_bytes, report, time.monotonic())
    if path.is_file() and job.is_right(path):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not job.is_complete():
            _try_often(job)
            _verify(job)
        os.replace(job.part, path)
        job.forget_version()
    except OSError as error:  # of the disk: those of the network are DownloadErrors by now
        raise DownloadError(
            f"{path.name} cannot be saved ({error.strerror or error}); look at the folder and the "
            f"free space; {_GO_ON}"
        ) from error
    return path


class _Job(NamedTuple):
    """One file that is wanted."""

    url: str
    path: Path
    max_bytes: int
    sha256: str | None
    n_bytes: int | None
    report: Report | None
    began: float

    @property
    def part(self) -> Path:
        """What has arrived so far."""
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def version_note(self) -> Path:
        """Beside the part: which version of the file it is a part of."""
        return self.path.with_name(f"{self.path.name}.part.version")

    def n_there(self) -> int:
        """How many bytes have arrived."""
        return self.part.stat().st_size if self.part.is_file() else 0

    def version(self) -> str:
        """The server's name for the version of the part, or nothing."""
        return self.version_note.read_text("utf-8") if self.version_note.is_file() else ""

    def forget_version(self) -> None:
        """Remove the note on the version."""
        self.version_note.unlink(missing_ok=True)

    def start_again(self) -> None:
        """Throw away what has arrived."""
        self.part.unlink(missing_ok=True)
        self.forget_version()

    def is_complete(self) -> bool:
        """Whether the part is known to be the whole: a call was interrupted at its very end."""
        known = self.sha256 is not None or self.n_bytes is not None
        return known and self.part.is_file() and self.is_right(self.part)

    def is_right(self, path: Path) -> bool:
        """Whether a whole file is the one that is wanted, as far as that is known."""
        if self.n_bytes is not None and path.stat().st_size != self.n_bytes:
            return False
        return self.sha256 is None or file_sha256(path) == self.sha256


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_url(url: str, name: str) -> None:
    """Raise unless nobody on the way can change what arrives."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    raise DownloadError(f"{name} is not downloaded from {url[:80]!r}: the address must be https")


class _OnlySafe(urllib.request.HTTPRedirectHandler):
    """Follow a redirection only to an address that would have been accepted itself."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _check_url(newurl, PurePosixPath(urllib.parse.urlsplit(req.full_url).path).name)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _try_often(job: _Job) -> None:
    """Fetch what is missing; where the connection breaks, go on from there a few times."""
    n_before = job.n_there()
    for n_try in range(1, N_TRIES + 1):
        try:
            _fetch(job, n_before)
            return
        except _Broken as error:
            no_network = isinstance(error, _NoConnection) and n_try == 1
            if n_try < N_TRIES and not no_network:
                time.sleep(_PAUSE_S)
                continue
            there = job.n_there()
            kept = f"; {there / 1e6:.1f} MB are kept, a new try goes on from there" if there else ""
            raise DownloadError(
                f"{job.path.name} cannot be downloaded from {_host(job.url)} ({error}){kept}; "
                f"{_GO_ON}"
            ) from error


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or url[:80]


def _fetch(job: _Job, n_before: int) -> None:
    """Ask the server for the rest and write it; raise _Broken if it is not all."""
    with _answer(job) as answer:
        n_start, n_total = _what_comes(job, answer)
        _check_size(job, n_start, n_total)
        version = answer.headers.get("ETag") or ""
        if not version or version.startswith("W/"):  # a weak one does not mean the same bytes
            version = answer.headers.get("Last-Modified") or ""
        job.version_note.write_text(version, "utf-8")
        n_done = _write(job, answer, n_start, n_total, min(n_before, n_start))
    if n_total is not None and n_done < n_total:
        raise _Broken(f"the connection broke off after {n_done / 1e6:.1f} MB")


@contextmanager
def _answer(job: _Job) -> Iterator[http.client.HTTPResponse]:
    """Open the connection, asking for the rest where there is a part; name what goes wrong."""
    headers = {"User-Agent": "seeing-sound", "Accept-Encoding": "identity"}
    n_there = job.n_there()
    if n_there and not (job.version() or job.sha256):
        job.start_again()  # nobody could say whether the rest belongs to this beginning
    elif n_there:
        headers["Range"] = f"bytes={n_there}-"
        if job.version():
            headers["If-Range"] = job.version()
    request = urllib.request.Request(job.url, headers=headers)
    opener = urllib.request.build_opener(_OnlySafe)
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is not shorter than the whole
            job.start_again()
            raise _Broken("what was there did not fit the file") from error
        if error.code in (408, 429, 500, 502, 503, 504):
            raise _Broken(f"the server answered {error.code}") from error
        raise DownloadError(
            f"{job.path.name} cannot be downloaded: {_host(job.url)} answered {error.code} "
            f"({error.reason}); {_GO_ON}"
        ) from error
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or str(error.reason)
        raise _NoConnection(f"no connection: {reason}"[:120]) from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _Broken(f"the connection broke off: {str(error) or type(error).__name__}") from error


def _what_comes(job: _Job, answer: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Where the answer begins in the file, and how long the file is, if that is said."""
    length = answer.headers.get("Content-Length", "")
    n_coming = int(length) if length.isdigit() else None
    if answer.status != 206:  # the whole file, whatever was asked for
        return 0, n_coming
    span, _, total = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    n_start = job.n_there()
    if span.partition("-")[0] != str(n_start):
        job.start_again()
        raise _Broken("the server sent another part than the one that was asked for")
    if total.isdigit():
        return n_start, int(total)
    return n_start, None if n_coming is None else n_start + n_coming


def _check_size(job: _Job, n_start: int, n_total: int | None) -> None:
    """Raise if the file would be too large, of another size than known, or not fit the disk."""
    if n_total is not None and n_total > job.max_bytes:
        raise DownloadError(
            f"{job.path.name} has {n_total / 1e6:.0f} MB, more than the {job.max_bytes / 1e6:.0f} "
            f"that are taken; {_GO_ON}"
        )
    if n_total is not None and job.n_bytes is not None and n_total != job.n_bytes:
        raise DownloadError(
            f"{job.path.name} has {n_total} bytes on the server and not {job.n_bytes}: it is not "
            f"the file that was expected; {_GO_ON}"
        )
    check_disk(job.path.parent, (n_total or job.max_bytes) - n_start, job.path.name)


def check_disk(folder: Path, n_needed: int, name: str) -> None:
    """Raise if the disk would be nearly full afterwards."""
    free = shutil.disk_usage(folder).free
    if free < n_needed + SPARE_BYTES:
        raise DownloadError(
            f"{name} needs {n_needed / 1e6:.0f} MB and {SPARE_BYTES / 1e6:.0f} to spare, but the "
            f"disk has only {free / 1e6:.0f} MB free; make room, or choose another folder"
        )


def _write(
    job: _Job, answer: http.client.HTTPResponse, n_start: int, n_total: int | None, n_before: int
) -> int:
    """Write what arrives behind what is there; returns how long the part is then."""
    n_done, next_report = n_start, 0.0
    with job.part.open("r+b" if n_start else "wb") as file:
        file.seek(n_start)
        while block := _read_block(answer):
            n_done += len(block)
            seconds = time.monotonic() - job.began
            if n_done > job.max_bytes or (n_total is not None and n_done > n_total):
                file.close()
                job.start_again()
                raise DownloadError(
                    f"{job.path.name} does not end where it should ({n_done / 1e6:.0f} MB have "
                    f"come): it was thrown away; {_GO_ON}"
                )
            if seconds > MAX_SECONDS:
                raise DownloadError(
                    f"{job.path.name} takes more than {MAX_SECONDS / 3600:.0f} hours; what came is "
                    f"kept for the next try; {_GO_ON}"
                )
            file.write(block)
            if job.report is not None and seconds >= next_report:
                next_report = seconds + 0.25
                job.report(Progress(job.path.name, n_done, n_total, seconds, n_before))
    if job.report is not None:
        # A length that nobody had said is known at the end.
        seconds = time.monotonic() - job.began
        job.report(Progress(job.path.name, n_done, n_total or n_done, seconds, n_before))
    return n_done


def _read_block(answer: http.client.HTTPResponse) -> bytes:
    """Read some bytes; an error of the network is one that another try may mend."""
    try:
        return answer.read(_BLOCK_BYTES)
    except (http.client.HTTPException, OSError) as error:
        raise _Broken(f"the connection broke off: {str(error) or type(error).__name__}") from error


def _verify(job: _Job) -> None:
    """Raise, and throw the file away, unless it is the one that is wanted."""
    if job.is_right(job.part):
        return
    n_bytes = job.n_there()
    job.start_again()
    raise DownloadError(
        f"{job.path.name} arrived with {n_bytes} bytes, but its "
        f"{'checksum' if job.sha256 else 'size'} is not the one that is known: it was thrown "
        f"away, try again; {_GO_ON}"
    )


# ---------------------------------------------------------------------------------------- unpack


def unpack(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    max_files: int,
    max_bytes: int,
    wanted: Callable[[str], bool] = lambda name: True,
) -> list[Path]:
    """Unpack a zip archive into a folder, and nothing outside of it.

    Everything in the archive is looked at before anything is written: an archive with a link, a
    path that leads elsewhere, too many files or too many bytes is refused whole. Each file
    appears under its name only when it is complete; one that is there with the right size is
    not written again, so that an unpacking that was interrupted goes on.

    Args:
        archive: The archive.
        folder: Where to.
        max_files: The most files and folders that it may hold.
        max_bytes: The most bytes that it may unpack to.
        wanted: Which files to unpack, by their names; all count for the bounds.

    Returns:
        The files that were wanted, in the order of the archive.

    Raises:
        DownloadError: If the archive is damaged or refused, or the disk is too full.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with zipfile.ZipFile(archive) as bundle:
            members = _check_members(bundle.infolist(), archive.name, max_files, max_bytes)
            chosen = [member for member in members if wanted(member.filename)]
            folder.mkdir(parents=True, exist_ok=True)
            check_disk(folder, sum(member.file_size for member in chosen), archive.name)
            return [_unpack_member(bundle, member, folder) for member in chosen]
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise DownloadError(
            f"{archive.name} is damaged ({str(error)[:80] or type(error).__name__}); delete it and "
            f"download it again; {_GO_ON}"
        ) from error
    except (NotImplementedError, RuntimeError, OSError) as error:  # unknown method, full disk
        if isinstance(error, DownloadError):
            raise
        raise DownloadError(
            f"{archive.name} cannot be unpacked ({str(error)[:80]}); look at the folder and the "
            f"free space; {_GO_ON}"
        ) from error


def _check_members(
    members: list[zipfile.ZipInfo], name: str, max_files: int, max_bytes: int
) -> list[zipfile.ZipInfo]:
    """Raise unless the whole archive is harmless; returns its files, without the folders."""
    refused = "it is not unpacked"
    if len(members) > max_files:
        raise DownloadError(f"{name} holds more than {max_files} files: {refused}")
    if sum(member.file_size for member in members) > max_bytes:
        raise DownloadError(f"{name} would unpack to more than {max_bytes / 1e6:.0f} MB: {refused}")
    seen = set()
    for member in members:
        shown = repr(member.filename[:60])
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DownloadError(f"{name} holds {shown}, a link or a device: {refused}")
        if not _stays_inside(member.filename):
            raise DownloadError(f"{name} holds {shown}, which leads out of the folder: {refused}")
        if member.flag_bits & 1:
            raise DownloadError(f"{name} holds {shown}, locked by a password: {refused}")
        if member.filename in seen:
            raise DownloadError(f"{name} holds {shown} more than once: {refused}")
        seen.add(member.filename)
    return [member for member in members if not member.is_dir()]


def _stays_inside(name: str) -> bool:
    """Whether a name in an archive is a path below the folder, on every system."""
    path = PurePosixPath(name)
    odd = any(letter in name for letter in "\\:\0")
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and not odd


def _unpack_member(bundle: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> Path:
    """Write one file under another name, and give it its own when it is complete."""
    path = folder / member.filename
    if not path.resolve().is_relative_to(folder.resolve()):  # a link that was there before
        raise DownloadError(
            f"{member.filename[:60]!r} would be written outside of «{folder.name}», through a "
            "link that lies there; choose another folder"
        )
    if path.is_file() and path.stat().st_size == member.file_size:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with bundle.open(member) as source, part.open("wb") as file:
            shutil.copyfileobj(source, file, _BLOCK_BYTES)  # stops at the size that was checked
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path
