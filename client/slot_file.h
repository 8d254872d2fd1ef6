#pragma once

#include <fstream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slotmatch/v1/slotmatch.pb.h"

namespace slotmatch {

// slots.safetensors: what a session's slots were, as arrays. Rows are written as they come, so that
// memory does not grow with the video; the file can be read once it is closed. Not thread-safe.
//
//   slots         F32 [frames, num_slots, slot_dim]  corrected slots
//   frame_ids     I64 [frames]                       only frames with a result
//   temporal_ids  I64 [frames, num_slots]            Slot.temporal_id
class SlotFile {
 public:
  // ALREADY_EXISTS (cannot create) when `path` cannot be written.
  static absl::StatusOr<std::unique_ptr<SlotFile>> Create(const std::string& path,
                                                          const v1::ModelInfo& model);
  // A result with F32 vectors of every slot. DATA_LOSS when it has others; ABORTED when the disk is
  // full.
  absl::Status Add(const v1::FrameResult& result);
  // Writes the header.
  absl::Status Close();

 private:
  SlotFile(const std::string& path, const v1::ModelInfo& model);
  absl::Status Append(const std::string& from);
  absl::Status Written() const;

  const std::string path_;
  const int64_t num_slots_, slot_dim_;
  int64_t frames_ = 0;
  std::ofstream file_;
  std::ofstream frame_ids_, temporal_ids_;  // beside it, until it is closed
};

}  // namespace slotmatch
