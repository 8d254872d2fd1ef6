#pragma once

namespace slotmatch {

// Has malloc keep freed memory for the next allocation, up to 256 MiB at the heap's end, and use
// few arenas. As glibc comes, a block of some MB is mapped at malloc() and unmapped at free(), so
// that every layer of a ViT faults its activations in page by page: a fifth of the time at 336 px.
// With an arena per thread, freed frame buffers would stay with each of them. For a main(), before
// it starts threads.
void KeepFreedMemory();

// What keeps such a process small after a burst: gives all freed memory back to the system when
// there is more than 64 MiB of it, wherever it lies in the heap. For a program that runs long,
// every few seconds; what it then needs again is faulted in once. Thread-safe.
void ReturnSpareMemory();

}  // namespace slotmatch
