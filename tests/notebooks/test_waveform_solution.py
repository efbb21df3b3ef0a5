"""The solutions of 01_waveform with one thing spoiled: each check says which."""

import pytest

from tests.notebooks.test_solutions import assert_spoiled_is_told

SPOILED = [  # check, what the solution has, what stands there in its place, what the line must say
    ("my_tone", "torch.sin(", "torch.cos(", "this is a cosine"),
    ("my_tone", "2 * torch.pi * ", "", "one turn is 2 pi"),
    ("my_tone", "level_dbfs / 20", "level_dbfs / 10", "amplitudes go with 20"),
    ("my_tone", "amplitude * torch", "torch", "level_dbfs is not used"),
    ("my_tone", ") / sample_rate\n", ")\n", "time runs in samples"),
    ("my_tone", "sample_rate)) /", "sample_rate) + 1) /", "one sample too many"),
    ("heard_at", "abs(freq_hz - sample_rate * round(freq_hz / sample_rate))",
     "freq_hz % sample_rate", "a remainder is not a mirror"),
    ("heard_at", "abs(freq_hz - sample_rate * round(freq_hz / sample_rate))",
     "min(freq_hz, sample_rate / 2)", "it does not stop at Nyquist"),
    ("heard_at", "abs(", "(", "the sign is left"),
    ("loudest_hz", "peak_bin * sample_rate / len(waveform)", "peak_bin", "the number of the bin"),
    ("loudest_hz", "/ len(waveform)", "/ (len(waveform) // 2 + 1)", "end at Nyquist"),
    ("loudest_hz", "argmax", "max", "wanted is where it stands"),
    ("my_quantize", ".round()", ".floor()", "always round down"),
    ("my_quantize", ".round()", ".trunc()", "cut off towards 0"),
    ("my_quantize", ".clamp(-half, half - 1)", "", "1.0 is not among the levels"),
    ("my_quantize", "half - 1) / half", "half - 1)", "scale them back"),
    ("my_quantize", "n_bits - 1)", "n_bits)", "one bit too many"),
    ("my_snr_db", "noise = noisy - clean", "noise = noisy", "noisy - clean"),
    ("my_snr_db", "10 * torch", "20 * torch", "twice as much"),
    ("my_snr_db", "log10", "log", "this is ln"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "right", "wrong", "says"), SPOILED, ids=[f"{c}: {s}" for c, _, _, s in SPOILED]
)
def test_spoiled_solution_is_told_what_is_wrong(check, right, wrong, says):
    assert_spoiled_is_told("01_waveform", check, right, wrong, says)
