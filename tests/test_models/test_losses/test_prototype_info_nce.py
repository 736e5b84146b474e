"""PrototypeInfoNCELoss against Eq. 7."""

import pytest
import torch

from mmpointvideo.models.losses import PrototypeInfoNCELoss
from tests.reference.losses import prototype_contrast


def test_equals_the_equation():
    p, t = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    expected = prototype_contrast(p, t, 0.2)
    torch.testing.assert_close(PrototypeInfoNCELoss(0.2)(p, t), expected)


def test_gradcheck():
    p, t = (torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(PrototypeInfoNCELoss(0.3), (p, t))


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_finite_at_the_papers_temperature(dtype):
    p = torch.randn(4, 10, 16).to(dtype).requires_grad_()
    for t in (p.detach(), -p.detach()):
        loss = PrototypeInfoNCELoss(0.01)(p, t)
        loss.backward()
        assert loss.isfinite() and p.grad.isfinite().all()


def test_bad_input():
    with pytest.raises(ValueError, match='one shape'):
        PrototypeInfoNCELoss()(torch.zeros(2, 3, 4), torch.zeros(2, 2, 4))
    with pytest.raises(ValueError, match='temperature must be > 0'):
        PrototypeInfoNCELoss(-1)


def test_types_may_differ():
    prediction, target = torch.randn(2, 2, 3, 4).unbind(0)
    wanted = float(PrototypeInfoNCELoss(0.1)(prediction, target))
    found = PrototypeInfoNCELoss(0.1)(prediction.double(), target)
    assert float(found) == pytest.approx(wanted, rel=1e-5)
