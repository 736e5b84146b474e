"""analyze_logs.py, get_flops.py, confusion_matrix.py, benchmark_loading.py."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch.utils.flop_counter import FlopCounterMode

from mmpointvideo.apis import init_model
from mmpointvideo.datasets import PointVideoStore
from mmpointvideo.ops import use_backend
from mmpointvideo.testing import shrink_config, write_tiny_dataset

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / 'configs/pstnet/pstnet-tiny_1xb16-24x1-256pts-60e_msraction3d-skeleton.py'
PRETRAIN = (
    ROOT / 'configs/pointcpsc/pointcpsc_pstnet-tiny_1xb32-24x1-256pts-coslr-40e_'
    'msraction3d-skeleton.py'
)

STREETS = ROOT / 'configs/p4transformer/p4transformer-tiny_1xb8-3x1-1024pts-8e_builtin-streets.py'


def _tool(name):
    path = ROOT / 'tools' / 'analysis_tools' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('tiny')
    write_tiny_dataset(root, num_frames=(26, 26))
    return root


class TestAnalyzeLogs:
    @pytest.fixture
    def work_dir(self, tmp_path):
        """Two epochs of four iterations, resumed in the second one."""
        logs = {
            'a': [
                dict(lr=0.1, loss=4.0, time=0.5, epoch=1, iter=2, step=2),
                dict(lr=0.1, loss=3.0, time=0.5, epoch=1, iter=4, step=4),
                dict(video_acc=50.0, data_time=0.1, time=9.0, step=1),
                dict(lr=0.1, loss=9.0, time=0.5, epoch=2, iter=6, step=6),
            ],
            'b': [
                dict(lr=0.1, loss=2.0, time=0.7, epoch=2, iter=6, step=6),
                dict(lr=0.1, loss=1.0, time=0.7, epoch=2, iter=8, step=8),
                dict(video_acc=40.0, data_time=0.1, time=9.0, step=2),
            ],
        }
        for name, lines in logs.items():
            path = tmp_path / 'run' / name / 'vis_data' / 'scalars.json'
            path.parent.mkdir(parents=True)
            path.write_text('\n'.join(map(json.dumps, lines)))
        return tmp_path / 'run'

    def test_curves_and_summary(self, work_dir, capsys):
        tool = _tool('analyze_logs')
        curves = tool.read_run(work_dir)
        assert curves['loss'] == {0.5: 4.0, 1.0: 3.0, 1.5: 2.0, 2.0: 1.0}
        assert curves['video_acc'] == {1.0: 50.0, 2.0: 40.0}
        out = work_dir / 'curves.png'
        assert tool.main([str(work_dir), '--out', str(out)]) == 0
        text = capsys.readouterr().out
        assert 'loss: last 1 (epoch 2), lowest 1 (2), highest 4 (0.5)' in text
        assert 'video_acc: last 40 (epoch 2), lowest 40 (2), highest 50 (1)' in text
        assert '0.600 s an iteration, 2.4 s an epoch' in text
        assert out.read_bytes()[:4] == b'\x89PNG'

    def test_a_killed_run(self, work_dir, capsys):
        """Its last line is half written; a key is drawn as it is."""
        (log,) = work_dir.glob('b/vis_data/scalars.json')
        log.write_text(log.read_text() + '\n{"lr": 0.1, "lo')
        tool = _tool('analyze_logs')
        assert tool.read_run(work_dir)['loss'][2.0] == 1.0
        log.write_text('{"lr": 0.1, "lo\n' + log.read_text())
        with pytest.raises(ValueError, match='b/vis_data/scalars.json, line 1: expected JSON'):
            tool.read_run(work_dir)
        curves = {r'$\loss$': {1.0: 2.0}}
        tool.draw({r'$\run$': curves}, list(curves), work_dir / 'curves.png')

    def test_errors(self, work_dir, tmp_path, capsys):
        tool = _tool('analyze_logs')
        assert tool.main([str(work_dir), '--keys', 'lost']) == 1
        assert "no ['lost'] in these logs; there are ['loss'," in capsys.readouterr().err
        with pytest.raises(FileNotFoundError, match='no logs'):
            tool.main([str(tmp_path / 'nothing')])


class TestGetFlops:
    def test_counts_by_hand(self, capsys):
        found = _tool('get_flops').main([str(SCRATCH), '--frames', '8', '--points', '64'])
        cfg = Config.fromfile(SCRATCH)
        model = init_model(cfg, device='cpu')
        assert found['parameters'] == sum(p.numel() for p in model.parameters())
        # Linear(256, 256), BN, ReLU, Linear(256, 20) over one feature
        assert found['parts']['head'][1] == 2 * (256 * 256 + 256 * 20)
        assert found['flops'] == sum(flops for _, flops in found['parts'].values())
        # twice the frames, twice the work but for what is padded
        twice = _tool('get_flops').count(Config.fromfile(SCRATCH), 16, 64)
        assert twice['parts']['encoder'][1] == pytest.approx(
            2 * found['parts']['encoder'][1], rel=0.03
        )
        assert 'one clip of 8 frames of 64 points' in capsys.readouterr().out

    def test_pretraining(self):
        found = _tool('get_flops').count(Config.fromfile(PRETRAIN), points=64)
        assert (found['frames'], found['points']) == (24, 64)
        assert all(found['parts'][name][1] > 0 for name in ('encoder', 'autoregressor'))

    def test_parts_of_a_segmentor_sum_to_all(self, capsys):
        """Its encoder is not called but asked for levels."""
        options = '--frames', '2', '--points', '256'
        found = _tool('get_flops').main([str(STREETS), *options])
        parts = found['parts']
        assert found['flops'] == parts['encoder'][1] + parts['head'][1]
        assert parts['elsewhere'] == (0, 0)
        # as much as the encoder called by itself, on the same clip
        encoder = init_model(Config.fromfile(STREETS), device='cpu').encoder
        counter = FlopCounterMode(display=False)
        with use_backend('torch'), torch.no_grad(), counter:
            encoder.forward_levels(torch.rand(1, 2, 256, 3) * 2 - 1, torch.rand(1, 2, 3, 256))
        assert parts['encoder'][1] == counter.get_total_flops() > 0
        assert 'elsewhere' not in capsys.readouterr().out


class TestConfusionMatrix:
    def test_matrix_and_report(self):
        tool = _tool('confusion_matrix')
        pairs = dict(a=(0, 0), b=(0, 1), c=(1, 1), d=(2, 1), e=(2, 1))
        matrix = tool.confusion_matrix(pairs, 3)
        np.testing.assert_array_equal(matrix, [[1, 1, 0], [0, 1, 0], [0, 2, 0]])
        text = tool.report(matrix, ['x', 'y', 'z'], 1)
        assert '2 of 5 videos: 40.00%' in text and '  z: 0 of 2' in text
        assert text.endswith('2 x z taken for y')

    def test_names_with_dollars(self, tmp_path):
        _tool('confusion_matrix').draw(np.eye(2, dtype=int), [r'$\a$', '$'], tmp_path / 'a.png')
        assert (tmp_path / 'a.png').is_file()

    def test_it_agrees_with_the_metric(self, data_root, tmp_path):
        from mmengine.runner import Runner

        cfg = shrink_config(Config.fromfile(SCRATCH), data_root, tmp_path)
        cfg.test_dataloader.dataset.clips = 2
        cfg.test_dataloader.dataset.max_videos = 4
        cfg.experiment_name = tmp_path.name
        path = tmp_path / 'config.py'
        cfg.dump(path)
        model = init_model(cfg, device='cpu')
        checkpoint = tmp_path / 'model.pth'
        torch.save(dict(state_dict=model.state_dict(), meta={}), checkpoint)
        tool = _tool('confusion_matrix')
        out = tmp_path / 'confusion'
        matrix = tool.main([str(path), str(checkpoint), '--out', str(out)])
        assert matrix.sum() == 4
        cfg.load_from = str(checkpoint)
        accuracy = Runner.from_cfg(cfg).test()['video_acc']
        assert 100 * matrix.trace() / matrix.sum() == pytest.approx(accuracy)
        written = json.loads((tmp_path / 'confusion.json').read_text())
        assert written['classes'][:2] == ['action 1', 'action 2'] and len(written['videos']) == 4
        assert (tmp_path / 'confusion.png').read_bytes()[:4] == b'\x89PNG'


class TestBenchmarkLoading:
    def test_published_layout_holds_the_same_points(self, data_root, tmp_path):
        tool = _tool('benchmark_loading')
        store = PointVideoStore(data_root / 'videos' / 'a01_s01_e01.pvs')
        tool.write_published(store, tmp_path / 'a.npz')
        from mmpointvideo.datasets.formats import read_published_npz

        clouds = read_published_npz(tmp_path / 'a.npz')
        assert len(clouds) == store.num_frames and clouds[0].dtype == np.float64
        np.testing.assert_array_equal(clouds[3], store.read([3]).xyz)

    def test_run(self, data_root, tmp_path, capsys):
        tool = _tool('benchmark_loading')
        options = (
            '--videos 3 --frames 8 --workers 1 --rounds 1 --clips 4 --batch-size 2 --points 16'
        )
        out = tmp_path / 'result.json'
        result = tool.main([str(data_root), *options.split(), '--out', str(out)])
        assert result['videos'] == 3 and result['frames'] == 78
        assert result['rates'][0]['ratio'] > 0 and result['bytes_ratio'] > 0
        assert json.loads(out.read_text()) == result
        text = capsys.readouterr().out
        assert '| clips of 8 frames a second (16 points drawn of each), 1 worker |' in text
