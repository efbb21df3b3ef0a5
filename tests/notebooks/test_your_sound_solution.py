"""The solutions of 08_your_sound with one thing spoiled: each check says which."""

import pytest

from tests.notebooks.test_solutions import NOTEBOOKS, code_of, run, verdicts

SPOILED = [  # check, what the solution has, what stands there in its place, what the line must say
    ("loudest_second", "waveform.square()", "waveform", "plus and minus cancel"),
    ("loudest_second", "waveform.square()", "waveform.abs()", "you added magnitudes"),
    ("loudest_second", "argmax", "argmin", "the least energy"),
    ("loudest_second", "start : start + sample_rate", "start : start + 16000", "8000 samples"),
    ("loudest_second", "return waveform[start : start + sample_rate]", "return start",
     "not the place where it begins"),
    ("flip_snr", "/ 20)", "/ 10)", "that is for powers"),
    ("flip_snr", "rms(clip) / rms(noise) * ", "", "at its own level"),
    ("flip_snr", "-snr_db", "snr_db", "the sign is turned round"),
    ("flip_snr", "in snrs_db", "in reversed(snrs_db)", "the lowest SNR"),
    ("hand_over", 'with_suffix(".json")', 'with_suffix(".txt")', "word.json is missing"),
    ("hand_over", "picture.numpy()", "picture.T.numpy()", "rows and columns are exchanged"),
    ("hand_over", "json.dump(params, file, indent=2)", "file.write(str(params))", "is no JSON"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "right", "wrong", "says"), SPOILED, ids=[f"{c}: {s}" for c, _, _, s in SPOILED]
)
def test_spoiled_solution_is_told_what_is_wrong(check, right, wrong, says):
    path = NOTEBOOKS / "solutions" / "08_your_sound.ipynb"
    imports, parameters, *others = code_of(path)
    (source,) = [s for s in others if f"def {check}(" in s]
    spoiled = source.replace(right, wrong)
    assert spoiled != source, "the solution has changed: this test spoils nothing any more"
    cells = [imports, parameters, spoiled, f"checks.check_{check}({check})"]
    lines = verdicts(run(cells, path.parent))
    assert any(line.startswith("✗") and says in line for line in lines), lines
