"""What a run's states are of the signals: the signals themselves, or latents of a decoder."""

import math

import torch
from torch import Tensor

from ..measurement.measurement import Measurement
from ..priors.prior import Prior
from ..samplers.base import Step


class Decoding:
    """From states to signals and back, by a prior's codec; a prior without one changes nothing."""

    def __init__(self, prior: Prior, measurement: Measurement):
        self.decoder, self.tallies = None, {}
        if prior.codec is not None:
            codec, encodes, decodes = prior.codec.counted()
            self.tallies = {"encodes": encodes, "decodes": decodes}
            self.decoder = codec.decoder(measurement.operator.in_shape)
            measurement = measurement.through(self.decoder)
        self.measurement = measurement  # of the states
        self.shape = measurement.operator.in_shape  # of a state

    @property
    def values(self) -> int:
        """That a chain holds: its state's and its signal's."""
        return math.prod(self.shape) + (math.prod(self.decoder.out_shape) if self.decoder else 0)

    def shown(self, step: Step) -> Step:
        """A step with its estimate as a signal."""
        if self.decoder is None:
            return step
        with torch.no_grad():
            return step._replace(denoised=self.decoder(step.denoised))

    def signals(self, states: Tensor, device: torch.device) -> Tensor:
        """The signals of states (..., *shape), decoded on a device, back on the CPU."""
        if self.decoder is None:
            return states
        parts = states.reshape(-1, *self.shape).split(self.decoder.count)
        with torch.no_grad():
            signals = torch.cat([self.decoder(part.to(device)).cpu() for part in parts])
        return signals.reshape(*states.shape[: -len(self.shape)], *self.decoder.out_shape)

    def states(self, signals: Tensor) -> Tensor:
        """The states of signals (..., *shape)."""
        if self.decoder is None:
            return signals
        axes = len(self.decoder.out_shape)
        with torch.no_grad():
            states = self.decoder.encoder(signals.reshape(-1, *self.decoder.out_shape))
        return states.reshape(*signals.shape[:-axes], *self.shape)

    @property
    def rows(self) -> dict[str, int]:
        """That encoder and decoder were given."""
        return {name: tally.rows for name, tally in self.tallies.items()}

    def recount(self, rows: dict[str, int]) -> None:
        """Go on counting from there."""
        for name, tally in self.tallies.items():
            tally.rows = rows[name]

    def counts(self, chains: int) -> dict[str, int]:
        """Passes through encoder and decoder, a chain."""
        return {name: tally.rows // chains for name, tally in self.tallies.items()}
