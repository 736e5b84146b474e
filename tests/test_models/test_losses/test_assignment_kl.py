"""AssignmentKLLoss against Eq. 8."""

import pytest
import torch

from mmpointvideo.models.losses import AssignmentKLLoss
from tests.reference.losses import assignment_divergence


def test_equals_the_equation():
    p, t = torch.randn(2, 6, 4, dtype=torch.float64)
    expected = assignment_divergence(p.softmax(1), t.softmax(1))
    torch.testing.assert_close(AssignmentKLLoss()(p, t), expected)
    torch.testing.assert_close(AssignmentKLLoss()(p.view(2, 3, 4), t.view(2, 3, 4)), expected)
    assert AssignmentKLLoss()(p, p) == 0


def test_gradcheck():
    p, t = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(AssignmentKLLoss(), (p, t))


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_finite_when_a_probability_underflows(dtype):
    p = torch.tensor([[100.0, -100.0], [-100.0, 100.0]], dtype=dtype, requires_grad=True)
    t = p.detach().flip(1).requires_grad_()
    loss = AssignmentKLLoss()(p, t)
    loss.backward()
    assert loss == 200 and p.grad.isfinite().all() and t.grad.isfinite().all()


def test_bad_input():
    with pytest.raises(ValueError, match='one shape'):
        AssignmentKLLoss()(torch.zeros(2, 3), torch.zeros(3, 3))
