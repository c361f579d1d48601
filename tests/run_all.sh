#!/bin/bash
# Every test, from a clean checkout: installs what is missing, then builds and runs the Release tests
# (with demo and interop), the address and undefined behaviour sanitizers, and the thread sanitizer.
# The last line is "N passed, N failed"; the exit status is 0 only if nothing failed.
#
#   run_all.sh [preset...]     default: test asan tsan
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash tests/setup.sh || exit 1
presets=("$@")
if [[ ${#presets[@]} -eq 0 ]]; then presets=(test asan tsan); fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0
failed=0
for preset in "${presets[@]}"; do
  printf '\n== %s\n' "$preset"
  begin=$SECONDS
  cmake --workflow --preset "$preset" </dev/null 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  printf '== %s: status %d, %d s\n' "$preset" "$status" $((SECONDS - begin))
  # ctest closes with "97% tests passed, 3 tests failed out of 120".
  closing=$(sed -nE 's/^[0-9]+% tests passed, ([0-9]+) tests? failed out of ([0-9]+)$/\1 \2/p' "$log")
  read -r bad all <<<"${closing:-0 0}"
  passed=$((passed + all - bad))
  failed=$((failed + bad))
  # A build that broke, or a run without tests, is a failure that ctest did not count.
  if [[ $bad -eq 0 && ($status -ne 0 || $all -eq 0) ]]; then failed=$((failed + 1)); fi
done
printf '\nran for %d s\n%d passed, %d failed\n' "$SECONDS" "$passed" "$failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
