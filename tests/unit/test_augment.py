"""Changes at random: each does what it says, by as much as it says, and repeatably."""

import math

import pytest
import torch

from course_utils.models.augment import (
    Augmentation,
    add_noise,
    add_noise_power,
    add_room,
    bend,
    change_gain,
    change_speed,
    equalise,
    mask_mels,
    mask_time,
    shift_time,
    smear,
)
from course_utils.models.features import WordFeatures
from course_utils.signal import (
    make_click,
    make_tone,
    power_to_db,
    rms_dbfs,
    signal_to_noise_db,
)


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(3)


ON_WAVEFORMS = [shift_time, change_speed, add_noise, change_gain, add_room]
ON_POWER = {
    "noise": lambda p, g: add_noise_power(p, share=1.0, snr_db=(0.0, 20.0), generator=g),
    "smear": lambda p, g: smear(p, share=1.0, generator=g),
    "mask_time": lambda p, g: mask_time(p, most=0.5, generator=g),
    "mask_mels": lambda p, g: mask_mels(p, most=0.5, generator=g),
    "bend": lambda p, g: bend(p, shift_s=0.1, stretch=0.2, mel_warp=0.2, generator=g),
    "equalise": lambda p, g: equalise(p, most_db=5.0, generator=g),
    "all": lambda p, g: Augmentation(mask_time=0.2, mask_mels=0.2)(p, generator=g),
}


