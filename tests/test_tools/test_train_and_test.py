"""The command line tools on tiny data."""

import importlib.util
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader

from mmpointvideo.apis import init_feature_model
from mmpointvideo.testing import write_tiny_dataset

CONFIG = """
default_scope = 'mmpointvideo'
model = dict(
    type='PointVideoRecognizer',
    encoder=dict(type='PSTNetEncoder', width=1 / 16, padding_mode='replicate'),
    head=dict(type='ActionClsHead', in_channels=128, num_classes=2))
pipeline = [
    dict(type='SampleFrames'),
    dict(type='LoadPointVideoFrames'),
    dict(type='SamplePoints', num_points=32),
    dict(type='ScaleCoordinates', factor=1 / 300),
    dict(type='PackPointVideoInputs')]
dataset = dict(
    type='MSRAction3DDataset', ann_file='annotations.json', data_root='{data}', num_frames=8,
    clip_stride=2, pipeline=pipeline)
train_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, split='train'))
val_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**dataset, split='test', test_mode=True))
test_dataloader = val_dataloader
val_evaluator = dict(type='VideoAccuracy')
test_evaluator = val_evaluator
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
train_cfg = dict(by_epoch=True, max_epochs=1)
val_cfg = dict()
test_cfg = dict()
randomness = dict(seed=0)
"""


