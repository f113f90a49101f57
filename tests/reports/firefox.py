"""Firefox without a driver: its own protocol, Marionette, is JSON over a socket, each message after its length."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
NOWHERE = {
    "type": 1,
    "http": "127.0.0.1",
    "http_port": 9,
    "ssl": "127.0.0.1",
    "ssl_port": 9,
}  # so that no page is fetched


class Firefox:
    """A headless Firefox without a network, which saves downloads in the folder of its profile."""

    def __init__(self, profile: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {"marionette.port": port, **{f"network.proxy.{name}": value for name, value in NOWHERE.items()}}
        settings |= {"browser.download.folderList": 2, "browser.download.dir": str(profile)}
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in settings.items()]
        (profile / "user.js").write_text("\n".join(lines))
        assert FIREFOX
        command = [FIREFOX, "--headless", "--marionette", "--remote-allow-system-access", "--no-remote"]
        self.process = subprocess.Popen(
            [*command, "--profile", str(profile)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._buffer, self._number = b"", 0
        self._socket = self._connected(port)
        self._read()  # the handshake
        self("WebDriver:NewSession", capabilities={})

    def __call__(self, command: str, **arguments: Any) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, command, arguments]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._read()
        assert not error, error
        return result

    def run(self, script: str) -> Any:
        """Run a script in the page and return its result."""
        return self("WebDriver:ExecuteScript", script=script, args=[])["value"]

    def messages(self) -> list[str]:
        """Return the messages of the browser's console."""
        self("Marionette:SetContext", value="chrome")
        return list(self.run("return Services.console.getMessageArray().map(message => String(message.message))"))

    def close(self) -> None:
        self._socket.close()
        self.process.terminate()
        self.process.wait(20)

    def _connected(self, port: int) -> socket.socket:
        for _ in range(300):
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=30)
            except OSError:
                time.sleep(0.1)
        self.process.kill()
        raise TimeoutError("Firefox does not answer")

    def _read(self) -> Any:
        while b":" not in self._buffer:
            self._buffer += self._more()
        size, _, self._buffer = self._buffer.partition(b":")
        while len(self._buffer) < int(size):
            self._buffer += self._more()
        message, self._buffer = self._buffer[: int(size)], self._buffer[int(size) :]
        return json.loads(message)

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        assert data, "Firefox is gone"
        return data
