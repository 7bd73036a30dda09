"""The tables of a report as files for a text: Markdown and LaTeX."""

from collections.abc import Sequence

from ablate.analysis.records import MissingRun, StudyRecord
from ablate.report.dots import TITLE, meaning
from ablate.report.first_screen import first_screen
from ablate.report.latex import comments, row, tex
from ablate.report.settings import settings_listing, settings_text
from ablate.report.tables import history_lines, tables_of
from ablate.report.text_table import TextTable
from ablate.text import printable_lines

MARKDOWN = str.maketrans({
    "\\": "\\\\", "|": "\\|", "&": "&amp;", "<": "&lt;", ">": "&gt;", "*": "\\*", "_": "\\_",
    "`": "\\`", "[": "\\[", "]": "\\]", "~": "\\~", "$": "\\$", "\n": " ", "\t": " ",
})  # fmt: skip


def markdown(record: StudyRecord) -> str:
    """The report in Markdown; what users wrote is shown as it stands, never as markup."""
    first = first_screen(record)
    lines = [f"# {_md(record.question or record.name)}", ""]
    lines += [f"- {_md(answer)}" for answer in first.answers]
    lines += ["", f"Scope: {_md(record.scope)}"] if record.scope else []
    lines += ["", _md(first.sight), ""]
    lines += [f"- caution: {_md(flag)}" for flag in first.flags]
    lines += [f"- {first.more_flags}"] * bool(first.more_flags)
    for table in (first.table, *first.further):
        lines += ["", f"## {_md(table.title)}", "", *_md_table(table), ""]
        lines += [f"- {_md(meaning(table.dots))}"] * bool(table.dots)
        lines += [f"- {_md(note.line)}" for note in table.notes]
    lines += ["", *(f"- {_md(note)}" for note in [*record.notes, *history_lines(record)])]
    if record.origin:
        lines.append(f"- {_md(record.origin)}")
    if record.tracked_at:
        lines.append(f"- W&amp;B: <{record.tracked_at}>")
    lines += [f"- {_md(_missing(run))}" for run in record.missing]
    return "\n".join([*lines, *_md_settings(record), ""])


def latex(record: StudyRecord) -> str:
    """The tables in LaTeX, a `table` with booktabs each."""
    lines = ["% needs \\usepackage{booktabs}"]
    lines += comments([f"scope: {record.scope}"]) if record.scope else []
    for table in tables_of(record):
        lines += _tex_table(table, record.question or record.name)
        lines += comments([note.line for note in table.notes])
    origin = [record.origin] * bool(record.origin)
    told = [*record.notes, *history_lines(record), *origin, *map(_missing, record.missing)]
    return "\n".join([*lines, *comments(told), ""])


def _missing(run: MissingRun) -> str:
    return f"missing: {run.run_name}, {run.status}" + (f": {run.cause}" if run.cause else "")


def _md(text: str) -> str:
    return printable_lines(text).translate(MARKDOWN)


def _md_table(table: TextTable) -> list[str]:
    rules = [*["---"] * len(table.labels), *["---:"] * len(table.numbers), "---"]
    lines = [_md_row(table.columns), rules, *(_md_row(r.texts, r.bold_text) for r in table.rows)]
    if table.dots:
        pictures = [TITLE, "---", *(f"`{dots}`" for dots in table.dots)]
        for line, picture in zip(lines, pictures, strict=True):
            line.insert(len(table.labels), picture)
    return [*map(_md_line, lines)]


def _md_settings(record: StudyRecord) -> list[str]:
    """All settings, folded where Markdown is shown as a page."""
    listing = settings_listing(record)
    if listing is None:
        return []
    head = ["", "<details><summary>Settings</summary>", "", _md(settings_text(record.settings)), ""]
    lines = [_md_row(listing.columns), ["---"] * len(listing.columns), *map(_md_row, listing.rows)]
    return [*head, *map(_md_line, lines), "", "</details>"]


def _md_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _md_row(cells: Sequence[str], bold: int | None = None) -> list[str]:
    return [f"**{_md(cell)}**" if n == bold else _md(cell) for n, cell in enumerate(cells)]


def _tex_table(table: TextTable, caption: str) -> list[str]:
    return [
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{tex(' '.join(caption.split()))} {tex(table.title)}.}}",
        f"  \\begin{{tabular}}{{{'l' * len(table.labels)}{'r' * len(table.numbers)}l}}",
        "    \\toprule",
        f"    {row([*map(tex, table.columns)])}",
        "    \\midrule",
        *(f"    {_tex_row(each.texts, each.bold_text)}" for each in table.rows),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]


def _tex_row(cells: Sequence[str], bold: int | None) -> str:
    return row([f"\\textbf{{{tex(c)}}}" if n == bold else tex(c) for n, c in enumerate(cells)])
