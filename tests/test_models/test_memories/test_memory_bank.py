"""The ring buffer, its provenance and its state."""

import pytest
import torch

from mmpointvideo.models.memories import MemoryBank, Provenance


def _batch(n, start=0, channels=4):
    features = torch.nn.functional.normalize(torch.randn(n, channels))
    ids = torch.arange(start, start + n)
    return features, Provenance(ids, ids * 2, ids[:, None].expand(-1, 3).float())


def test_first_in_first_out_with_provenance():
    bank = MemoryBank(size=5, channels=4, enqueue_per_iter=3)
    first, second = _batch(3), _batch(3, 3)
    bank.enqueue(*first)
    assert bank.num_valid == 3
    bank.enqueue(*second)
    assert bank.num_valid == 5
    # slots: 3 4 of the second batch behind the first, 5 has overwritten 0
    assert bank.provenance.video.tolist() == [5, 1, 2, 3, 4]
    assert bank.provenance.frame.tolist() == [10, 2, 4, 6, 8]
    assert bank.provenance.position[:, 0].tolist() == [5, 1, 2, 3, 4]
    everything = torch.cat([first[0], second[0]])
    torch.testing.assert_close(bank.features, everything[bank.provenance.video])


def test_random_subset_is_drawn_anew_and_repeats_with_the_state():
    def run(bank, rounds):
        taken = []
        for step in range(rounds):
            bank.enqueue(*_batch(50, 50 * step))
            newest = bank.video[(bank.pointer - 4 + torch.arange(4)) % bank.size]
            taken.append((newest - 50 * step).tolist())
        return taken

    one, two = (run(MemoryBank(8, 4, enqueue_per_iter=4), 6) for _ in range(2))
    assert one == two
    assert len({tuple(x) for x in one}) == 6
    assert all(len(set(x)) == 4 for x in one)


def test_resumed_bank_goes_on_as_the_original():
    torch.manual_seed(3)
    batches = [_batch(20, 20 * i) for i in range(6)]
    whole = MemoryBank(16, 4, enqueue_per_iter=6)
    for batch in batches:
        whole.enqueue(*batch)
    part = MemoryBank(16, 4, enqueue_per_iter=6)
    for batch in batches[:3]:
        part.enqueue(*batch)
    resumed = MemoryBank(16, 4, enqueue_per_iter=6)
    resumed.load_state_dict(part.state_dict())
    for batch in batches[3:]:
        resumed.enqueue(*batch)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_stored_embeddings_are_normalised_and_detached():
    bank = MemoryBank(4, 3)
    features = (torch.randn(2, 3) * 5).requires_grad_()
    bank.enqueue(features, _batch(2)[1])
    torch.testing.assert_close(bank.valid_features().norm(dim=1), torch.ones(2))
    assert not bank.valid_features().requires_grad


def test_batch_larger_than_the_bank():
    bank = MemoryBank(4, 4, enqueue_per_iter=256)
    bank.enqueue(*_batch(100))
    assert bank.num_valid == 4 and len(set(bank.video.tolist())) == 4


def test_bad_input():
    with pytest.raises(ValueError, match='MemoryBank: size: expected at least 1'):
        MemoryBank(0, 4)
    bank = MemoryBank(4, 4)
    features, provenance = _batch(3)
    with pytest.raises(ValueError, match=r'shape \(n, 4\)'):
        bank.enqueue(features[:, :2], provenance)
    with pytest.raises(ValueError, match='provenance.position'):
        bank.enqueue(features, provenance._replace(position=torch.zeros(3)))
