"""What a network looks at: saliency, feature maps, filters, and how far a unit sees.

Every function takes any network for pictures ``(batch, 1, n_mels, time)`` whose convolutions
stand in ``network.stages``, or one that is an ``nn.Sequential`` itself. A network is looked at as
it predicts: batch norm and dropout are switched to evaluation, and back afterwards.
"""

import copy
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.signal import MelParams, mel_band_edges_hz

PATCH = (8, 4)  # bands and frames that occlusion covers: 1/64 of the course's picture
_AT_ONCE = 256  # covered pictures in one batch
# layers that give each unit only what stands at the same place in their input
_POINTWISE = (
    nn.BatchNorm2d, nn.Dropout, nn.Dropout2d, nn.ELU, nn.GELU, nn.Hardswish, nn.Identity,
    nn.LeakyReLU, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Tanh,
)  # fmt: skip

Extent = tuple[int, int]  # first and last cell


class ReceptiveField(NamedTuple):
    """What one unit of a feature map can see.

    Attributes:
        bands: First and last mel band of the picture.
        frames: First and last frame of the picture.
        times_ms: From when to when, in ms: a frame sees all samples under its window.
        freqs_hz: From the foot of the lowest triangle to the foot of the highest, in Hz.
    """

    bands: Extent
    frames: Extent
    times_ms: tuple[float, float]
    freqs_hz: tuple[float, float]


# ---- inside the network


def feature_maps(network: nn.Module, picture: Tensor, *, stage: int = -1) -> Tensor:
    """Compute what comes out of one stage of convolutions.

    Args:
        network: See the top of this module.
        picture: Shape ``(n_mels, time)``, or ``(batch, n_mels, time)``.
        stage: Number of the stage, from 0; -1 is the last one.

    Returns:
        Shape ``(channels, rows, columns)``, with the leading dimension that the picture has.

    Raises:
        ValueError: If the picture has another shape or there is no such stage.

    Notebook: 06_cnn.ipynb.
    """
    pictures = _as_batch(picture)
    with torch.no_grad(), _evaluating(network), _caught(_stage(network, stage)) as caught:
        network(pictures)
    maps = caught[0]  # (batch, channels, rows, columns)
    return maps if picture.ndim == 3 else maps[0]


