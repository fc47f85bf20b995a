"""Runs every test_*.py beside it, and closes with one line of counts.

Not here: the tests.
"""

import sys
import unittest
from pathlib import Path

here = Path(__file__).parent
sys.path.insert(0, str(here))
result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.discover(str(here)))
failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
print(f"{result.testsRun - failed} passed, {failed} failed", flush=True)
sys.exit(1 if failed or not result.testsRun else 0)
