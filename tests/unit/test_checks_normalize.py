"""The checks of lesson 05 know every mistake they claim to know, and every right way."""

import pytest
import torch

from course_utils.checks import normalize as checks
from course_utils.signal import LogMelSpectrogram, peak_dbfs, rms_dbfs, standardize

log_mel = LogMelSpectrogram()


@pytest.fixture
def line(capsys):
    """Run a check and return the one line that it prints."""

    def run(check, *args):
        capsys.readouterr()
        assert check(*args) is None
        (printed,) = capsys.readouterr().out.splitlines()
        return printed

    return run


# ---- my_standardize


def by_formula(log_mel_spec, eps=1e-8):
    mean = log_mel_spec.mean((-2, -1), keepdim=True)
    std = log_mel_spec.std((-2, -1), correction=0, keepdim=True)
    return (log_mel_spec - mean) / (std + eps)


def by_sums(log_mel_spec, eps=1e-8):
    cells = log_mel_spec.flatten(-2)
    mean = cells.sum(-1) / cells.shape[-1]
    centred = log_mel_spec - mean[..., None, None]
    std = (centred**2).flatten(-2).mean(-1).sqrt()
    return centred / (std[..., None, None] + eps)


def by_numpy(log_mel_spec, eps=1e-8):
    x = log_mel_spec.numpy()
    return (x - x.mean((-2, -1), keepdims=True)) / (x.std((-2, -1), keepdims=True) + eps)


@pytest.mark.parametrize("function", [by_formula, by_sums, by_numpy])
def test_every_right_way_to_standardize_is_right(line, function):
    assert line(checks.check_my_standardize, function).startswith("✓ my_standardize: right")


@pytest.mark.parametrize("says", checks.STANDARDIZE_MISTAKES)
def test_every_known_mistake_of_standardize_is_named(line, says):
    wrong = checks.STANDARDIZE_MISTAKES[says]
    assert line(checks.check_my_standardize, wrong) == f"✗ my_standardize: {says}"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x, eps: None, "○ my_standardize: not tried yet"),
        (lambda x, eps: (x - x.mean()) / (x.std(correction=0) + eps), "for the whole batch"),
        (lambda x, eps: (x - x.mean()) / (x.std() + eps), "whole batch, and N - 1"),
        (lambda x, eps: by_formula(x, 1e-8), "eps is not added"),
        (lambda x, eps: by_formula(x, eps if eps > 0.1 else 0.0), "NaN: that is what eps is for"),
        (lambda x, eps: x.mean(), "the shape is ()"),
        (lambda x, eps: by_formula(x.flip(-1), eps), "which of them share a mean"),
        (lambda x, eps: (x - x.mean((-2, -1))) / eps, "keepdim=True keeps its place"),
        (lambda x, eps: x.sub_(x.mean()), "changes the spectrogram"),
        (lambda x, eps: 1 / 0, "raised ZeroDivisionError"),
        (lambda x, eps: "picture", "a number or a tensor is wanted"),
        (lambda x: x, "raised TypeError"),
        (lambda x, eps: 3 * by_formula(x, eps) + 1, "has mean 1 and standard deviation 3"),
        (by_formula(torch.ones(6, 10)), "give the function itself"),
        (None, "○ my_standardize: not tried yet"),
    ],
)
def test_a_faulty_standardize_is_told_what_is_wrong(line, function, words):
    assert words in line(checks.check_my_standardize, function)


# ---- band_statistics


def stats_by_dims(log_mel_specs, is_train):
    train = log_mel_specs[is_train]
    dims = (0, 2)
    mean = train.mean(dims, keepdim=True)[0]
    return mean, train.std(dims, correction=0, keepdim=True)[0]


def stats_by_rows(log_mel_specs, is_train):
    rows = log_mel_specs[is_train].transpose(0, 1).flatten(1)  # (n_mels, clips and frames)
    return [rows.mean(1)[:, None], rows.std(1, correction=0)[:, None]]


@pytest.mark.parametrize("function", [stats_by_dims, stats_by_rows])
def test_every_right_way_to_measure_a_training_set_is_right(line, function):
    assert line(checks.check_band_statistics, function).startswith("✓ band_statistics: right")


