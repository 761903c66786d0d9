"""A signal with holes and noise, restored: samples, their mean, and how sure they are.

The prior is a Gaussian process, whose posterior is known in closed form: the samples can be
checked against the truth.
"""

import torch
from restore_operators import Mask

import restore

POINTS, NOISE = 64, 0.1


def main() -> None:
    place = torch.linspace(0, 1, POINTS, dtype=torch.float64)
    covariance = torch.exp(-0.5 * ((place[:, None] - place) / 0.08) ** 2)
    covariance += 1e-4 * torch.eye(POINTS, dtype=torch.float64)
    prior = restore.gaussian(torch.zeros(POINTS), covariance)

    # a signal of this prior, of which 40 % is measured, with noise
    generator = torch.Generator().manual_seed(2)
    factor = torch.linalg.cholesky(covariance)
    signal = (factor @ torch.randn(POINTS, generator=generator, dtype=torch.float64)).float()
    mask = (torch.rand(POINTS, generator=generator) < 0.4).float()
    measurement = restore.simulate(Mask(mask), restore.Gaussian(NOISE), signal, seed=0)

    posterior = restore.sample(measurement, prior, sampler="dps", chains=64, steps=100, seed=0)

    # the truth: the mean and variance of a Gaussian, given noisy values at some places
    seen = mask.bool()
    gram = covariance[seen][:, seen] + NOISE**2 * torch.eye(int(seen.sum()), dtype=torch.float64)
    gain = torch.linalg.solve(gram, covariance[seen]).T
    mean = gain @ measurement.y[0][seen].double()
    variance = (covariance - gain @ covariance[seen]).diagonal()

    std = variance.sqrt()

    def holds(low: torch.Tensor, high: torch.Tensor) -> float:
        return ((signal >= low) & (signal <= high)).float().mean().item()

    away = (posterior.mean - mean).norm() / mean.norm()
    drawn, exact = holds(*posterior.interval(0.9)), holds(mean - 1.645 * std, mean + 1.645 * std)
    print(f"{posterior.chains} samples, {posterior.provenance['calls']} network calls each")
    print(f"posterior mean: {away:.1%} away from the exact one")
    print(f"std in the holes: {posterior.std[~seen].mean():.3f}, exact {std[~seen].mean():.3f}")
    print(f"share of the signal in the 90 % interval: {drawn:.0%}, in the exact one {exact:.0%}")


if __name__ == "__main__":
    main()
