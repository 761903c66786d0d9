"""A prompt is what CLIP's own tokenizer and encoder make of it; without one it is the empty text.

The tokenizer and the encoder are small ones of the package transformers.
"""

import json
import os
import shutil

import pytest
import torch
from small_checkpoints import small

os.environ.setdefault("HF_HUB_OFFLINE", "1")
diffusers = pytest.importorskip("diffusers", reason="the package diffusers is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import restore  # noqa: E402
from restore.errors import WeightsError  # noqa: E402
from restore.networks.folder import load_prior_folder  # noqa: E402
from restore.networks.importing.converting import import_prior  # noqa: E402

LETTERS = "abcdefgh"
END = "<|endoftext|>"
WIDTH, LENGTH = 24, 9
STABLE = {
    "unet": {
        "inputs": 4, "outputs": 4, "width": 32, "widths": [32, 64], "blocks": 1,
        "attention": [0, 1], "updown": False, "scale_shift": False, "classes": None,
        "context": WIDTH, "depth": 1, "heads": 4, "head_channels": None,
    },
    "stage": {
        "channels": 3, "latents": 4, "inner": 4, "first": 32, "widths": [32, 64], "blocks": 1,
        "attention": [1], "up_attention": [1], "entries": None,
    },
    "steps": 1000, "betas": None, "scaled": False, "scale_factor": 0.5, "prediction": "eps",
}  # fmt: skip
MERGES = [("a", "b</w>"), ("c", "d"), ("cd", "e</w>")]


def _tokenizer(pad=END):
    single = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "!"]
    words = [*single, *("".join(pair) for pair in MERGES), "<|startoftext|>", END]
    vocab = {word: number for number, word in enumerate(words)}
    return transformers.CLIPTokenizer(
        vocab=vocab, merges=MERGES, pad_token=pad, model_max_length=LENGTH
    )


def _encoder(act="quick_gelu", heads=2):
    torch.manual_seed(1)
    special = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
    config = transformers.CLIPTextConfig(
        vocab_size=len(_tokenizer()), hidden_size=WIDTH, intermediate_size=40, hidden_act=act,
        num_hidden_layers=2, num_attention_heads=heads, max_position_embeddings=LENGTH, **special,
    )  # fmt: skip
    return transformers.CLIPTextModel(config).eval()


def _embedding(prompt, tokenizer, encoder):
    """As a pipeline of diffusers does it."""
    ids = tokenizer(prompt, padding="max_length", max_length=LENGTH, return_tensors="pt").input_ids
    with torch.no_grad():
        return encoder(ids)[0]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline") / "stable"
    torch.manual_seed(0)
    diffusers.UNet2DConditionModel(
        sample_size=8, layers_per_block=1, block_out_channels=(16, 32), cross_attention_dim=WIDTH,
        norm_num_groups=4, attention_head_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    ).save_pretrained(folder / "unet")  # fmt: skip
    diffusers.AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, latent_channels=4,
    ).save_pretrained(folder / "vae")  # fmt: skip
    diffusers.DDIMScheduler(beta_schedule="scaled_linear").save_pretrained(folder / "scheduler")
    _encoder("gelu").save_pretrained(folder / "text_encoder")
    _tokenizer("!").save_pretrained(folder / "tokenizer")
    parts = {"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    (folder / "model_index.json").write_text(json.dumps(parts))
    return folder


@pytest.fixture(scope="module")
def imported(pipeline, tmp_path_factory):
    target = tmp_path_factory.mktemp("imported") / "p"
    import_prior(pipeline, target)
    return target


def test_a_prompt_is_what_the_encoder_gives(imported):
    z, sigma = torch.randn(2, 4, 8, 8), torch.tensor(0.7)
    for prompt in ("ab cde", "A  Bb!", ""):
        context = _embedding(prompt, _tokenizer("!"), _encoder("gelu"))
        expected = load_prior_folder(imported, context=context).denoise(z, sigma)
        prior = load_prior_folder(imported, prompt=prompt)
        torch.testing.assert_close(prior.denoise(z, sigma), expected, rtol=1e-5, atol=1e-5)
        assert prior.card["prompt"] == prompt
    silent = load_prior_folder(imported)
    torch.testing.assert_close(silent.denoise(z, sigma), expected, rtol=1e-5, atol=1e-5)
    assert silent.card["prompt"] == ""


def test_the_account_of_a_run_tells_the_prompt(imported):
    prior = load_prior_folder(imported, prompt="ab", guidance=2.0)
    operator = restore.load_operator("mask", torch.ones(3, 16, 16))
    measurement = restore.Measurement(torch.rand(3, 16, 16), operator, restore.Gaussian(0.1))
    posterior = restore.sample(measurement, prior, "latent-dps", chains=1, steps=2, seed=0)
    card = posterior.provenance["prior"]
    assert card["prompt"] == "ab" and card["guidance"] == 2.0
    assert posterior.samples.shape == (1, 3, 16, 16)


def test_guidance_leads_from_the_negative_prompt_to_the_prompt(imported):
    z, sigma = torch.randn(1, 4, 8, 8), torch.tensor(0.7)
    there, away = (load_prior_folder(imported, prompt=p).denoise(z, sigma) for p in ("ab", "cde"))
    prior = load_prior_folder(imported, prompt="ab", negative_prompt="cde", guidance=3.0)
    torch.testing.assert_close(
        prior.denoise(z, sigma), away + 3 * (there - away), rtol=1e-5, atol=1e-5
    )
    assert prior.card["negative_prompt"] == "cde" and prior.card["guidance"] == 3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"prompt": "ab " * LENGTH}, f"has {LENGTH + 2} tokens, this encoder reads {LENGTH}"),
        ({"prompt": "ab", "negative_prompt": "cd"}, "give a guidance"),
        ({"prompt": "ab", "context": torch.zeros(1, 5, WIDTH)}, "in its place"),
    ],
)
def test_what_cannot_be_told_is_refused_in_one_line(imported, asked, said):
    with pytest.raises(WeightsError, match=said) as caught:
        load_prior_folder(imported, **asked)
    assert "\n" not in str(caught.value)