@pytest.mark.parametrize("says", checks.STATISTICS_MISTAKES)
def test_every_known_mistake_of_the_statistics_is_named(line, says):
    def wrong(log_mel_specs, is_train):
        mean, std = checks.STATISTICS_MISTAKES[says](log_mel_specs, is_train)
        return mean[:, None], std[:, None]

    assert line(checks.check_band_statistics, wrong) == f"✗ band_statistics: {says}"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x, t: None, "○ band_statistics: not tried yet"),
        (lambda x, t: (None, None), "○ band_statistics: not tried yet"),
        (lambda x, t: x[t].mean((0, 2)), "return two things"),
        (lambda x, t: (x[t].mean((0, 2)), x[t].std((0, 2), correction=0)), "keepdim, or [:, None]"),
        (lambda x, t: (x[t].mean(), x[t].std()), "one number for all bands"),
        (lambda x, t: (x[t].mean((0, 1)), x[t].std((0, 1))), "one number for each frame"),
        (lambda x, t: (x[t].mean(2), x[t].std(2)), "one number for each clip and band"),
        (lambda x, t: (x[t].mean((0, 2)), x[t].std()), "the shapes are (6,) and ()"),
        (lambda x, t: (x[t].mean((0, 2)), x[t].mean((0, 2))), "dB off"),
        (lambda x, t: (x.sub_(x.mean()), x), "changes the spectrograms"),
        (lambda x, t: 1 / 0, "raised ZeroDivisionError"),
        (4, "give the function itself"),
    ],
)
def test_a_faulty_measurement_is_told_what_is_wrong(line, function, words):
    assert words in line(checks.check_band_statistics, function)


# ---- prepare


def gated(is_silent, silent=torch.zeros_like, sound=standardize):
    """A pipeline with a condition on the waveform and its picture."""

    def prepare(waveform):
        log_mel_spec = log_mel(waveform)
        return silent(log_mel_spec) if is_silent(waveform, log_mel_spec) else sound(log_mel_spec)

    return prepare


def test_a_mended_pipeline_is_right(line):
    for mended in (
        gated(lambda w, x: peak_dbfs(w) < -60),
        gated(lambda w, x: w.abs().max() < 0.001),
        gated(lambda w, x: 20 * w.abs().amax().log10() <= -60),
    ):
        assert line(checks.check_prepare, mended).startswith("✓ prepare: right")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (checks.broken_prepare, "○ prepare: not tried yet"),
        (gated(lambda w, x: w.abs().max() < -60), "-60 is in dBFS"),
        (lambda w: None, "○ prepare: not tried yet"),
        (gated(lambda w, x: peak_dbfs(w) < 0), "everything is silence"),
        (gated(lambda w, x: peak_dbfs(w) > -60), "turned round"),
        (gated(lambda w, x: x.std() < 5), "Judge the level, not the contrast"),
        (gated(lambda w, x: rms_dbfs(w) < -60), "a click is thrown away"),
        (gated(lambda w, x: peak_dbfs(w) < -40), "-52 dBFS, and silence begins at -60"),
        (gated(lambda w, x: w.abs().max() == 0), "a room is not all zeros"),
        (lambda w: standardize(log_mel(w), eps=5.0), "a larger eps (or divisor) holds noise down"),
        (lambda w: log_mel(w) + 0.0, "not standardized any more"),
        (lambda w: -standardize(log_mel(w)), "leave sounds as they were"),
        (gated(lambda w, x: peak_dbfs(w) < -60, silent=lambda x: x), "still gives numbers"),
        (gated(lambda w, x: peak_dbfs(w) < -60, silent=lambda x: None), "you return None"),
        (gated(lambda w, x: peak_dbfs(w) < -60, silent=lambda x: 0.0), "the shape is ()"),
        (lambda w: standardize(log_mel(w / w.abs().max())), "a division by 0?"),
        (lambda w: standardize(log_mel(w.mul_(2))), "changes the waveform"),
        (lambda w: 1 / 0, "raised ZeroDivisionError"),
        (3, "give the function itself"),
    ],
)
def test_a_faulty_pipeline_is_told_what_is_wrong(line, function, words):
    assert words in line(checks.check_prepare, function)


def test_no_check_gives_the_answer_away(line):
    for check in (checks.check_my_standardize, checks.check_band_statistics, checks.check_prepare):
        assert "standardize(" not in line(check, lambda *a, **k: None)
