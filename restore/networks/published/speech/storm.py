"""StoRM, two networks in one: Lemercier et al., TASLP 2023, arXiv:2212.11851.

The first stage, an NCSN++ without time, predicts the clean speech from the noisy. SGMSE+'s process
then drifts to that prediction in the place of the noisy speech, and its score network sees the
state and, by `condition`, the noisy speech, the prediction, or both.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ...parameterisations import Denoiser
from ..family import Config, Family, Shapes, Tensors, peel, whole
from ..ncsnpp import build, structure
from .sgmse import OUVE, denoiser_of, schedule_of, sigmas_of

FIRST, SECOND = "denoiser_net.", "score_net."
MARKER = SECOND + "all_modules.0.W"
CONDITIONS = {"noisy": 4, "post_denoiser": 4, "both": 6}  # channels of the score network
BINS = 256  # of its spectrograms at 16 kHz, which shapes do not tell
FACTOR = 0.33  # beta of their compression, as the program that trains them has it
DESCRIBES = {
    **{name: words for name, (_, words) in OUVE.items()},
    "condition": "of StoRM, what its score network is told: noisy, post_denoiser or both",
    "centered": "of StoRM, false where its networks see 2 x - 1 for x",
    "spec_factor": "of StoRM, beta of its compressed spectrograms",
}


class Storm(nn.Module):
    """Both networks, by the names that they have in their checkpoints."""

    def __init__(self, config: Config):
        super().__init__()
        self.denoiser_net = build({"unet": config["first"]})
        self.score_net = build({"unet": config["unet"]})


@whole
def _recognise(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
    own = peel(shapes, MARKER)
    if not any(name.startswith(FIRST) for name in own):
        return None
    first, unet = (structure(_of(own, net)) for net in (FIRST, SECOND))
    if first is None or unet is None or "conditional" not in first or "conditional" in unet:
        return None
    usual = "both" if unet["channels"] == CONDITIONS["both"] else None
    condition = described.get("condition", usual)
    if CONDITIONS.get(condition) != unet["channels"]:
        raise ValueError(
            f"shapes do not tell what {unet['channels']} channels are: describe condition, "
            f"{', '.join(CONDITIONS)}"
        )
    told = {name: described.get(name, default) for name, (default, _) in OUVE.items()}
    return {
        "first": first,
        "unet": unet,
        "condition": condition,
        "centered": described.get("centered", False),
        "spec_factor": described.get("spec_factor", FACTOR),
        **told,
    }


def _of(own: Mapping[str, Any], net: str) -> dict[str, Any]:
    return {name.removeprefix(net): item for name, item in own.items() if name.startswith(net)}


def _rename(tensors: Tensors, config: Config) -> dict[str, Tensor]:
    own = peel(tensors, MARKER)
    return {name: value for name, value in own.items() if name.startswith((FIRST, SECOND))}


def _predicted(network: nn.Module, config: Config, *, noisy: Tensor) -> Tensor:
    """The first stage's estimate of the clean speech, (..., 2, frequencies, frames), as noisy.

    Where noisy has 4 channels, the last two of them: the estimate that was made before.
    """
    if noisy.shape[-3] == 4:
        return noisy.narrow(-3, 2, 2)
    y = noisy.reshape(-1, *noisy.shape[-3:])
    y = y.to(next(network.parameters()))
    with torch.no_grad():
        predicted = network.denoiser_net(_seen(y, config), y.new_ones(len(y)))
    return predicted.reshape(noisy.shape).to(noisy)


def _denoiser(network: nn.Module, config: Config, *, noisy: Tensor) -> Denoiser:
    """E[clean speech | noisy speech, x], in the variable without drift to the prediction.

    noisy: y, (2, frequencies, frames) or a batch of these, of which the first stage makes the
    prediction at the first call; or y and that prediction, (4, frequencies, frames).
    """

    @cache
    def pair() -> tuple[Tensor, Tensor]:
        return noisy.narrow(-3, 0, 2), _predicted(network, config, noisy=noisy)

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        y, predicted = (part.to(x).expand_as(x) for part in pair())
        seen = {"noisy": [y], "post_denoiser": [predicted], "both": [y, predicted]}
        beside = seen[config["condition"]]

        def score(state: Tensor, centre: Tensor, time: Tensor, std: Tensor):
            inputs = _seen(torch.cat([state, *beside], 1), config)
            return None, -network.score_net(inputs, time)

        return denoiser_of(config, predicted, score)(x, sigma)

    return denoise


def _seen(x: Tensor, config: Config) -> Tensor:
    return x if config["centered"] else 2 * x - 1


STORM = Family(
    name="storm",
    title="StoRM's two networks of noisy speech (Lemercier et al., TASLP 2023, arXiv:2212.11851)",
    recognise=_recognise,
    build=Storm,
    rename=_rename,
    sigmas=sigmas_of,
    shape=lambda config: (2, BINS, None),
    denoiser=_denoiser,
    centre=_predicted,
    data_range=lambda config: None,
    conditions=lambda config: ("noisy",),
    told_by_recipe={"noisy": ("a noisy recording", "enhance")},
    schedule=schedule_of,
    facts=lambda config: {"spectrogram factor": config["spec_factor"]},
    describes=DESCRIBES,
)
