"""Every operator on a GPU that is pretended: the same answers, and nothing moves but once."""

import pytest
import torch
from catalogue import LINEAR, NONLINEAR
from pretended_gpu import Faraway, PretendedGpu

from restore.measurement.operator import LinearOperator
from restore.testing import randn

SINGLE = {torch.float64: torch.float32, torch.complex128: torch.complex64}


def answers(operator, x, y):
    """All that samplers ask of an operator."""
    found = {"forward": operator(x), "vjp": operator.vjp(x, y)}
    if isinstance(operator, LinearOperator):
        found["adjoint"], found["normal"] = operator.adjoint(y), operator.normal(x)
        found["solved"], found["tikhonov"] = (
            operator.solve_normal(x, 0.3),
            operator.tikhonov(y, 0.3),
        )
    return found


@pytest.mark.parametrize(
    ("operator", "dtype"),
    [*LINEAR.values(), *((operator, torch.float64) for operator in NONLINEAR.values())],
    ids=[*LINEAR, *NONLINEAR],
)
def test_an_operator_is_the_same_on_a_gpu_and_the_host_does_not_look(operator, dtype):
    x = randn(operator.in_shape, SINGLE[dtype])
    y = torch.randn_like(operator(x))
    expected = answers(operator, x, y)
    with PretendedGpu() as gpu:
        far = x.to("meta"), y.to("meta")
        answers(operator, *far)  # tables are made, and moved
        looks, uploads = gpu.looks.total(), gpu.uploads.total()
        found = answers(operator, *far)
        steps = gpu.looks.total() - looks
        assert all(isinstance(value, Faraway) for value in found.values())
        # conjugate gradients, where there is no closed form, look once in eight of 50 steps
        assert steps <= 2 * 6, gpu.looks
        assert gpu.uploads.total() == uploads, gpu.uploads
    for key, value in found.items():
        torch.testing.assert_close(value.here, expected[key], rtol=1e-3, atol=1e-3)
