"""The commands that restore photos, one for each of ``core.options.TASKS``: upscale, deblur and so on."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fourfold.cli.flags import add_flags, flag_values
from fourfold.cli.progress import figures_alone, follow
from fourfold.core.errors import UsageError
from fourfold.core.options import RestoreOptions

if TYPE_CHECKING:
    from fourfold.methods.restorer import Report


@dataclass(frozen=True)
class Restore:
    """A command: its options decide what it does."""

    options: type[RestoreOptions]

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return self.options.about

    def add(self, parser: argparse.ArgumentParser) -> None:
        """The command's arguments."""
        name = f"NAME_{self.options().suffix}.EXT"
        parser.add_argument("inputs", nargs="+", metavar="INPUT", help="Photos, folders of photos, or - for a pipe.")
        parser.add_argument("-o", "--output", metavar="OUT", help=f"A file, a folder, or -; default {name} beside it.")
        add_flags(parser, self.options)
        parser.add_argument("--overwrite", action="store_true", help="Replace results that exist already.")
        parser.add_argument("--report", metavar="FILE", help="Also write the figures, to FILE.html or FILE.json.")
        parser.add_argument("--json", action="store_true", help="Print the figures as one JSON document.")
        parser.add_argument("--quiet", action="store_true", help="Print nothing but errors.")

    def run(self, args: argparse.Namespace) -> int:
        """Restore every input and return the exit code."""
        options = self.options(**flag_values(args, self.options))
        if args.json:
            figures_alone(args.inputs, args.output)
        report = Path(args.report) if args.report else None
        if report is not None and report.suffix not in (".html", ".json"):
            raise UsageError(f"{report}: expected a report name ending in .html or .json")
        from fourfold.api.restore import restore_files

        done, failed, code = follow(
            lambda shown: restore_files(
                args.inputs,
                args.output,
                options,
                overwrite=args.overwrite,
                progress=shown.start,
                note=shown.say,
            ),
            _line,
            quiet=args.quiet or args.json or args.output == "-",
        )
        if args.json or report is not None:
            from fourfold.api.reports import document, write_document  # pages, which take a while to load

            if args.json:
                print(json.dumps(document(done, failed), indent=2))
            if report is not None:
                write_document(report, done, failed)
        return code


def _line(entry: "Report") -> str:
    sizes = [f"{width}×{height}" for width, height in dict.fromkeys((entry.input_size, entry.output_size))]
    parts = (" → ".join(sizes), f"{entry.seconds:.1f} s", entry.summary)
    line = f"{entry.input} → {entry.output}: {', '.join(part for part in parts if part)}"
    notes = (*entry.remarks, *(f"note: {warning}" for warning in entry.warnings))
    return "\n".join([line, *(f"  {note}" for note in notes)])
