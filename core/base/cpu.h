#pragma once

namespace slotmatch {

// CPUs this process may really use: its affinity mask, bounded by the cgroup's cpu quota (rounded
// up). At least 1. Containers with a limit below the host's CPU count depend on it.
int UsableCpus();

// Whether the CPU multiplies bfloat16 numbers itself.
bool CpuHasBfloat16();

}  // namespace slotmatch
