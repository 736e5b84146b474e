"""Whole runs: on one and on two processes, interrupted and resumed, in mixed precision."""

import json
import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader

from mmpointvideo.engine import prepare_launch
from mmpointvideo.engine.hooks import CheckpointHook

CONFIG = Path(__file__).with_name('toy_config.py')


def make_config(work_dir: Path, **changes) -> Config:
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict(changes)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = uuid.uuid4().hex  # MMEngine keeps one log history a name
    return cfg


def weights(path: Path) -> dict[str, torch.Tensor]:
    return CheckpointLoader.load_checkpoint(str(path))['state_dict']


def environment() -> dict[str, str]:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    return {
        **os.environ,
        'PORT': str(port),
        'PYTHON': sys.executable,
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
    }


def run_on_two_processes(root: Path, *command: str) -> str:
    done = subprocess.run(
        ['bash', *command], cwd=root, env=environment(), capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope='module')
def two_process_run(root: Path, tmp_path_factory) -> Path:
    """Two 'machines' of one process each, the same command on both."""
    work_dir = tmp_path_factory.mktemp('two_processes')
    env = {**environment(), 'NNODES': '2', 'MASTER_ADDR': '127.0.0.1'}
    command = ['bash', 'tools/dist_train.sh', str(CONFIG), '1', '--work-dir', str(work_dir)]
    nodes = [
        subprocess.Popen(
            command,
            cwd=root,
            env={**env, 'NODE_RANK': str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [node.communicate(timeout=900)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], '\n'.join(outputs)
    return work_dir


def test_two_machines_train_and_validate(two_process_run: Path) -> None:
    results = json.loads((two_process_run / 'results.json').read_text())
    assert [row['epoch'] for row in results['history']] == [1, 2, 3, 4]
    assert results['last'] == results['history'][-1]
    assert results['best']['video_acc'] == max(row['video_acc'] for row in results['history'])
    assert results['last']['video_acc'] > 50  # chance: 17
    logs = list(two_process_run.glob('*/*.log'))
    assert len(logs) == 1
    assert 'GPU number: 2' in logs[0].read_text()


def test_two_processes_give_the_metrics_of_one(
    two_process_run: Path, root: Path, tmp_path: Path
) -> None:
    """25 clips on 2 processes: the sampler repeats one to fill the second shard."""
    checkpoint = str(two_process_run / 'epoch_4.pth')
    run_on_two_processes(
        root,
        'tools/dist_test.sh',
        str(CONFIG),
        checkpoint,
        '2',
        '--work-dir',
        str(tmp_path / 'two'),
        '--out',
        str(tmp_path / 'two.json'),
    )
    runner = Runner.from_cfg(make_config(tmp_path / 'one', load_from=checkpoint))
    one = runner.test()
    two = json.loads((tmp_path / 'two.json').read_text())
    # equal to the run's own validation too: BN statistics were averaged before it
    last = json.loads((two_process_run / 'results.json').read_text())['last']
    assert set(one) == {'video_acc', 'video_acc_top5', 'mean_class_acc', 'clip_acc'}
    for name, value in one.items():
        assert two[name] == pytest.approx(value, abs=1e-9)
        assert last[name] == pytest.approx(value, abs=1e-9)


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='reads /proc')
@pytest.mark.parametrize('tool', ['train', 'test'])
def test_no_thread_of_the_process_group_outlives_a_tool(
    tool: str, two_process_run: Path, root: Path, tmp_path: Path
) -> None:
    """One that does can abort the interpreter while it shuts down, now and then."""
    code = (
        'import runpy, sys\n'
        'from pathlib import Path\n'
        f"runpy.run_path('tools/{tool}.py')['main'](sys.argv[1:])\n"
        "names = [(task / 'comm').read_text() for task in Path('/proc/self/task').iterdir()]\n"
        "print('THREADS', [name for name in names if 'gloo' in name or 'tcpstore' in name])\n"
    )
    checkpoint = [str(two_process_run / 'epoch_4.pth')] if tool == 'test' else []
    env = environment()
    env.update(RANK='0', WORLD_SIZE='1', MASTER_ADDR='127.0.0.1', MASTER_PORT=env['PORT'])
    done = subprocess.run(
        [sys.executable, '-c', code, str(CONFIG), *checkpoint]
        + ['--work-dir', str(tmp_path), '--launcher', 'pytorch'],
        cwd=root,
        env=env,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == 'THREADS []'


def test_a_resumed_run_ends_as_the_uninterrupted_one(tmp_path: Path) -> None:
    Runner.from_cfg(make_config(tmp_path / 'whole')).train()
    stopped = tmp_path / 'stopped'
    hooks = [dict(type='BestAndLastHook'), dict(type='KillHook', epoch=3)]
    with pytest.raises(KeyboardInterrupt):
        Runner.from_cfg(make_config(stopped, custom_hooks=hooks)).train()
    assert json.loads((stopped / 'results.json').read_text())['last']['epoch'] == 2
    Runner.from_cfg(make_config(stopped, resume=True)).train()
    whole, resumed = weights(tmp_path / 'whole/epoch_4.pth'), weights(stopped / 'epoch_4.pth')
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    whole_results = json.loads((tmp_path / 'whole/results.json').read_text())
    assert json.loads((stopped / 'results.json').read_text()) == whole_results
    assert sorted(p.name for p in stopped.glob('*.pth')) == ['epoch_3.pth', 'epoch_4.pth']


def test_bfloat16(tmp_path: Path) -> None:
    cfg = make_config(tmp_path, **{'optim_wrapper.type': 'BFloat16OptimWrapper'})
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert set(runner.model.dtypes) == {torch.bfloat16}
    assert all(value.dtype == torch.float32 for value in runner.model.parameters())
    assert json.loads((tmp_path / 'results.json').read_text())['last']['video_acc'] > 50


def test_a_killed_save_leaves_the_checkpoint_before_it(tmp_path: Path, monkeypatch) -> None:
    runner = Runner.from_cfg(make_config(tmp_path, **{'train_cfg.max_epochs': 1}))
    runner.train()
    before = (tmp_path / 'epoch_1.pth').read_bytes()

    def killed(*args) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'replace', killed)
    with pytest.raises(KeyboardInterrupt):
        runner.save_checkpoint(
            str(tmp_path), 'epoch_1.pth', backend_args=dict(backend='atomic_local')
        )
    assert (tmp_path / 'epoch_1.pth').read_bytes() == before
    assert not list(tmp_path.glob('.*.tmp'))


def test_the_checkpoint_hook_refuses_unknown_options() -> None:
    with pytest.raises(TypeError, match="'save_bst'"):
        CheckpointHook(save_bst='video_acc')


def test_the_best_epoch_needs_its_metric(tmp_path: Path) -> None:
    cfg = make_config(tmp_path, custom_hooks=[dict(type='BestAndLastHook', key='miou')])
    with pytest.raises(ValueError, match="expects the metric 'miou', got .*video_acc"):
        Runner.from_cfg(cfg).train()


def test_slurm_without_a_gpu_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match="launcher='slurm' needs a GPU"):
        prepare_launch(Config(), 'slurm')


def test_one_process_needs_no_changes() -> None:
    cfg = prepare_launch(Config(dict(sync_bn='torch')), 'none')
    assert cfg.to_dict() == dict(sync_bn='torch', launcher='none')


def test_a_run_is_not_resumed_from_another_model(tmp_path: Path) -> None:
    other = tmp_path / 'other.pth'
    Runner.from_cfg(make_config(tmp_path / 'run', **{'train_cfg.max_epochs': 1})).train()
    state = CheckpointLoader.load_checkpoint(str(tmp_path / 'run/epoch_1.pth'))
    name = next(iter(state['state_dict']))
    state['state_dict']['more'] = state['state_dict'].pop(name)
    torch.save(state, other)
    with pytest.raises(ValueError, match=f'not one of this ToyRecognizer(.|\\n)*{name}'):
        Runner.from_cfg(make_config(tmp_path / 'a', resume=True, load_from=str(other))).train()
