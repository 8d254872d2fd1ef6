#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/image/mask_codec.h"

namespace slotmatch {

// Label of pixels that no slot owns.
inline constexpr uint8_t kNoSlot = 255;

// How often object c and slot k own the same pixel, counted exactly. Object 0 is unlabelled pixels
// and background. Not thread-safe.
class Contingency {
 public:
  explicit Contingency(int num_slots) : num_slots_(num_slots) {}

  // Maps of the same size. truth: object ids; pixels with kOverlapLabel are left out altogether.
  // prediction: slot indices < num_slots, or kNoSlot.
  void Add(const LabelMap& truth, const LabelMap& prediction);
  void Add(const Contingency& other);
  // The same pixels with the slots put together in `groups` columns: slot k in group_of[k], or in
  // none where that is -1.
  Contingency Grouped(absl::Span<const int> group_of, int groups) const;

  int num_slots() const { return num_slots_; }
  int num_rows() const {
    return static_cast<int>(counts_.size() / (num_slots_ + 1));
  }                                             // ids < this
  int64_t shared(int object, int slot) const {  // 0 for ids that never occurred
    return object < num_rows() ? row(object)[slot] : 0;
  }
  int64_t ObjectArea(int object) const;
  int64_t SlotArea(int slot) const;  // over all pixels, unlabelled ones too
  bool has_objects() const { return num_rows() > 1; }
  int64_t overlap_px() const { return overlap_px_; }

 private:
  const int64_t* row(int object) const {
    return &counts_[static_cast<size_t>(object) * (num_slots_ + 1)];
  }

  int num_slots_;
  std::vector<int64_t>
      counts_;  // [rows, K + 1], the last column is kNoSlot; the last row has pixels
  int64_t overlap_px_ = 0;
};

}  // namespace slotmatch
