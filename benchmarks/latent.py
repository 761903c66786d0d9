"""Samplers of latents beside each other, on the digits' autoencoder and prior of the example.

python -m benchmarks.latent [--count N] [--chains N]
"""

import argparse
import runpy
from pathlib import Path

import torch
from restore_operators import Blur, Mask, gaussian_kernel
from torch import Tensor

import restore

from .tables import publish, table

EXAMPLE = Path(__file__).parents[1] / "examples" / "09_latent_resample.py"
STD = 0.05
METHODS = (  # sampler, levels: what each needs, not one number for all
    ("resample", 50), ("psld", 100), ("latent-dps", 100), ("stsl", 100), ("latent-daps", 30),
    ("latino", 8), ("latino", 50), ("tmpd", 50),
)  # fmt: skip


class Kept:
    """The most bytes that autograd keeps for a gradient at one time, while in its `with`."""

    def __init__(self):
        self.now, self.most = 0, 0

    def __enter__(self) -> "Kept":
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda held: held.value)
        self.hooks.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self.hooks.__exit__(*error)

    def _pack(self, value: Tensor) -> "_Held":
        self.now += value.nbytes
        self.most = max(self.most, self.now)
        return _Held(self, value)


class _Held:
    def __init__(self, kept: Kept, value: Tensor):
        self.kept, self.value = kept, value

    def __del__(self):
        self.kept.now -= self.value.nbytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=24, help="digits, none seen in training")
    parser.add_argument("--chains", type=int, default=4)
    given = parser.parse_args()
    example = runpy.run_path(str(EXAMPLE))
    torch.manual_seed(0)
    pictures = example["digits"]()
    prior, truth = example["model"](pictures[:-100]), pictures[-given.count :]
    shape = truth.shape[1:]
    kept = torch.rand(shape, generator=torch.Generator().manual_seed(1)) < 0.6
    tasks = (
        ("40 % of the pixels lost", Mask(kept)),
        ("Gaussian blur of std 1", Blur(shape, gaussian_kernel(1.0))),
    )
    head = ("sampler", "levels", "PSNR of a sample", "of the mean", "misfit", "network calls",
            "pullbacks", "decoder", "encoder", "kept for gradients", "seconds")  # fmt: skip
    tables = []
    for title, operator in tasks:
        measurement = restore.simulate(operator, restore.Gaussian(STD), truth, seed=0)
        rows = [_floor(prior, measurement, truth)]
        rows += [_row(name, n, prior, measurement, truth, given.chains) for name, n in METHODS]
        tables.append(f"## {title}\n\n{table(head, rows)}")
    notes = (
        f"{given.count} digits of 8x8 pixels with noise of {STD}, {given.chains} chains each; "
        "latents of 2x4x4. PSNR in dB, misfit is chi-square (1 is the noise). The first row is "
        "decode(encode(truth)), the decoder's floor. Calls and passes are of one chain; memory is "
        "what autograd keeps at most, of one chain; seconds are of all chains of all digits."
    )
    publish("latent", "Samplers of latents", notes, tables)


def _floor(prior, measurement, truth: Tensor) -> tuple:
    decoder = prior.codec.decoder(truth.shape[1:])
    drawn = decoder(decoder.encoder(truth))
    misfit = measurement.chi_square(drawn).mean().item()
    return ("(the decoder)", "", f"{_psnr(drawn, truth):.1f}", "", f"{misfit:.2f}", *("",) * 6)


def _row(name: str, steps: int, prior, measurement, truth: Tensor, chains: int) -> tuple:
    with Kept() as kept:
        made = restore.sample(measurement, prior, sampler=name, chains=chains, steps=steps, seed=0)
    cost = made.provenance
    misfit = measurement.chi_square(made.samples.flatten(0, 1)).mean().item()
    return (
        name, steps, f"{_psnr(made.samples, truth[:, None]):.1f}", f"{_psnr(made.mean, truth):.1f}",
        f"{misfit:.2f}", cost["calls"], cost["pullbacks"], cost["decodes"], cost["encodes"],
        f"{kept.most / (chains * len(truth) * 1024):.0f} kB", f"{cost['seconds']:.1f}",
    )  # fmt: skip


def _psnr(found: Tensor, truth: Tensor) -> float:
    """The PSNR in dB of signals of range 1, on average over them."""
    error = (found - truth).square().flatten(-3).mean(-1)
    return (-10 * error.log10()).mean().item()


if __name__ == "__main__":
    main()
