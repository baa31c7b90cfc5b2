#!/usr/bin/env bash
# Simulated power cuts in mid-load, mid-apply and mid-checkpoint.
#
# Needs the source of a power-loss model for LD_PRELOAD, which copies a file's
# dirty pages to a shadow directory at fsync and fdatasync only:
#
#   PLSIM_C=<plsim.c> [RUNS=40] [IMAGES=4] [SEED=1] [CHUNK=<bytes>] tests/power-loss.sh
#
# Each run starts from an empty directory or from an image of the run before,
# commits until it is killed at a random moment, and is made into IMAGES images;
# RUNS runs each with PLSIM_SFR=0 and =1. Prints one line of counts for each,
# and fails if any image cannot be opened, misses an answered commit or has a
# batch by half.
set -euo pipefail

if [[ -z ${PLSIM_C:-} || ! -r $PLSIM_C ]]; then
  echo "power-loss: SKIPPED, no power-loss model (set PLSIM_C to the source of one)" >&2
  exit 0
fi

runs=${RUNS:-40} images=${IMAGES:-4} RANDOM=${SEED:-1}
cd "$(dirname "$0")/../../.."
cargo build --quiet --release -p px-store-sled --example power_loss
program=${CARGO_TARGET_DIR:-target}/release/examples/power_loss
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -shared -fPIC -O2 -w -o "$work/plsim.so" "$PLSIM_C" -ldl -lpthread

failed=0
for sfr in 0 1; do
  total=0 unopenable=0 lost=0 half=0 broken=0 answered=0
  rm -rf "$work/next" "$work/next.ack"
  for ((run = 1; run <= runs; run++)); do
    rm -rf "$work/store" "$work/shadow"
    # Every fourth run begins anew, so that creation is cut off, too.
    if ((run % 4 == 1)) || [[ ! -d $work/next ]]; then
      mkdir "$work/store"
      rm -f "$work/ack"
    else
      mv "$work/next" "$work/store"
    fi
    cp -r "$work/store" "$work/shadow"
    LD_PRELOAD="$work/plsim.so" PLSIM_DIR="$work/store" PLSIM_SHADOW="$work/shadow" PLSIM_SFR=$sfr \
      "$program" load "$work/store" "$work/ack" $((RANDOM * 32768 + RANDOM)) 2>"$work/stderr" &
    process=$!
    # From the first moments of an open to some hundred checkpoints.
    sleep "$(awk -v r=$RANDOM 'BEGIN { x = r / 32768; printf "%.3f", 0.03 + 2.5 * x * x }')"
    if ! kill -9 "$process" 2>/dev/null; then
      echo "power-loss: the load ended by itself: $(cat "$work/stderr")" >&2
      broken=$((broken + 1))
    fi
    wait "$process" 2>/dev/null || true
    for ((number = 1; number <= images; number++)); do
      rm -rf "$work/image"
      "$program" image "$work/store" "$work/shadow" "$work/image" $((RANDOM * 32768 + RANDOM))
      rm -rf "$work/next"
      cp -r "$work/image" "$work/next"
      code=0
      "$program" verify "$work/image" "$work/ack" >"$work/report" 2>&1 || code=$?
      total=$((total + 1))
      case $code in
        0) ;;
        3) unopenable=$((unopenable + 1)) ;;
        4) lost=$((lost + 1)) ;;
        5) half=$((half + 1)) ;;
        *) broken=$((broken + 1)) ;;
      esac
      if ((code != 0)); then
        echo "power-loss: run $run, image $number, PLSIM_SFR=$sfr, code $code: $(tail -c 600 "$work/report")" >&2
        if [[ -n ${KEEP:-} ]]; then
          mkdir -p "$KEEP" && cp -r "$work/next" "$KEEP/$sfr-$run-$number" && cp "$work/ack" "$KEEP/$sfr-$run-$number.ack"
        fi
        rm -rf "$work/next"
      fi
    done
    if [[ -s $work/ack ]]; then
      answered=$((answered + $(od -An -v -tu8 --endian=big -w8 "$work/ack" | awk '{ sum += $1 } END { print sum }')))
    fi
  done
  echo "PLSIM_SFR=$sfr: $runs runs, $total images, $answered answered commits to be found;" \
    "$unopenable unopenable, $lost with losses, $half with half a batch, $broken otherwise broken"
  failed=$((failed + unopenable + lost + half + broken))
done
exit $((failed > 0))
