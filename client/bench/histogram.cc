#include "client/bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace slotmatch {
namespace {

// Values below kParts us have a bucket each; every power of two above has kParts / 2 of them.
constexpr int kPartBits = 7;
constexpr uint64_t kParts = uint64_t{1} << kPartBits;
constexpr int kMaxBits = 36;  // of the longest value, in us
constexpr size_t kBuckets = kParts + (kMaxBits - kPartBits) * kParts / 2;

size_t BucketOf(uint64_t us) {
  us = std::min(us, (uint64_t{1} << kMaxBits) - 1);
  if (us < kParts) return us;
  const int shift = std::bit_width(us) - kPartBits;  // leaves the highest kPartBits bits
  return kParts + (shift - 1) * kParts / 2 + ((us >> shift) - kParts / 2);
}

// The largest value of a bucket, in us.
uint64_t EndOf(size_t bucket) {
  if (bucket < kParts) return bucket;
  const size_t above = bucket - kParts;
  const int shift = static_cast<int>(above / (kParts / 2)) + 1;
  const uint64_t first = above % (kParts / 2) + kParts / 2;
  return ((first + 1) << shift) - 1;
}

}  // namespace

DurationHistogram::DurationHistogram() : buckets_(kBuckets) {}

void DurationHistogram::Add(absl::Duration value) {
  value = std::max(value, absl::ZeroDuration());
  ++buckets_[BucketOf(static_cast<uint64_t>(absl::ToInt64Microseconds(value)))];
  ++count_;
  sum_ += value;
  max_ = std::max(max_, value);
}

void DurationHistogram::Merge(const DurationHistogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

absl::Duration DurationHistogram::mean() const {
  return count_ == 0 ? absl::ZeroDuration() : sum_ / count_;
}

absl::Duration DurationHistogram::Quantile(double q) const {
  const auto rank = static_cast<int64_t>(std::ceil(q * static_cast<double>(count_)));
  int64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= std::max<int64_t>(rank, 1)) {
      return std::min(max_, absl::Microseconds(static_cast<int64_t>(EndOf(i))));
    }
  }
  return max_;
}

}  // namespace slotmatch
