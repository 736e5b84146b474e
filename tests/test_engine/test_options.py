"""Types of options, and ``--cfg-options``."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from mmengine.config import Config

from mmpointvideo.engine.options import (
    add_cfg_options,
    check_data,
    device_name,
    leaf_datasets,
    load_config,
    non_negative_float,
    non_negative_int,
    output_file,
    positive_float,
    positive_int,
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / 'config.py'
    path.write_text("model = dict(type='A', width=1)\nrandomness = dict(seed=0)\nmine = 3\n")
    return path


def options(*pairs: str) -> dict:
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    return parser.parse_args(['--cfg-options', *pairs]).cfg_options


def test_options_are_merged(config: Path) -> None:
    pairs = 'model.width=2', 'randomness.seed=5', 'mine=4', 'train_cfg.max_epochs=1', 'compile=True'
    cfg = load_config(config, options(*pairs))
    assert cfg.model == dict(type='A', width=2)
    assert (cfg.randomness.seed, cfg.mine, cfg.train_cfg.max_epochs) == (5, 4, 1)
    assert cfg.compile is True


@pytest.mark.parametrize(
    ('pair', 'message'),
    [
        ('randomnes.seed=2', "got 'randomnes': did you mean 'randomness'"),
        ('train_dataloadr.batch_size=2', "did you mean 'train_dataloader'"),
        ('mines=2', "did you mean 'mine'"),
        ('zzz=2', "expected a key of the config or an option of a run, got 'zzz'$"),
        ('mine.deeper=2', 'does not fit the config'),
    ],
)
def test_options_that_no_run_reads(config: Path, pair: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_config(config, options(pair))


def test_no_such_config(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='expected a config file, got .*none.py'):
        load_config(tmp_path / 'none.py')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('model = dict(\n', "SyntaxError: '\\(' was never closed"),
        ("_base_ = 'config.py'\nmine = dict(a=1)\n", 'TypeError: mine=.* cannot inherit from base'),
        ("_base_ = ['config.py', 'config.py']\n", 'KeyError: .*Duplicate key'),
        ("a = {{_base_.b}}\n_base_ = 'config.py'\n", 'KeyError'),
        ('model = dict(type=Encoder)\n', "NameError: name 'Encoder' is not defined"),
        (
            "custom_imports = dict(imports=['none_such'])\n",
            "No module named 'none_such'; PYTHONPATH",
        ),
    ],
)
def test_files_that_are_no_config(config: Path, text: str, message: str) -> None:
    path = config.with_name('bad.py')
    path.write_text(text)
    with pytest.raises(ValueError, match=f'bad.py.*{message}'):
        load_config(path)


def test_custom_modules_are_imported(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.with_name('mine_of_a_test.py').write_text('raise RuntimeError("it ran")\n')
    config.write_text("custom_imports = dict(imports=['mine_of_a_test'])\n")
    monkeypatch.syspath_prepend(config.parent)
    with pytest.raises(RuntimeError, match='it ran'):
        load_config(config)


def test_keys_that_a_tool_needs(config: Path) -> None:
    assert load_config(config, None, ('model', 'mine')).mine == 3
    message = (
        'config.py: expected a config with model, train_cfg, test_cfg; it has no train_cfg, test'
    )
    with pytest.raises(ValueError, match=message):
        load_config(config, None, ('model', 'train_cfg', 'test_cfg'))
    assert load_config(config, options('train_cfg.a=1'), ('train_cfg',)).train_cfg.a == 1


def test_data_that_are_not_there(tmp_path: Path) -> None:
    leaf = dict(type='A', data_root=str(tmp_path), ann_file='annotations.json')
    plain = dict(type='B', ann_file='')
    wrapped = dict(type='Concat', datasets=[dict(type='Repeat', dataset=leaf), plain])
    cfg = Config(dict(train_dataloader=dict(dataset=wrapped), val_dataloader=None))
    assert list(leaf_datasets(cfg.train_dataloader.dataset)) == [leaf, plain]
    with pytest.raises(FileNotFoundError, match='train_dataloader: no .*/annotations.json .*docs/'):
        check_data(cfg, 'train', 'val', 'test')
    check_data(cfg, 'val', 'test')
    (tmp_path / 'annotations.json').touch()
    check_data(cfg, 'train')


def test_files_that_cannot_be_written(tmp_path: Path, capsys) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--out', type=output_file)
    path = str(tmp_path / 'new' / 'metrics.json')
    assert parser.parse_args(['--out', path]).out == path
    (tmp_path / 'file').touch()
    for bad in (tmp_path, tmp_path / 'file' / 'metrics.json'):
        with pytest.raises(SystemExit):
            parser.parse_args(['--out', str(bad)])
        assert f'{bad}' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('kind', 'good', 'bad', 'what'),
    [
        (positive_int, {'1': 1, '30': 30}, ['0', '-1', '1.5', 'x', ''], 'an integer of at least 1'),
        (non_negative_int, {'0': 0, '7': 7}, ['-1', '0.5', 'x'], 'an integer of at least 0'),
        (positive_float, {'0.5': 0.5, '3': 3.0}, ['0', '-5', 'nan', 'inf'], 'a number above 0'),
        (non_negative_float, {'0': 0.0, '2.5': 2.5}, ['-0.1', 'nan'], 'a number of at least 0'),
        (device_name, {'cpu': 'cpu'}, ['cuda:99', 'gpu', ''], 'a device that is there'),
    ],
)
def test_types(kind, good: dict, bad: list[str], what: str) -> None:
    assert {text: kind(text) for text in good} == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match=f'expected {what}.*got {text!r}'):
            kind(text)
