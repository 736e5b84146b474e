"""Facts about Synthia 4D: sequences and splits, classes, class frequencies.

The splits are those of the published lists. They name every frame of a sequence from its first
to its last number, but for the few numbers in :attr:`OfficialSequence.missing`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

SPLITS = ('train', 'val', 'test')

CLASSES = (
    'Building', 'Road', 'Sidewalk', 'Fence', 'Vegetation', 'Pole', 'Car', 'Traffic Sign',
    'Pedestrian', 'Bicycle', 'Lanemarking', 'Traffic Light',
)  # fmt: skip

#: One colour a class. Classes that lie beside each other in a street differ in lightness as well
#: as in hue, so that the picture reads with a colour vision deficiency too.
PALETTE = (
    (148, 148, 148), (68, 68, 84), (190, 170, 200), (160, 90, 30), (0, 120, 80), (245, 210, 60),
    (0, 114, 178), (213, 94, 0), (204, 40, 120), (86, 200, 233), (255, 255, 255), (240, 60, 40),
)  # fmt: skip

#: Id in the raw label images of every class.
LABEL_IDS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15)

#: Raw ids that are no class: void, sky, reserved.
IGNORED_IDS = (0, 1, 13, 14)

#: Share of every class among the labelled training points, as published.
LABEL_FREQUENCIES = (
    4.163470615e-01, 2.708321410e-01, 1.140284551e-01, 2.947818719e-02, 8.839195408e-02,
    1.626981826e-02, 3.346881927e-02, 2.191271498e-03, 3.251387936e-03, 3.598442441e-04,
    2.456134944e-02, 8.197104508e-04,
)  # fmt: skip


class OfficialSequence(NamedTuple):
    """A sequence of the published lists: its split and its frames.

    Attributes:
        split: ``'train'``, ``'val'`` or ``'test'``.
        first: Number of the first frame.
        last: Number of the last frame.
        missing: Numbers in between that are not listed.
    """

    split: str
    first: int
    last: int
    missing: tuple[int, ...] = ()

    def frames(self) -> list[int]:
        """Numbers of the listed frames."""
        return [n for n in range(self.first, self.last + 1) if n not in self.missing]


OFFICIAL_SEQUENCES = {
    'SYNTHIA-SEQS-01-DAWN': OfficialSequence('train', 0, 1450),
    'SYNTHIA-SEQS-01-FALL': OfficialSequence('train', 0, 1170),
    'SYNTHIA-SEQS-01-NIGHT': OfficialSequence('train', 0, 934),
    'SYNTHIA-SEQS-01-SUMMER': OfficialSequence('train', 0, 943),
    'SYNTHIA-SEQS-01-WINTER': OfficialSequence('train', 0, 1026),
    'SYNTHIA-SEQS-01-WINTERNIGHT': OfficialSequence('train', 0, 963),
    'SYNTHIA-SEQS-02-DAWN': OfficialSequence('train', 0, 940),
    'SYNTHIA-SEQS-02-FALL': OfficialSequence('train', 0, 741),
    'SYNTHIA-SEQS-02-NIGHT': OfficialSequence('train', 1, 719),
    'SYNTHIA-SEQS-02-RAINNIGHT': OfficialSequence('train', 0, 822),
    'SYNTHIA-SEQS-02-SOFTRAIN': OfficialSequence('train', 0, 1003),
    'SYNTHIA-SEQS-02-SUMMER': OfficialSequence('train', 0, 887),
    'SYNTHIA-SEQS-02-WINTER': OfficialSequence('train', 0, 1023, (897, 968)),
    'SYNTHIA-SEQS-04-DAWN': OfficialSequence('train', 0, 849),
    'SYNTHIA-SEQS-04-FALL': OfficialSequence('train', 0, 910),
    'SYNTHIA-SEQS-04-NIGHT': OfficialSequence('train', 0, 812),
    'SYNTHIA-SEQS-04-RAINNIGHT': OfficialSequence('train', 0, 1114),
    'SYNTHIA-SEQS-04-SOFTRAIN': OfficialSequence('train', 0, 935),
    'SYNTHIA-SEQS-04-SUMMER': OfficialSequence('train', 0, 900, (592,)),
    'SYNTHIA-SEQS-04-WINTER': OfficialSequence('train', 0, 946),
    'SYNTHIA-SEQS-04-WINTERNIGHT': OfficialSequence('train', 0, 784),
    'SYNTHIA-SEQS-05-FOG': OfficialSequence('val', 0, 814),
    'SYNTHIA-SEQS-06-SPRING': OfficialSequence('test', 0, 1044),
    'SYNTHIA-SEQS-06-SUNSET': OfficialSequence('test', 0, 841, (477,)),
}


def class_weights(frequencies: Sequence[float] = LABEL_FREQUENCIES) -> list[float]:
    """Weights of the cross-entropy: ``1 / ln(1.2 + frequency)``, divided by their minimum.

    Args:
        frequencies: Share of every class among the labelled points.
    """
    weights = [1 / math.log(1.2 + f) for f in frequencies]
    return [w / min(weights) for w in weights]
