"""The network of waveforms: its spectrum, its preconditioning, what it is told."""

import pytest
import torch
from restore_speech.networks.spectral_unet import HOP, SIGMA_DATA, SpectralUNet

SMALL = {"widths": (8, 8), "blocks": 1}


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = SpectralUNet(conditional=True, **SMALL)
    torch.nn.init.normal_(made.tail.weight, std=0.1)
    return made.eval()


def waves(count: int, samples: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return SIGMA_DATA * torch.randn(count, 1, samples, generator=generator)


@pytest.mark.parametrize("samples", [1, HOP, 5 * HOP, 5 * HOP + 1, 4999])
def test_the_spectrum_is_inverted_at_any_length(network, samples):
    x = waves(2, samples)[:, 0]
    back = network.waveform(network.spectrum(x), samples)
    # float32 sums of 510 products on both ways
    torch.testing.assert_close(back, x, atol=1e-6, rtol=1e-5)


def test_white_noise_keeps_its_level_in_the_spectrum(network):
    noise = torch.randn(1, 160_000, generator=torch.Generator().manual_seed(1))
    power = network.spectrum(noise)[:, 1:-1].abs().square().mean().item()
    # 255 bins of 1250 frames, four frames share a sample: a standard error of 0.4 %
    assert power == pytest.approx(1.0, rel=0.02)


def test_without_noise_the_denoiser_is_the_identity(network):
    u, noisy = waves(2, 3000), waves(2, 3000, 1)
    with torch.no_grad():
        denoised = network(u, 1e-6, noisy)
    # D = c_skip u + c_out F with c_out = sigma: 1e-6 of whatever the network says
    torch.testing.assert_close(denoised, u, atol=1e-4, rtol=0)


def test_an_untrained_network_shrinks_as_for_white_signals():
    network = SpectralUNet(conditional=False, **SMALL)  # its last layer begins at zero
    u, sigma = waves(3, 2000), torch.tensor([0.01, 0.05, 1.0])
    with torch.no_grad():
        denoised = network(u, sigma)
    shrink = SIGMA_DATA**2 / (SIGMA_DATA**2 + sigma**2)
    torch.testing.assert_close(denoised, shrink[:, None, None] * u)


def test_every_signal_of_a_batch_is_denoised_by_itself(network):
    u, noisy, sigma = waves(3, 4000), waves(3, 4000, 1), torch.tensor([0.01, 0.1, 2.0])
    dry = torch.tensor([True, False, True])
    with torch.no_grad():
        together = network(u, sigma, noisy, dry)
        alone = [network(u[i : i + 1], sigma[i], noisy[i : i + 1], dry[i]) for i in range(3)]
    # another order of float32 sums in convolutions of another batch
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)


def test_what_it_is_told_matters(network):
    u, noisy = waves(1, 4000), waves(1, 4000, 1)
    with torch.no_grad():
        usual = network(u, 0.1, noisy)
        others = [network(u, 0.1, 2 * noisy), network(u, 0.1, noisy, True), network(u, 0.2, noisy)]
    assert all((other - usual).abs().max() > 1e-6 for other in others)


def test_a_recording_is_told_where_it_is_asked_for_and_nowhere_else(network):
    u = waves(1, 1000)
    with pytest.raises(ValueError, match="told a noisy recording"):
        network(u, 0.1)
    with pytest.raises(ValueError, match="told a noisy recording"):
        SpectralUNet(conditional=False, **SMALL)(u, 0.1, u)


def test_gradients_are_finite_through_digital_silence(network):
    u = torch.zeros(1, 1, 4000, requires_grad=True)
    network(u, 0.1, torch.zeros(1, 1, 4000)).sum().backward()
    assert torch.isfinite(u.grad).all()