# ------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("change", ON_WAVEFORMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("lead", [(), (3,), (2, 2)], ids=str)
def test_a_sound_keeps_its_shape_and_a_seed_its_numbers(change, lead):
    waveform = torch.randn(*lead, 4000, dtype=torch.float64)
    before = torch.random.get_rng_state()
    first, again, other = (
        change(waveform, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert first.shape == waveform.shape
    assert first.dtype == waveform.dtype
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("change", ON_WAVEFORMS, ids=lambda f: f.__name__)
def test_silence_stays_silence(change, rng):
    assert change(torch.zeros(2, 4000), generator=rng).abs().max() == 0


@pytest.mark.parametrize("change", ON_WAVEFORMS, ids=lambda f: f.__name__)
def test_each_sound_of_a_batch_is_changed_in_its_own_way(change, rng):
    one = torch.randn(4000, generator=torch.Generator().manual_seed(5))
    first, second = change(torch.stack([one, one]), generator=rng)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("name", ON_POWER)
def test_a_picture_keeps_its_shape_and_a_seed_its_numbers(name):
    power = torch.rand(6, 64, 32) + 0.1
    before = torch.random.get_rng_state()
    first, again, other = (
        ON_POWER[name](power, torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert first.shape == power.shape
    assert first.isfinite().all()
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", ON_POWER)
def test_a_silent_picture_has_no_nan(name, rng):
    assert ON_POWER[name](torch.zeros(2, 64, 32), rng).isfinite().all()


# ------------------------------------------------------------------------- one by one


def test_shift_moves_by_at_most_what_was_asked_and_fills_with_silence(rng):
    clicks = make_click(0.5).expand(200, -1)
    places = shift_time(clicks, max_s=0.1, generator=rng).abs().argmax(-1) - 8000
    assert -1600 <= places.min() < -1300
    assert 1300 < places.max() <= 1600
    ones = shift_time(torch.ones(50, 16000), max_s=0.5, generator=rng)
    assert (ones == 0).any(-1).sum() > 40
    assert set(ones.unique().tolist()) == {0.0, 1.0}


def test_speed_moves_pitch_and_length_together(rng):
    tone = make_tone(1000.0, duration_s=1.0)
    played = change_speed(tone, factors=(1.25, 1.25), generator=rng)
    spectrum = torch.fft.rfft(played).abs()
    assert spectrum.argmax().item() == pytest.approx(1250, abs=3)
    sounding = (played.abs() > 0.01).nonzero()
    assert (sounding.max() - sounding.min()).item() == pytest.approx(16000 / 1.25, abs=30)
    slow = change_speed(tone, factors=(0.8, 0.8), generator=rng)
    assert torch.fft.rfft(slow).abs().argmax().item() == pytest.approx(800, abs=3)


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 20.0])
def test_noise_lies_as_far_below_as_asked(snr_db, rng):
    waveform = torch.randn(4, 16000)
    noisy = add_noise(waveform, snr_db=(snr_db, snr_db), generator=rng)
    torch.testing.assert_close(
        signal_to_noise_db(waveform, noisy), torch.full((4,), snr_db), rtol=0, atol=0.01
    )


def test_noise_has_many_colours(rng):
    noise = add_noise(torch.ones(50, 16000), generator=rng) - 1.0
    power = torch.fft.rfft(noise).abs().square()
    slope_db = 10 * (power[:, 2000:4000].mean(-1) / power[:, 200:400].mean(-1)).log10()
    assert slope_db.max() > -3.0  # white is 0
    assert slope_db.min() < -15.0  # a = 2 falls by 20 dB in a factor of 10


def test_gain_stays_between_its_bounds(rng):
    waveform = torch.randn(200, 1000)
    change = rms_dbfs(change_gain(waveform, gain_db=(-30.0, -10.0), generator=rng))
    change = change - rms_dbfs(waveform)
    assert -30.0 <= change.min() < -28.0
    assert -12.0 < change.max() <= -10.0


def test_room_rings_as_long_as_asked_and_keeps_the_level(rng):
    click = make_click(0.1, level_dbfs=0.0)
    wet = add_room(
        click.expand(60, -1), reverberation_s=(0.4, 0.4), echo_db=(0.0, 0.0), generator=rng
    )
    torch.testing.assert_close(rms_dbfs(wet), rms_dbfs(click).expand(60), rtol=0, atol=0.01)
    assert wet[:, :1600].abs().max() < 1e-4  # nothing before the click
    energy = wet.square().mean(0)
    early, late = (energy[1600 + at : 1600 + at + 800].mean() for at in (100, 3300))
    assert 10 * (early / late).log10().item() == pytest.approx(60 * 0.2 / 0.4, abs=1.5)
    echo = energy[1601:].sum() / energy[1600]
    assert 10 * echo.log10().item() == pytest.approx(0.0, abs=0.1)


def test_bending_by_nothing_changes_nothing(rng):
    db = 20 * torch.randn(3, 64, 32)
    bent = bend(db, shift_s=0.0, stretch=0.0, mel_warp=0.0, generator=rng)
    torch.testing.assert_close(bent, db, rtol=0, atol=1e-3)


def bright_cell(power):
    flat = power.flatten(1).argmax(1)
    return flat // power.shape[-1], flat % power.shape[-1]


def test_shift_of_a_picture_reaches_as_far_as_asked(rng):
    db = torch.zeros(300, 64, 32)
    db[:, 20, 16] = 50.0
    mels, frames = bright_cell(bend(db, shift_s=0.1, stretch=0.0, mel_warp=0.0, generator=rng))
    assert set(mels.tolist()) == {20}
    assert (frames.min().item(), frames.max().item()) == (13, 19)  # 0.1 s is 3.2 frames


def test_warp_moves_bands_by_a_share_and_stretch_moves_frames_around_the_middle(rng):
    db = torch.zeros(300, 64, 32)
    db[:, 40, 16] = 50.0
    mels, frames = bright_cell(bend(db, shift_s=0.0, stretch=0.0, mel_warp=0.2, generator=rng))
    assert set(frames.tolist()) == {16}
    assert mels.min().item() == pytest.approx(40.5 / 1.2, abs=1)
    assert mels.max().item() == pytest.approx(40.5 * 1.2, abs=1)
    late = torch.zeros(300, 64, 32)
    late[:, 10, 26] = 50.0
    mels, frames = bright_cell(bend(late, shift_s=0.0, stretch=0.25, mel_warp=0.0, generator=rng))
    assert set(mels.tolist()) == {10}
    assert frames.min().item() == pytest.approx(15.5 + 10.5 / 1.25, abs=1)
    assert frames.max().item() == pytest.approx(15.5 + 10.5 * 1.25, abs=1)


def test_equaliser_is_smooth_constant_in_time_and_bounded(rng):
    change = equalise(torch.zeros(100, 64, 32), most_db=6.0, generator=rng)
    assert (change == change[:, :, :1]).all()
    assert 5.5 < change.abs().max() <= 6.0
    assert change.diff(dim=1).abs().max() < 12.0 / 63 * 4 + 0.1


def test_smearing_rings_on_and_never_back(rng):
    power = torch.zeros(20, 64, 32)
    power[:, :, 10] = 1.0
    rung = smear(power, share=1.0, generator=rng)
    assert (rung[:, :, :10] == 0).all()
    torch.testing.assert_close(rung[:, :, 10], power[:, :, 10])
    tail = rung[:, 0, 11:]
    assert (tail > 0).all()
    fall_db = (10 * tail.log10()).diff(dim=1)
    torch.testing.assert_close(fall_db, fall_db[:, :1].expand_as(fall_db), rtol=0, atol=0.01)
    seconds = -60.0 * (1.0 / 32) / fall_db[:, 0]
    assert seconds.min() >= 0.15
    assert seconds.max() <= 0.8001


@pytest.mark.parametrize("change", ["noise", "smear"])
def test_only_a_share_of_the_clips_is_changed(change, rng):
    power = torch.rand(400, 8, 8)
    if change == "noise":
        changed = add_noise_power(power, share=0.25, snr_db=(0.0, 0.0), generator=rng)
    else:
        changed = smear(power, share=0.25, generator=rng)
    share = (changed != power).flatten(1).any(1).double().mean().item()
    assert share == pytest.approx(0.25, abs=0.07)


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_power_lies_as_far_below_as_asked(snr_db, rng):
    power = torch.rand(5, 64, 32)
    added = add_noise_power(power, share=1.0, snr_db=(snr_db, snr_db), generator=rng) - power
    ratio_db = 10 * (power.mean((1, 2)) / added.mean((1, 2))).log10()
    torch.testing.assert_close(ratio_db, torch.full((5,), snr_db), rtol=0, atol=0.05)


def test_noise_on_the_picture_is_the_noise_of_the_sound(rng):
    """The shortcut that training takes: powers add, as a mean over many noises."""
    features = WordFeatures(centre=False)
    tone, noise = make_tone(700.0), 0.05 * torch.randn(64, 16000)
    together = features.mel_power(tone + noise).mean(0)
    apart = features.mel_power(tone) + features.mel_power(noise).mean(0)
    difference_db = power_to_db(together, top_db=None) - power_to_db(apart, top_db=None)
    assert difference_db.abs().max() < 2.0
    assert difference_db.abs().mean() < 0.3


@pytest.mark.parametrize(("mask", "dim"), [(mask_time, -1), (mask_mels, -2)])
def test_a_mask_hides_one_stretch_with_the_mean_of_the_clip(mask, dim, rng):
    power = 10.0 ** torch.randn(200, 64, 32)
    hidden = mask(power, most=0.5, generator=rng) != power  # (clips, mels, frames)
    other = -2 if dim == -1 else -1
    assert (hidden.any(other) == hidden.all(other)).all()  # whole rows or columns
    stretch = hidden.any(other).int()
    borders = torch.nn.functional.pad(stretch, (1, 1)).diff(dim=1).abs().sum(1)
    assert set(borders.tolist()) <= {0, 2}  # one stretch
    size = power.shape[dim]
    assert 0.4 * size < stretch.sum(1).max() <= 0.5 * size
    fill = 10 * mask(power, most=0.5, generator=rng)[hidden[:, :, :].any((1, 2))].log10()
    assert fill.isfinite().all()
    clip = power[:1]
    middle_db = (10 * clip.log10()).mean().item()
    covered = mask(clip, most=1.0, generator=torch.Generator().manual_seed(1))
    values_db = (10 * covered[covered != clip].log10()).unique()
    torch.testing.assert_close(values_db.mean().item(), middle_db, rtol=0, atol=1e-2)


# --------------------------------------------------------------------------- the settings


def test_no_augmentation_gives_the_same_tensor(rng):
    power = torch.rand(2, 64, 32)
    assert Augmentation.none()(power, generator=rng) is power


def test_settings_are_all_off_in_none_and_cannot_be_changed():
    off = Augmentation.none()
    assert [off.shift_s, off.stretch, off.noise_share, off.room_share, off.mask_time] == [0.0] * 5
    with pytest.raises(AttributeError):
        off.shift_s = 1.0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"shift_s": -0.1}, "shift_s=-0.1"),
        ({"stretch": 1.0}, r"stretch=1\.0"),
        ({"mel_warp": math.nan}, "mel_warp=nan"),
        ({"noise_share": 1.5}, r"noise_share=1\.5"),
        ({"room_share": "much"}, "room_share='much'"),
        ({"equalise_db": -1.0}, r"equalise_db=-1\.0"),
        ({"noise_snr_db": (30.0, 0.0)}, "noise_snr_db"),
        ({"noise_snr_db": 10.0}, "two numbers"),
    ],
)
def test_a_wrong_setting_is_named(settings, says):
    with pytest.raises(ValueError, match=says):
        Augmentation(**settings)


@pytest.mark.parametrize(
    ("change", "settings", "says"),
    [
        (shift_time, {"max_s": 2.0}, r"max_s=2\.0"),
        (shift_time, {"max_s": -1.0}, r"max_s=-1\.0"),
        (change_speed, {"factors": (0.1, 1.0)}, r"between 0\.5 and 2"),
        (add_noise, {"snr_db": (1.0, 0.0)}, "snr_db"),
        (change_gain, {"gain_db": (0.0,)}, "gain_db"),
        (add_room, {"reverberation_s": (0.0, 1.0)}, "reverberation_s"),
    ],
)
def test_a_wrong_argument_is_named(change, settings, says, rng):
    with pytest.raises(ValueError, match=says):
        change(torch.randn(16000), generator=rng, **settings)
