"""FLUX: its latents packed two by two into tokens, each told its place; Black Forest Labs, 2024."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

CELL = 2  # latent pixels of a token, along each side
CALLED = 1000.0  # what the network multiplies its time by


def velocity(network: nn.Module, x: Tensor, time: Tensor, **told: Tensor) -> Tensor:
    """Its answer as a latent; x (batch, channels, height, width) of even sizes, time to 1000.

    told: encoder_hidden_states (batch, tokens, width), pooled_projections (batch, width), and
    guidance (batch,) where the network was distilled with one.
    """
    rows, columns = (side // CELL for side in x.shape[-2:])
    tokens = pixel_unshuffle(x, CELL).flatten(2).mT
    given = network(
        hidden_states=tokens,
        timestep=time / CALLED,
        img_ids=places(rows, columns).to(x),
        txt_ids=x.new_zeros(told["encoder_hidden_states"].shape[1], 3),
        **told,
    ).sample
    return pixel_shuffle(given.mT.unflatten(2, (rows, columns)), CELL)


def places(rows: int, columns: int) -> Tensor:
    """(rows * columns, 3): nought, the row and the column of each token, row by row."""
    found = torch.zeros(rows, columns, 3)
    found[..., 1] = torch.arange(rows)[:, None]
    found[..., 2] = torch.arange(columns)
    return found.flatten(0, 1)
