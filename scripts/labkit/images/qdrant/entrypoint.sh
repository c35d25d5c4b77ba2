#!/bin/bash
# Start the server in /qdrant, where its folders storage and snapshots are.
set -euo pipefail
cd /qdrant
exec ./qdrant "$@"
