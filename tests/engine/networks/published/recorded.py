"""What official code gave: names and shapes of full-size models, and outputs of small ones.

`listings/*.json.gz` are {name: shape} of official models; `outputs.json` holds a few values of what
the official code gives with weights and inputs of `drawn`. Both were written with the packages
named in `outputs.json`: they hold the authors' own code or (EDM, DRUNet) a port that loads the
authors' weights. Nothing was taken from ours.
"""

import gzip
import json
import zlib
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent


def listing(name):
    """{name: shape} of an official model."""
    return {
        key: tuple(shape)
        for key, shape in json.loads(gzip.open(HERE / f"listings/{name}.json.gz").read()).items()
    }


def drawn(name, shape):
    """Values that depend on the name and the shape only, on any machine."""
    numbers = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) > 1:
        numbers = numbers / max(1, np.prod(shape[1:])) ** 0.5
    elif name.endswith("weight"):  # of a norm
        numbers = 1 + 0.2 * numbers
    else:
        numbers = 0.2 * numbers
    return torch.from_numpy(np.asarray(numbers)).float()


def drawn_state(shapes):
    return {name: drawn(name, shape) for name, shape in shapes.items()}


def picture(channels, size, batch=2):
    return torch.from_numpy(
        np.random.RandomState(0).standard_normal((batch, channels, size, size))
    ).float()


def picked(values):
    """32 values spread over a tensor, enough to tell it from any other."""
    flat = values.detach().flatten()
    return flat[torch.linspace(0, len(flat) - 1, 32).long()]


def outputs(name):
    """The values picked from what the official code gave."""
    return torch.tensor(json.loads((HERE / "outputs.json").read_text())[name])
