"""SD3, FLUX and DiT as diffusers writes them: the denoiser is the velocity's, or the noise's."""

import json
import os

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
diffusers = pytest.importorskip("diffusers", reason="the package diffusers is not installed")

from restore.errors import WeightsError  # noqa: E402
from restore.networks.folder import load_prior_folder  # noqa: E402
from restore.networks.importing.converting import import_prior  # noqa: E402

CODEC = {
    "block_out_channels": (8, 8), "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2, "norm_num_groups": 4, "latent_channels": 4,
    "scaling_factor": 1.5, "shift_factor": 0.25, "use_quant_conv": False,
    "use_post_quant_conv": False,
}  # fmt: skip
HEADS = {"num_layers": 1, "attention_head_dim": 8, "num_attention_heads": 2}
JOINT = {"joint_attention_dim": 12, "pooled_projection_dim": 10}
TOLD = {"context": 0.5 * torch.ones(1, 5, 12), "pooled": torch.linspace(-1, 1, 10)[None]}


def _sd3():
    return diffusers.SD3Transformer2DModel(
        sample_size=8, in_channels=4, out_channels=4, caption_projection_dim=16,
        pos_embed_max_size=12, **HEADS, **JOINT,
    )  # fmt: skip


def _flux(**options):
    return diffusers.FluxTransformer2DModel(
        in_channels=16, num_single_layers=1, axes_dims_rope=(2, 2, 4), **HEADS, **JOINT, **options
    )


def _dit():
    return diffusers.DiTTransformer2DModel(
        sample_size=8, in_channels=4, out_channels=8, num_embeds_ada_norm=6, norm_num_groups=4,
        **HEADS,
    )  # fmt: skip


def _imported(tmp_path, network, scheduler, name="x"):
    """A pipeline's folder with every weight of the network drawn, and the folder it becomes."""
    torch.manual_seed(0)
    for value in network.requires_grad_(False).eval().parameters():
        value.normal_(std=0.2)
    folder = tmp_path / name
    network.save_pretrained(folder / "transformer")
    codec = diffusers.AutoencoderKL(**CODEC).eval()
    codec.save_pretrained(folder / "vae")
    scheduler.save_pretrained(folder / "scheduler")
    parts = {"_class_name": "Pipeline", "vae": ["diffusers", "AutoencoderKL"]}
    (folder / "model_index.json").write_text(json.dumps(parts))
    notes = import_prior(folder, tmp_path / f"{name}_prior")
    return tmp_path / f"{name}_prior", codec, notes


def _one_step(z, velocity, t):
    """The scheduler's own step from time t to the end: x0 of this velocity."""
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0)
    scheduler.set_timesteps(sigmas=[t])
    (time,) = scheduler.timesteps
    return scheduler.step(velocity, time, z).prev_sample


@pytest.mark.parametrize("t", [0.1, 0.75])
def test_sd3_is_the_flow_of_its_transformer(tmp_path, t):
    network = _sd3()
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    folder, codec, _ = _imported(tmp_path, network, scheduler)
    prior = load_prior_folder(folder, **TOLD)
    assert prior.shape == (4, 8, 8)
    z = torch.randn(2, 4, 8, 8)
    velocity = network(
        z, TOLD["context"].expand(2, -1, -1), TOLD["pooled"].expand(2, -1),
        torch.full((2,), 1000 * t),
    ).sample  # fmt: skip
    denoised = prior.denoise(z / (1 - t), torch.tensor(t / (1 - t)))
    torch.testing.assert_close(denoised, _one_step(z, velocity, t), rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        expected = (codec.decode(z / 1.5 + 0.25).sample + 1) / 2
    picture = prior.codec.decoder((3, 16, 16))(z)
    torch.testing.assert_close(picture, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("distilled", [False, True])
def test_flux_is_the_flow_of_its_packed_latents(tmp_path, distilled):
    pytest.importorskip("transformers", reason="transformers is not installed")
    pack, unpack = diffusers.FluxPipeline._pack_latents, diffusers.FluxPipeline._unpack_latents
    network = _flux(guidance_embeds=distilled)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    folder, _, _ = _imported(tmp_path, network, scheduler)
    guided = {"guidance": 2.5} if distilled else {}
    prior = load_prior_folder(folder, **TOLD, **guided)
    assert prior.shape == (4, None, None)
    z, t = torch.randn(2, 4, 6, 8), 0.4
    ids = diffusers.FluxPipeline._prepare_latent_image_ids(2, 3, 4, "cpu", torch.float32)
    velocity = network(
        hidden_states=pack(z, 2, 4, 6, 8), encoder_hidden_states=TOLD["context"].expand(2, -1, -1),
        pooled_projections=TOLD["pooled"].expand(2, -1), timestep=torch.full((2,), t),
        img_ids=ids, txt_ids=torch.zeros(5, 3),
        guidance=torch.full((2,), 2.5) if distilled else None,
    ).sample  # fmt: skip
    expected = _one_step(z, unpack(velocity, 12, 16, 2), t)
    denoised = prior.denoise(z / (1 - t), torch.tensor(t / (1 - t)))
    torch.testing.assert_close(denoised, expected, rtol=1e-4, atol=1e-4)
    odd = prior.denoise(z[..., :5, :7], torch.tensor(0.5))  # filled up to whole tokens, then cut
    assert odd.shape == (2, 4, 5, 7)
    if distilled:
        assert prior.card["guidance"] == 2.5
        with pytest.raises(WeightsError, match="distilled with guidance"):
            load_prior_folder(folder, **TOLD)


def test_dit_is_its_noise_without_the_learned_variance(tmp_path):
    network, scheduler = _dit(), diffusers.DDIMScheduler(clip_sample=False)
    folder, _, _ = _imported(tmp_path, network, scheduler)
    bar, step = scheduler.alphas_cumprod[300].double(), torch.full((2,), 300)
    z = torch.randn(2, 4, 8, 8)
    scheduler.set_timesteps(1000)

    def expected(label):
        noise = network(z, step, torch.full((2,), label)).sample[:, :4]
        return scheduler.step(noise, 300, z).pred_original_sample

    def denoised(**told):
        prior = load_prior_folder(folder, **told)
        return prior.denoise((z / bar.sqrt()).float(), (1 / bar - 1).sqrt().float())

    close = {"rtol": 1e-3, "atol": 1e-3}  # the step's label is found from sigma
    torch.testing.assert_close(denoised(label=2), expected(2), **close)
    free = expected(6)  # the class after the last is none at all
    guided = free + 4 * (expected(2) - free)
    torch.testing.assert_close(denoised(label=2, guidance=4.0), guided, **close)


def test_what_a_transformer_cannot_be_told_is_said_in_one_line(tmp_path):
    folder, _, notes = _imported(tmp_path, _sd3(), diffusers.FlowMatchEulerDiscreteScheduler())
    assert any(note.startswith("no prompts: ") for note in notes)
    for told, said in (
        ({"prompt": "a cat"}, r"takes no prompt: its text encoders, T5 .* context="),
        ({"context": TOLD["context"]}, "pooled=EMBEDDING"),
        ({**TOLD, "label": 1}, "a label is for"),
        ({**TOLD, "guidance": 2.0}, "takes no guidance"),
    ):
        with pytest.raises(WeightsError, match=said) as caught:
            load_prior_folder(folder, **told)
        assert "\n" not in str(caught.value)
    dit, _, _ = _imported(tmp_path, _dit(), diffusers.DDIMScheduler(), "dit")
    with pytest.raises(WeightsError, match="takes no prompt"):
        load_prior_folder(dit, label=1, prompt="a cat")
