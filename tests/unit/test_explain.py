"""What a network looks at: saliency that finds what decides, and fields that end where they end."""

import pytest
import torch
from torch import nn

from course_utils.models.cnn import WordCNN
from course_utils.models.explain import (
    bands_hz,
    feature_maps,
    first_filters,
    frames_ms,
    grad_cam,
    occlusion,
    rank_correlation,
    receptive_field,
    unit_extents,
    with_random_weights,
)
from course_utils.models.tiny import tiny_cnn, train
from course_utils.signal import LogMelSpectrogram, MelParams, mel_filterbank

SHAPE = (64, 32)


class Blocks(nn.Module):
    """Two stages and a head, as the network of lesson 06 has them."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(1, 4, 5, padding=2), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)
            ),
            nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d((4, 2))),
        )
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d((4, 2)), nn.Flatten(), nn.Dropout(), nn.Linear(48, 3)
        )

    def forward(self, pictures):
        for stage in self.stages:
            pictures = stage(pictures)
        return self.head(pictures)


@pytest.fixture
def blocks():
    torch.manual_seed(0)
    return Blocks()


@pytest.fixture
def picture():
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def stripes():
    """A network that learned to tell which stripes a noisy picture has, wherever they stand."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.arange(240) % 2
    pictures = 0.3 * torch.randn(240, *SHAPE, generator=generator)
    tops = torch.randint(0, 48, (240,), generator=generator)
    lefts = torch.randint(0, 20, (240,), generator=generator)
    for picture, label, top, left in zip(pictures, labels, tops, lefts, strict=True):
        patch = picture[top : top + 16, left : left + 12]
        (patch[::4] if label == 0 else patch[:, ::4]).add_(3.0)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2),
    )  # fmt: skip
    train(network, pictures, labels, n_steps=80)
    return network, pictures, labels, torch.stack([tops + 8, lefts + 6], dim=1)


def centre_of(saliency):
    """Mean band and frame, weighed with what is positive."""
    weights = saliency.clamp(min=0)
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in saliency.shape), indexing="ij")
    return [((values * weights).sum() / weights.sum()).item() for values in (rows, columns)]


# ---- saliency


SALIENCIES = pytest.mark.parametrize(
    "how", [lambda n, p, c: grad_cam(n, p, c, stage=6), occlusion], ids=["Grad-CAM", "occlusion"]
)


@SALIENCIES
@pytest.mark.parametrize("label", [0, 1])
def test_saliency_stands_where_the_decision_is_made(stripes, how, label):
    network, pictures, labels, middles = stripes
    found = []
    chosen = (labels == label).nonzero()[:16, 0]
    for picture, middle in zip(pictures[chosen], middles[chosen], strict=True):
        saliency = how(network, picture, label)
        assert saliency.shape == SHAPE
        row, column = centre_of(saliency)
        found.append(abs(row - middle[0]) < 8 and abs(column - middle[1]) < 6)
    assert sum(found) > 0.9 * len(found)


def test_grad_cam_is_the_formula_of_the_paper(blocks, picture):
    blocks.eval()
    maps = blocks.stages[0](picture[None, None])
    maps = maps.detach().requires_grad_(True)
    score = blocks.head(blocks.stages[1](maps))[0, 2]
    score.backward()
    weights = maps.grad.mean(dim=(-2, -1), keepdim=True)
    cam = (weights * maps).sum(1, keepdim=True).relu().detach()
    expected = nn.functional.interpolate(cam, size=SHAPE, mode="bilinear", align_corners=False)
    torch.testing.assert_close(grad_cam(blocks, picture, 2, stage=0), expected[0, 0])


def test_occlusion_is_the_fall_of_the_logit(blocks, picture):
    """Patches that do not overlap: each cell has the fall of its own patch."""
    blocks.eval()
    found = occlusion(blocks, picture, 1, patch=(16, 8), step=(16, 8), fill=0.5)
    covered = picture.clone()
    covered[16:32, 8:16] = 0.5
    with torch.no_grad():
        fall = blocks(picture[None, None])[0, 1] - blocks(covered[None, None])[0, 1]
    torch.testing.assert_close(found[16:32, 8:16], fall.expand(16, 8))
    assert found.unique().numel() == 16


def test_patches_reach_the_ends_of_the_picture(blocks, picture):
    found = occlusion(blocks, picture, 0, patch=(10, 5), step=(7, 3))
    assert torch.isfinite(found).all()


@SALIENCIES
def test_saliency_of_random_weights_is_another_one(stripes, how):
    """The sanity check: what random weights also show would not come from learning."""
    network, pictures, labels, _middles = stripes
    drawn = with_random_weights(network, seed=3)
    same, other = [], []
    for picture in pictures[labels == 0][:12]:
        learned = how(network, picture, 0)
        same.append(rank_correlation(learned, how(network, picture, 0)))
        other.append(abs(rank_correlation(learned, how(drawn, picture, 0))))
    print(f"rank correlation with random weights {sum(other) / len(other):.2f}")
    assert min(same) == pytest.approx(1.0)
    assert sum(other) / len(other) < 0.6


