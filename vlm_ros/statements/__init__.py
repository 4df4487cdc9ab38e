"""Statements that are checked again and again: their names, and what many looks agree on."""

from vlm_ros.statements.named import MAX_STATEMENTS, parse_statements, Statement
from vlm_ros.statements.voting import decide, is_settled, Rule
from vlm_ros.statements.watch import Sight, State, Watch

__all__ = [
    'MAX_STATEMENTS',
    'Rule',
    'Sight',
    'State',
    'Statement',
    'Watch',
    'decide',
    'is_settled',
    'parse_statements',
]
