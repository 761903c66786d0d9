"""What holds for every family of published networks."""

import json
import subprocess
import sys

import pytest
import torch
from published_files import shapes_of, under
from recorded import listing

from restore.networks.published import FAMILIES, family
from restore.networks.published.family import count, peel

LISTINGS = {
    "adm_plain": ("adm", {"heads": 2}),
    "edm_ncsnpp": ("edm", {"preconditioning": "edm"}),
    "edm_adm": ("edm", {"preconditioning": "edm"}),
    "sgmse_small": ("sgmse", {}),
    "compvis_text_small": ("latent-diffusion", {"heads": 4, "scale_factor": 1.0}),
    "compvis_vq_small": ("latent-diffusion", {"head_channels": 16}),
}


def _taking(shapes, described):
    """The names of the families that take it; ValueError of a family is no taking."""
    names = []
    for known in FAMILIES:
        try:
            found = known.recognise(shapes, described)
        except ValueError:
            continue
        names += [] if found is None else [known.name]
    return names


@pytest.mark.parametrize("name", LISTINGS)
def test_one_family_takes_a_file_and_half_a_file_raises_nothing_but_value_error(name):
    shapes, (taker, described) = listing(name), LISTINGS[name]
    assert _taking(shapes, described) == [taker]
    names = list(shapes)
    for k in range(0, len(names), 29):
        for kept in (names[:k], names[k:], names[:k] + names[k + 1 :]):
            _taking({n: shapes[n] for n in kept}, described)
        _taking(shapes | {names[k]: ()}, described)
    assert _taking(dict.fromkeys(names, (1,)), described) == []


@pytest.mark.parametrize("name", LISTINGS)
def test_a_configuration_survives_json(name):
    shapes, (taker, described) = listing(name), LISTINGS[name]
    known = family(taker)
    config = known.recognise(shapes, described)
    stored = json.loads(json.dumps(config))
    assert stored == config
    with torch.device("meta"):
        one, other = known.build(config), known.build(stored)
    assert shapes_of(one.state_dict()) == shapes_of(other.state_dict())


def test_an_unknown_family_is_named_with_the_known():
    with pytest.raises(KeyError, match=r"no family of networks is called 'amd'; known: .*adm"):
        family("amd")


def test_every_family_says_what_it_is():
    names = [known.name for known in FAMILIES]
    assert len(set(names)) == len(names)
    for known in FAMILIES:
        assert family(known.name) is known
        assert known.title
        assert known.denoiser or known.autoencoder
        assert bool(known.denoiser) == bool(known.sigmas)


def test_the_families_are_imported_when_they_are_asked_for():
    code = (
        "import sys, restore.networks.published as p; before = set(sys.modules); p.FAMILIES;"
        "print(any(m.endswith('.adm') for m in before), 'restore.networks.published.adm' in"
        " sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "True"]


def test_a_model_is_found_under_what_stands_before_it():
    model = {"a.weight": 1, "b.weight": 2}
    for prefix in ("", "module.", "state_dict.model."):
        assert peel(under(prefix, model) | {"other": 3}, "a.weight").items() >= model.items()
    assert peel({"xa.weight": 1}, "a.weight") == {}
    both = under("net.", model) | under("net_ema.", {"a.weight": 5, "b.weight": 6})
    assert peel(both, "a.weight") == {"a.weight": 5, "b.weight": 6}
    assert count(model | {"b.bias": 1}, "b.") == 2
