#!/usr/bin/env bash
# Proves interoperability against the field's own tools: what is exported here gives the same log-probabilities, token
# ids and conversations in transformers, peft and llama.cpp, and what they save gives the same here. Prints a table of the
# largest differences and fails beyond 1e-4. Needs Python 3.10 or later and, the first time, a Python package index.
set -euo pipefail
cd "$(dirname "$0")/../.."

requirements=tests/interop/requirements.txt
cache=${TRAINYARD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/trainyard}/interop
venv=$cache/venv-$(sha256sum "$requirements" | cut -c1-16)
if [ ! -f "$venv/complete" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
  touch "$venv/complete"
fi

# llama.cpp as a library for Node.js, with the prebuilt binary of this platform and no other.
case "$(uname -sm)" in
  'Linux x86_64') platform=linux-x64 ;;
  'Linux aarch64') platform=linux-arm64 ;;
  'Darwin arm64') platform=mac-arm64-metal ;;
  *) echo "llama.cpp has no prebuilt binary for $(uname -sm) here" >&2 && exit 1 ;;
esac
version=3.22.1
llama=$cache/llama-$version
if [ ! -f "$llama/complete" ]; then
  rm -rf "$llama"
  mkdir -p "$llama"
  npm install --prefix "$llama" --silent --ignore-scripts --omit=optional --no-audit --no-fund \
    "node-llama-cpp@$version" "@node-llama-cpp/$platform@$version"
  touch "$llama/complete"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error TQDM_DISABLE=1 TOKENIZERS_PARALLELISM=false TF_CPP_MIN_LOG_LEVEL=3 PYTHONWARNINGS=ignore
ours() { node --conditions=source --import tsx "tests/interop/$1.ts" "$work"; }
theirs() { "$venv/bin/python" "tests/interop/$1.py" "$work"; }

ours export-models    # our folders, with what our engine makes of them
theirs check_exports  # the same in transformers and peft
node tests/interop/check-llama-cpp.mjs "$work" "$llama"
theirs save_models    # their folders, with what transformers makes of them
ours check-imports    # the same in our engine
ours report
