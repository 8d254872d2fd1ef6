#pragma once

namespace slotmatch {

// Has malloc keep freed memory for the next allocation, up to 256 MiB at the heap's end, and use
// few arenas. As glibc comes, a block of some MB is mapped at malloc() and unmapped at free(), so
// that every layer of a ViT faults its activations in page by page: a fifth of the time at 336 px.
// With an arena per thread, freed frame buffers would stay with each of them. For a main(), before
// it starts threads.
void KeepFreedMemory();

}  // namespace slotmatch
