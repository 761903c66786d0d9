"""sample and iterate: the one loop that runs every sampler."""

import time
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import RestoreWarning
from ..measurement.checks import real_number, signal_tensor, sizes, whole_number
from ..measurement.measurement import Measurement
from ..measurement.signal import ChainNoise
from ..priors.prior import Prior
from ..priors.schedules import checked, karras, starting_at
from ..samplers.base import Sampler, Step, contract_of, states_per_chain
from .checkpoint import Checkpoint, fingerprint, precision_of
from .decoding import Decoding
from .devices import free_memory, usable
from .posterior import Posterior
from .precision import Counted, choose_precision
from .refusals import checked_counts, refuse_other_parts, refuse_unfit_options, refuse_unoffered
from .watchers import Watcher

DEFAULT_STEPS = 50


def sample(
    measurement: Measurement,
    prior: Prior,
    sampler: Sampler,
    *,
    chains: int = 1,
    steps: int | None = None,
    sigmas: Tensor | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    device: str = "cpu",
    precision: str | None = None,
    init: Tensor | None = None,
    sigma_start: float | None = None,
    watch: Sequence[Watcher] = (),
    checkpoint: str | Path | None = None,
    **options: Any,
) -> Posterior:
    """`chains` samples of p(x | y), each the same whatever the batch, the chunks or the device.

    steps: noise levels of the default schedule (50), or give `sigmas` themselves.
    batch_size: chains in one network call; None chooses it from the free memory.
    device: "cpu", "cuda", ... or "auto". precision: None (float32), "float64", "bfloat16" (of the
    network), or "auto", bfloat16 where it is faster and stays within a stated tolerance.
    init, sigma_start: a warm start, from `init` (*shape) with noise of sigma_start.
    watch: called with (step, index, total) after every step; one that returns True ends the chunk.
    checkpoint: a file; an interrupted run called again goes on from there.
    options: the sampler's own. Raises FloatingPointError when chains stop being finite.

    With a prior of latents the samples are decoded, and `init` is a signal, too; sigmas are levels
    of the latents. Watchers see a step's estimate decoded, its x as it is.
    """
    chains, seed, batch_size = checked_counts(chains, seed, batch_size)
    device = usable(device)
    begun = precision_of(checkpoint) if precision == "auto" else None
    chosen = begun or precision
    run = _Run(measurement, prior, sampler, device, chosen, options, init, sigma_start)
    run.schedule(steps, sigmas)
    asked = precision if precision == "auto" else run.precision
    mark = fingerprint(
        measurement, run.name, run.sigmas, seed, chains, {**options, "precision": asked}, init
    )
    state = Checkpoint(checkpoint, mark, batch_size or run.fitting(chains), run.precision)
    chunks = list(_chunks(measurement.observations, chains, state.batch_size))
    started = time.perf_counter()
    states = torch.empty(measurement.observations, chains, *run.shape, dtype=run.dtype)
    for number, (observations, some) in enumerate(chunks):
        done = state.chunk(number)
        if done is None:
            done = run.chunk(observations, some, seed, watch, state)
            state.keep(number, done)
        here = len(range(*some.indices(chains)))
        states[observations, some] = done.reshape(-1, here, *run.shape)
    state.close()
    states = states if measurement.observations > 1 else states[0]
    samples = run.decoding.signals(states, run.device)
    provenance = run.provenance(chains, seed, time.perf_counter() - started, len(chunks))
    latents = states if prior.codec else None
    return Posterior(samples, measurement.operator.in_shape, provenance, latents)


def iterate(
    measurement: Measurement,
    prior: Prior,
    sampler: Sampler,
    *,
    chains: int = 1,
    steps: int | None = None,
    sigmas: Tensor | None = None,
    seed: int = 0,
    device: str = "cpu",
    precision: str | None = None,
    init: Tensor | None = None,
    sigma_start: float | None = None,
    **options: Any,
) -> Iterator[Step]:
    """The bare loop over Steps of all chains at once, for notebooks; arguments as in `sample`.

    With a prior of latents a step's x is a latent, its estimate is decoded.
    """
    chains, seed, _ = checked_counts(chains, seed)
    run = _Run(measurement, prior, sampler, device, precision, options, init, sigma_start)
    run.schedule(steps, sigmas)
    noise = ChainNoise(seed, list(range(chains)) * measurement.observations)
    yield from map(run.decoding.shown, run.steps(run.measurement, noise, run.sigmas, None))


