"""Lets ``import torchaudio`` work where its native part cannot be loaded.

The Linux wheel of torchaudio 2.11 is linked to CUDA. Beside a CPU-only torch its
native library does not load, and ``import torchaudio`` raises OSError; beside a
torch for another CUDA version it raises RuntimeError. Almost nothing of
torchaudio needs that library: without it only ``forced_align`` and ``rnnt_loss``
are lost, and ``lfilter`` is slow.

So :func:`install` puts a finder for exactly one module, ``torchaudio._extension``,
in front of the others. It runs the real module; only if that fails because of the
native library does it fill in what the rest of torchaudio asks for: «there is no
native part». Nothing is imported before somebody imports torchaudio, and a
torchaudio that works is not touched.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

_NAME = "torchaudio._extension"


def _fail_if_no_align(function: Callable) -> Callable:
    """Replace a function that needs the native part by one that says so."""

    def unavailable(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError(
            f"torchaudio.functional.{function.__name__} needs torchaudio's native part, which "
            "does not fit this build of torch; everything that this course uses works without it"
        )

    unavailable.__name__, unavailable.__doc__ = function.__name__, function.__doc__
    return unavailable


class _MendingLoader(importlib.abc.Loader):
    """Runs ``torchaudio._extension``, and mends it if its native library does not load."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        try:
            self._loader.exec_module(module)
        except ModuleNotFoundError:
            raise  # torch is missing: that is for the student to know
        except (OSError, RuntimeError, ImportError) as error:
            module._IS_TORCHAUDIO_EXT_AVAILABLE = False
            module._IS_ALIGN_AVAILABLE = False
            module.fail_if_no_align = _fail_if_no_align
            module._mended_because = f"{type(error).__name__}: {error}"


class _MendingFinder(importlib.abc.MetaPathFinder):
    """Finds ``torchaudio._extension`` where it is, and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _NAME:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _MendingLoader(spec.loader)
        return spec


def install() -> None:
    """Make every later ``import torchaudio`` work; calling it again changes nothing."""
    if not any(isinstance(finder, _MendingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _MendingFinder())


def native_part() -> str:
    """Say in one sentence whether torchaudio's native part works; imports torchaudio."""
    install()
    import torchaudio

    reason = getattr(torchaudio._extension, "_mended_because", None)
    if reason is not None:
        return f"no, and the course does not need it ({reason.splitlines()[0]})"
    return "yes" if torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE else "no, not installed"
