"""A checkpoint as people have it: its tensors under some prefix, read by the family they are of."""

import torch

from restore.networks.published import FAMILIES, family


def shapes_of(tensors):
    return {name: tuple(value.shape) for name, value in tensors.items()}


def load(name, tensors, described=None):
    """(network, config) of the one family that takes these tensors."""
    taking = [f.name for f in FAMILIES if f.recognise(shapes_of(tensors), described or {})]
    assert taking == [name], f"taken by {taking}"
    found = family(name)
    config = found.recognise(shapes_of(tensors), described or {})
    network = found.build(config)
    network.load_state_dict(found.rename(tensors, config), strict=True)
    return network.requires_grad_(False).eval(), config


def denoiser(name, tensors, described=None, **conditions):
    network, config = load(name, tensors, described)
    return family(name).denoiser(network, config, **conditions)


def under(prefix, tensors):
    return {prefix + name: value for name, value in tensors.items()}


def randomised(network, seed=0):
    """The network's state with every value drawn, so that nothing is left at zero."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value = value + 0.1 * torch.randn(value.shape, generator=generator)
            value = value.abs() + 0.5 if name.endswith("running_var") else value
        state[name] = value
    return state