def first_filters(network: nn.Module) -> Tensor:
    """Copy the weights of the first convolution.

    Returns:
        Shape ``(channels, rows, columns)``: mel bands from low to high, frames from early to late.

    Raises:
        ValueError: If there is no convolution over a picture of one channel.

    Notebook: 06_cnn.ipynb.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            if module.in_channels != 1:
                break
            return module.weight.detach()[:, 0].clone()
    raise ValueError("the network has no first convolution over a picture of one channel")


# ---- saliency


def grad_cam(network: nn.Module, picture: Tensor, class_index: int, *, stage: int = -1) -> Tensor:
    r"""Say which places of a picture speak for a class, by the gradient.

    Each map :math:`A^k` of a stage is weighed with the mean of its gradient,

    .. math:: L = \mathrm{ReLU}\Big(\sum_k A^k \cdot \frac{1}{Z}\sum_{i,j}
              \frac{\partial y_c}{\partial A^k_{ij}}\Big),

    where :math:`y_c` is the logit of the class; the sum is then stretched to the picture. The mean
    fits a network whose head averages over all places. The head of :class:`WordCNN` weighs its
    4 x 2 places by themselves, so here the map can miss what :func:`occlusion` measures.

    Args:
        network: See the top of this module.
        picture: Shape ``(n_mels, time)``.
        class_index: Number of the class.
        stage: Number of the stage, from 0; -1, the last one, is what the paper takes. An earlier
            one is sharper and knows less about the class.

    Returns:
        Shape ``(n_mels, time)``, >= 0. Its size has no unit: compare places, not pictures.

    Raises:
        ValueError: If the picture has another shape, or there is no such class or stage.

    Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization, ICCV 2017.  Notebook: 06_cnn.ipynb.
    """
    _check_picture(picture)
    with torch.inference_mode(False), torch.enable_grad(), _evaluating(network):
        inputs = _as_batch(picture).detach().clone().requires_grad_(True)
        with _caught(_stage(network, stage)) as caught:
            logits = network(inputs)  # (1, n_classes)
        _check_class(class_index, logits.shape[-1])
        maps = caught[0]  # (1, channels, rows, columns)
        (slope,) = torch.autograd.grad(logits[0, class_index], maps)
    weights = slope.mean(dim=(-2, -1), keepdim=True)  # (1, channels, 1, 1)
    cam = (weights * maps).sum(dim=1, keepdim=True).relu().detach()
    shape = tuple(picture.shape)
    return F.interpolate(cam, size=shape, mode="bilinear", align_corners=False)[0, 0]


@torch.no_grad()
def occlusion(
    network: nn.Module,
    picture: Tensor,
    class_index: int,
    *,
    patch: tuple[int, int] = PATCH,
    step: tuple[int, int] | None = None,
    fill: float = 0.0,
) -> Tensor:
    """Say which places of a picture speak for a class, by covering them one after the other.

    Args:
        network: See the top of this module.
        picture: Shape ``(n_mels, time)``.
        class_index: Number of the class.
        patch: Bands and frames that are covered at once.
        step: Bands and frames from one patch to the next; half a patch when ``None``.
        fill: What covers: 0 is the mean of a standardised picture.

    Returns:
        How far the logit of the class falls, shape ``(n_mels, time)``: for each cell the mean over
        all patches that cover it. Negative where the network was surer without these cells.

    Raises:
        ValueError: If the picture, patch or step has another shape, or there is no such class.

    Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014.
    Notebook: 06_cnn.ipynb.
    """
    _check_picture(picture)
    step = step or tuple(max(1, size // 2) for size in patch)
    corners = [
        _starts(total, size, by, name)
        for total, size, by, name in zip(
            picture.shape, patch, step, ("bands", "frames"), strict=True
        )
    ]
    places = [
        (slice(top, top + patch[0]), slice(left, left + patch[1]))
        for top, left in itertools.product(*corners)
    ]
    with _evaluating(network):
        whole = network(_as_batch(picture))[0]
        _check_class(class_index, len(whole))
        covered = picture.repeat(len(places), 1, 1)  # (n_places, n_mels, time)
        for one, place in zip(covered, places, strict=True):
            one[place] = fill
        logits = torch.cat([network(part[:, None]) for part in covered.split(_AT_ONCE)])
    falls = whole[class_index] - logits[:, class_index]  # (n_places,)
    total, count = torch.zeros_like(picture), torch.zeros_like(picture)
    for fall, place in zip(falls, places, strict=True):
        total[place] += fall
        count[place] += 1.0
    return total / count


def with_random_weights(network: nn.Module, *, seed: int = 0) -> nn.Module:
    """Copy a network and draw all of its weights anew, as before training.

    A saliency map that stays the same when the weights are thrown away shows the picture, and
    not what the network learned.

    Returns:
        The copy, in evaluation mode; the network itself is left alone.

    Source: the test of Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018.
    Notebook: 06_cnn.ipynb.
    """
    drawn = copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in drawn.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return drawn.eval()


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Compare two maps by the order of their cells: 1 the same order, 0 none, -1 the reverse.

    Args:
        first: Any shape.
        second: The same shape.

    Returns:
        Spearman's rank correlation; equal values share their mean rank. NaN if a map is flat.

    Raises:
        ValueError: If the shapes differ.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"both maps must have the same shape, got {tuple(first.shape)} and "
            f"{tuple(second.shape)}"
        )
    ranks = torch.stack([_ranks(values.flatten()) for values in (first, second)])
    return torch.corrcoef(ranks)[0, 1].item()


# ---- how far a unit sees


def receptive_field(
    network: nn.Module,
    *,
    stage: int,
    unit: tuple[int, int],
    params: MelParams | None = None,
    picture_shape: tuple[int, int] = (64, 32),
    n_samples: int = 16000,
) -> ReceptiveField:
    """Find all that one unit of a feature map can see, by walking back through the layers.

    Only through the layers: what a picture is made of before them (the mean and deviation of a
    standardised clip, the peak that ``top_db`` counts from) ties every cell a little to all others.

    Args:
        network: See the top of this module.
        stage: Number of the stage, from 0; -1 is the last one.
        unit: Row and column in the feature map, from 0.
        params: How the picture was made; ``None`` takes the course's settings.
        picture_shape: Bands and frames of the picture.
        n_samples: Length of the clip; no unit sees beyond its ends.

    Returns:
        The field, cut at the borders of picture and clip.

    Raises:
        ValueError: If there is no such stage or unit, or a layer cannot be walked through.

    Source: Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks,
    Distill 2019.  Notebook: 06_cnn.ipynb.
    """
    rows, columns = unit_extents(network, stage=stage, picture_shape=picture_shape)
    row, column = unit
    if not (0 <= row < len(rows) and 0 <= column < len(columns)):
        raise ValueError(
            f"unit={unit} must lie inside the feature map of {len(rows)} rows and "
            f"{len(columns)} columns"
        )
    params = params or MelParams()
    return ReceptiveField(
        bands=rows[row],
        frames=columns[column],
        times_ms=frames_ms(columns[column], params=params, n_samples=n_samples),
        freqs_hz=bands_hz(rows[row], params=params),
    )


def unit_extents(
    network: nn.Module, *, stage: int, picture_shape: tuple[int, int] = (64, 32)
) -> tuple[list[Extent], list[Extent]]:
    """Find the cells that each row and each column of a feature map can see.

    Returns:
        First and last band for each row of the map, first and last frame for each column.

    Raises:
        ValueError: If there is no such stage, or a layer cannot be walked through.
    """
    layers = _layers_until(network, stage, picture_shape)
    return tuple(
        [_cells_seen(layers, axis, index) for index in range(layers[-1].after[axis])]
        for axis in (0, 1)
    )


def frames_ms(frames: Extent, *, params: MelParams, n_samples: int) -> tuple[float, float]:
    """Say from when to when some frames see the sound, in ms: from window to window.

    Args:
        frames: First and last frame.
        params: How the frames were cut.
        n_samples: Length of the sound; nothing is seen beyond its ends.
    """
    win_length = params.win_length or params.n_fft
    before = params.n_fft // 2 if params.center else 0  # samples of padding before the first one
    lead = (params.n_fft - win_length) // 2 - before  # where the window of frame 0 begins
    first, last = (frame * params.hop_length + lead for frame in frames)
    ends = max(0, first), min(n_samples, last + win_length)
    return tuple(1000.0 * sample / params.sample_rate for sample in ends)


def bands_hz(bands: Extent, *, params: MelParams) -> tuple[float, float]:
    """Say which frequencies some mel bands gather, in Hz: from foot to foot of their triangles."""
    edges_hz = mel_band_edges_hz(
        n_mels=params.n_mels,
        sample_rate=params.sample_rate,
        f_min=params.f_min,
        f_max=params.f_max,
        mel_scale=params.mel_scale,
    )
    return edges_hz[bands[0]].item(), edges_hz[bands[1] + 2].item()


class _Layer(NamedTuple):
    """A layer that was passed, and the rows and columns before and after it."""

    module: nn.Module
    before: tuple[int, int]
    after: tuple[int, int]


def _layers_until(network: nn.Module, stage: int, picture_shape: tuple[int, int]) -> list[_Layer]:
    """The layers that a picture passes up to the end of a stage, in their order."""
    passed: list[_Layer] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.ndim == 4:
            passed.append(_Layer(module, tuple(inputs[0].shape[-2:]), tuple(output.shape[-2:])))

    wanted = _stage(network, stage)
    leaves = [module for module in network.modules() if not list(module.children())]
    n_passed: list[int] = []
    end = wanted.register_forward_hook(lambda *_args: n_passed.append(len(passed)))
    # a stage that is itself a layer is counted before its own note: its hook was first
    handles = [end, *(leaf.register_forward_hook(note) for leaf in leaves)]
    like = next(network.parameters(), torch.zeros(()))
    try:
        with torch.no_grad(), _evaluating(network):
            network(torch.zeros(1, 1, *picture_shape, dtype=like.dtype, device=like.device))
    finally:
        for handle in handles:
            handle.remove()
    layers = passed[: n_passed[0] + (wanted in leaves)]
    for before, after in itertools.pairwise(layers):
        if before.after != after.before:
            raise ValueError(
                f"between {type(before.module).__name__} and {type(after.module).__name__} the "
                f"map changes from {before.after} to {after.before} cells outside any layer: "
                "use layers (nn.MaxPool2d) in place of functions (F.max_pool2d)"
            )
    return layers


def _cells_seen(layers: list[_Layer], axis: int, index: int) -> Extent:
    """First and last cell of the picture that one row (or column) of the last map can see."""
    first = last = index
    for module, before, _after in reversed(layers):
        size, by, padding, dilation = _geometry(module, axis)
        first = max(0, first * by - padding)
        last = min(before[axis] - 1, last * by - padding + dilation * (size - 1))
    return first, last


def _geometry(module: nn.Module, axis: int) -> tuple[int, int, int, int]:
    """Kernel size, stride, padding before the first cell, and dilation of a layer."""
    if isinstance(module, _POINTWISE):
        return 1, 1, 0, 1
    if not isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        raise ValueError(
            f"a receptive field cannot be walked through {type(module).__name__}: convolutions, "
            "pooling and layers that work cell by cell can"
        )
    size = _pair(module.kernel_size)[axis]
    dilation = _pair(getattr(module, "dilation", 1))[axis]
    if module.padding == "same":
        padding = dilation * (size - 1) // 2
    else:
        padding = 0 if module.padding == "valid" else _pair(module.padding)[axis]
    return size, _pair(module.stride)[axis], padding, dilation


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


# ---- what all of them need


def _stage(network: nn.Module, stage: int) -> nn.Module:
    stages = getattr(network, "stages", network)
    if not isinstance(stages, nn.Sequential | nn.ModuleList):
        raise ValueError(
            f"{type(network).__name__} has no .stages, and is no nn.Sequential: there is no stage "
            "to look at"
        )
    if not -len(stages) <= stage < len(stages):
        raise ValueError(f"stage={stage} must be from 0 to {len(stages) - 1}, or -1 for the last")
    return stages[stage]


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode for as long as this lasts; each part then gets its own mode back."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _caught(module: nn.Module) -> Iterator[list[Tensor]]:
    """The outputs of a module while this lasts: pictures with channels, nothing else."""
    outputs: list[Tensor] = []

    def catch(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        if output.ndim != 4:
            raise ValueError(
                f"a stage must give maps (batch, channels, rows, columns), this one gave "
                f"{tuple(output.shape)}: choose an earlier stage"
            )
        outputs.append(output)

    handle = module.register_forward_hook(catch)
    try:
        yield outputs
    finally:
        handle.remove()


def _check_picture(picture: Tensor) -> None:
    if not isinstance(picture, Tensor) or picture.ndim != 2 or not picture.is_floating_point():
        got = tuple(picture.shape) if isinstance(picture, Tensor) else type(picture).__name__
        raise ValueError(f"picture must be a float tensor (n_mels, time), got {got}")


def _as_batch(picture: Tensor) -> Tensor:
    """``(n_mels, time)`` or ``(batch, n_mels, time)`` -> ``(batch, 1, n_mels, time)``."""
    if isinstance(picture, Tensor) and picture.ndim == 3:
        return picture[:, None]
    _check_picture(picture)
    return picture[None, None]


def _check_class(class_index: int, n_classes: int) -> None:
    if not 0 <= class_index < n_classes:
        raise ValueError(f"class_index={class_index} must be from 0 to {n_classes - 1}")


def _starts(total: int, size: int, by: int, name: str) -> list[int]:
    """Where patches begin along one axis, the last one flush with the end."""
    if not (1 <= size <= total and by >= 1):
        raise ValueError(
            f"a patch of {size} {name}, moved by {by}, does not fit a picture of {total} {name}"
        )
    return sorted({*range(0, total - size + 1, by), total - size})


def _ranks(values: Tensor) -> Tensor:
    """Rank of each value, equal ones sharing their mean rank; ``(n,)`` -> ``(n,)``."""
    _, inverse, counts = values.unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    return (ends - (counts.double() - 1.0) / 2.0)[inverse]