def load_tool(root: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(name).stem + '_tool', root / 'tools' / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('tiny')
    write_tiny_dataset(folder / 'data', subjects=(1, 2, 6), num_frames=(10, 9))
    path = folder / 'tiny_config.py'
    path.write_text(CONFIG.replace('{data}', str(folder / 'data')))
    return path


@pytest.fixture(scope='module')
def trained(root: Path, config: Path) -> Path:
    """The work dir of a run of tools/train.py."""
    work_dir = config.parent / 'trained'
    load_tool(root, 'train.py').main([str(config), '--work-dir', str(work_dir)])
    return work_dir


def test_training_is_that_of_the_config_alone(trained: Path, config: Path) -> None:
    cfg = Config.fromfile(config)
    cfg.work_dir = str(config.parent / 'alone')
    cfg.experiment_name = 'alone'
    Runner.from_cfg(cfg).train()
    runs = (trained, config.parent / 'alone')
    one, two = (
        CheckpointLoader.load_checkpoint(str(run / 'epoch_1.pth'))['state_dict'] for run in runs
    )
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def test_options_are_merged_and_nothing_else(root: Path, config: Path, tmp_path: Path) -> None:
    tool = load_tool(root, 'train.py')
    plain = Config.fromfile(config).to_dict()

    def merged(*options: str) -> dict:
        return tool.merge_args(tool.parse_args([str(config), *options])).to_dict()

    assert merged() == {**plain, 'work_dir': 'work_dirs/tiny_config'}
    assert merged('--work-dir', 'x') == {**plain, 'work_dir': 'x'}
    amp = merged('--amp')
    assert amp['optim_wrapper']['type'] == 'BFloat16OptimWrapper'
    assert amp['optim_wrapper']['optimizer'] == plain['optim_wrapper']['optimizer']
    assert merged('--resume')['resume'] is True
    assert merged('--resume')['load_from'] is None
    assert merged('--resume', 'a.pth')['load_from'] == 'a.pth'
    changed = merged('--cfg-options', 'randomness.seed=3', 'model.encoder_checkpoint=None')
    assert changed['randomness'] == {'seed': 3}
    assert changed['model']['encoder_checkpoint'] is None
    own = tmp_path / 'own.py'
    own.write_text(config.read_text() + "work_dir = 'mine'\n")
    assert tool.merge_args(tool.parse_args([str(own)])).work_dir == 'mine'
    own.write_text(config.read_text() + "optim_wrapper = dict(type='Other')\n")
    with pytest.raises(ValueError, match="got 'Other'"):
        tool.merge_args(tool.parse_args([str(own), '--amp']))


def test_testing(root: Path, config: Path, trained: Path, tmp_path: Path) -> None:
    tool = load_tool(root, 'test.py')
    out = tmp_path / 'out.json'
    common = ['--work-dir', str(tmp_path / 'test'), '--out', str(out)]
    tool.main([str(config), str(trained / 'epoch_1.pth'), *common])
    assert set(json.loads(out.read_text())) == {'video_acc', 'mean_class_acc', 'clip_acc'}
    # a checkpoint of another model is not tested as if it were this one
    bad = CheckpointLoader.load_checkpoint(str(trained / 'epoch_1.pth'))
    del bad['state_dict']['head.layers.0.bias']
    torch.save(bad, tmp_path / 'bad.pth')
    with pytest.raises(ValueError, match='not one of this PointVideoRecognizer'):
        tool.main([str(config), str(tmp_path / 'bad.pth'), *common])


def test_knn(root: Path, config: Path, trained: Path, tmp_path: Path, capsys) -> None:
    tool = load_tool(root, 'analysis_tools/knn_eval.py')
    out = tmp_path / 'knn.json'
    results = {}
    for checkpoint in ('random', str(trained / 'epoch_1.pth')):
        results[checkpoint] = tool.main(
            [str(config), checkpoint, '--k', '3', '--device', 'cpu', '--out', str(out)]
        )
        again = tool.main([str(config), checkpoint, '--k', '3', '--device', 'cpu'])
        assert again == results[checkpoint]
    assert json.loads(out.read_text())['knn_video_acc'] == again['knn_video_acc']
    assert re.search(r'knn_video_acc: \d+\.\d\d %', capsys.readouterr().out)


def test_the_seed_makes_the_random_encoder(config: Path) -> None:
    def weights(seed: int, batches: int) -> dict[str, torch.Tensor]:
        cfg = Config.fromfile(config)
        model = init_feature_model(cfg, 'random', seed=seed, calibration_batches=batches)
        return model.encoder.state_dict()

    one, same, other, uncalibrated = weights(1, 2), weights(1, 2), weights(2, 2), weights(1, 0)
    assert all(torch.equal(one[name], same[name]) for name in one)
    trained = [name for name in one if name.endswith('weight') and one[name].ndim > 1]
    assert not any(torch.equal(one[name], other[name]) for name in trained)
    measured = [name for name in one if name.endswith(('running_mean', 'running_var'))]
    assert all(torch.equal(one[name], uncalibrated[name]) for name in trained)
    assert not any(torch.equal(one[name], uncalibrated[name]) for name in measured)


def test_leave_one_out(root: Path, config: Path, trained: Path, tmp_path: Path, capsys) -> None:
    pytest.importorskip('sklearn')
    tool = load_tool(root, 'analysis_tools/leave_one_out.py')
    out = tmp_path / 'out.json'
    for checkpoint in ('random', str(trained / 'epoch_1.pth')):
        common = [str(config), checkpoint, '--k', '3', '--device', 'cpu']
        result = tool.main([*common, '--out', str(out)])
        assert tool.main(common) == result
        written = json.loads(out.read_text())
        assert {name: written[name] for name in result} == result
        subjects = set(result) - {'all'}
        assert len(subjects) >= 2
        for what in ('linear probe', 'k-NN'):
            of_subjects = [result[name][what] for name in subjects]
            assert 0 <= min(of_subjects) <= result['all'][what] <= max(of_subjects) <= 100
        assert result['all']['videos'] == sum(result[name]['videos'] for name in subjects)
    printed = capsys.readouterr().out
    assert re.search(r'\n +all +\d+ +\d+\.\d\d % +\d+\.\d\d %\n', printed)
    with pytest.raises(ValueError, match=r"field 'city' in every video of .*'subject'"):
        tool.main([*common, '--field', 'city'])
    other = tmp_path / 'other.py'
    wrapped = "train_dataloader['dataset'] = dict(type='LabelFraction', fraction=0.5, "
    wrapped += "dataset=train_dataloader['dataset'])\n"
    other.write_text(config.read_text() + wrapped)
    with pytest.raises(ValueError, match='expected a PointVideoDataset .*, got LabelFraction'):
        tool.main([str(other), 'random'])
    other.write_text(config.read_text() + "model = dict(type='Other')\n")
    with pytest.raises(ValueError, match='expected a model with an encoder .*, got Other'):
        tool.main([str(other), 'random'])


@pytest.mark.parametrize(
    ('name', 'arguments'),
    [
        ('test.py', []),
        ('analysis_tools/knn_eval.py', []),
        ('analysis_tools/leave_one_out.py', []),
        ('analysis_tools/confusion_matrix.py', ['--out', 'matrix']),
    ],
)
def test_a_video_without_a_label_is_named(
    root: Path, config: Path, trained: Path, tmp_path: Path, monkeypatch, name: str, arguments: list
) -> None:
    pytest.importorskip('sklearn')
    data, own = config.parent / 'data', tmp_path / 'own.py'
    annotations = json.loads((data / 'annotations.json').read_text())
    for video in annotations['data_list']:
        if video['video_id'] in ('a01_s02_e02', 'a02_s06_e01'):
            del video['gt_label']
    (tmp_path / 'annotations.json').write_text(json.dumps(annotations))
    (tmp_path / 'videos').symlink_to(data / 'videos')
    own.write_text(config.read_text().replace(str(data), str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    which = 'a01_s02_e02' if name.endswith(('knn_eval.py', 'out.py')) else 'a02_s06_e01'
    with pytest.raises(ValueError, match=f'video {which}: .* needs a label of every video'):
        load_tool(root, name).main([str(own), str(trained / 'epoch_1.pth'), *arguments])


def test_linear_probe_leaves_out_absent_classes(root: Path) -> None:
    pytest.importorskip('sklearn')
    tool = load_tool(root, 'analysis_tools/leave_one_out.py')
    labels = torch.tensor([0, 3]).repeat(10)
    features = torch.randn(20, 2) * 0.1 + labels[:, None]
    scores = tool.linear_probe(features, labels, features, 5, 1.0)
    assert scores.shape == (20, 5)
    assert (scores[:, [1, 2, 4]] == 0).all()
    assert torch.equal(scores.argmax(dim=1), labels)


def test_print_config(root: Path, config: Path, capsys) -> None:
    tool = load_tool(root, 'misc/print_config.py')
    tool.main([str(config), '--cfg-options', 'train_cfg.max_epochs=7'])
    printed = capsys.readouterr().out
    namespace: dict = {}
    exec(printed, namespace)
    assert namespace['train_cfg'] == dict(by_epoch=True, max_epochs=7)


@pytest.mark.parametrize(
    'name',
    [
        'train.py',
        'test.py',
        'misc/print_config.py',
        'analysis_tools/knn_eval.py',
        'analysis_tools/leave_one_out.py',
    ],
)
def test_help(root: Path, name: str, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, 'argv', [name, '--help'])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(root / 'tools' / name), run_name='__main__')
    assert stop.value.code == 0
    assert 'config' in capsys.readouterr().out


@pytest.mark.parametrize(
    'name', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']
)
def test_launch_scripts_say_how_to_call_them(root: Path, name: str) -> None:
    done = subprocess.run(['bash', root / 'tools' / name], capture_output=True, text=True)
    assert done.returncode == 2
    assert f'usage: bash tools/{name}' in done.stderr


def test_slurm_scripts_call_srun(root: Path, tmp_path: Path) -> None:
    srun = tmp_path / 'srun'
    srun.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    env = {
        **os.environ,
        'PATH': f'{tmp_path}:{os.environ["PATH"]}',
        'GPUS': '4',
        'SRUN_ARGS': '--qos=high --time=1:00',
    }
    for name, files in (('train', ['c.py']), ('test', ['c.py', 'a b.pth'])):
        command = [
            'bash',
            root / f'tools/slurm_{name}.sh',
            'part',
            'job',
            *files,
            '--work-dir',
            'w',
        ]
        called = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        words = called.stdout.splitlines()
        assert words[:4] == ['-p', 'part', '--job-name=job', '--gres=gpu:4']
        assert {'--ntasks=4', '--ntasks-per-node=4', '--qos=high', '--time=1:00'} < set(words)
        end = [*files, '--launcher', 'slurm', '--work-dir', 'w']
        assert words[-len(end) :] == end
        assert words[-len(end) - 1].endswith(f'tools/{name}.py')
