"""A picture under stripes: the stripes are a signal, too, with a prior of their own.

y = x + h + n, with x smooth, h constant along the columns and n white. Two priors joined are one
prior of the stack (x, h), and any sampler restores both at once.
"""

import torch
from restore_operators import Take

import restore

SIDE, NOISE = 24, 0.1


def covariance(down: float, across: float, std: float) -> torch.Tensor:
    """Of a random field with these lengths in pixels; (pixels, pixels)."""
    place = torch.arange(SIDE, dtype=torch.float64)
    away = (place[:, None] - place) ** 2
    rows, columns = (torch.exp(-0.5 * away / length**2) for length in (down, across))
    return std**2 * torch.kron(rows, columns) + 1e-6 * torch.eye(SIDE**2, dtype=torch.float64)


def field(of: torch.Tensor, seed: int) -> torch.Tensor:
    noise = torch.randn(SIDE**2, 1, generator=torch.Generator().manual_seed(seed)).double()
    return (torch.linalg.cholesky(of) @ noise).reshape(1, SIDE, SIDE).float()


def main() -> None:
    blank = torch.zeros(1, SIDE, SIDE)
    smooth, striped = covariance(3.0, 3.0, 1.0), covariance(100.0, 0.5, 1.0)
    picture, stripes = field(smooth, 1), field(striped, 2)

    both = (2, SIDE, SIDE)
    x, h = Take(both, 0, 1), Take(both, 1, 2)
    truth = torch.cat([picture, stripes])
    measurement = restore.simulate(x + h, restore.Gaussian(NOISE), truth, seed=0)

    # without a prior of the stripes: noise of the same power, as if it were white
    prior = restore.gaussian(blank, smooth)
    power = (NOISE**2 + stripes.square().mean()).sqrt().item()
    plain = restore.Measurement(measurement.y, Take((1, SIDE, SIDE), 0, 1), restore.Gaussian(power))
    alone = restore.sample(plain, prior, sampler="tmpd", chains=8, steps=30, seed=0)

    prior = restore.joint(prior, restore.gaussian(blank, striped))
    posterior = restore.sample(measurement, prior, sampler="tmpd", chains=8, steps=30, seed=0)

    def error(found: torch.Tensor, true: torch.Tensor) -> float:
        return (found - true).square().mean().sqrt().item()

    print(f"measured: {error(measurement.y[0], picture):.2f} away from the picture")
    print(f"stripes taken for white noise: {error(alone.mean, picture):.2f}")
    print(f"stripes restored as a signal: {error(posterior.mean[:1], picture):.2f}")
    spread = posterior.std[1:].mean()
    print(f"the stripes themselves: {error(posterior.mean[1:], stripes):.2f}, std {spread:.2f}")


if __name__ == "__main__":
    main()
