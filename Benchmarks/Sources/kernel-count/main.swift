// Calls every counted case under a name of its own, and prints the cases in that order. Short ones are called once
// before, for what only a first call does.
// `Benchmarks/instructions` runs it on valgrind's processor, which counts what is executed under that name.

import GLMKernels
import KernelCases

/// What is executed in here is what counts.
@inline(never)
func countedCall(_ run: () -> Void) { run() }

for level in InstructionSet.available {
    for item in CountedCases.all(level) {
        if item.work.operations < 1 << 22 { item.run() }
        countedCall(item.run)
        print(item.name)
    }
}
