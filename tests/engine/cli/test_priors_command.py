"""restore priors: from a checkpoint of others to --prior NAME, with the right statuses."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from broken_priors import mutations
from small_checkpoints import ADM, DNCNN, small
from tiny import environment, grid, restore, tiny, tree  # noqa: F401

import restore as face
from restore.errors import WeightsError
from restore.plugins import store
from restore.plugins.discovery import Catalog
from restore.sampling import by_name

pytestmark = pytest.mark.usefixtures("tiny", "home")
RUN = ("run", "calm", "a.grid", "-o", "out", "--noise", "0.1", "--steps", "3", "--sampler", "ddnm")


@pytest.fixture
def home(tiny, monkeypatch):  # noqa: F811
    """An empty store, and a checkpoint in the working folder."""
    monkeypatch.setenv("RESTORE_HOME", str(tiny / "home"))
    torch.save({"params": small("dncnn", DNCNN)[1]}, "dncnn.pth")
    return tiny / "home" / "priors"


def fails(status, *words):
    """The one line that the command line says when it fails."""
    result = restore(*words)
    assert result.exit_code == status, result.output
    (said,) = result.stderr.strip().splitlines()
    assert said.startswith("restore: ") and result.stdout == ""
    return said


def test_the_errors_of_a_prior_are_measured_on_clean_files(home):
    """A network of zeros leaves all noise in: its mean square error is sigma^2."""
    state = {name: 0 * value for name, value in small("dncnn", DNCNN)[1].items()}
    torch.save(state, "zero.pth")
    Path("told.json").write_text('{"data_range": [-1, 1]}')
    words = ("priors", "import", "zero.pth", "--describe", "told.json", "--name")
    assert restore(*words, "assumed").exit_code == 0
    for number in range(4):
        grid(f"clean/{number}.grid", 70, 40, seed=number)
    done = restore(*words, "measured", "--measure", "clean")
    assert done.exit_code == 0 and "measured on 4 of clean, 64x32" in done.stderr
    assert "variance:                measured on 4" in restore("priors", "show", "measured").stdout
    assert "variance:                assumed: " in restore("priors", "show", "assumed").stdout
    prior = face.load_prior("measured")
    for sigma in (prior.sigma_min, 0.03, prior.sigma_max):
        # 4 x 64 x 32 values: sqrt(2 / n) is 1.6 %
        assert prior.variance(sigma) == pytest.approx(sigma**2, rel=0.05)
    assert prior.variance(0.1) > 1.1 * face.load_prior("assumed").variance(0.1)
    fails(1, *words, "none", "--measure", "absent")
    assert tree(home) == [f"{n}/{f}" for n in ("assumed", "measured")
                          for f in ("model.safetensors", "prior.json")]  # fmt: skip


def test_an_imported_checkpoint_restores_by_its_name(home):
    result = restore("priors", "import", "dncnn.pth", "--name", "face", "--licence", "MIT")
    assert result.exit_code == 0 and "use it with --prior face" in result.stdout
    assert "DnCNN" in result.stderr and "licence is unknown" not in result.stderr
    assert tree(home) == ["face/model.safetensors", "face/prior.json"]
    run = restore(*RUN, "--prior", "face")
    assert run.exit_code == 0
    # it was trained for small noise, and the recipe has no classical answer to begin from
    assert "restore: the prior's noise levels end at" in run.stderr and ".py" not in run.stderr
    report = json.loads(Path("out/a/report.json").read_text())
    assert report["prior"] == "face"
    x = torch.rand(1, 1, 8, 8)
    assert face.load_prior("face").denoise(x, 0.1).shape == x.shape
    assert "face" in restore("list", "priors").stdout
    rows = {row["name"]: row for row in json.loads(restore("list", "priors", "--json").stdout)}
    assert rows["face"]["plugin"] == "imported" and rows["tiny"]["plugin"] == "tiny"
    assert "MIT" in restore("info", "prior", "face").stdout
    assert "params" in restore("priors", "show", "face").stdout
    assert restore("priors", "verify").stdout == "face: whole\n"
    said = fails(5, *RUN[:4], "other", *RUN[5:], "-q", "--prior", "face", "--prompt", "a cat")
    assert "takes no prompt: dncnn is told no text" in said
    assert restore("priors", "remove", "face").exit_code == 0 and tree(home) == []


def test_what_is_missing_or_damaged_has_status_5_and_the_next_command(home, monkeypatch):
    restore("priors", "import", "dncnn.pth", "--name", "face")
    empty = Catalog([], {})
    with monkeypatch.context() as only, pytest.raises(WeightsError) as caught:
        for module in (by_name, store):
            only.setattr(module, "catalog", lambda: empty)
        face.load_prior("zebra")
    assert "there are: face; to import one: restore priors import FILE" in str(caught.value)
    assert "restore priors import FILE --name other" in fails(5, "priors", "show", "other")
    assert "did you mean 'face'?" in fails(2, *RUN, "--prior", "fase")
    (home / "face" / "model.safetensors").write_bytes(b"x")
    again = "restore priors import dncnn.pth --name face --overwrite"
    assert again in fails(5, *RUN, "--prior", "face")
    result = restore("priors", "verify", "face")
    assert result.exit_code == 5 and again in result.stderr
    (home / "face" / "prior.json").write_text("{")
    assert again.replace("dncnn.pth", "FILE") in fails(5, "priors", "show", "face")
    assert "damaged" in restore("priors", "list").stdout
    assert restore(*again.split()[1:]).exit_code == 0
    assert restore("priors", "verify", "face").exit_code == 0


def test_a_registered_name_is_never_taken(home):
    assert "already" in fails(2, "priors", "import", "dncnn.pth", "--name", "tiny")
    assert "cannot name" in fails(2, "priors", "import", "dncnn.pth", "--name", "../x")
    restore("priors", "import", "dncnn.pth", "--name", "face")
    shutil.copytree(home / "face", "tiny")  # a folder here that bears a registered name
    registered = face.load_prior("tiny")
    assert registered.card != face.load_prior("./tiny").card
    shutil.copytree(home / "face", "face")
    (Path("face") / "prior.json").write_text("{")
    face.load_prior("face")  # the imported one, not the folder
    with pytest.raises(WeightsError, match="description"):
        face.load_prior("./face")


def test_nothing_is_stored_of_what_is_refused(home):
    Path("text.pt").write_text("no weights")
    torch.save({"a.weight": torch.zeros(3), "b.weight": torch.zeros(3)}, "unlike.pt")
    torch.save(small("adm", ADM)[1], "adm.pt")
    Path("told.json").write_text('{"colour": "red"}')
    words = ("priors", "import")
    assert "text.pt" in fails(5, *words, "text.pt", "--name", "x")
    assert "unlike.pt" in fails(5, *words, "unlike.pt", "--name", "x")
    assert "--describe" in fails(5, *words, "adm.pt", "--name", "x")
    assert "told.json" in fails(5, *words, "adm.pt", "--name", "x", "--describe", "told.json")
    assert "absent.pt" in fails(5, *words, "absent.pt", "--name", "x")
    assert "--decoder" in fails(5, *words, "dncnn.pth", "--name", "x", "--encoder", "dncnn.pth")
    assert not home.exists() or tree(home) == []
    Path("told.json").write_text('{"heads": 2}')
    assert restore(*words, "adm.pt", "--name", "x", "--describe", "told.json").exit_code == 0


def test_a_broken_folder_is_one_line_and_status_5_on_the_command_line(home):
    restore("priors", "import", "dncnn.pth", "--name", "face")
    acts = mutations(json.loads((home / "face" / "prior.json").read_text()), set())
    for name in ("prior.json deep", "prior.json a pipe", "model.safetensors an endless device"):
        shutil.rmtree("broken", ignore_errors=True)
        shutil.copytree(home / "face", "broken")
        acts[name](Path("broken"))
        assert "broken" in fails(5, *RUN, "--prior", "./broken")
    done = subprocess.run(
        [sys.executable, "-m", "restore.cli", *RUN, "--prior", "./broken"],
        env=environment(), capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 5 and len(done.stderr.splitlines()) == 1, done.stderr
    assert not Path("out").exists()


def test_listing_priors_imports_no_torch(home):
    restore("priors", "import", "dncnn.pth", "--name", "face")
    code = (
        "import sys; from restore.cli import main\n"
        "for words in (['list', 'priors'], ['priors', 'list'], ['priors', 'show', 'face']):\n"
        "    main(words, standalone_mode=False)\n"
        "heavy = {'torch', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_training_does_not_begin_from_an_imported_network(home):
    restore("priors", "import", "dncnn.pth", "--name", "face")
    grid("clean/a.grid", 20, 20)
    result = restore("train", "denoiser", "clean", "-o", "mine", "--start", str(home / "face"),
                     "--steps", "1", "--patch", "8", "--device", "cpu")  # fmt: skip
    assert result.exit_code == 2 and not Path("mine").exists()
    assert "face holds an imported network, dncnn" in result.stderr.splitlines()[-1]
