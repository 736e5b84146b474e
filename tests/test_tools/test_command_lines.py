"""What is wrong on a command line is one line on stderr, never a traceback."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmpointvideo.apis import init_model
from mmpointvideo.engine.options import one_line_errors
from mmpointvideo.testing import write_ntu_raw
from mmpointvideo.visualization.export import require

ROOT = Path(__file__).resolve().parents[2]
#: of a run whose data are not there
CONFIG = """
model = dict(type='PointVideoRecognizer')
train_dataloader = dict(dataset=dict(type='A', data_root='none', ann_file='annotations.json'))
test_dataloader = train_dataloader
test_evaluator = optim_wrapper = dict(type='B')
train_cfg = test_cfg = dict()
"""
ANNOTATIONS = """
{"metainfo": {"dataset_type": "A", "task": "action_recognition", "classes": ["b"]},
 "data_list": [{"video_id": "v", "video_path": "v.pvs", "num_frames": 9, "gt_label": 0}]}
"""
CONVERTERS = sorted((ROOT / 'tools' / 'dataset_converters').glob('*.py'))


def status_of(tool: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit status of a tool, run as from the command line."""
    monkeypatch.setattr(sys, 'argv', [str(tool), *arguments])
    monkeypatch.syspath_prepend(str(tool.parent))  # where Python would start
    with pytest.raises(SystemExit) as error:
        runpy.run_path(str(tool), run_name='__main__')
    assert isinstance(error.value.code, int)
    return error.value.code


def needed(tool: Path, folder: Path) -> list[str]:
    """Arguments that a converter cannot do without; nothing is there."""
    if tool.stem.startswith('make_builtin'):
        return ['--out-dir', str(folder / 'out')]
    table = [str(folder / 'none.csv')] * (tool.stem == 'point_folders')
    return [str(folder / 'none'), *table, str(folder / 'out')]


@pytest.mark.parametrize('tool', CONVERTERS, ids=lambda tool: tool.stem)
@pytest.mark.parametrize('workers', ['0', '-3', '1.5'])
def test_workers_of_the_converters(tool, workers, tmp_path, monkeypatch, capsys) -> None:
    arguments = [*needed(tool, tmp_path), f'--workers={workers}']
    assert status_of(tool, arguments, monkeypatch) == 2
    assert f'--workers: expected an integer of at least 1, got {workers!r}' in (
        capsys.readouterr().err
    )
    assert not (tmp_path / 'out').exists()


def test_frames_of_a_gesture(tmp_path, monkeypatch, capsys) -> None:
    tool = ROOT / 'tools' / 'dataset_converters' / 'nvgesture.py'
    assert status_of(tool, [*needed(tool, tmp_path), '--frames', '0'], monkeypatch) == 2
    assert '--frames: expected an integer of at least 1' in capsys.readouterr().err


@pytest.mark.parametrize('tool', CONVERTERS, ids=lambda tool: tool.stem)
def test_converters_of_nothing(tool, tmp_path, monkeypatch, capsys) -> None:
    """No source, or, for the generators, a file where the folder shall be."""
    (tmp_path / 'out').write_text('')
    assert status_of(tool, needed(tool, tmp_path), monkeypatch) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and err.count('\n') == 1


