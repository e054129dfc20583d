"""The example in every public layer's docstring runs and prints what it says."""

import doctest
import inspect

import pytest

from toolkit import layers

CLASSES = [name for name in layers.__all__ if inspect.isclass(getattr(layers, name))]


@pytest.mark.parametrize("name", CLASSES)
def test_example(name: str) -> None:
    documented = getattr(layers, name)
    finder = doctest.DocTestFinder(recurse=False)
    examples = [test for test in finder.find(documented, name) if test.examples]
    assert examples, f"{name} shows no example"
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report: list[str] = []
    for example in examples:
        runner.run(example, out=report.append)
    assert not runner.failures, "".join(report)