def test_random_weights_are_seeded_and_leave_everything_else_alone(stripes):
    network, pictures, _labels, _middles = stripes
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    first, again, other = (with_random_weights(network, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    logits = [n(pictures[:4, None]) for n in (first, again, other, network)]
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])
    assert not torch.equal(logits[0], logits[3])
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_network_keeps_its_mode_and_its_gradients(blocks, picture):
    blocks.train()
    blocks.stages[0].eval()  # somebody froze a part
    averages = blocks.stages[0][1].running_mean.clone()
    grad_cam(blocks, picture, 0)
    occlusion(blocks, picture, 0)
    feature_maps(blocks, picture)
    assert blocks.training
    assert blocks.head[2].training
    assert not blocks.stages[0][1].training
    assert torch.equal(blocks.stages[0][1].running_mean, averages)
    assert all(weight.grad is None for weight in blocks.parameters())
    assert not any(module._forward_hooks for module in blocks.modules())


def test_grad_cam_works_where_gradients_are_off(blocks, picture):
    expected = grad_cam(blocks, picture, 0)
    with torch.no_grad():
        torch.testing.assert_close(grad_cam(blocks, picture, 0), expected)
    with torch.inference_mode():
        torch.testing.assert_close(grad_cam(blocks, picture.clone(), 0), expected)
    for weight in blocks.parameters():
        weight.requires_grad_(False)
    torch.testing.assert_close(grad_cam(blocks, picture, 0), expected)


def test_rank_correlation_knows_order_only():
    values = torch.tensor([[0.1, 5.0], [2.0, 3.0]])
    assert rank_correlation(values, values.exp()) == pytest.approx(1.0)
    assert rank_correlation(values, -values) == pytest.approx(-1.0)
    scipy = pytest.importorskip("scipy.stats")
    first, second = (torch.randint(5, (40,)).float() for _ in range(2))
    expected = scipy.spearmanr(first.numpy(), second.numpy()).statistic
    assert rank_correlation(first, second) == pytest.approx(expected)


# ---- inside


def test_feature_maps_are_what_the_stage_gives(blocks, picture):
    blocks.eval()
    with torch.no_grad():
        expected = blocks.stages[0](picture[None, None])[0]
    torch.testing.assert_close(feature_maps(blocks, picture, stage=0), expected)
    assert feature_maps(blocks, picture).shape == (6, 8, 8)
    both = torch.stack([picture, -picture])
    torch.testing.assert_close(feature_maps(blocks, both, stage=0)[0], expected)


def test_first_filters_are_the_first_weights(blocks):
    filters = first_filters(blocks)
    assert filters.shape == (4, 5, 5)
    assert torch.equal(filters, blocks.stages[0][0].weight[:, 0])
    filters.zero_()
    assert blocks.stages[0][0].weight.any()


# ---- receptive fields


def networks():
    def plain(*layers):
        return nn.Sequential(*layers)

    yield "blocks", Blocks()
    yield "tiny", tiny_cnn(n_classes=2, batch_norm=True)
    yield (
        "mixed",
        plain(
            nn.Conv2d(1, 2, (3, 5), padding="same"),
            nn.AvgPool2d((2, 1), stride=(3, 2)),
            nn.Conv2d(2, 2, 3, dilation=(2, 1), padding=(0, 1)),
            nn.MaxPool2d(3, stride=2, padding=1),
        ),
    )
    yield "words", WordCNN(n_mels=30)  # 30 x 22 cells: odd sizes on the way, rounded up


CASES = [
    pytest.param(network, stage, id=f"{name}-{stage}")
    for name, network in networks()
    for stage in range(len(getattr(network, "stages", network)))
    if name != "tiny" or stage < 6
]


def cells_with_gradient(network, stage, unit, shape):
    """Bands and frames of the picture that move a unit: the union over many pictures."""
    stages = getattr(network, "stages", network)
    pictures = torch.rand(400, 1, *shape, generator=torch.Generator().manual_seed(4))
    pictures.requires_grad_(True)
    maps = pictures
    for layer in stages[: stage + 1]:
        maps = layer(maps)
    maps[:, 0, unit[0], unit[1]].sum().backward()
    moved = pictures.grad.abs().sum(dim=(0, 1)) > 0
    return moved.any(1).nonzero()[:, 0], moved.any(0).nonzero()[:, 0], maps.shape[-2:]