def test_a_result_that_cannot_be_written(tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip('cv2')
    tool = ROOT / 'tools' / 'dataset_converters' / 'ntu_rgbd.py'
    raw = write_ntu_raw(tmp_path / 'raw', ['S001C001P001R001A001'], num_frames=2)
    (tmp_path / 'out' / 'annotations.json').mkdir(parents=True)
    arguments = [str(raw), str(tmp_path / 'out'), '--workers', '1']
    assert status_of(tool, arguments, monkeypatch) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and 'annotations.json' in err and err.count('\n') == 1


#: tools that read a config, and what else they need
READERS = {
    'train.py': ['config'],
    'test.py': ['config', 'checkpoint'],
    'analysis_tools/confusion_matrix.py': ['config', 'checkpoint', '--out', 'matrix'],
    'analysis_tools/get_flops.py': ['config'],
    'analysis_tools/knn_eval.py': ['config', 'checkpoint'],
    'analysis_tools/leave_one_out.py': ['config', 'checkpoint'],
    'analysis_tools/measure_step.py': ['config'],
    'analysis_tools/profile_train.py': ['config'],
    'analysis_tools/prototype_parts.py': ['config', 'checkpoint'],
    'analysis_tools/segment_scenes.py': ['config', 'checkpoint'],
    'visualization/browse_dataset.py': ['config'],
    'visualization/vis_scheduler.py': ['config'],
    'visualization/vis_tsne.py': ['config'],
    'misc/kill_and_resume.py': ['config'],
    'misc/print_config.py': ['config'],
    'misc/verify_dataset.py': ['--config', 'config'],
}


@pytest.fixture
def in_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize('name', READERS)
def test_a_config_that_is_not_there(name, in_folder, monkeypatch, capsys) -> None:
    assert status_of(ROOT / 'tools' / name, READERS[name], monkeypatch) == 1
    expected = "error: expected a config file, got 'config', which is none\n"
    assert capsys.readouterr().err == expected


#: tools that cannot do without a model, and what they say that they need
NEEDS = {
    'train.py': 'model, train_dataloader, optim_wrapper, train_cfg',
    'test.py': 'model, test_dataloader, test_evaluator, test_cfg',
    'analysis_tools/confusion_matrix.py': 'model',
    'analysis_tools/get_flops.py': 'model, train_dataloader',
    'analysis_tools/knn_eval.py': 'model',
    'analysis_tools/leave_one_out.py': 'model',
    'analysis_tools/measure_step.py': 'model, train_dataloader, optim_wrapper',
    'analysis_tools/profile_train.py': 'model, train_dataloader, optim_wrapper',
    'analysis_tools/prototype_parts.py': 'model, train_dataloader',
    'analysis_tools/segment_scenes.py': 'model, test_dataloader',
    'visualization/vis_scheduler.py': 'optim_wrapper, train_cfg, train_dataloader',
    'visualization/vis_tsne.py': 'model',
}


@pytest.mark.parametrize('name', NEEDS)
def test_a_config_that_lacks_what_a_tool_needs(name, in_folder, monkeypatch, capsys) -> None:
    (in_folder / 'config').with_suffix('.py').write_text('a = 1\n')
    arguments = [a.replace('config', 'config.py') for a in READERS[name]]
    assert status_of(ROOT / 'tools' / name, arguments, monkeypatch) == 1
    expected = f'error: config.py: expected a config with {NEEDS[name]}; it has no {NEEDS[name]}\n'
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize('name', ['train.py', 'test.py', 'measure_step.py', 'profile_train.py'])
def test_data_that_are_not_converted(name, in_folder, monkeypatch, capsys) -> None:
    """The commonest mistake: one line before the work, and no log."""
    (in_folder / 'config.py').write_text(CONFIG)
    (in_folder / 'a.pth').touch()
    tool = next((ROOT / 'tools').rglob(name))
    arguments = ['config.py', 'a.pth'][: 1 + (name == 'test.py')]
    assert status_of(tool, arguments, monkeypatch) == 1
    out, err = capsys.readouterr()
    assert re.fullmatch(
        r'error: \w+_dataloader: no annotation file none/annotations.json \(looked from .*\): '
        'convert the data set first, docs/datasets.md has the commands, .*\n',
        err,
    )
    assert not out and not (in_folder / 'work_dirs').exists()


def test_a_model_that_a_tool_cannot_use(in_folder, monkeypatch, capsys) -> None:
    """Classes are asked of a model of pre-training, prototypes of one that recognizes."""
    (pretrain,) = (ROOT / 'configs').rglob(
        'pointcpsc_pstnet-tiny_1xb32-24x1*40e_builtin-actions.py'
    )
    (probe,) = (ROOT / 'configs').rglob('pstnet-tiny_1xb16-24x1-256pts-linear-20e_builtin*.py')
    for config, kind in ((pretrain, 'pretrain'), (probe, 'probe')):
        cfg = Config.fromfile(config)
        model = init_model(cfg, device='cpu')
        torch.save(dict(state_dict=model.state_dict()), in_folder / f'{kind}.pth')
    (in_folder / 'annotations.json').write_text(ANNOTATIONS)
    data = ['--data-root', str(in_folder)]
    for tool, arguments, said in (
        (
            'tools/analysis_tools/confusion_matrix.py',
            [str(pretrain), 'pretrain.pth', '--out', 'm'],
            'expected the config of a PointVideoRecognizer, got that of a PointCPSC',
        ),
        (
            'tools/visualization/vis_tsne.py',
            [str(pretrain), 'pretrain.pth'],
            'expected the config of a PointVideoRecognizer, got that of a PointCPSC',
        ),
        (
            'tools/analysis_tools/knn_eval.py',
            [str(pretrain), 'random'],
            'a model with an encoder that gives one feature of a clip, got PointCPSC: use a config',
        ),
        (
            'tools/analysis_tools/prototype_parts.py',
            [str(probe), 'probe.pth'],
            'expected the config of a PointCPSC, got that of a PointVideoRecognizer',
        ),
        (
            'demo/classify_video.py',
            ['pretrain.pth', '--config', str(pretrain), *data],
            'expects a PointVideoRecognizer or PointVideoSegmentor, got PointCPSC',
        ),
        (
            'demo/live_depth_camera.py',
            ['pretrain.pth', '--config', str(pretrain), *data],
            'expects a PointVideoRecognizer or PointVideoSegmentor, got PointCPSC',
        ),
        *(
            (
                f'demo/{name}.py',
                ['probe.pth', '--config', str(probe), *data],
                'expected the config of a PointCPSC, got that of a PointVideoRecognizer',
            )
            for name in ('prototypes', 'motion_segmentation', 'positive_neighbors')
        ),
    ):
        assert status_of(ROOT / tool, arguments, monkeypatch) == 1
        err = capsys.readouterr().err
        assert err.startswith('error: ') and said in err and err.count('\n') == 1, tool


@pytest.mark.parametrize(
    'name', sorted(p.stem for p in (ROOT / 'demo').glob('*.py') if p.stem != 'defaults')
)
def test_demos_without_data(name, in_folder, monkeypatch, capsys) -> None:
    tool = ROOT / 'demo' / f'{name}.py'
    assert status_of(tool, ['none.pth', '--data-root', 'none'], monkeypatch) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and err.count('\n') == 1


@pytest.mark.parametrize(
    ('name', 'arguments', 'error'),
    [
        ('train.py', ['config.py', '--resume', 'no.pth'], "expected a checkpoint, got 'no.pth'"),
        (
            'train.py',
            ['config.py', '--cfg-options', 'model.encoder_checkpoint=no.pth'],
            "expected a checkpoint, got 'no.pth'",
        ),
        ('test.py', ['config.py', 'no.pth'], "expected a checkpoint, got 'no.pth'"),
        ('train.py', ['config.py', '--cfg-options', 'modle=1'], "did you mean 'model'"),
        ('model_converters/convert_published.py', ['no.pth', 'out'], 'no.pth'),
        ('model_converters/publish_model.py', ['no.pth', 'out'], 'no.pth'),
        ('analysis_tools/run_table.py', ['no'], "no table 'no'"),
        ('analysis_tools/analyze_logs.py', ['no'], 'no: no logs'),
        ('analysis_tools/benchmark_loading.py', ['no'], 'no/annotations.json: no such'),
    ],
)
def test_other_files_that_are_not_there(
    name, arguments, error, in_folder, monkeypatch, capsys
) -> None:
    (in_folder / 'config.py').write_text(CONFIG)
    assert status_of(ROOT / 'tools' / name, arguments, monkeypatch) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and error in err and err.count('\n') == 1


def test_a_training_that_fails_keeps_its_traceback(in_folder, monkeypatch) -> None:
    (in_folder / 'config.py').write_text(CONFIG.replace('annotations.json', ''))
    monkeypatch.setattr('mmengine.runner.Runner.from_cfg', lambda cfg: int('a defect'))
    monkeypatch.setattr(sys, 'argv', ['train.py', 'config.py'])
    with pytest.raises(ValueError, match='a defect'):
        runpy.run_path(str(ROOT / 'tools' / 'train.py'), run_name='__main__')


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
@pytest.mark.parametrize('number', ['abc', '0', '-1', '2x'])
def test_number_of_processes(script, number) -> None:
    files = ['config.py', 'a.pth'][: 1 + (script == 'dist_test.sh')]
    command = ['bash', ROOT / 'tools' / script, *files, number]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    message = f"error: NUM_PROCESSES: expected a number of at least 1, got '{number}'\n"
    assert done.stderr == message
    done = subprocess.run([*command[:-1], '2'], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: expected a config file, got 'config.py', which is none\n"


def test_other_errors_keep_their_traceback() -> None:
    for kind in (RuntimeError, IndexError, TypeError):
        with pytest.raises(kind), one_line_errors():
            raise kind('a defect')
    with pytest.raises(ModuleNotFoundError), one_line_errors():
        import no_such_module  # noqa: F401
    for kind in (ValueError, FileNotFoundError, ChildProcessError):
        with pytest.raises(SystemExit) as error, one_line_errors():
            raise kind('a wrong file')
        assert error.value.code == 1


def test_a_package_that_is_not_installed(capsys) -> None:
    with pytest.raises(SystemExit) as error, one_line_errors():
        require('no_such_package', 'pages')
    assert error.value.code == 1
    expected = (
        'error: pages need the package \'no_such_package\': pip install "mmpointvideo[vis]"\n'
    )
    assert capsys.readouterr().err == expected


def test_an_error_of_several_lines_is_one(capsys) -> None:
    with pytest.raises(SystemExit), one_line_errors():
        raise ValueError('make it with\n  python tool.py\nor not')
    assert capsys.readouterr().err == 'error: make it with python tool.py or not\n'


def test_interruption(capsys) -> None:
    with pytest.raises((SystemExit, KeyboardInterrupt)) as error, one_line_errors():
        raise KeyboardInterrupt
    assert isinstance(error.value, SystemExit) and error.value.code == 130
    assert capsys.readouterr().err == 'interrupted: start the same command again to go on\n'
