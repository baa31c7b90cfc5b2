#!/usr/bin/env bash
# Posts real payloads of GitHub, signed, to the running binary: each altered by
# one bit, as it is, and again. See tests/github_payloads.rs.
#
#   tests/scripts/github-payloads.sh <folder>
#
# An event's name is its file's up to the first dot: pull_request.opened.json.
set -euo pipefail

folder=${1:-${PX_GITHUB_PAYLOADS:-}}
if [[ -z $folder || ! -d $folder ]]; then
  echo "github-payloads: SKIPPED, no folder of payloads (give it as the argument)" >&2
  exit 0
fi
folder=$(cd "$folder" && pwd)
cd "$(dirname "$0")/../.."
PX_GITHUB_PAYLOADS=$folder cargo test --quiet --test github_payloads -- --nocapture
