#!/bin/sh
# Builds the checked programs and runs every test. Usage: run.sh <QuickJS source> <directory for what is built>
# Last line: "N passed, N failed"; the exit status says the same. SEED=n repeats the random tests with that seed.
set -eu
quickjs=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
here=$(dirname "$(realpath "$0")")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
seed=${SEED:-$(date +%s)}
report=$scratch/report
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99 UBSAN_OPTIONS=print_stacktrace=1

make -s -j2 -C "$here/.." QUICKJS="$quickjs" OUT="$out" static checked
echo "seed $seed"
mkdir "$scratch/work"
cd "$scratch/work" # random relative paths end here

# Arguments: a name, then a command; the command's last words are in its "ok"/"not ok" lines.
suite() {
  name=$1
  shift
  status=0
  "$@" >"$scratch/output" 2>&1 || status=$?
  grep -E '^(ok|not ok) ' "$scratch/output" | sed "s/^ok /ok $name: /;s/^not ok /not ok $name: /" >>"$report" || true
  if [ "$status" -ne 0 ]; then
    cat "$scratch/output"
    grep -q '^not ok' "$scratch/output" || echo "not ok $name: ended with status $status" >>"$report"
  fi
}

suite arena "$out/arena-test" "$seed"
for file in "$here"/*.test.mjs; do
  name=$(basename "$file" .test.mjs)
  { cat "$here/harness.mjs" "$file"; echo 'await finish();'; } >"$scratch/$name.mjs"
  case $name in xen-*) program=$out/ennead-rt-fake-xen ;; *) program=$out/ennead-rt-asan ;; esac
  suite "$name" "$program" "$scratch/$name.mjs" "$program" "$scratch/work" "$here/../rt.d.ts" "$out/ennead-rt" "$seed" "$out/confined"
done

grep '^not ok' "$report" || true
passed=$(grep -c '^ok' "$report" || true)
failed=$(grep -c '^not ok' "$report" || true)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
