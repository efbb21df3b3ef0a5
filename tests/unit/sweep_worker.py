"""A small sweep in a process of its own, which test_sweep.py kills.

python -m tests.unit.sweep_worker sweep RESULTS N_JOBS
python -m tests.unit.sweep_worker append RESULTS NAME N_LINES
"""

import sys

from course_utils.data.tones import make_clips
from course_utils.models.augment import Augmentation
from course_utils.models.sweep import Sweep, grid, run_sweep
from course_utils.models.sweep_results import append_result
from course_utils.models.train import TrainingSettings

SETTINGS = grid(n_fft=[256, 512], hop_length=[256, 512], n_mels=[8, 16])  # six make sense
SEEDS = (0, 1)
TRAINING = TrainingSettings(n_epochs=1, batch_size=8, augmentation=Augmentation(shift_s=0.05))
CHANNELS = (4, 8)


def sweep(path: str, **how: object) -> Sweep:
    """Do twelve runs of a tenth of a second each."""
    clips = {"train": make_clips(20, seed=1), "test": make_clips(15, seed=2)}
    how = {"seeds": SEEDS, "training": TRAINING, "channels": CHANNELS, **how}
    return run_sweep(SETTINGS, **clips, results=path, **how)


def main(task: str, path: str, *numbers: str) -> None:
    if task == "sweep":
        sweep(path, n_jobs=int(numbers[0]), report=lambda p: print(p.n_done, flush=True))
        return
    name, n_lines = numbers
    for number in range(int(n_lines)):
        append_result(path, {"name": name, "number": number, "padding": name * 300})


if __name__ == "__main__":
    main(*sys.argv[1:])
