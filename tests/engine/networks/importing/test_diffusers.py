"""Folders that the diffusers package writes become priors with the same denoiser."""

import json
import os
import shutil

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
diffusers = pytest.importorskip("diffusers", reason="the package diffusers is not installed")

from restore.errors import WeightsError  # noqa: E402
from restore.networks.folder import load_prior_folder  # noqa: E402
from restore.networks.importing.converting import import_prior  # noqa: E402

SMALL = {
    "layers_per_block": 1, "block_out_channels": (16, 32), "norm_num_groups": 4,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "attention_head_dim": 8,
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
}  # fmt: skip
CODEC = {
    "block_out_channels": (8, 8), "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2, "norm_num_groups": 4, "latent_channels": 4,
}  # fmt: skip


def _pixels(folder, scheduler, **options):
    torch.manual_seed(0)
    network = diffusers.UNet2DModel(sample_size=16, in_channels=3, out_channels=3, **SMALL,
                                    **options).eval()  # fmt: skip
    diffusers.DDPMPipeline(unet=network, scheduler=scheduler).save_pretrained(folder)
    return network


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"])
def test_the_denoiser_is_the_schedulers_own_estimate(tmp_path, predicts, schedule):
    scheduler = diffusers.DDPMScheduler(
        beta_schedule=schedule, prediction_type=predicts, clip_sample=False
    )
    network = _pixels(tmp_path / "x", scheduler)
    import_prior(tmp_path / "x", tmp_path / "p")
    prior = load_prior_folder(tmp_path / "p")
    assert prior.shape == (3, 16, 16)
    x = torch.rand(1, 3, 16, 16)
    for step in (3, 500):
        bar = scheduler.alphas_cumprod[step].double()
        state = ((2 * x - 1) * bar.sqrt()).float()
        with torch.no_grad():
            out = network(state, step).sample
        expected = (scheduler.step(out, step, state).pred_original_sample + 1) / 2
        denoised = prior.denoise(x, ((1 / bar - 1).sqrt() / 2).float())
        scale = expected.abs().max().item()
        torch.testing.assert_close(denoised, expected, rtol=1e-3, atol=2e-4 * scale)


def test_a_flow_of_diffusers_is_its_velocity(tmp_path):
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    network = _pixels(tmp_path / "x", scheduler)
    import_prior(tmp_path / "x", tmp_path / "p")
    z, t = torch.rand(1, 3, 16, 16), 0.4
    with torch.no_grad():
        velocity = network(z, torch.tensor([1000 * t])).sample
    denoised = load_prior_folder(tmp_path / "p").denoise(
        (z / (1 - t) + 1) / 2, torch.tensor(t / (1 - t) / 2)
    )
    torch.testing.assert_close(2 * denoised - 1, z - t * velocity, rtol=1e-3, atol=1e-4)


def test_the_average_of_a_training_folder_is_taken_and_classes_want_a_label(tmp_path):
    network = _pixels(tmp_path / "x", diffusers.DDPMScheduler(), num_class_embeds=5)
    shutil.copytree(tmp_path / "x" / "unet", tmp_path / "x" / "unet_ema")
    notes = import_prior(tmp_path / "x", tmp_path / "p")
    assert any("unet_ema taken" in note for note in notes)
    with pytest.raises(WeightsError, match="a label"):
        load_prior_folder(tmp_path / "p")
    one, two = (load_prior_folder(tmp_path / "p", label=n) for n in (1, 2))
    x = torch.rand(1, 3, 16, 16)
    assert not torch.equal(one.denoise(x, torch.tensor(1.0)), two.denoise(x, torch.tensor(1.0)))
    assert network.config.num_class_embeds == 5


def _latents(folder, codec, network=None):
    torch.manual_seed(0)
    network = network or diffusers.UNet2DModel(
        sample_size=8, in_channels=4, out_channels=4, **SMALL
    )
    pipeline = {"_class_name": "LDMPipeline", "vqvae": ["diffusers", type(codec).__name__]}
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps(pipeline))
    network.save_pretrained(folder / "unet")
    codec.save_pretrained(folder / "vqvae")
    diffusers.DDIMScheduler(beta_schedule="scaled_linear").save_pretrained(folder / "scheduler")


