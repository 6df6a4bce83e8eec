"""A processor that shows what it has while it runs, with a parser of its own and the loop in a thread."""

import json
from threading import Thread

from openmsistream import DataFileStreamProcessor
from openmsistream.utilities import OpenMSIStreamArgumentParser

try:
    from openmsitoolbox import Runnable
except ImportError:
    from openmsistream import Runnable


class OwnArgumentParser(OpenMSIStreamArgumentParser):
    """One argument more."""

    ARGUMENTS = {  # noqa: RUF012
        **OpenMSIStreamArgumentParser.ARGUMENTS,
        "scale": ["optional", {"type": float, "default": 1.0, "help": "what to multiply with"}],
    }


class Live(DataFileStreamProcessor, Runnable):
    """Keeps all points on itself."""

    ARGUMENT_PARSER_TYPE = OwnArgumentParser

    def __init__(self, config_file, topic_name, *, scale=1.0, **kwargs):
        super().__init__(config_file, topic_name, **kwargs)
        self.scale = scale
        self.points = {}

    def _process_downloaded_data_file(self, datafile, lock):
        device = datafile.filename.split("_")[0]
        value = self.scale * float(datafile.bytestring.split()[0])
        with lock:
            self.points.setdefault(device, []).append(value)

    @classmethod
    def get_command_line_arguments(cls):
        """One more."""
        superargs, superkwargs = super().get_command_line_arguments()
        return [*superargs, "scale"], {**superkwargs, "n_threads": 3}

    @classmethod
    def get_init_args_kwargs(cls, parsed_args):
        """One more."""
        superargs, superkwargs = super().get_init_args_kwargs(parsed_args)
        return superargs, {**superkwargs, "scale": parsed_args.scale}

    @classmethod
    def run_from_command_line(cls, args=None):
        """Run until stopped, then write what there is."""
        init_args, init_kwargs = cls.get_init_args_kwargs(cls.get_argument_parser().parse_args(args))
        live = cls(*init_args, **init_kwargs)
        thread = Thread(target=live.process_files_as_read)
        thread.start()
        print("the plot is shown")
        thread.join()
        points = {device: sorted(values) for device, values in sorted(live.points.items())}
        (live._output_dir / "points.json").write_text(json.dumps(points))
        live.close()
        live.logger.info(f"Processed {live.n_processed_files} files with {live.n_threads} threads")


def main(args=None):
    """Run it."""
    Live.run_from_command_line(args)


if __name__ == "__main__":
    main()
