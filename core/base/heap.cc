#include "core/base/heap.h"

#include <malloc.h>

namespace slotmatch {

void KeepFreedMemory() {
  constexpr int kKeptBytes = 256 << 20;
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
}

}  // namespace slotmatch
