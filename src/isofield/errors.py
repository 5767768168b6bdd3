"""The one error that users meet."""


class InputError(ValueError):
    """Something about the user's input or output is wrong.

    The message is one clear sentence: what is wrong, in which file and key, and what to do.
    The command line prints it and exits with code 2.
    """
