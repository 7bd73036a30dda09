"""LaTeX files, compiled where there is a LaTeX."""

import shutil
import subprocess

import pytest

PDFLATEX = shutil.which("pdflatex")
needs_latex = pytest.mark.skipif(
    PDFLATEX is None, reason="no pdflatex on this machine (apt install texlive-latex-base)"
)
DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
Before.
\input{body}
\end{document}
"""


def compiled(folder, text):
    """What pdflatex says of a text that a minimal document inputs; fails where it does not end."""
    folder.mkdir(exist_ok=True)
    (folder / "body.tex").write_text(text, encoding="utf-8")
    (folder / "main.tex").write_text(DOCUMENT, encoding="utf-8")
    command = [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    log = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, log[-3000:]
    return log
