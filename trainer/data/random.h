#pragma once

#include <cstdint>

namespace slotmatch {

// SplitMix64: the same sequence on every machine and library, unlike std:: distributions.
class Random {
 public:
  // A stream of its own for every (seed, step).
  Random(uint64_t seed, uint64_t step) : state_(Mix(seed) ^ Mix(step + 0x9e3779b97f4a7c15ull)) {}

  uint64_t Next() { return Mix(state_ += 0x9e3779b97f4a7c15ull); }
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }  // [0, 1)
  // [0, count); the modulo's bias is below 2^-40 for any count used here.
  int64_t Below(int64_t count) {
    return static_cast<int64_t>(Next() % static_cast<uint64_t>(count));
  }

 private:
  static uint64_t Mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

}  // namespace slotmatch
