"""A page in headless Chromium, by the DevTools protocol over a pipe: standard library only."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
    "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-extensions", "--hide-scrollbars",
)  # fmt: skip
MIDDLE = """(element => {
  element.scrollIntoView({block: 'center', behavior: 'instant'});
  const box = element.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})(document.querySelectorAll(%s)[%d])"""
LOST_ON_PAPER = """[...document.querySelectorAll('td, th, svg, pre, p, li, h2, figcaption')]
  .filter(element => {
    const [box, room] = [element.getBoundingClientRect(), element.clientWidth];
    return box.right > 1.2 * innerWidth || (room && element.scrollWidth > room + 1)
      || !element.checkVisibility() && !element.closest('[hidden], .links, #vg-tooltip-element');
  }).map(element => element.outerHTML.slice(0, 120))"""
TWO_FRAMES = """new Promise(done =>
  requestAnimationFrame(() => requestAnimationFrame(() => done(0))))"""
WHOLE = """(page => ({width: page.scrollWidth, height: page.scrollHeight}))(
  document.documentElement)"""


class Page:
    """One tab; `errors` and `requests` grow as the page runs. Use as a context manager."""

    def __init__(self, width=1100, height=900, timeout_s=60):
        self.errors, self.requests = [], []
        self._timeout_s, self._ids, self._session, self._buffer = timeout_s, 0, "", b""
        self._home = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        # Chromium reads commands from descriptor 3 and answers on 4; it ends when 3 closes.
        shell = 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1'
        command = ["sh", "-c", shell, CHROMIUM, *FLAGS, f"--user-data-dir={self._home.name}"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            self.call("Emulation.setDeviceMetricsOverride", **size)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Ends the browser, its pipes and its profile."""
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._home.cleanup()

    def call(self, method, **params):
        """A command of the protocol, and its result."""
        self._ids += 1
        message = {"id": self._ids, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        answer = self._wait(lambda other: other.get("id") == message["id"])
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def open(self, path):
        """Loads a local file; waits until it and the promise `window.charts` are done."""
        self.visit(path.resolve().as_uri())

    def visit(self, url):
        """As `open`, for a URL."""
        went = self.call("Page.navigate", url=url)
        if "errorText" in went:
            raise FileNotFoundError(f"{url}: {went['errorText']}")
        self._wait(lambda message: message.get("method") == "Page.loadEventFired")
        self.js("Promise.resolve(window.charts).then(() => 0)")

    def js(self, expression):
        """The JSON value of an expression; promises are waited for."""
        options = {"awaitPromise": True, "returnByValue": True}
        result = self.call("Runtime.evaluate", expression=expression, **options)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"].get("exception", result)["description"])
        return result["result"].get("value")

    def scheme(self, name):
        """What prefers-color-scheme says: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def paper(self, width=718):
        """Lays the page out as a dark browser prints it; returns what is cut off or folded.

        What is a little wider than a sheet is not: browsers print it smaller.
        """
        features = [{"name": "prefers-color-scheme", "value": "dark"}]
        self.call("Emulation.setEmulatedMedia", media="print", features=features)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.js(TWO_FRAMES)
        return self.js(LOST_ON_PAPER)

    def hover(self, selector, index=0):
        """Moves the mouse to the middle of a matching element, scrolled into view."""
        x, y = self.js(MIDDLE % (json.dumps(selector), index))
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.js(TWO_FRAMES)

    def press(self, key):
        """Presses a key by its name: Tab, Enter, ArrowRight."""
        text = {"text": "\r"} if key == "Enter" else {}
        code = {"Tab": 9, "Enter": 13, "Escape": 27}.get(key, 0)
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                windowsVirtualKeyCode=code, **more)  # fmt: skip

    def screenshot(self, path):
        """The whole page as PNG."""
        clip = {"x": 0, "y": 0, "scale": 1, **self.js(WHOLE)}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _wait(self, wanted):
        """Reads messages, noting errors and requests, until one is wanted."""
        end = time.monotonic() + self._timeout_s
        while True:
            while b"\0" not in self._buffer:
                left = max(0, end - time.monotonic())
                ready, _, _ = select.select([self._process.stdout], [], [], left)
                if not ready:
                    raise TimeoutError(f"Chromium said nothing for {self._timeout_s} s")
                chunk = os.read(self._process.stdout.fileno(), 1 << 20)
                if not chunk:
                    raise RuntimeError("Chromium ended")
                self._buffer += chunk
            raw, _, self._buffer = self._buffer.partition(b"\0")
            message = json.loads(raw)
            self._note(message.get("method"), message.get("params", {}))
            if wanted(message):
                return message

    def _note(self, method, params):
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]["exception"].get("description")))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            told = [str(a.get("value", a.get("description"))) for a in params["args"]]
            self.errors.append(" ".join(told))
