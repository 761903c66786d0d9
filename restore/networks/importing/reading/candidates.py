"""Which of a checkpoint's entries are weights: the averaged ones (EMA) come first.

Wrappers that people save: {state_dict}, {model, optimizer, epoch}, {params_ema, params}; averages
as a state dict of their own, as a list in the order of the parameters (torch_ema, score_sde), or
under names without dots (LitEma of latent diffusion).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

DEEPEST = 6
ASIDE = {  # entries that hold arrays, but no weights
    "optimizer", "optimizers", "optimizer_state_dict", "optimizer_states", "optim", "opt",
    "lr_schedulers", "lr_scheduler", "scheduler", "scaler", "grad_scaler", "hyper_parameters",
    "args", "config", "loops", "amp", "rng", "rng_state",
}  # fmt: skip
AVERAGED = re.compile(r"(^|[._])(ema|swa|averaged|average)([._]|$)")
PREFIXES = ("module.", "_orig_mod.", "ema_model.module.", "ema_model.")
COUNTERS = {"n_averaged", "initted", "step", "num_updates", "decay"}

BUFFERS = {"running_mean", "running_var", "num_batches_tracked"}


@dataclass(frozen=True)
class StateDict:
    """One set of weights of a checkpoint."""

    where: str  # "model", "state_dict"; empty: the file itself
    weights: Mapping[str, Tensor]
    averaged: bool = False  # an exponential moving average over the training
    note: str = ""


def candidates(tree: Any) -> list[StateDict]:
    """Every set of named arrays in what a file holds, averaged ones first, then as they stand."""
    found: list[StateDict] = []
    for one in _named(tree, "", 0):
        found += _spread_out(one)
    for where, shadows in _lists(tree, "", 0):
        for index, one in enumerate(list(found)):
            if not one.averaged and len(shadows) <= len(one.weights):
                made = _following(shadows, where, one)
                found[index : index + 1] = [one, made] if made.averaged else [made]
    return sorted(found, key=lambda one: not one.averaged)


def _named(tree: Any, where: str, depth: int) -> Iterator[StateDict]:
    if not isinstance(tree, Mapping) or depth > DEEPEST:
        return
    arrays = {
        name: value
        for name, value in tree.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    if len(arrays) > len(tree) / 2:
        yield StateDict(where, arrays, bool(AVERAGED.search(where)))
        return
    for name, value in tree.items():
        if isinstance(name, str) and name.lower() not in ASIDE:
            yield from _named(value, f"{where}.{name}" if where else name, depth + 1)


def _spread_out(one: StateDict) -> list[StateDict]:
    """The candidate without what wrappers put before every name, and LitEma's average."""
    weights, averaged = dict(one.weights), one.averaged
    while (prefix := _shared(weights)) is not None:
        averaged |= prefix.startswith("ema_model")
        weights = {
            name.removeprefix(prefix): value
            for name, value in weights.items()
            if name.startswith(prefix)
        }
    plain = replace(one, weights=weights, averaged=averaged)
    hidden = {
        name.removeprefix("model_ema."): value
        for name, value in weights.items()
        if name.startswith("model_ema.") and name.removeprefix("model_ema.") not in COUNTERS
    }
    if not hidden:
        return [plain]
    kept = {k: v for k, v in weights.items() if not k.startswith("model_ema.")}
    dotless = {k.removeprefix("model.").replace(".", ""): k for k in kept if k[:6] == "model."}
    if not hidden.keys() <= dotless.keys():
        return [replace(plain, weights=kept, note="its average has other names, and is left out")]
    average = {**kept, **{dotless[name]: value for name, value in hidden.items()}}
    return [
        replace(plain, weights=kept),
        StateDict(f"{one.where}.model_ema".lstrip("."), average, True),
    ]


def _shared(weights: Mapping[str, Tensor]) -> str | None:
    """A wrapper's prefix that all names share, but for an average's counters."""
    named = [name for name in weights if name not in COUNTERS]
    for prefix in PREFIXES:
        if named and all(name.startswith(prefix) for name in named):
            return prefix
    if named and any(name.startswith("ema_model.") for name in named):
        rest = {name.partition(".")[0] for name in named} - {"ema_model", "online_model"}
        return None if rest else "ema_model."
    return None


def _lists(tree: Any, where: str, depth: int) -> Iterator[tuple[str, list[Tensor]]]:
    """Averages that are lists of arrays: {ema: {decay, num_updates, shadow_params: [...]}}."""
    if not isinstance(tree, Mapping) or depth > DEEPEST:
        return
    for name, value in tree.items():
        inner = f"{where}.{name}" if where else str(name)
        if name == "shadow_params" and isinstance(value, (list, tuple)) and value:
            if all(isinstance(item, Tensor) for item in value):
                yield inner, list(value)
        elif isinstance(name, str) and name.lower() not in ASIDE:
            yield from _lists(value, inner, depth + 1)


def _following(shadows: list[Tensor], where: str, one: StateDict) -> StateDict:
    """A state dict with a list's arrays in place of its parameters, whose order they have.

    Buffers are not in such a list. Matched from the front and from the back it must come out the
    same, or the list is left out, and that is noted.
    """
    names = [name for name in one.weights if name.rpartition(".")[2] not in BUFFERS]
    forward = _matched(names, one.weights, shadows)
    backward = _matched(names[::-1], one.weights, shadows[::-1])
    if forward is None or backward is None or forward != backward[::-1]:
        return replace(one, note=f"its average, {where}, does not tell whose its arrays are")
    average = {**one.weights, **dict(zip(forward, shadows, strict=True))}
    return StateDict(where, average, True)


def _matched(
    names: list[str], weights: Mapping[str, Tensor], shadows: list[Tensor]
) -> list[str] | None:
    found, left = [], iter(names)
    for shadow in shadows:
        for name in left:
            if weights[name].shape == shadow.shape and weights[name].is_floating_point():
                found.append(name)
                break
        else:
            return None
    return found
