#include "core/base/heap.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace slotmatch {
namespace {

int64_t ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  long long total = 0, resident = 0;
  EXPECT_EQ(std::fscanf(file, "%lld %lld", &total, &resident), 2);
  std::fclose(file);
  return resident * 4096;
}

TEST(ReturnSpareMemory, GivesBackWhatLiesBetweenBlocksInUse) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer brings its own malloc";
#endif
  constexpr size_t kBlock = 512 << 10, kBlocks = 400;
  constexpr int64_t kMiB = 1 << 20;
  KeepFreedMemory();
  const int64_t before = ResidentBytes();
  std::vector<std::unique_ptr<char[]>> blocks, kept;
  for (size_t i = 0; i < kBlocks; ++i) {
    blocks.push_back(std::make_unique<char[]>(kBlock));
    std::memset(blocks.back().get(), 1, kBlock);
    kept.push_back(std::make_unique<char[]>(64));  // lies above its block
  }
  blocks.clear();
  EXPECT_GT(ResidentBytes() - before, 150 * kMiB) << "freed memory is kept at first";
  ReturnSpareMemory();
  EXPECT_LT(ResidentBytes() - before, 20 * kMiB);
}

}  // namespace
}  // namespace slotmatch
