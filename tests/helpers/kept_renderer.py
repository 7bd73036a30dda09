"""The process that draws figures, kept from one report to the next: to start it costs more."""

import contextlib

from ablate.report import renderer as renderers
from ablate.report.renderer import Renderer

_COMMAND = renderers.COMMAND
_KEPT = []


def keep_renderer(patch):
    """Lets a renderer that is closed while it is idle leave its process to the next one."""
    ask, running, close = Renderer._ask, Renderer._running, Renderer.close

    def answered(self, request):
        self.is_amid = True
        answer = ask(self, request)
        self.is_amid = False
        return answer

    def taken(self):
        if self._process is None and not self._deaths and renderers.COMMAND is _COMMAND:
            self._process = _take()
        return running(self)

    def kept(self):
        process, is_sound = self._process, not (self._deaths or getattr(self, "is_amid", False))
        if process and is_sound and renderers.COMMAND is _COMMAND and self._lock.acquire(False):
            _KEPT.append(process)
            self._process = None
            self._lock.release()
        close(self)

    patch.setattr(Renderer, "_ask", answered)
    patch.setattr(Renderer, "_running", taken)
    patch.setattr(Renderer, "close", kept)


def _take():
    """A process that is still there; None if there is none."""
    while _KEPT:
        process = _KEPT.pop()
        if process.poll() is None:
            return process
        _end(process)
    return None


def end_kept():
    """Ends what nobody will use any more."""
    while _KEPT:
        _end(_KEPT.pop())


def _end(process):
    process.kill()
    with contextlib.suppress(OSError), process:
        pass
