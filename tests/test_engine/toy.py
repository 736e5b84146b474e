"""A recogniser small enough to train in a second; runs import it through ``custom_imports``."""

import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn
from torch.utils.data import Dataset

from mmpointvideo.registry import DATASETS, HOOKS, MODELS
from mmpointvideo.structures import PointVideoDataSample

NUM_CLASSES = 6


@DATASETS.register_module()
class ToyClips(Dataset):
    """Videos of 1, 2 or 3 clips; a clip is a noisy one-hot vector of its video's class."""

    def __init__(self, num_videos: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.clips = []
        for video in range(num_videos):
            label = video % NUM_CLASSES
            for start in range(1 + video % 3):
                x = F.one_hot(torch.tensor(label), NUM_CLASSES).float()
                x = x + 0.3 * torch.randn(NUM_CLASSES, generator=generator)
                self.clips.append((video, start, label, x))
        self.metainfo = dict(classes=tuple(f'class {c}' for c in range(NUM_CLASSES)))

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict:
        video, start, label, x = self.clips[index]
        info = dict(video_id=f'v{video:02d}', clip_start=start, sample_idx=index)
        return dict(inputs=x, data_samples=PointVideoDataSample(metainfo=info, gt_label=label))


@MODELS.register_module()
class ToyRecognizer(BaseModel):
    """Linear, BN, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(NUM_CLASSES, 8), nn.BatchNorm1d(8))
        self.head = nn.Linear(8, NUM_CLASSES)
        self.dtypes: list[torch.dtype] = []

    def extract_feat(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.encoder(inputs)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        logits = self.head(self.extract_feat(torch.stack(list(inputs))))
        if mode == 'loss':
            self.dtypes.append(logits.dtype)
            labels = torch.cat([sample.gt_label for sample in data_samples])
            return {'loss': F.cross_entropy(logits.float(), labels)}
        for sample, score in zip(data_samples, logits.float().softmax(dim=1), strict=True):
            sample.pred_score = score
        return data_samples


@HOOKS.register_module()
class KillHook(Hook):
    """Ends a run in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.epoch + 1 == self.epoch and batch_idx == 3:
            raise KeyboardInterrupt
