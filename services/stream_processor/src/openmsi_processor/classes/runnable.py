"""Anything that runs from the command line."""

from typing import Any, ClassVar

from openmsi_processor.classes.arguments import HasArguments, OpenMSIArgumentParser


class Runnable(HasArguments):
    """Has a parser of the type `ARGUMENT_PARSER_TYPE` with the arguments that the class names."""

    ARGUMENT_PARSER_TYPE: ClassVar[Any] = OpenMSIArgumentParser

    @classmethod
    def get_argument_parser(cls, *args: Any, **kwargs: Any) -> Any:
        """A parser with all arguments of the class, made with these arguments; add more to it."""
        parser = cls.ARGUMENT_PARSER_TYPE(*args, **kwargs)
        names, defaults = cls.get_command_line_arguments()
        parser.add_arguments(*names, **defaults)
        return parser

    @classmethod
    def run_from_command_line(cls, args: list[str] | None = None) -> Any:
        """Do what the class is for; ``args`` instead of those of the command line. Override it."""
        raise NotImplementedError