class _Run:
    """One call of `sample`: everything in place on its device."""

    def __init__(self, measurement, prior, sampler, device, precision, options, init, sigma_start):
        refuse_other_parts(measurement, prior)
        self.name = getattr(sampler, "__name__", type(sampler).__name__)
        refuse_unfit_options(self.name, sampler, options)
        contract = contract_of(sampler, options)
        refuse_unoffered(self.name, contract, prior)
        self.decoding = Decoding(prior, measurement)
        self.shape = self.decoding.shape
        if not prior.accepts(self.shape):
            raise ValueError(
                f"the prior is for signals of {sizes(prior.shape)}, "
                f"the operator takes {sizes(self.shape)}"
            )
        self.prior, self.device = prior.to(device), torch.device(device)
        self.precision = choose_precision(precision, prior, self.shape, self.device)
        self.dtype = torch.float64 if self.precision == "float64" else torch.float32
        self.denoise = Counted(prior, self.precision, self.device)
        self.measurement = self.decoding.measurement.to(self.device, self.dtype)
        self.sampler, self.options = sampler, dict(options)
        self.memoryless = contract.memoryless
        if contract.law:
            self.options.setdefault("variance", prior.variance)
        self.init, self.sigma_start = init, sigma_start
        if (init is None) != (sigma_start is None):
            raise ValueError("a warm start needs both init and sigma_start")
        if init is not None:
            signal_tensor(init, "init")
            real_number(sigma_start, "sigma_start")

    def schedule(self, steps: int | None, sigmas: Tensor | None) -> None:
        if sigmas is None:
            prior = self.prior
            if self.init is None and not prior.reaches_noise:
                warnings.warn(
                    f"the prior's noise levels end at {prior.sigma_max:.3g}, where signals still "
                    "show: chains that begin from noise alone go astray; give a first guess, init "
                    "and sigma_start",
                    RestoreWarning,
                    stacklevel=4,
                )
            steps = DEFAULT_STEPS if steps is None else whole_number(steps, "steps", 1)
            sigmas = karras(prior.sigma_max, prior.sigma_min, steps)
        elif steps is not None:
            raise ValueError("give steps or sigmas, not both")
        self.sigmas = checked(sigmas)
        if self.sigma_start is not None:
            self.sigmas = starting_at(self.sigmas, float(self.sigma_start))

    def fitting(self, chains: int) -> int:
        """How many chains' network calls and states fit into half of the free memory."""
        values = torch.Size(self.shape).numel()
        seen = min(values, self.prior.limit or values)
        # about 16 float32 copies of the state
        each = self.prior.footprint * seen + 64 * self.decoding.values
        each *= states_per_chain(self.sampler, self.options)
        fit = int(0.5 * free_memory(self.device) / each)
        return max(1, min(fit, chains * self.measurement.observations))

    def chunk(self, observations: slice, chains: slice, seed: int, watch, state) -> Tensor:
        """The samples of some chains of some observations; (rows, *shape), on the CPU."""
        part = self.measurement
        if part.observations > 1:
            part = part.select(observations.start, observations.stop)
        noise = ChainNoise(seed, list(range(chains.start, chains.stop)) * part.observations)
        going = state.going(noise)
        passed, x = going if going is not None else (0, None)
        total, step = len(self.sigmas) - 1, None
        try:
            for step in self.steps(part, noise, self.sigmas[passed:], x, observations):
                passed += 1
                if not _stalls(self.device):
                    self._refuse_nonfinite(step)
                if self.memoryless:
                    state.pause(passed, step.x, noise)
                seen = self.decoding.shown(step) if watch else step
                stops = [watcher(seen, min(passed, total) - 1, total) for watcher in watch]
                if any(stops):
                    break
        except KeyboardInterrupt:
            state.flush()
            raise
        if step is None:  # resumed after its last step
            return x.cpu()
        self._refuse_nonfinite(step)
        return step.x.cpu()

    def steps(self, part, noise, sigmas, x, observations: slice = slice(None)) -> Iterator[Step]:
        rows = len(noise.generators)
        if x is None:
            start = self._start(rows, part.observations, observations)
            x = start + self.sigmas[0].item() * noise(start)
        with torch.no_grad():
            walk = self.sampler(self.denoise, part, x, sigmas, noise, **self.options)
        while True:
            with torch.no_grad():
                step = next(walk, None)
            if step is None:
                return
            yield step

    def _start(self, rows: int, observed: int, observations: slice) -> Tensor:
        like = {"device": self.device, "dtype": self.dtype}
        if self.init is None:
            return torch.as_tensor(self.prior.mean, **like).expand(rows, *self.shape)
        init = self.decoding.states(self.init.to(**like))
        if init.shape == self.shape:
            return init.expand(rows, *self.shape)
        return init[observations].repeat_interleave(rows // observed, 0)

    def _refuse_nonfinite(self, step: Step) -> None:
        # a sum is quick to look at, but finite values may overflow in it
        if not torch.isfinite(step.x.sum()) and not torch.isfinite(step.x).all():
            raise FloatingPointError(
                f"{self.name}: the chains left the real numbers at sigma = {step.sigma:.3g}"
            )

    def provenance(self, chains: int, seed: int, seconds: float, chunks: int) -> dict[str, Any]:
        return {
            "sampler": self.name,
            "options": {k: _plain(v) for k, v in self.options.items()},
            "steps": len(self.sigmas) - 1,
            "calls": self.denoise.calls // max(1, chunks),
            "pullbacks": self.denoise.pullbacks // max(1, chunks),
            **self.decoding.counts(chains * self.measurement.observations),
            "chains": chains,
            "seed": seed,
            "sigmas": self.sigmas.tolist(),
            "precision": self.precision,
            "device": str(self.device),
            "seconds": round(seconds, 3),
            "prior": dict(self.prior.card),
            "versions": {"restore": version("restore-toolbox"), "torch": torch.__version__},
        }


def _chunks(observations: int, chains: int, batch: int) -> Iterator[tuple[slice, slice]]:
    """(observations, chains) of each network batch: whole observations where they fit."""
    together = max(1, batch // chains)
    size = min(chains, batch)
    for first in range(0, observations, together):
        for start in range(0, chains, size):
            yield (
                slice(first, min(first + together, observations)),
                slice(start, min(start + size, chains)),
            )


def _stalls(device: torch.device) -> bool:
    """Whether a look at values waits for all work on the device: on a GPU, only the end is seen."""
    return device.type != "cpu"


def _plain(value: Any) -> Any:
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
