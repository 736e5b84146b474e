"""The pretend device: it computes as the CPU does, and sees what a GPU would not forgive."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmpointvideo.testing.pretend_device import PRETEND_DEVICE, PretendTensor, pretend_device

X = torch.arange(12.0).view(3, 4) - 5

MOVES: dict[str, Callable[[Tensor], Tensor]] = {
    'to': lambda x: x.to('cuda:0'),
    'to, the current one': lambda x: x.to('cuda'),
    'to, with a type': lambda x: x.double().to(device=PRETEND_DEVICE, dtype=torch.float32),
    'to, as another': lambda x: x.to(torch.zeros(1, device=PRETEND_DEVICE)),
    'cuda': lambda x: x.cuda(),
    'tensor': lambda x: torch.tensor(x.tolist(), device=PRETEND_DEVICE),
    'as_tensor': lambda x: torch.as_tensor(x.numpy(), device='cuda'),
    'copy_': lambda x: torch.zeros(3, 4, device=PRETEND_DEVICE).copy_(x),
    'new_tensor': lambda x: torch.ones(2, device=PRETEND_DEVICE).new_tensor(x.tolist()),
    'factories': lambda x: (
        torch.arange(12.0, device=PRETEND_DEVICE).view(3, 4)
        - torch.full((3, 4), 5.0, device=PRETEND_DEVICE)
    ),
    'deepcopy': lambda x: copy.deepcopy(x.to(PRETEND_DEVICE)),
    'data': lambda x: nn.Parameter(x.to(PRETEND_DEVICE)).data,
}


@pytest.mark.parametrize('move', MOVES)
def test_ways_there_and_back(device: torch.device, move: str) -> None:
    x = MOVES[move](X)
    assert isinstance(x, PretendTensor) and x.device == device and x.is_cuda and not x.is_cpu
    assert x.get_device() == 0 and x.dtype == torch.float32 and x.shape == (3, 4)
    for back in (x.cpu(), x.to('cpu'), torch.empty(3, 4).copy_(x), torch.from_numpy(_forced(x))):
        assert type(back) is Tensor and torch.equal(back, X)
    x.zero_()
    assert not x.any() and X.any()  # a copy


def _forced(x: Tensor) -> np.ndarray:
    return x.numpy(force=True)


def _added(x: Tensor) -> Tensor:
    x = x.clone()
    x[0] += 1
    x[:, [1, 2]] *= 3
    x[x > 4] = 0
    x[2, torch.tensor([0, 1])] = torch.tensor(7.0)
    x[1:].add_(x[0, 0])
    return x


OPERATORS: dict[str, Callable[[Tensor], Tensor]] = {
    'elementwise': lambda x: (x * 2 + 1).relu_().square(),
    'scalars of the CPU': lambda x: torch.where(x > 0, x * torch.tensor(2.0), torch.tensor(-1.0)),
    'written parts': _added,
    'list': lambda x: x[:, [3, 0]],
    'array': lambda x: x[np.array([2, 0])],
    'index of the CPU': lambda x: x[torch.tensor([2, 1])],
    'mask of the CPU': lambda x: x[X > 0],
    'index': lambda x: x[x.argmax(0)],
    'number as an index': lambda x: x[x.argmax() % 3, None, ..., 1:],
    'one row times a matrix': lambda x: x[0] @ x.t(),
    'out': lambda x: torch.sum(x, 0, out=x.new_empty(4)),
    'several results': lambda x: torch.cat([*x.max(0), *x.sort(1).values]),
    'shape': lambda x: x.clone().t_().unsqueeze_(0),
    'new ones': lambda x: x.new_zeros(2).new_full((3,), 4) + torch.ones_like(x[:, 0]),
    'random numbers': lambda x: torch.rand(3, device=x.device) + torch.rand_like(x[:, 1]),
    'rows of several lengths': lambda x: torch.segment_reduce(
        x, 'sum', offsets=torch.tensor([0, 2, 3], device=x.device), axis=0
    ),
    'attention': lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None]),
    'loss': lambda x: F.cross_entropy(x, x[:, 0].long() % 4, reduction='none'),
    'einsum': lambda x: torch.einsum('ij,kj->ik', x, x),
}


@pytest.mark.parametrize('operator', OPERATORS)
def test_values_are_those_of_the_cpu(device: torch.device, operator: str) -> None:
    found = []
    for there in ('cpu', device):
        torch.manual_seed(0)
        found.append(OPERATORS[operator](X.to(there, copy=True)))
    expected, got = found
    assert type(expected) is Tensor and isinstance(got, PretendTensor)
    assert got.shape == expected.shape and got.dtype == expected.dtype
    torch.testing.assert_close(got.cpu(), expected)


def test_numbers(device: torch.device) -> None:
    x = X.to(device)
    assert float(x.sum()) == 6 and int(x[1, 2]) == 1 and x[0, 0].item() == -5
    assert bool(x.any()) and len(x) == 3 and [row.tolist() for row in x] == X.tolist()
    assert f'{x.mean():.2f}' == '0.50' and [10, 20][x[1, 2].long()] == 20
    assert repr(x[0, :2]) == 'tensor([-5., -4.]) on cuda:0'


MISTAKES: dict[str, tuple[Callable[[Tensor], object], type[Exception], str]] = {
    'a mean and a row': (lambda x: x.mean() + X[0], RuntimeError, 'on the same device'),
    'row': (lambda x: x + X[0], RuntimeError, 'on the same device'),
    'cat': (lambda x: torch.cat([x, X]), RuntimeError, 'on the same device'),
    'stack': (lambda x: torch.stack([x[0, 0], X[0, 0]]), RuntimeError, 'on the same device'),
    'matmul': (lambda x: x @ X.t(), RuntimeError, 'on the same device'),
    'where': (lambda x: torch.where(X > 0, x, x), RuntimeError, 'on the same device'),
    'mask': (lambda x: x.masked_fill(X > 0, 0), RuntimeError, 'on the same device'),
    'gather': (lambda x: x.gather(0, X[:1].long()), RuntimeError, 'on the same device'),
    'equal': (lambda x: torch.equal(x, X), RuntimeError, 'on the same device'),
    'loss': (lambda x: F.cross_entropy(x, X[:, 0].long()), RuntimeError, 'on the same device'),
    'linear': (lambda x: nn.Linear(4, 2)(x), RuntimeError, 'on the same device'),
    'into the CPU': (lambda x: X.clone().add_(x[0, 0]), RuntimeError, 'on the same device'),
    'values': (lambda x: x.index_put((torch.tensor([0]),), X[0]), RuntimeError, 'same device'),
    'index': (lambda x: X[x.argmax(0) % 3], RuntimeError, 'indices should be either on cpu'),
    'mask as an index': (lambda x: X[x > 0], RuntimeError, 'indices should be either on cpu'),
    'numpy': (lambda x: x.numpy(), TypeError, r'Use Tensor.cpu\(\) to copy'),
    'detached': (lambda x: x.detach().numpy(), TypeError, r'Use Tensor.cpu\(\) to copy'),
    'asarray': (np.asarray, TypeError, r'Use Tensor.cpu\(\) to copy'),
    'of a list': (lambda x: np.asarray([x[0, 0]]), TypeError, r'Use Tensor.cpu\(\) to copy'),
    'number of NumPy': (lambda x: np.float32(x[0, 0]), TypeError, r'Use Tensor.cpu\(\) to copy'),
    'generator': (
        lambda x: torch.rand(2, device=x.device, generator=torch.Generator()),
        RuntimeError,
        "Expected a 'cuda' device type for generator",
    ),
    'gradient': (lambda x: setattr(x, 'grad', X), RuntimeError, 'on the same device'),
    'data': (lambda x: setattr(x, 'data', X), RuntimeError, 'incompatible tensor type'),
    'new': (lambda x: x.new([1.0]), NotImplementedError, 'Tensor.new is not supported'),
}


@pytest.mark.parametrize('mistake', MISTAKES)
def test_mistakes_are_errors(device: torch.device, mistake: str) -> None:
    call, kind, message = MISTAKES[mistake]
    with pytest.raises(kind, match=message):
        call(X.to(device))


class _Double(torch.autograd.Function):
    """Makes tensors on the device in both directions, as the toolbox's own functions do."""

    wrong = False

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.full_like(x, 2) * x

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        index = torch.arange(x.shape[1], device='cpu' if _Double.wrong else grad.device)
        return (grad * 2).index_select(1, index)


