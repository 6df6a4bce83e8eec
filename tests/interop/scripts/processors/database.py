"""A processor with arguments and a constructor of its own; what it finds goes into a file that it is told."""

import pathlib
import threading

from openmsistream import DataFileStreamProcessor


class ToTable(DataFileStreamProcessor):
    """Collects lines, with one "session" for each thread."""

    def __init__(self, config, topic_name, table, *, drop_existing=False, verbose=False, **kwargs):
        super().__init__(config, topic_name, **kwargs)
        self._table = table
        self._sessions = {}
        self._verbose = verbose
        if drop_existing:
            self.logger.info(f"Dropping {table}")
            self._table.unlink(missing_ok=True)

    def _process_downloaded_data_file(self, datafile, lock):
        try:
            if threading.get_ident() not in self._sessions:
                with lock:
                    self._sessions[threading.get_ident()] = []
            self._sessions[threading.get_ident()].append(datafile.filename)
            line = f"{datafile.relative_filepath} {sum(int(each) for each in datafile.bytestring.split())}\n"
        except ValueError as exc:
            self.logger.error("ERROR: no numbers", exc_info=exc, reraise=True)
        with lock, self._table.open("a") as table:
            table.write(line)

    def _on_shutdown(self):
        super()._on_shutdown()
        self.logger.info(f"{len(self._sessions) > 0} sessions closed, {self.n_processed_files} files")

    @classmethod
    def run_from_command_line(cls, args=None):
        """Run until stopped."""
        parser = cls.get_argument_parser()
        parser.add_argument("--table", type=pathlib.Path, default="table.txt", help="where to")
        parser.add_argument("--drop_existing", action="store_true", help="start anew")
        parser.add_argument("--verbose", "-v", action="store_true", help="say more")
        args = parser.parse_args(args)
        made = ToTable(
            args.config,
            args.topic_name,
            args.table,
            drop_existing=args.drop_existing,
            verbose=args.verbose,
            streamlevel=args.logger_stream_level,
            filelevel=args.logger_file_level,
            logger_file=args.logger_file_path,
            consumer_group_id=args.consumer_group_id,
            update_secs=args.update_seconds,
            mode=args.mode,
            filepath_regex=args.download_regex,
            output_dir=args.output_dir,
            n_threads=args.n_threads,
        )
        n_msgs_read, n_msgs_processed, n_files_processed, recent = made.process_files_as_read()
        msg = f"Read {n_msgs_read} msgs, processed {n_msgs_processed} msgs and {n_files_processed} files: "
        made.logger.info(msg + ", ".join(sorted(str(path) for path in recent)))


def main(args=None):
    """Run it."""
    ToTable.run_from_command_line(args)


if __name__ == "__main__":
    main()
