"""Every public function and method of the package, walked."""

import importlib
import inspect
import pkgutil

import pytest

import immunomon

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(immunomon.__path__, "immunomon.")
    if not name.startswith(("immunomon.cli.main", "immunomon.cli.app", "immunomon.cli.commands"))
]


def public_functions(module_name):
    module = importlib.import_module(module_name)
    for name in getattr(module, "__all__", []):
        thing = getattr(module, name)
        if inspect.isfunction(thing) and thing.__module__ == module_name:
            yield thing
        elif inspect.isclass(thing) and thing.__module__ == module_name:
            for key, member in vars(thing).items():
                if inspect.isfunction(member) and not key.startswith("_"):
                    yield member


@pytest.mark.parametrize("module_name", MODULES)
def test_a_module_says_what_is_public(module_name):
    module = importlib.import_module(module_name)
    assert module.__doc__
    names = getattr(module, "__all__", [])
    assert set(names) <= set(dir(module))


@pytest.mark.parametrize("module_name", MODULES)
def test_public_functions_are_documented_and_typed_and_take_few_positional_parameters(module_name):
    for function in public_functions(module_name):
        where = f"{module_name}.{function.__qualname__}"
        assert function.__doc__, f"{where} has no docstring"
        signature = inspect.signature(function)
        names = [p for p in signature.parameters.values() if p.name not in {"self", "cls"}]
        assert signature.return_annotation is not inspect.Signature.empty, f"{where} has no return type"
        assert all(p.annotation is not inspect.Parameter.empty for p in names), f"{where} has an untyped parameter"
        required = [
            p
            for p in names
            if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and p.default is inspect.Parameter.empty
        ]
        # Geometry and scale kernels take their coordinates and published parameters in the order of the formula.
        most = 6 if ".kernels." in module_name else 3
        assert len(required) <= most, f"{where} takes {len(required)} positional parameters"
