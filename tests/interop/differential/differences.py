"""Which differences are known.

Not here: how verdicts come about (verdicts.py).
"""
from dataclasses import dataclass
KNOWN = []
