"""Metadata of each CSV file, as JSON."""

from openmsistream.metadata_extraction.metadata_json_reproducer import MetadataJSONReproducer


class CSVMetadata(MetadataJSONReproducer):
    """Says how many lines there are, and what they sum up to."""

    def _get_metadata_dict_for_file(self, datafile):
        text = datafile.bytestring.decode()
        if not text:
            raise RuntimeError(f"there is nothing in {datafile.full_filepath}")
        numbers = [int(line) for line in text.split()]
        return {"file": str(datafile.relative_filepath), "lines": len(numbers), "sum": sum(numbers), "unit": "µm"}

    @classmethod
    def run_from_command_line(cls, args=None):
        """Run until stopped. (That of the base class cannot construct its own class in OpenMSIStream 1.8.8.)"""
        parser = cls.get_argument_parser()
        args = parser.parse_args(args=args)
        reproducer = cls(
            args.config,
            args.consumer_topic_name,
            args.producer_topic_name,
            consumer_group_id=args.consumer_group_id,
            n_consumer_threads=args.n_consumer_threads,
            n_producer_threads=args.n_producer_threads,
            output_dir=args.output_dir,
            mode=args.mode,
            filepath_regex=args.download_regex,
            update_secs=args.update_seconds,
            streamlevel=args.logger_stream_level,
            filelevel=args.logger_file_level,
        )
        n_m_r, n_m_p, n_f_r, n_f_mp, _ = reproducer.produce_processing_results_for_files_as_read()
        reproducer.close()
        reproducer.logger.info(f"{n_m_r} messages read, {n_m_p} processed, {n_f_r} files read, {n_f_mp} with metadata")


def main(args=None):
    """Run it."""
    CSVMetadata.run_from_command_line(args)


if __name__ == "__main__":
    main()
