"""sample and iterate: the one loop that runs every sampler."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import RestoreWarning
from ..measurement.checks import real_number, signal_tensor, sizes, whole_number
from ..measurement.measurement import Measurement
from ..measurement.signal import ChainNoise, counted_solves
from ..priors.prior import Prior
from ..priors.schedules import checked, karras, starting_at
from ..samplers.base import AFRESH, Resumed, Sampler, Step, contract_of, states_per_chain
from .decoding import Decoding
from .devices import free_memory, usable
from .keeping.checkpoint import Checkpoint, Tally, fingerprint, precision_of
from .keeping.chunks import Chunk, chunks, out_of_memory
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
    keep_checkpoint: bool = False,
    **options: Any,
) -> Posterior:
    """`chains` samples of p(x | y), each the same whatever the batch, the chunks or the device.

    steps: noise levels of the default schedule (50), or give `sigmas` themselves.
    batch_size: chains in one network call; None chooses it from the free memory. It is halved, with
    a RestoreWarning, where memory runs out.
    device: "cpu", "cuda", ... or "auto". precision: None (float32), "float64", "bfloat16" (of the
    network), or "auto", bfloat16 where it is faster and stays within a stated tolerance.
    init, sigma_start: a warm start, from `init` (*shape) with noise of sigma_start.
    watch: called with (step, index, total) after every step; one that returns True ends the chunk.
    checkpoint: a file; an interrupted run called again goes on from there, at the very step where
    the sampler's contract lets it. It is removed at the end, or kept: a run called again then has
    its samples from it.
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
    plan = chunks(measurement.observations, chains, batch_size or run.fitting(chains))
    state = Checkpoint(checkpoint, mark, plan, run.precision)
    with counted_solves() as solves:
        run.sample(seed, watch, state, solves)
    states = torch.empty(measurement.observations, chains, *run.shape, dtype=run.dtype)
    for chunk, done in state.done.items():
        states[chunk.observations, chunk.chains] = done.unflatten(0, (chunk.last - chunk.first, -1))
    if not keep_checkpoint:
        state.close()
    states = states if measurement.observations > 1 else states[0]
    samples = run.decoding.signals(states, run.device)
    provenance = run.provenance(chains, seed, state.tally["seconds"], len(state.done))
    provenance["solves"] = asdict(solves)
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
    yield from map(run.decoding.shown, run.steps(run.measurement, noise))


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
        self.contract = contract
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

    def sample(self, seed: int, watch: Sequence[Watcher], state: Checkpoint, solves) -> None:
        """Sample all chunks that the state has left, in halves where memory runs out."""
        tally = Tally(self.denoise, self.decoding, watch, solves)
        tally.put_back(state.tally)
        while state.left:
            chunk, before = state.left[0], tally.now()
            try:
                samples = self.chunk(chunk, seed, watch, state, tally)
            except RuntimeError as error:
                if chunk.rows == 1 or not out_of_memory(error):
                    raise
                samples = None
            if samples is not None:
                state.keep(chunk, samples, tally.now())
                continue
            tally.put_back(before)  # outside the handler, whose error holds on to memory
            state.halve()
            rows = max(half.rows for half in chunk.halves)
            words = f"out of memory with {chunk.rows} chains at once: they go on {rows} at a time"
            warnings.warn(words, RestoreWarning, stacklevel=4)

    def chunk(self, chunk: Chunk, seed: int, watch, state: Checkpoint, tally: Tally) -> Tensor:
        """The samples of some chains of some observations; (rows, *shape), on the CPU."""
        part = self.measurement
        if part.observations > 1:
            part = part.select(chunk.first, chunk.last)
        noise = ChainNoise(seed, list(range(chunk.start, chunk.stop)) * part.observations)
        x, stands = state.going(chunk, noise, self.device)
        passed, total, step = stands.passed, len(self.sigmas) - 1, None
        try:
            for step in self.steps(part, noise, x, stands, chunk.observations):
                passed += 1
                if not _stalls(self.device):
                    self._refuse_nonfinite(step)
                seen = self.decoding.shown(step) if watch else step
                stops = [watcher(seen, min(passed, total) - 1, total) for watcher in watch]
                if any(stops):
                    break
                if self.contract.goes_on:
                    state.pause(chunk, passed, step, noise, tally)
        except KeyboardInterrupt as interrupt:
            state.flush()
            if not self.contract.goes_on:
                interrupt.add_note(f"{self.name} does not go on in mid-run: its chains begin again")
            raise
        if step is None:  # resumed after its last step
            return x.cpu()
        self._refuse_nonfinite(step)
        return step.x.cpu()

    def steps(
        self, part, noise, x=None, stands: Resumed = AFRESH, observations: slice = slice(None)
    ) -> Iterator[Step]:
        rows, options, sigmas = len(noise.generators), self.options, self.sigmas
        if x is None:
            start = self._start(rows, part.observations, observations)
            x = start + self.sigmas[0].item() * noise(start)
        elif self.contract.resumes:
            options = {**options, "resumed": stands}
        else:
            sigmas = sigmas[stands.passed :]
        with torch.no_grad():
            walk = self.sampler(self.denoise, part, x, sigmas, noise, **options)
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


def _stalls(device: torch.device) -> bool:
    """Whether a look at values waits for all work on the device: on a GPU, only the end is seen."""
    return device.type != "cpu"


def _plain(value: Any) -> Any:
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
