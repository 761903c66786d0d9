"""Latent diffusion: an autoencoder and a prior of its latents, and ReSample on them.

Both are trained here, in seconds, on scikit-learn's digits (8x8 pixels). The diffusion runs on
2x4x4 latents; the measurement is of the picture. What is measured is met down to the decoder's
floor: how well it can draw the true digit at all.
"""

import torch
from restore_operators import Mask
from sklearn.datasets import load_digits
from torch import Tensor, nn

import restore

SIZE, CHANNELS, FACTOR = 8, 2, 2
LATENT = (CHANNELS, SIZE // FACTOR, SIZE // FACTOR)
VALUES = CHANNELS * (SIZE // FACTOR) ** 2


def digits() -> Tensor:
    """(1797, 1, 8, 8), 0 to 1."""
    return torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 16


class Autoencoder(nn.Module):
    def __init__(self, width: int = 24):
        super().__init__()
        self.encode = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(width, width, 4, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(width, CHANNELS, 3, padding=1),
        )  # fmt: skip
        self.decode = nn.Sequential(
            nn.Conv2d(CHANNELS, width, 3, padding=1), nn.SiLU(),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(width, 1, 3, padding=1),
        )  # fmt: skip


def autoencoder(pictures: Tensor, iterations: int = 400) -> Autoencoder:
    """Trained for pictures that survive a little noise on their latents."""
    model = Autoencoder()
    adam = torch.optim.Adam(model.parameters(), 3e-3)
    for i in range(iterations):
        adam.param_groups[0]["lr"] = 3e-3 * (1 - i / iterations)
        x = pictures[torch.randint(len(pictures), (64,))]
        z = model.encode(x)
        loss = (model.decode(z + 0.05 * torch.randn_like(z)) - x).square().mean()
        loss = loss + 1e-4 * z.square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return model.requires_grad_(False)


class Network(nn.Module):
    """F(z, noise) of the flattened latent."""

    def __init__(self, width: int = 192):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(VALUES + 1, width), nn.SiLU(),
            nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, VALUES),
        )  # fmt: skip

    def forward(self, z: Tensor, noise: Tensor) -> Tensor:
        return self.layers(torch.cat([z.flatten(1), noise[:, None]], 1)).view_as(z)


def prior_of(latents: Tensor, iterations: int = 1500) -> restore.Prior:
    """A denoiser of latents of mean 0 and variance 1, by EDM's loss (Karras et al. 2022)."""
    network = Network()
    denoise = restore.from_edm(network, sigma_data=1.0)
    adam = torch.optim.Adam(network.parameters(), 2e-3)
    for i in range(iterations):
        adam.param_groups[0]["lr"] = 2e-3 * (1 - i / iterations)
        z = latents[torch.randint(len(latents), (128,))]
        sigma = torch.exp(1.4 * torch.randn(len(z)) - 0.8)
        s = sigma.reshape(-1, 1, 1, 1)
        error = denoise(z + s * torch.randn_like(z), sigma) - z
        loss = ((1 + s**2) / s**2 * error.square()).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    network.requires_grad_(False)
    return restore.Prior(denoise, LATENT, sigma_min=0.02, sigma_max=20.0, network=network)


def model(pictures: Tensor) -> restore.Prior:
    """The prior of the digits."""
    codec = autoencoder(pictures)
    latents = codec.encode(pictures)
    shift, scale = latents.mean((0, 2, 3))[:, None, None], (1 / latents.std()).item()
    prior = prior_of(scale * (latents - shift))
    return restore.latent(
        prior, codec.encode, codec.decode, factor=FACTOR, scale=scale, shift=shift
    )


def main() -> None:
    torch.manual_seed(0)
    pictures = digits()
    prior, truth = model(pictures[:-100]), pictures[-7]  # not seen in training

    kept = torch.rand(1, SIZE, SIZE) < 0.6
    measurement = restore.simulate(Mask(kept), restore.Gaussian(0.05), truth, seed=0)
    posterior = restore.sample(measurement, prior, sampler="resample", chains=4, seed=0)

    decoder = prior.codec.decoder(truth.shape)
    drawn = decoder(decoder.encoder(truth[None]))
    floor, made = measurement.chi_square(drawn), measurement.chi_square(posterior.samples)
    cost = posterior.provenance
    print(f"the decoder's own drawing of the true digit has chi-square {floor.item():.1f}")
    print("decoded samples:", ", ".join(f"{value:.1f}" for value in made.tolist()))
    error = (posterior.mean - truth).square().mean().sqrt()
    print(f"root mean square error {error:.3f}, of the decoder alone "
          f"{(drawn - truth).square().mean().sqrt():.3f}")  # fmt: skip
    print(f"each sample: {cost['calls']} network calls, {cost['decodes']} passes through the "
          f"decoder, {cost['encodes']} through the encoder; {cost['seconds']} s")  # fmt: skip
    print(f"in memory: at most {decoder.count} pictures in one pass of the decoder")


if __name__ == "__main__":
    main()