def _codecs():
    torch.manual_seed(0)
    tiny = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8),
            "num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)}  # fmt: skip
    return {
        "kl": lambda: diffusers.AutoencoderKL(**CODEC),
        "vq": lambda: diffusers.VQModel(**CODEC, num_vq_embeddings=16),
        "tiny": lambda: diffusers.AutoencoderTiny(**tiny, latent_channels=4),
    }


@pytest.mark.parametrize("kind", ["kl", "vq", "tiny"])
def test_a_latent_pipeline_is_stored_with_its_autoencoder(tmp_path, kind):
    codec = _codecs()[kind]()
    _latents(tmp_path / "x", codec)
    try:
        import_prior(tmp_path / "x", tmp_path / "p")
    except Exception as error:
        if "no latent priors" in str(error):
            pytest.skip(str(error))
        raise
    described = json.loads((tmp_path / "p" / "prior.json").read_text())
    assert described["latent"]["factor"] == 2
    assert described["latent"]["scale"] == codec.config.scaling_factor
    prior = load_prior_folder(tmp_path / "p")
    z = torch.randn(1, 4, 8, 8)
    assert prior.denoise(z, torch.tensor(0.5)).shape == z.shape
    picture = prior.codec.decoder((3, 16, 16))(z)
    with torch.no_grad():
        expected = (codec.decode(z / codec.config.scaling_factor).sample + 1) / 2
    torch.testing.assert_close(picture, expected, rtol=1e-3, atol=1e-4)


def test_a_text_network_asks_for_an_embedding(tmp_path):
    torch.manual_seed(0)
    network = diffusers.UNet2DConditionModel(
        sample_size=8, layers_per_block=1, block_out_channels=(16, 32), cross_attention_dim=12,
        norm_num_groups=4, attention_head_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    _latents(tmp_path / "x", _codecs()["kl"](), network)
    try:
        import_prior(tmp_path / "x", tmp_path / "p")
    except Exception as error:
        if "no latent priors" in str(error):
            pytest.skip(str(error))
        raise
    with pytest.raises(WeightsError, match="context=EMBEDDING"):
        load_prior_folder(tmp_path / "p")
    prior = load_prior_folder(tmp_path / "p", context=torch.randn(1, 7, 12))
    z = torch.randn(2, 4, 8, 8)
    assert prior.denoise(z, torch.tensor(0.5)).shape == z.shape


def test_attention_names_of_old_are_those_of_today(tmp_path):
    from safetensors.torch import load_file, save_file

    _pixels(tmp_path / "x", diffusers.DDPMScheduler())
    import_prior(tmp_path / "x", tmp_path / "p")
    file = tmp_path / "x" / "unet" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = load_file(file)
    for new, name in old.items():
        state = {key.replace(f".{new}.", f".{name}."): value for key, value in state.items()}
    save_file(state, file)
    import_prior(tmp_path / "x", tmp_path / "q")
    first, second = (load_file(tmp_path / place / "model.safetensors") for place in "pq")
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_what_is_not_covered_or_broken_is_refused_in_one_line(tmp_path):
    _pixels(tmp_path / "whole", diffusers.DDPMScheduler())

    def changed(name, file, **values):
        shutil.copytree(tmp_path / "whole", tmp_path / name)
        path = tmp_path / name / file
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    unet, scheduler = "unet/config.json", "scheduler/scheduler_config.json"
    changed("sana", unet, _class_name="SanaTransformer2DModel")
    changed("wide", unet, block_out_channels=[16, 64])
    changed("deep", unet, layers_per_block=10_000_000)
    changed("other", unet, block_out_channels=["a", "b"])
    changed("betas", scheduler, beta_start=-1)
    changed("steps", scheduler, num_train_timesteps=10**12)
    changed("predicts", scheduler, prediction_type="flow")
    changed("consistency", scheduler, _class_name="CMStochasticIterativeScheduler")
    changed("nothing", unet)
    (tmp_path / "nothing" / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    changed("none", unet)
    shutil.rmtree(tmp_path / "none" / "scheduler")
    for name, said in {
        "sana": "not covered", "wide": "does not fit", "deep": "config.json", "other": "config",
        "betas": "beta_start", "steps": "num_train_timesteps", "predicts": "'flow'",
        "consistency": "tells of no denoiser", "nothing": "no weights", "none": "--describe",
    }.items():  # fmt: skip
        with pytest.raises(WeightsError, match=said) as caught:
            import_prior(tmp_path / name, tmp_path / "p")
        words = str(caught.value)
        assert name in words and "\n" not in words and not (tmp_path / "p").exists(), words