def test_a_damaged_encoder_or_tokenizer_is_found(imported, tmp_path):
    for name in ("text_encoder.safetensors", "tokenizer.json"):
        shutil.copytree(imported, tmp_path / name)
        with open(tmp_path / name / name, "ab") as file:
            file.write(b" ")
        with pytest.raises(WeightsError, match=name):
            load_prior_folder(tmp_path / name, prompt="ab")


def test_a_folder_that_was_imported_can_be_imported_again(imported, tmp_path):
    import_prior(imported, tmp_path / "q")
    z, sigma = torch.randn(1, 4, 8, 8), torch.tensor(0.7)
    one, two = (
        load_prior_folder(f, prompt="ab").denoise(z, sigma) for f in (imported, tmp_path / "q")
    )
    assert torch.equal(one, two)


def test_what_does_not_fit_is_refused_and_nothing_is_stored(pipeline, tmp_path):
    def changed(name, file, **values):
        shutil.copytree(pipeline, tmp_path / name)
        path = tmp_path / name / file
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    changed("wide", "text_encoder/config.json", hidden_size=32)
    changed("deep", "text_encoder/config.json", num_hidden_layers=200)
    changed("act", "text_encoder/config.json", hidden_act="exec")
    changed("long", "tokenizer/tokenizer_config.json", model_max_length=77)
    changed("pad", "tokenizer/tokenizer_config.json", pad_token="zz")
    tokens = json.loads((pipeline / "tokenizer" / "tokenizer.json").read_text())["model"]
    changed(
        "many", "tokenizer/tokenizer.json", model={**tokens, "vocab": {**tokens["vocab"], "q": 99}}
    )
    changed("merges", "tokenizer/tokenizer.json", model={**tokens, "merges": [["a", "q"]]})
    changed("none", "tokenizer/tokenizer.json", model=[])
    for name, said in {
        "wide": "does not fit", "deep": "does not fit", "act": "hidden_act", "long": "reads 9",
        "pad": "zz is not in its vocabulary", "many": "more", "merges": "do not fit",
        "none": "no merges",
    }.items():  # fmt: skip
        with pytest.raises(WeightsError, match=said) as caught:
            import_prior(tmp_path / name, tmp_path / "p")
        assert "\n" not in str(caught.value) and not (tmp_path / "p").exists()


def test_an_encoder_that_is_not_read_is_named_and_prompts_are_refused(pipeline, tmp_path):
    shutil.copytree(pipeline, tmp_path / "x")
    path = tmp_path / "x" / "text_encoder" / "config.json"
    path.write_text(json.dumps({"architectures": ["T5EncoderModel"]}))
    notes = import_prior(tmp_path / "x", tmp_path / "p")
    assert any("T5EncoderModel" in note for note in notes)
    with pytest.raises(WeightsError, match=r"no prompt: .*T5EncoderModel.*context="):
        load_prior_folder(tmp_path / "p", prompt="ab")
    with pytest.raises(WeightsError, match="context=EMBEDDING"):
        load_prior_folder(tmp_path / "p")


def _old_files(tokenizer, folder):
    """vocab.json and merges.txt, as stable diffusion has them."""
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(tokenizer.get_vocab()))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in MERGES)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    config = {"model_max_length": LENGTH, "pad_token": {"content": END}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def test_the_encoder_within_a_file_of_stable_diffusion_needs_its_tokenizer(tmp_path):
    state = small("latent-diffusion", STABLE)[1]
    state |= {"alphas_cumprod": torch.linspace(0.999, 0.005, 1000)}
    encoder = _encoder(heads=1)
    within = {f"text_model.{n}": v for n, v in encoder.state_dict().items()}
    within["text_model.embeddings.position_ids"] = torch.arange(LENGTH)[None]
    state |= {f"cond_stage_model.transformer.{n}": v for n, v in within.items()}
    torch.save({"state_dict": state}, tmp_path / "sd.ckpt")
    _old_files(_tokenizer(), tmp_path / "words")
    told = {"heads": 4, "scale_factor": 0.5}
    import_prior(tmp_path / "sd.ckpt", tmp_path / "mute", told=told)
    with pytest.raises(WeightsError, match=r"--tokenizer FOLDER"):
        load_prior_folder(tmp_path / "mute", prompt="ab")
    import_prior(tmp_path / "sd.ckpt", tmp_path / "p", told=told, tokenizer=tmp_path / "words")
    z, sigma = torch.randn(1, 4, 8, 8), torch.tensor(0.7)
    context = _embedding("ab cde", _tokenizer(), encoder)
    torch.testing.assert_close(
        load_prior_folder(tmp_path / "p", prompt="ab cde").denoise(z, sigma),
        load_prior_folder(tmp_path / "mute", context=context).denoise(z, sigma),
        rtol=1e-5, atol=1e-5,
    )  # fmt: skip
