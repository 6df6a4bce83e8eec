# ruff: noqa: ARG002  # the signatures are those of OpenMSIStream
"""A processor as OpenMSIStream's documentation has them: "plots" each CSV file as text beside where it belongs."""

import datetime
from io import BytesIO

from openmsistream import DataFileStreamProcessor


class CSVPlotter(DataFileStreamProcessor):
    """Writes one line of stars for each number."""

    def _process_downloaded_data_file(self, datafile, lock):
        try:
            lines = [line.decode().strip() for line in BytesIO(datafile.bytestring).readlines()]
            place = self._output_dir / datafile.subdir_str / (datafile.filepath.stem + "_plot.txt")
            if not place.parent.is_dir():
                place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("\n".join("*" * int(line) for line in lines))
            self.logger.debug(f"plotted {datafile.full_filepath}")
        except Exception as exc:
            return exc
        return None

    def _failed_processing_callback(self, datafile, lock):
        self.logger.warning(f"WARNING: no plot for {datafile.full_filepath}")
        with lock:
            (self._output_dir / f"{datafile.filename}.failed").write_text(str(datafile.relative_filepath))

    def _mismatched_hash_callback(self, datafile, lock):
        self.logger.warning(f"the hash of {datafile.full_filepath} is wrong")

    @classmethod
    def run_from_command_line(cls, args=None):
        """Run until stopped."""
        parser = cls.get_argument_parser()
        args = parser.parse_args(args=args)
        plotter = cls(
            args.config,
            args.topic_name,
            n_threads=args.n_threads,
            filepath_regex=args.download_regex,
            update_secs=args.update_seconds,
            consumer_group_id=args.consumer_group_id,
            output_dir=args.output_dir,
            mode=args.mode,
        )
        start = datetime.datetime.now()
        plotter.logger.info(f"Listening to the {args.topic_name} topic for CSV files")
        n_read, n_processed, n_files, paths = plotter.process_files_as_read()
        plotter.close()
        msg = f"{n_read} messages read, {n_processed} processed, {n_files} files since {start.year}. Up to "
        msg += f"{cls.N_RECENT_FILES} most recent:\n\t" + "\n\t".join(str(path) for path in paths)
        plotter.logger.info(msg)


if __name__ == "__main__":
    CSVPlotter.run_from_command_line()
