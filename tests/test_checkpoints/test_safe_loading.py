"""Every way into a checkpoint refuses code and admits what a run saves."""

import copy
import functools
import http.server
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

import mmpointvideo  # noqa: F401  (importing the package is what makes loading safe)
from mmpointvideo.checkpoints.safe_loading import weights_only


class Touch:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


class Getattr:
    """Unpickling it fetches an attribute that no checkpoint needs."""

    def __init__(self, owner: object, name: str) -> None:
        self.owner, self.name = owner, name

    def __reduce__(self):
        return (getattr, (self.owner, self.name))


def load_with_loader(path: Path):
    return CheckpointLoader.load_checkpoint(str(path), map_location='cpu')


def load_into_model(path: Path):
    return load_checkpoint(torch.nn.Linear(2, 2), str(path), map_location='cpu')


@pytest.mark.parametrize('load', [load_with_loader, load_into_model])
def test_a_malicious_file_runs_nothing(tmp_path: Path, load, monkeypatch) -> None:
    victim = tmp_path / 'touched'
    torch.save({'state_dict': {'weight': torch.ones(2)}, 'x': Touch(victim)}, tmp_path / 'bad.pth')
    with pytest.raises(pickle.UnpicklingError, match='bad.pth: refused'):
        load(tmp_path / 'bad.pth')
    assert not victim.exists()
    # the file does what the test says it does, where nothing guards
    monkeypatch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', raising=False)
    torch.load(tmp_path / 'bad.pth', weights_only=False)
    assert victim.exists()


@pytest.mark.parametrize('payload', [Getattr('text', 'format'), Getattr(HistoryBuffer, '__init__')])
def test_getattr_is_only_for_the_methods_of_the_log_history(tmp_path: Path, payload) -> None:
    torch.save({'x': payload}, tmp_path / 'bad.pth')
    with pytest.raises(pickle.UnpicklingError, match='getattr'):
        load_with_loader(tmp_path / 'bad.pth')


def test_the_model_zoos_of_mmengine_are_guarded_too(tmp_path: Path, monkeypatch) -> None:
    victim = tmp_path / 'touched'
    torch.save({'x': Touch(victim)}, tmp_path / 'bad.pth')
    unsafe = functools.partial(torch.load, weights_only=False)
    with weights_only(), pytest.raises(pickle.UnpicklingError):
        unsafe(tmp_path / 'bad.pth')
    assert not victim.exists()
    monkeypatch.setenv('MMENGINE_HOME', str(tmp_path))
    (tmp_path / 'open_mmlab.json').write_text('{"bad": "bad.pth"}')
    with pytest.raises(pickle.UnpicklingError):
        CheckpointLoader.load_checkpoint('open-mmlab://bad')
    assert not victim.exists()


def test_weights_only_leaves_the_process_as_it_was(monkeypatch) -> None:
    monkeypatch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', raising=False)
    before = set(torch.serialization.get_safe_globals())
    with weights_only():
        assert set(torch.serialization.get_safe_globals()) > before
    assert set(torch.serialization.get_safe_globals()) == before
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ


def test_http_files_are_data_only(tmp_path: Path, monkeypatch) -> None:
    served = tmp_path / 'served'
    served.mkdir()
    victim = tmp_path / 'touched'
    torch.save({'x': Touch(victim)}, served / 'bad.pth')
    torch.save({'state_dict': {'w': torch.ones(3)}, 'meta': {'config': 'x'}}, served / 'good.pth')
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    monkeypatch.setattr(handler.func, 'log_message', lambda *args: None)
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    for name in ('http_proxy', 'HTTP_PROXY'):
        monkeypatch.delenv(name, raising=False)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f'http://127.0.0.1:{server.server_port}'
        good = CheckpointLoader.load_checkpoint(f'{base}/good.pth')
        assert torch.equal(good['state_dict']['w'], torch.ones(3))
        assert 'config' not in good['meta']
        with pytest.raises(pickle.UnpicklingError):
            CheckpointLoader.load_checkpoint(f'{base}/bad.pth')
        server.shutdown()
    assert not victim.exists()


def test_what_a_run_saves_is_read_back(tmp_path: Path) -> None:
    hub = MessageHub('test_safe_loading')
    for value in (1.0, 2.0, 6.0):
        hub.update_scalar('train/loss', value)
    hub.update_info('best_score', np.float64(3.5))
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3)
    saved = {
        'state_dict': model.state_dict(),
        'message_hub': hub.state_dict(),
        'optimizer': optimizer.state_dict(),
        'param_schedulers': [scheduler.state_dict()],
        'meta': {
            'cfg': 'a = 1',
            'config': 'import os',
            'dataset_meta': ConfigDict(classes=('wave', 'clap')),
            'array': np.arange(3, dtype=np.int64),
            'text': np.array(['a', 'bc']),
        },
    }
    torch.save(copy.deepcopy(saved), tmp_path / 'run.pth')
    loaded = load_with_loader(tmp_path / 'run.pth')
    history = loaded['message_hub']['log_scalars']['train/loss']
    assert isinstance(history, HistoryBuffer)
    assert history.mean() == 3.0
    assert history.current() == 6.0
    assert history.statistics('max') == 6.0
    assert loaded['message_hub']['runtime_info']['best_score'] == 3.5
    assert loaded['meta']['dataset_meta'].classes == ('wave', 'clap')
    assert loaded['meta']['array'].tolist() == [0, 1, 2]
    assert loaded['meta']['text'].tolist() == ['a', 'bc']
    assert loaded['meta']['cfg'] == 'a = 1'
    assert 'config' not in loaded['meta']  # resuming would run it


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        load_with_loader(tmp_path / 'nowhere.pth')


@pytest.mark.parametrize('keep', [0, 3, 200, -100])
def test_a_damaged_file_is_named(tmp_path: Path, keep: int) -> None:
    torch.save({'state_dict': {'weight': torch.ones(2)}}, tmp_path / 'cut.pth')
    data = (tmp_path / 'cut.pth').read_bytes()
    (tmp_path / 'cut.pth').write_bytes(data[:keep])
    with pytest.raises(pickle.UnpicklingError, match='cut.pth: refused.*damaged'):
        load_with_loader(tmp_path / 'cut.pth')


def test_a_file_cut_anywhere_is_named(tmp_path: Path) -> None:
    state = {f'layer{i}.weight': torch.randn(40, 30) for i in range(4)}
    torch.save({'state_dict': state}, tmp_path / 'whole.pth')
    data = (tmp_path / 'whole.pth').read_bytes()
    for keep in range(1, len(data) - 1, len(data) // 40):
        (tmp_path / 'cut.pth').write_bytes(data[:keep])
        with pytest.raises(pickle.UnpicklingError, match='cut.pth: refused.*damaged'):
            load_with_loader(tmp_path / 'cut.pth')
