"""The tables of a report as files for a text: Markdown and LaTeX."""

from collections.abc import Sequence

from ablate.analysis.records import MissingRun, StudyRecord
from ablate.report.tables import tables_of
from ablate.report.text_table import TextTable
from ablate.report.words import answers
from ablate.text import printable, printable_lines

LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "±": r"$\pm$", "–": "--",
})  # fmt: skip
MARKDOWN = str.maketrans({
    "\\": "\\\\", "|": "\\|", "&": "&amp;", "<": "&lt;", ">": "&gt;", "*": "\\*", "_": "\\_",
    "`": "\\`", "[": "\\[", "]": "\\]", "~": "\\~", "$": "\\$", "\n": " ", "\t": " ",
})  # fmt: skip


def markdown(record: StudyRecord) -> str:
    """The report in Markdown; what users wrote is shown as it stands, never as markup."""
    lines = [f"# {_md(record.question or record.name)}", ""]
    lines += [f"- {_md(answer)}" for answer in answers(record)]
    for table in tables_of(record):
        lines += ["", f"## {_md(table.title)}", "", *_md_table(table), ""]
        lines += [f"- {_md(note.line)}" for note in table.notes]
    lines += ["", *(f"- {_md(note)}" for note in record.notes)]
    if record.tracked_at:
        lines.append(f"- W&amp;B: <{record.tracked_at}>")
    return "\n".join([*lines, *(f"- {_md(_missing(run))}" for run in record.missing), ""])


def latex(record: StudyRecord) -> str:
    """The tables in LaTeX, a `table` with booktabs each."""
    lines = ["% needs \\usepackage{booktabs}"]
    for table in tables_of(record):
        lines += _tex_table(table, record.question or record.name)
        lines += _tex_comments([note.line for note in table.notes])
    return "\n".join([*lines, *_tex_comments([*record.notes, *map(_missing, record.missing)]), ""])


def _missing(run: MissingRun) -> str:
    return f"missing: {run.run_name}, {run.status}" + (f": {run.cause}" if run.cause else "")


def _md(text: str) -> str:
    return printable_lines(text).translate(MARKDOWN)


def _md_table(table: TextTable) -> list[str]:
    rules = [*["---"] * len(table.labels), *["---:"] * len(table.numbers), "---"]
    body = [_md_row(row.texts, row.bold_text) for row in table.rows]
    return [_md_row(table.columns), f"| {' | '.join(rules)} |", *body]


def _md_row(cells: Sequence[str], bold: int | None = None) -> str:
    shown = [f"**{_md(c)}**" if n == bold else _md(c) for n, c in enumerate(cells)]
    return f"| {' | '.join(shown)} |"


def _tex_table(table: TextTable, caption: str) -> list[str]:
    return [
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{_tex(' '.join(caption.split()))} {_tex(table.title)}.}}",
        f"  \\begin{{tabular}}{{{'l' * len(table.labels)}{'r' * len(table.numbers)}l}}",
        "    \\toprule",
        f"    {_tex_row(table.columns)}",
        "    \\midrule",
        *(f"    {_tex_row(row.texts, row.bold_text)}" for row in table.rows),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]


def _tex_comments(notes: Sequence[str]) -> list[str]:
    # A message may have several lines: none of them may leave the comment.
    return [f"% {printable(' '.join(note.split()))}" for note in notes]


def _tex(text: str) -> str:
    return printable(text).translate(LATEX)


def _tex_row(cells: Sequence[str], bold: int | None = None) -> str:
    # At the start of a row these would be read as an argument of the last row's end.
    guard = "{}" if cells[0][:1] in ("[", "*") else ""
    shown = [f"\\textbf{{{_tex(c)}}}" if n == bold else _tex(c) for n, c in enumerate(cells)]
    return f"{guard}{' & '.join(shown)} \\\\"
