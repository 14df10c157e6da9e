"""Every public function and method of the package, walked."""

import ast
import importlib
import inspect
import pkgutil
import types
from pathlib import Path

import pytest

import immunomon
from immunomon.cli.app import app

EVERY = ["immunomon", *(name for _, name, _ in pkgutil.walk_packages(immunomon.__path__, "immunomon."))]
MODULES = [name for name in EVERY if not name.startswith(("immunomon.cli.main", "immunomon.cli.app"))]


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


def without_underscore(module):
    """Return the functions and classes that a module defines under names that do not say that they are private."""
    return {
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__ == module.__name__
    }


@pytest.mark.parametrize("module_name", EVERY)
def test_a_module_says_what_is_public(module_name):
    module = importlib.import_module(module_name)
    assert module.__doc__
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    assert set(names) <= set(dir(module))
    assert without_underscore(module) <= set(names), f"{module_name}: name it in __all__, or begin it with _"


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("def read(): ...", {"read"}),
        ("def _read(): ...", set()),
        ("class Reader: ...\n__all__ = []", {"Reader"}),
        ("from json import loads", set()),
    ],
)
def test_what_a_module_does_not_say_is_public_is_found(text, left_out):
    module = types.ModuleType("made_up")
    exec(text, vars(module))
    assert without_underscore(module) - set(getattr(module, "__all__", [])) == left_out


@pytest.mark.parametrize("module_name", MODULES)
def test_public_functions_are_documented_and_typed_and_take_few_positional_parameters(module_name):
    for function in public_functions(module_name):
        where = f"{module_name}.{function.__qualname__}"
        assert function.__doc__, f"{where} has no docstring"
        signature = inspect.signature(function)
        names = [p for p in signature.parameters.values() if p.name not in {"self", "cls"}]
        assert signature.return_annotation is not inspect.Signature.empty, f"{where} has no return type"
        assert all(p.annotation is not inspect.Parameter.empty for p in names), f"{where} has an untyped parameter"
        if any(command.callback is function for command in app.registered_commands):
            continue  # the parameters of a command are the words of the command line, as many as there are
        required = [
            p
            for p in names
            if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and p.default is inspect.Parameter.empty
        ]
        # Geometry and scale kernels take their coordinates and published parameters in the order of the formula.
        most = 6 if ".kernels." in module_name else 3
        assert len(required) <= most, f"{where} takes {len(required)} positional parameters"


PUBLIC = Path(__file__).parent / "public.txt"


def public_signatures():
    """Yield every name that the package offers, with its signature, and each public member of its classes."""
    for name in sorted(immunomon.__all__):
        offered = getattr(immunomon, name)
        if inspect.isfunction(offered):
            yield f"{name}{inspect.signature(offered)}"
            continue
        yield f"class {name}({', '.join(base.__name__ for base in offered.__bases__)})"
        for key, member in sorted(vars(offered).items()):
            if key.startswith("_") and key not in {"__getitem__", "__len__", "__iter__"}:
                continue
            kind = f"{inspect.signature(member)}" if inspect.isfunction(member) else ""
            yield f"    {name}.{key}{kind}"


def test_names_and_signatures_are_those_that_were_frozen():
    """Whoever changes them on purpose copies the new lines, and says so in CHANGELOG.md."""
    assert list(public_signatures()) == PUBLIC.read_text(encoding="utf-8").splitlines()


def test_the_stub_names_what_the_package_offers_from_where_it_is():
    stub = ast.parse(Path(immunomon.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    named = {alias.asname: (node.module, alias.name) for node in imports for alias in node.names}
    assert set(named) == set(immunomon.__all__)
    for name, (module, own) in named.items():
        assert getattr(importlib.import_module(module), own) is inspect.unwrap(getattr(immunomon, name))
        assert own == name
