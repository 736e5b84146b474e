"""Registries of mmpointvideo, children of MMEngine's.

Every registry knows the modules that fill it (``locations``), so a config with
``default_scope = 'mmpointvideo'`` finds its parts without importing anything by hand.
"""

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import INFERENCERS as MMENGINE_INFERENCERS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODEL_WRAPPERS as MMENGINE_MODEL_WRAPPERS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import VISBACKENDS as MMENGINE_VISBACKENDS
from mmengine.registry import VISUALIZERS as MMENGINE_VISUALIZERS
from mmengine.registry import Registry

_SCOPE = 'mmpointvideo'


def _child(name: str, parent: Registry, *modules: str) -> Registry:
    locations = [f'{_SCOPE}.{module}' for module in modules]
    return Registry(name, parent=parent, scope=_SCOPE, locations=locations)


MODELS = _child('model', MMENGINE_MODELS, 'models')
MODEL_WRAPPERS = _child('model wrapper', MMENGINE_MODEL_WRAPPERS, 'models')
DATASETS = _child('dataset', MMENGINE_DATASETS, 'datasets')
DATA_SAMPLERS = _child('data sampler', MMENGINE_DATA_SAMPLERS, 'datasets')
TRANSFORMS = _child('transform', MMENGINE_TRANSFORMS, 'datasets.transforms')
METRICS = _child('metric', MMENGINE_METRICS, 'evaluation')
HOOKS = _child('hook', MMENGINE_HOOKS, 'engine.hooks')
OPTIM_WRAPPERS = _child('optimizer wrapper', MMENGINE_OPTIM_WRAPPERS, 'engine.optimizers')
LOOPS = _child('loop', MMENGINE_LOOPS, 'engine')
VISUALIZERS = _child('visualizer', MMENGINE_VISUALIZERS, 'visualization')
VISBACKENDS = _child('visualizer backend', MMENGINE_VISBACKENDS, 'visualization')
INFERENCERS = _child('inferencer', MMENGINE_INFERENCERS, 'apis')
