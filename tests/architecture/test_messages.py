"""Messages below the command line name the field that is wrong: only `cli` knows by which flag it came."""

import ast
import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "popnas"
FLAG = re.compile(r"(?<![\w`-])--?[a-z]+(?:-[a-z]+)*(?![\w-])")
# Whole commands in a sentence, options of other programs, and what a page of a run says to type.
COMMAND = re.compile(r"popnas [a-z]|ulimit|cp -r|font-family|\n:root")


def sentences(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
    ]


def test_no_message_below_the_command_line_speaks_in_flags():
    found = {
        (name, text)
        for path in SOURCE.rglob("*.py")
        if (name := str(path.relative_to(SOURCE))).split("/")[0] != "cli"
        for text in sentences(path)
        if " " in text.strip() and FLAG.search(text) and not COMMAND.search(text)
    }
    assert found == set()


# What a call tells people, and the names under which paths stand in it.
TOLD = re.compile(r"(Error|Warned|Told|PhaseStarted|Problem|echo|warning|lost|view|add_note|bar_if_slow)$")
PATH = re.compile(r"(\w+\.)*(\w*(path|folder)|file|run_json|model_json|onnx|weights|journal|csv)$")
NO_PATHS = {"context.command_path", "measured.file"}


def test_paths_in_messages_are_one_word():
    """A path with a space or a line end is quoted (`printable.quoted`), in sentences as in commands."""
    bare = {
        (str(path.relative_to(SOURCE)), ast.unparse(value.value))
        for path in SOURCE.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and TOLD.search(ast.unparse(call.func))
        for text in ast.walk(call)
        if isinstance(text, ast.JoinedStr)
        for value in text.values
        if isinstance(value, ast.FormattedValue) and PATH.match(ast.unparse(value.value))
    }
    assert {found for found in bare if found[1] not in NO_PATHS} == set()


def test_the_system_s_words_for_an_error_are_ours():
    """`files.reason` says them: "the disk is full", not "No space left on device"."""
    speaking = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "strerror"
    }
    assert speaking == {"files.py", "server/app.py"}  # of a socket: no file
