"""The tasks of vocabulo: all of opslib's. Its own go beside them, as in examples/rag-engine-mini."""

import opslib

ns = opslib.namespace()
