"""Losses as plain modules over tensors."""

from .assignment_kl import AssignmentKLLoss
from .point_info_nce import ContrastStatistics, PointInfoNCELoss
from .prototype_info_nce import PrototypeInfoNCELoss

__all__ = ['AssignmentKLLoss', 'ContrastStatistics', 'PointInfoNCELoss', 'PrototypeInfoNCELoss']
