#!/usr/bin/env bash
# kill -9 during a load of resumes, over one store:
#
#   tests/scripts/kill-loop.sh [rounds]
#
# Prints what was lost and what was there twice, which must both be 0, and how
# many steps were executed again. See tests/kill_loop.rs.
set -euo pipefail

cd "$(dirname "$0")/../.."
PX_KILL_ROUNDS=${1:-10} cargo test --quiet --test kill_loop