@pytest.mark.parametrize(("network", "stage"), CASES)
def test_exactly_the_cells_of_the_field_move_the_unit(network, stage):
    """Compared with the gradient for units in the corners, at the edges and in the middle."""
    network.eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_().add_(0.01)  # nothing cancels, and no ReLU is shut
    rows, columns = unit_extents(network, stage=stage, picture_shape=(30, 22))
    n_rows, n_columns = len(rows), len(columns)
    middle = (n_rows // 2, n_columns // 2)
    for unit in {(0, 0), (n_rows - 1, n_columns - 1), (0, middle[1]), middle}:
        bands, frames, shape = cells_with_gradient(network, stage, unit, (30, 22))
        assert tuple(shape) == (n_rows, n_columns)
        assert (bands[0], bands[-1]) == rows[unit[0]]
        assert (frames[0], frames[-1]) == columns[unit[1]]


def test_a_field_is_said_in_ms_and_hz(blocks):
    """By hand: 5 x 5, pool 2, 3 x 3, pool 4 x 2; frames every 32 ms that see 64 ms."""
    field = receptive_field(blocks, stage=1, unit=(2, 3))
    # stage 0: row r sees bands 2r - 2 .. 2r + 3. stage 1: row 2 sees rows 7 .. 12, column 3 5 .. 8
    assert field.bands == (2 * 7 - 2, 2 * 12 + 3)
    assert field.frames == (2 * 5 - 2, 2 * 8 + 3)
    assert field.times_ms == (8 * 32 - 32, 19 * 32 + 32)
    fbank = mel_filterbank(n_freqs=513, n_mels=64, sample_rate=16000)
    bins = fbank[:, field.bands[0] : field.bands[1] + 1].any(1).nonzero()[:, 0] * 16000 / 1024
    low_hz, high_hz = field.freqs_hz
    assert low_hz < bins[0] <= low_hz + 16000 / 1024
    assert high_hz - 16000 / 1024 <= bins[-1] < high_hz


def test_no_field_sees_beyond_the_clip(blocks):
    field = receptive_field(blocks, stage=1, unit=(0, 0))
    assert field.bands[0] == field.frames[0] == 0
    assert field.times_ms[0] == 0.0
    assert field.freqs_hz[0] == 0.0
    field = receptive_field(blocks, stage=1, unit=(7, 7))
    assert (field.bands[1], field.frames[1]) == (63, 31)
    assert field.times_ms[1] == 1000.0
    assert field.freqs_hz[1] == pytest.approx(8000.0)


@pytest.mark.parametrize(
    "params",
    [
        MelParams(top_db=None),
        MelParams(top_db=None, win_length=400, hop_length=160),
        MelParams(top_db=None, win_length=400, hop_length=160, center=False),
    ],
    ids=["course", "short window", "not centred"],
)
def test_the_times_of_a_frame_are_those_of_the_samples_that_move_it(params):
    frames = (7, 9)
    waveform = torch.rand(16000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    waveform.requires_grad_(True)
    spec = LogMelSpectrogram(params).double()(waveform)
    spec[:, frames[0] : frames[1] + 1].sum().backward()
    moved = waveform.grad.nonzero()[:, 0]
    start_ms, end_ms = frames_ms(frames, params=params, n_samples=16000)
    # the first weight of a periodic Hann window is 0, so its sample moves nothing
    assert moved[0].item() == pytest.approx(start_ms * 16 + 1)
    assert moved[-1].item() == pytest.approx(end_ms * 16 - 1)


def test_bands_know_their_settings():
    low_hz, high_hz = bands_hz((0, 63), params=MelParams(f_min=100.0, f_max=6000.0))
    assert (low_hz, high_hz) == (pytest.approx(100.0), pytest.approx(6000.0))


# ---- bad input


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda n, p: grad_cam(n, p, 3), "class_index=3 must be from 0 to 2"),
        (lambda n, p: occlusion(n, p, -1), "class_index=-1 must be from 0 to 2"),
        (lambda n, p: grad_cam(n, p, 0, stage=2), "stage=2 must be from 0 to 1"),
        (lambda n, p: grad_cam(n, p[0], 0), r"picture must be a float tensor .* got \(32,\)"),
        (lambda n, p: feature_maps(n, p.int()), "picture must be a float tensor"),
        (lambda n, p: occlusion(n, p, 0, patch=(65, 4)), "a patch of 65 bands"),
        (lambda n, p: occlusion(n, p, 0, step=(0, 4)), "moved by 0"),
        (lambda n, p: receptive_field(n, stage=1, unit=(8, 0)), "8 rows and 8 columns"),
        (lambda n, p: grad_cam(nn.Linear(2, 2), p, 0), "Linear has no .stages"),
        (lambda n, p: grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(2048, 2)), p, 0), "earlier"),
        (lambda n, p: first_filters(nn.Sequential(nn.Linear(2, 2))), "no first convolution"),
        (lambda n, p: rank_correlation(p, p[0]), "same shape"),
        (
            lambda n, p: unit_extents(nn.Sequential(nn.AdaptiveAvgPool2d(4)), stage=0),
            "walked through AdaptiveAvgPool2d",
        ),
    ],
)
def test_bad_input_is_named(blocks, picture, call, words):
    with pytest.raises(ValueError, match=words):
        call(blocks, picture)


def test_a_step_outside_the_layers_is_noticed():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.stages = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3))

        def forward(self, pictures):
            return self.stages[1](nn.functional.max_pool2d(self.stages[0](pictures), 2))

    with pytest.raises(ValueError, match="outside any layer"):
        unit_extents(Hidden(), stage=1)
