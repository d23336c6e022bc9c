"""What a function's zip holds: all it imports, and of each module all that runs."""

import ast
import io
import json
import sys
import zipfile
from importlib.util import resolve_name

import pytest

from kubecfn import artifacts
from kubecfn.artifacts.plain import blanked
from kubecfn.artifacts.sources import PACKAGE, data_root

OURS = {"kubecfn", *(folder.name for folder in data_root("lambdas").iterdir() if folder.is_dir())}
# Beside the standard library this is all that Lambda's runtime has (Lambda: "Runtime-included SDK versions").
RUNTIME = sys.stdlib_module_names | {"boto3", "botocore"}
MODULES = sorted((*data_root("lambdas").rglob("*.py"), *(PACKAGE / "etcd").rglob("*.py")))


def packed(function):
    """Return path -> text of a function's zip."""
    with zipfile.ZipFile(io.BytesIO(function.data)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def imported(path, text):
    """Yield module -> names taken from it, of every import in a file, with dots resolved."""
    package = ".".join(path.removesuffix(".py").split("/")[:-1])
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((name.name, ()) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
            yield module, tuple(name.name for name in node.names)


def defined(text):
    """Return the names that a module's top level binds."""
    names = set()
    for node in ast.parse(text).body:
        for inner in ast.walk(node):
            if isinstance(inner, ast.FunctionDef | ast.ClassDef):
                names.add(inner.name)
            elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                names.add(inner.id)
            elif isinstance(inner, ast.alias):
                names.add((inner.asname or inner.name).split(".")[0])
    return names


def missing(files):
    """Return what a zip's files import that is neither inside nor in the runtime."""
    modules = {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): text for path, text in files.items()
    }
    wrong = set()
    for path, text in files.items():
        for module, names in imported(path, text):
            if module.split(".")[0] in RUNTIME:
                continue
            if module not in modules:
                wrong.add(module)
                continue
            wrong |= {
                f"{module}.{n}" for n in names if f"{module}.{n}" not in modules and n not in defined(modules[module])
            }
    return wrong


def without_docstrings(text):
    """Return a module's tree with every place in it, but for docstrings that are not all of a body."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1 and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                del body[0]
    return ast.dump(tree, include_attributes=True)


@pytest.mark.parametrize("name", artifacts.FUNCTIONS)
def test_a_function_finds_all_that_it_imports(name):
    """Every import of every module in a zip is in the zip or in Lambda's runtime, down to the imported names."""
    (function,) = [one for one in artifacts.lambda_zips() if one.name == name]

    assert missing(packed(function)) == set()


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("from kubecfn.etcd.names import domain", {"kubecfn.etcd.names"}),
        ("from kubecfn.etcd import names", {"kubecfn.etcd.names"}),
        ("import kubecfn.etcd.names", {"kubecfn.etcd.names"}),
        ("from .other import x", {"one.other"}),
        ("from . import other", {"one.other"}),
        ("from . import settings", set()),
        ("from .settings import Settings", set()),
        ("from .settings import Absent", {"one.settings.Absent"}),
        ("import yaml", {"yaml"}),
        ("import boto3, json", set()),
    ],
)
def test_a_missing_import_would_be_seen(line, wrong):
    """The check above sees a module that is left out, and a name that its module does not have."""
    files = {
        "one/__init__.py": "",
        "one/settings.py": "class Settings: ...",
        "kubecfn/__init__.py": "",
        "kubecfn/etcd/__init__.py": "",
    }

    assert missing(files | {"one/handler.py": line}) == wrong


def test_a_function_carries_nothing_that_it_does_not_import():
    """Each module in a zip is in its own folder or imported from there, directly or not: others change without it."""
    for function in artifacts.lambda_zips():
        files = packed(function)
        used = {
            part
            for path, text in files.items()
            for module, names in imported(path, text)
            for part in (module, *(f"{module}.{n}" for n in names))
        }
        for path in files:
            module = path.removesuffix(".py").replace("/", ".")
            if not path.endswith("/__init__.py") and not path.startswith(f"{function.name}/"):
                assert module in used, path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_a_blanked_module_is_the_same_program_on_the_same_lines(path):
    """Of every module that is packed the syntax tree stays, and the place of each node in it, but for docstrings."""
    text = path.read_text()

    assert without_docstrings(blanked(text)) == without_docstrings(text)
    assert blanked(text).count("\n") == text.count("\n")
    assert blanked(blanked(text)) == blanked(text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('"""Doc."""\nx = 1\n', "\nx = 1\n"),
        ('"""Doc\n\nof lines."""\nx = 1\n', "\n\n\nx = 1\n"),
        ('def f():\n    """Doc."""\n    return 1\n', "def f():\n\n    return 1\n"),
        ('async def f():\n    """Doc."""\n    return 1\n', "async def f():\n\n    return 1\n"),
        ('class A:\n    """Doc."""\n\n    x: int\n', "class A:\n\n\n    x: int\n"),
        ("x = 1\n# why\ny = 2  # kept\n", "x = 1\n\ny = 2  # kept\n"),
        ("x = [\n    # why\n    1,\n]\n", "x = [\n\n    1,\n]\n"),
        ('"Doc " "in two" # said\nx = 1\n', "\nx = 1\n"),
        ('(\n    "Doc "\n    "in brackets"\n)\nx = 1\n', "\n\n\n\nx = 1\n"),
        ('"""Ä"""\nx = "ö"\n', '\nx = "ö"\n'),
    ],
)
def test_docstrings_and_comment_lines_are_made_empty(text, left):
    """Both go, and every other line stays where it was."""
    assert blanked(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "#!/usr/bin/env python3\nx = 1\n",
        'class Error(Exception):\n    """All there is."""\n',
        'def f():\n    """Doc."""; return 1\n',
        'def f(): """Doc."""; return 1\n',
        'x = """\n# no comment\n"""\n',
        'x = 1\n"""Said of x."""\n',
        'f"""{1}"""\nx = 1\n',
        'b"""bytes"""\nx = 1\n',
        'def f():\n    x = 1\n    """Not the first."""\n    return x\n',
        "x = 1",
    ],
)
def test_what_runs_stays(text):
    """A shebang, a body's only statement, and strings that are no docstrings are left alone."""
    assert blanked(text) == text


def test_the_functions_certificate_is_one_document_that_is_never_shown():
    """Three PEM texts under three names, in one order; neither its repr nor that of its parts shows the key."""
    made = artifacts.etcd_client(b"AUTHORITY", b"CERTIFICATE", b"SECRET")

    assert json.loads(made.data) == {"ca": "AUTHORITY", "cert": "CERTIFICATE", "key": "SECRET"}
    assert made.secret
    assert "SECRET" not in repr(made)
    assert made.sha256 == artifacts.etcd_client(b"AUTHORITY", b"CERTIFICATE", b"SECRET").sha256
    assert made.parameter == "EtcdClientSha256"
