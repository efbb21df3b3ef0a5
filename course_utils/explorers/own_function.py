"""The student's own function in place of ours: what they wrote is what the sliders move.

It runs in a thread of its own, for at most :data:`TIME_LIMIT_S`. A slider's message may be handled
where «interrupt the kernel» does not reach, so without that bound a loop that never ends would
leave only a restart.
"""

from __future__ import annotations

import contextvars
import ctypes
import functools
import inspect
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from course_utils.signal.pipeline import MAX_CELLS, check_cells

if TYPE_CHECKING:
    from course_utils.explorers.live import LiveChain

TIME_LIMIT_S = 10.0
_LOOK_EVERY_S = 0.1  # so that an interrupt of the kernel is not kept waiting
_TRIES_TO_END = 20


class OwnFunction:
    """A function of the student, called with the parameters that it asks for.

    Args:
        function: Takes the waveform ``(time,)`` and any of the keyword arguments ``n_fft``,
            ``hop_length``, ``win_length``, ``window``, ``sample_rate``, ``n_mels``, ``mel_scale``,
            ``norm``.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError(f"a function is needed, got {type(function).__name__}")
        self._function = limited(function)
        self.name = f"your {getattr(function, '__name__', 'function')}"

    def spectrogram(self, chain: LiveChain, s: Any) -> Tensor:
        """Power ``(n_freqs, n_frames)``, from a complex or a power spectrogram."""
        out = self._call(chain, s, {}, n_rows=s.n_fft // 2 + 1, names="(n_freqs, n_frames)")
        return out.abs().square() if out.is_complex() else out

    def mel_spectrogram(self, chain: LiveChain, s: Any, settings: dict[str, Any]) -> Tensor:
        """Mel power ``(n_mels, n_frames)`` from a function that returns it."""
        extra = {k: settings.get(k) for k in ("n_mels", "mel_scale", "norm")} | {
            "sample_rate": chain.sample_rate
        }
        return self._call(chain, s, extra, n_rows=settings["n_mels"], names="(n_mels, n_frames)")

    def _call(
        self, chain: LiveChain, s: Any, extra: dict[str, Any], *, n_rows: int, names: str
    ) -> Tensor:
        check_cells(len(chain.waveform), n_fft=s.n_fft, hop_length=s.hop_length)
        offered = s._asdict() | {"sample_rate": chain.sample_rate} | extra
        try:
            result = self._function(chain.waveform.clone(), **self._asked_for(offered))
        except TooSlowError as problem:
            raise OwnFunctionError(f"{self.name} {problem}") from problem
        except Exception as problem:
            raise OwnFunctionError(f"{self.name} raised {_one_line(problem)}") from problem
        if result is None:
            raise NotWrittenYetError(
                f"{self.name} returns None: the picture is the course's until it returns one."
            )
        return self._checked(result, n_rows, names)

    def _asked_for(self, offered: dict[str, Any]) -> dict[str, Any]:
        parameters = inspect.signature(self._function).parameters.values()
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return offered
        return {p.name: offered[p.name] for p in parameters if p.name in offered}

    def _checked(self, result: Any, n_rows: int, names: str) -> Tensor:
        if isinstance(result, np.ndarray) and result.dtype.kind in "biufc":
            result = torch.from_numpy(result)
        if not isinstance(result, Tensor):
            raise OwnFunctionError(
                f"{self.name} returned {type(result).__name__}; a tensor of shape {names} is needed"
            )
        result = result.detach().cpu()
        if result.layout != torch.strided:
            result = result.to_dense()
        if result.ndim != 2 or result.shape[0] != n_rows or result.shape[1] == 0:
            hint = ""
            if result.ndim == 2 and result.shape[1] == n_rows:
                hint = " The two axes look exchanged: rows are frequencies, columns are frames."
            raise OwnFunctionError(
                f"{self.name} returned the shape {tuple(result.shape)}; {names} with {n_rows} rows "
                f"is needed.{hint}"
            )
        if result.numel() > MAX_CELLS:
            raise OwnFunctionError(
                f"{self.name} returned {result.shape[1]} frames, more than can be drawn; "
                "does it really move on by hop_length from frame to frame"
            )
        if not torch.isfinite(result).all():
            raise OwnFunctionError(f"{self.name} returned NaN or infinity")
        if not result.is_complex():
            result = result.to(torch.float32)
            if (result < 0).any():
                raise OwnFunctionError(
                    f"{self.name} returned negative numbers; a power is never negative. "
                    "Return the complex STFT or the power, not decibels"
                )
        return result


def limited(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, ended when it takes longer than :data:`TIME_LIMIT_S`.

    It runs in a thread of its own. At the limit an exception is raised inside it, wherever it is;
    one long step inside a library ends first. An interrupt of the kernel ends it, too.

    Raises:
        TooSlowError: If it had to be ended.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        run = _Run(function, args, kwargs)
        try:
            deadline = time.monotonic() + TIME_LIMIT_S
            while not run.done.wait(_LOOK_EVERY_S):
                if time.monotonic() > deadline:
                    raise TooSlowError(run.end())
        except KeyboardInterrupt:
            run.end()
            raise
        if isinstance(run.problem, Exception):
            raise run.problem
        if run.problem is not None:  # SystemExit: exit() would take the kernel along
            kind = type(run.problem).__name__
            raise RuntimeError(f"{kind} would end Python: leave that out") from run.problem
        return run.result

    return call


class _Ended(BaseException):
    """Raised inside a function that took too long."""


class _Run:
    """One call of a function in a thread of its own."""

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.done = threading.Event()
        self.result: Any = None
        self.problem: BaseException | None = None
        self._call = functools.partial(function, *args, **kwargs)
        self._context = contextvars.copy_context()  # what it prints goes where ours goes
        self._thread = threading.Thread(target=self._run, daemon=True, name="own function")
        self._thread.start()

    def _run(self) -> None:
        try:
            try:
                self.result = self._context.run(self._call)
            except BaseException as problem:
                self.problem = problem
            finally:
                self.done.set()
        except _Ended:  # it came just after the end
            pass

    def end(self) -> str:
        """Raise inside the function until it ends; returns what to say about it."""
        raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
        for _ in range(_TRIES_TO_END):  # a bare «except:» may swallow the first
            raise_in(ctypes.c_ulong(self._thread.ident), ctypes.py_object(_Ended))
            if self.done.wait(_LOOK_EVERY_S / 2):
                break
        text = f"gave no result within {TIME_LIMIT_S:g} s"
        if not self.done.is_set():
            return (
                f"{text} and could not be ended: it still runs. Restart the kernel (menu Kernel), "
                "then look for a loop that never ends, or take a shorter sound"
            )
        place = _place(self.problem) if self.problem else ""
        return (
            f"{text}, so it was ended{place}. Is there a loop that never ends? "
            "If it is only slow, take a shorter sound, or one matrix product in place of loops"
        )


class TooSlowError(TimeoutError):
    """The student's function was ended."""


class NotWrittenYetError(ValueError):
    """The student's function returns nothing so far."""


class OwnFunctionError(ValueError):
    """One sentence about what the student's function did."""


def _one_line(problem: BaseException) -> str:
    """Kind, text and line of an error, in one line."""
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text[:200]}{_place(problem)}"


def _place(problem: BaseException) -> str:
    """Line of the student's code where an error came from, as « (line 3 of my_stft)»."""
    trace = problem.__traceback__
    while trace is not None:
        if "course_utils" not in trace.tb_frame.f_code.co_filename.replace("\\", "/"):
            return f" (line {trace.tb_lineno} of {trace.tb_frame.f_code.co_name})"
        trace = trace.tb_next
    return ""
