# ruff: noqa: ARG002  # the signatures are those of OpenMSIStream
"""A reproducer with a message class of its own; the script has no main block, and runs in a thread."""

from threading import Thread

from openmsistream import DataFileDownloadDirectory, DataFileStreamReproducer  # noqa: F401
from openmsistream.data_file_io import ReproducerMessage


class Reversed(ReproducerMessage):
    """The bytes from behind, under a key of its own."""

    def __init__(self, datafile, *args, **kwargs):
        super().__init__(datafile, *args, **kwargs)
        self.text = datafile.bytestring.decode()[::-1]

    @property
    def msg_key(self):
        """The usual key, and more."""
        return super().msg_key + "_reversed"

    @property
    def msg_value(self):
        """Text."""
        return self.text


class Reverser(DataFileStreamReproducer):
    """Sends each file from behind."""

    def _get_processing_result_message_for_file(self, datafile, lock):
        if not datafile.filename.endswith(".csv"):
            self.logger.error(f"ERROR: {datafile.filename} is no CSV file")
            return None
        return Reversed(datafile)

    @classmethod
    def run_from_command_line(cls, args=None):
        """Not used."""


def task(reproducer):
    """What runs in the thread."""
    n_m_r, n_m_p, n_f_r, n_f_mp, paths = reproducer.produce_processing_results_for_files_as_read()
    reproducer.close()
    names = ", ".join(sorted(path.name for path in paths))
    reproducer.logger.info(f"done: {n_m_r} {n_m_p} {n_f_r} {n_f_mp} {reproducer.producer_topic_name}: {names}")


args = Reverser.get_argument_parser().parse_args()
reverser = Reverser(
    args.config,
    args.consumer_topic_name,
    args.producer_topic_name,
    output_dir=args.output_dir,
    consumer_group_id=args.consumer_group_id,
)
thread = Thread(target=task, args=(reverser,))
thread.start()