def test_gradients_and_steps_are_those_of_the_cpu(device: torch.device) -> None:
    found = []
    for there in ('cpu', device):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.GELU(), nn.Linear(6, 2))
        weight = model[0].weight
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        assert model.to(there)[0].weight is weight  # the optimiser's parameters moved, too
        for _ in range(3):
            optimizer.zero_grad()
            hidden = torch.utils.checkpoint.checkpoint(model, X.to(there), use_reentrant=False)
            _Double.apply(hidden).max(1).values.square().sum().backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        assert all(x.device == torch.device(there) for x in model.state_dict().values())
        assert norm.device == weight.grad.device == torch.device(there)
        found.append((norm.cpu(), {n: x.cpu() for n, x in model.state_dict().items()}))
    torch.testing.assert_close(found[1], found[0])
    model.half()
    assert model[0].weight is weight and weight.dtype == torch.float16 == weight.held.dtype
    assert model(X.half().to(device)).dtype == torch.float16
    assert type(model.cpu()[0].weight) is nn.Parameter


def test_a_mistake_in_the_backward_pass(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Double, 'wrong', True)
    x = X.to(device).requires_grad_()
    with pytest.raises(RuntimeError, match='on the same device'):
        _Double.apply(x).sum().backward()


def test_files(device: torch.device) -> None:
    """A checkpoint of a GPU needs ``map_location`` on other machines."""
    file = io.BytesIO()
    model = nn.Linear(4, 2).to(device)
    torch.save(dict(model=model.state_dict(), plain=X), file)

    def load(**options) -> dict:
        file.seek(0)
        return torch.load(file, weights_only=True, **options)

    with pytest.raises(RuntimeError, match='Attempting to deserialize object on a CUDA device'):
        load()
    loaded = load(map_location='cpu')
    assert type(loaded['model']['weight']) is Tensor
    assert torch.equal(loaded['model']['weight'], model.weight.cpu())
    loaded = load(map_location=device)
    assert isinstance(loaded['model']['weight'], PretendTensor)
    assert isinstance(loaded['plain'], PretendTensor)  # torch moves everything
    other = nn.Linear(4, 2)
    other.load_state_dict(loaded['model'])
    assert type(other.weight) is nn.Parameter
    assert torch.equal(other.weight, model.weight.cpu())


@pytest.mark.skipif(torch.cuda.is_available(), reason='a GPU is here: nothing to pretend')
def test_it_is_gone_after_the_block() -> None:
    with pytest.raises(ValueError), pretend_device() as device:
        x = torch.ones(2, device=device)
        raise ValueError
    assert torch.ones(2).device.type == 'cpu' and type(torch.tensor([1.0])) is Tensor
    with pytest.raises((RuntimeError, AssertionError)):
        torch.ones(2).to(device)
    assert float((x + 1).sum()) == 4 and type(x.cpu()) is Tensor  # what was made stays


def test_not_beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    with pytest.raises(RuntimeError, match='one is here'), pretend_device():
        pass
