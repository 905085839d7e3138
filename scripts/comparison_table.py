"""Put the tables of a comparison into the marked places of a page."""

from pathlib import Path

from common.tools.command_line import run_command
from common.tools.comparison.table import comparison_table, read_comparison
from common.tools.results.tables import replace_tables

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def render(page: str, results_dir: str = "") -> None:
    """Fill every place ``<!-- comparison:LIST -->`` … ``<!-- /comparison -->`` of a Markdown file.

    Args:
        page: the file.
        results_dir: folder with the files of scripts/compare.py; empty for docs/results.
    """
    lists = read_comparison(results_dir or RESULTS)
    tables = {name: comparison_table(results) for name, results in lists.items()}
    names = replace_tables(page, tables, marker="comparison")
    print(f"{page}: {', '.join(names) or 'no place marked'}")


if __name__ == "__main__":
    run_command(render)
