"""A stand-in for `python` that starts at once: a process which has imported what a training needs forks for each command.

The imports cost four seconds of a core, each time. What is run is the same, in a process of its own with its own folder,
environment and streams. It takes `-m predictor ARGUMENT ...` and `-c CODE ARGUMENT ...`. Tests of what a command
imports, and of signals, start a real `python`.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys


def serve(path: str, parent: int) -> None:
    """Run commands until the tests, whose process is `parent`, have ended."""
    import lightgbm  # noqa: F401
    import matplotlib.figure  # noqa: F401

    import predictor.training.train  # noqa: F401
    from predictor.tracking.store import import_mlflow

    import_mlflow()
    gc.freeze()  # else each process looks through all of it for garbage when it ends, which takes a second of a core
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen(64)
    os.rename(f"{path}.new", path)  # noqa: PTH104 - once the socket exists, clients can connect
    listener.settimeout(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no parent collects their exit codes
    while _runs(parent):
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            return _attend(connection)
        connection.close()
    return None


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _attend(connection: socket.socket) -> None:
    connection.settimeout(None)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, streams, *_ = socket.recv_fds(connection, 1 << 16, 3)
    while not data.endswith(b"\n"):
        data += connection.recv(1 << 16)
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        connection.sendall(b"%d" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    connection.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - the old ones remember a file
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    (how, what, *arguments), folder, environment = json.loads(data)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [how, *arguments]
    if how == "-m":
        from predictor.cli import main

        main(arguments, prog_name=what)
    else:
        exec(what, {"__name__": "__main__"})


def ask(path: str, words: list[str]) -> int:
    """Send a command to the server and return its exit code."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        asked = json.dumps([words, os.getcwd(), dict(os.environ)]).encode() + b"\n"  # noqa: PTH109 - no pathlib, for speed
        sent = socket.send_fds(connection, [asked], [0, 1, 2])
        connection.sendall(asked[sent:])
        return abs(int(connection.recv(16)))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(ask(sys.argv[2], sys.argv[3:]))
