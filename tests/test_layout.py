"""Tests lie in a folder named as the room that they test; what several of them use, in support/."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent


def imports(path: Path) -> set[str]:
    """The names that a file imports, with their modules before them."""
    tree = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    of_modules = {a.name for node in tree if isinstance(node, ast.Import) for a in node.names}
    return of_modules | {
        f"{'.' * node.level}{node.module or ''}.{alias.name}"
        for node in tree
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_of_the_other_tests_only_support_is_imported() -> None:
    found = {
        (path.relative_to(TESTS).as_posix(), name)
        for path in TESTS.rglob("*.py")
        for name in imports(path)
        if name.startswith(("tests", ".")) and not name.startswith("tests.support")
    }
    assert found == set()


def test_every_folder_is_named_as_a_room() -> None:
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("*.py")} - {Path("support")}
    rooms = {f: f if f.parts[:1] == ("launch",) else Path("imdb_cls") / f for f in folders}
    missing = [str(f) for f, r in rooms.items() if not (TESTS.parent / r / "__init__.py").exists()]
    assert missing == []
