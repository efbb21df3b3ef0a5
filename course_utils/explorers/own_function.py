"""The student's own function in place of ours: what they wrote is what the sliders move."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from course_utils.signal.pipeline import check_cells

if TYPE_CHECKING:
    from course_utils.explorers.live import LiveChain


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
        self._function = function
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
        if isinstance(result, np.ndarray):
            result = torch.from_numpy(result)
        if not isinstance(result, Tensor):
            raise OwnFunctionError(
                f"{self.name} returned {type(result).__name__}; a tensor of shape {names} is needed"
            )
        result = result.detach()
        if result.ndim != 2 or result.shape[0] != n_rows or result.shape[1] == 0:
            hint = ""
            if result.ndim == 2 and result.shape[1] == n_rows:
                hint = " The two axes look exchanged: rows are frequencies, columns are frames."
            raise OwnFunctionError(
                f"{self.name} returned the shape {tuple(result.shape)}; {names} with {n_rows} rows "
                f"is needed.{hint}"
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


class NotWrittenYetError(ValueError):
    """The student's function returns nothing so far."""


class OwnFunctionError(ValueError):
    """One sentence about what the student's function did."""


def _one_line(problem: BaseException) -> str:
    """Kind, text and line of an error, in one line."""
    text = " ".join(str(problem).split())
    trace, line = problem.__traceback__, ""
    while trace is not None:
        if "course_utils" not in trace.tb_frame.f_code.co_filename.replace("\\", "/"):
            line = f" (line {trace.tb_lineno} of {trace.tb_frame.f_code.co_name})"
            break
        trace = trace.tb_next
    return f"{type(problem).__name__}: {text[:200]}{line}"
