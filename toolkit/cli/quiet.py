"""TensorFlow without the notes that its C++ side writes to stderr while it is loaded."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import tempfile

_TENSORFLOW = "tensorflow"


def load_tensorflow() -> None:
    """Import TensorFlow; what it writes is shown only if that fails, or if the user asked for it.

    ``TF_CPP_MIN_LOG_LEVEL`` alone does not do it: a part is written before the level is read.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        importlib.import_module(_TENSORFLOW)
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    logging.getLogger(_TENSORFLOW).setLevel(logging.ERROR)
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            importlib.import_module(_TENSORFLOW)
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
