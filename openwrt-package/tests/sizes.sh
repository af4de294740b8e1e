# The table of sizes: budgets beside the figures, and failure where something grew.

. "$FEED/tests/common.sh"

sizes() { bash "$FEED/sizes" "$work/dist" 2> "$work/complaint"; }

mkdir -p "$work/dist/mips" "$work/dist/arm"
check "nothing is built: it says so" eval '! sizes && contains "$(cat "$work/complaint")" "nothing is built"'

head -c 2000 /dev/zero > "$work/dist/mips/asu"
head -c 3000000 /dev/zero > "$work/dist/arm/asu"
check "within the budget" eval 'sizes > /dev/null'
check "the figure and its budget" contains "$(sizes)" "| mips | asu | 2000 of 1468006 |"
check "without a budget, the figure alone" contains "$(sizes)" "| arm | asu | 3000000 |"

head -c 3000000 /dev/zero > "$work/dist/mips/asu"
check "a file that grew" eval '! sizes > "$work/table"'
check "which one" contains "$(cat "$work/table")" "| mips | asu | 3000000 of 1468006: TOO LARGE |"
check "where the budget stands" contains "$(cat "$work/complaint")" "lib/budget.sh"

# Nothing makes noise smaller.
head -c 1000000 /dev/urandom > "$work/dist/mips/asu"
check "one that is too large as xz" eval '! sizes > "$work/table"'
check "its size alone is fine" contains "$(cat "$work/table")" "| 1000000 of 1468006 |"

head -c 20000 /dev/zero > "$work/dist/arm/attendedsysupgrade.so"
head -c 100 /dev/zero > "$work/dist/mips/asu"
check "a plugin that grew" eval '! sizes > "$work/table"'
check "on which target" contains "$(cat "$work/table")" "| arm | attendedsysupgrade.so | 20000 of 12288: TOO LARGE |"
