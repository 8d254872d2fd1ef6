#include "core/base/heap.h"

#include <malloc.h>

#include <cstddef>

namespace slotmatch {

void KeepFreedMemory() {
  constexpr int kKeptBytes = 256 << 20;
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
}

void ReturnSpareMemory() {
  constexpr size_t kSpareBytes = size_t{64} << 20;
  if (mallinfo2().fordblks > kSpareBytes) malloc_trim(0);
}

}  // namespace slotmatch
