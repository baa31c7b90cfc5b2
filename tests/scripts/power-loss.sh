#!/usr/bin/env bash
# Simulated power cuts under the real binary, checked through its API: see
# tests/power_loss.rs, and tests/files/cuts.rs for forms with files. The same for the store alone is
# crates/px-store-sled/tests/power-loss.sh.
#
# Needs the source of a power-loss model for LD_PRELOAD, which copies a file's
# dirty pages to a shadow directory at fsync and fdatasync only:
#
#   PLSIM_C=<plsim.c> [PX_POWER_IMAGES=200] [PX_POWER_SEED=1] tests/scripts/power-loss.sh
#
# Half of the images are made with PLSIM_SFR=0 (sync_file_range makes nothing
# durable), half with =1. Prints one line of counts for each, and fails if an
# image cannot be served, or an acknowledged event is missing or there twice, or
# a run does not complete. 200 images take about five minutes.
set -euo pipefail

if [[ -z ${PLSIM_C:-} || ! -r $PLSIM_C ]]; then
  echo "power-loss: SKIPPED, no power-loss model (set PLSIM_C to the source of one)" >&2
  exit 0
fi
PLSIM_C=$(realpath "$PLSIM_C")
export PLSIM_C
cd "$(dirname "$0")/../.."
cargo test --quiet --test power_loss -- --nocapture
cargo test --quiet --test files -- power_cut
