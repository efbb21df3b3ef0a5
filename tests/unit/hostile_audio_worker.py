"""Load one hostile sound after the other, in a process of its own, and say how it went.

The test beside it starts this with a folder in which it put the files. One line of JSON per case:
what came of it, the seconds of the processor and of the clock, and the megabytes it took.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
import warnings
from pathlib import Path

import torch
from torch import Tensor

from course_utils.audio_io import AudioError, AudioWarning, load_audio
from course_utils.signal import resample


def memory_mb(name: str) -> float | None:
    """``VmRSS`` (now) or ``VmHWM`` (the most since the last reset) of this process, in MB."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1000
    except OSError:
        pass
    return None


def reset_peak() -> bool:
    """Give back what is free and let ``VmHWM`` count from now on; only Linux can."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError, TypeError):
        return False
    return True


def load(source: object, sample_rate: int | None) -> dict:
    """What ``load_audio`` made of a source: a waveform, a sentence, or worse."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", AudioWarning)
        try:
            waveform, rate = load_audio(source, sample_rate=sample_rate)
        except AudioError as error:
            return {"error": str(error)}
        except BaseException as problem:
            return {"crash": f"{type(problem).__name__}: {problem}"}
    return {"waveform": waveform, "rate": rate, "said": [str(w.message) for w in said]}


def measured(source: object, sample_rate: int | None = None) -> dict:
    """The outcome, and what it cost."""
    can_measure = reset_peak()
    before, cpu, clock = memory_mb("VmRSS"), time.process_time(), time.perf_counter()
    result = load(source, sample_rate)
    result |= {"cpu_s": time.process_time() - cpu, "clock_s": time.perf_counter() - clock}
    if can_measure:
        result["mb"] = memory_mb("VmHWM") - before
    return described(**result)


def described(waveform: Tensor | None = None, **result: object) -> dict:
    """The result with numbers in place of the waveform."""
    if waveform is None:
        return result
    return result | {
        "shape": list(waveform.shape),
        "dtype": str(waveform.dtype),
        "peak": float(waveform.abs().max()),
        "finite": bool(torch.isfinite(waveform).all()),
        "first": waveform[:2000].tolist(),
    }


def main() -> None:
    """Read the folder's list of cases, answer each."""
    os.chdir(sys.argv[1])
    torch.set_num_threads(1)
    resample(torch.zeros(100), sample_rate=2, new_sample_rate=1)  # imports what it needs
    for name, path, sample_rate in json.loads(Path("cases.json").read_text("utf-8")):
        print(json.dumps({"name": name} | measured(path, sample_rate)), flush=True)


if __name__ == "__main__":
    main()
