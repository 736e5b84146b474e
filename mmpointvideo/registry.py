"""Registries of mmpointvideo, children of MMEngine's.

Every registry knows the modules that fill it (``locations``), so a config with
``default_scope = 'mmpointvideo'`` finds its parts without importing anything by hand. Registries
that a run asks for but that hold nothing of ours exist as well: MMEngine warns about a scope
without them.
"""

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry

_SCOPE = 'mmpointvideo'


def _child(parent: Registry, *modules: str) -> Registry:
    locations = [f'{_SCOPE}.{module}' for module in modules]
    return Registry(parent.name, parent=parent, scope=_SCOPE, locations=locations)


MODELS = _child(mmengine_registry.MODELS, 'models')
MODEL_WRAPPERS = _child(mmengine_registry.MODEL_WRAPPERS, 'models')
WEIGHT_INITIALIZERS = _child(mmengine_registry.WEIGHT_INITIALIZERS, 'models')
DATASETS = _child(mmengine_registry.DATASETS, 'datasets')
DATA_SAMPLERS = _child(mmengine_registry.DATA_SAMPLERS, 'datasets')
TRANSFORMS = _child(mmengine_registry.TRANSFORMS, 'datasets.transforms')
METRICS = _child(mmengine_registry.METRICS, 'evaluation')
EVALUATOR = _child(mmengine_registry.EVALUATOR, 'evaluation')
RUNNERS = _child(mmengine_registry.RUNNERS, 'engine')
LOOPS = _child(mmengine_registry.LOOPS, 'engine')
STRATEGIES = _child(mmengine_registry.STRATEGIES, 'engine')
LOG_PROCESSORS = _child(mmengine_registry.LOG_PROCESSORS, 'engine')
HOOKS = _child(mmengine_registry.HOOKS, 'engine.hooks')
OPTIMIZERS = _child(mmengine_registry.OPTIMIZERS, 'engine.optimizers')
OPTIM_WRAPPERS = _child(mmengine_registry.OPTIM_WRAPPERS, 'engine.optimizers')
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    mmengine_registry.OPTIM_WRAPPER_CONSTRUCTORS, 'engine.optimizers'
)
PARAM_SCHEDULERS = _child(mmengine_registry.PARAM_SCHEDULERS, 'engine.optimizers')
VISUALIZERS = _child(mmengine_registry.VISUALIZERS, 'visualization')
VISBACKENDS = _child(mmengine_registry.VISBACKENDS, 'visualization')
INFERENCERS = _child(mmengine_registry.INFERENCERS, 'apis')
