#include "client/slot_file.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr size_t kHeaderBytes = 1024;  // with the eight of its length; padded with spaces

std::string FrameIdsPath(const std::string& path) { return path + ".frame_ids"; }
std::string TemporalIdsPath(const std::string& path) { return path + ".temporal_ids"; }

void Put(std::ofstream* file, uint64_t value) {
  file->write(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace

SlotFile::SlotFile(const std::string& path, const v1::ModelInfo& model)
    : path_(path),
      num_slots_(model.num_slots()),
      slot_dim_(model.slot_dim()),
      file_(path, std::ios::binary),
      frame_ids_(FrameIdsPath(path), std::ios::binary),
      temporal_ids_(TemporalIdsPath(path), std::ios::binary) {}

absl::StatusOr<std::unique_ptr<SlotFile>> SlotFile::Create(const std::string& path,
                                                           const v1::ModelInfo& model) {
  std::unique_ptr<SlotFile> file(new SlotFile(path, model));
  file->file_ << std::string(kHeaderBytes, ' ');
  if (!file->Written().ok()) return absl::AlreadyExistsError("cannot write " + path);
  return file;
}

absl::Status SlotFile::Written() const {
  if (file_ && frame_ids_ && temporal_ids_) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("cannot write ", path_, ": is the disk full?"));
}

absl::Status SlotFile::Add(const v1::FrameResult& result) {
  bool fits = result.slots_size() == num_slots_;
  for (const v1::Slot& slot : result.slots()) {
    fits = fits && static_cast<int64_t>(slot.vector().size()) == slot_dim_ * int64_t{sizeof(float)};
  }
  if (!fits) {
    return absl::DataLossError(absl::StrCat("frame ", result.frame_id(), " does not have ",
                                            num_slots_, " slots of ", slot_dim_, " numbers"));
  }
  for (const v1::Slot& slot : result.slots()) {
    file_ << slot.vector();
    Put(&temporal_ids_, slot.temporal_id());
  }
  Put(&frame_ids_, result.frame_id());
  ++frames_;
  return Written();
}

absl::Status SlotFile::Append(const std::string& from) {
  std::ifstream part(from, std::ios::binary);
  if (part.peek() != std::ifstream::traits_type::eof()) file_ << part.rdbuf();
  std::remove(from.c_str());
  return Written();
}

absl::Status SlotFile::Close() {
  frame_ids_.close();
  temporal_ids_.close();
  SM_RETURN_IF_ERROR(Append(FrameIdsPath(path_)));
  SM_RETURN_IF_ERROR(Append(TemporalIdsPath(path_)));
  const int64_t slots_end = frames_ * num_slots_ * slot_dim_ * int64_t{sizeof(float)};
  const int64_t frames_end = slots_end + frames_ * int64_t{sizeof(uint64_t)};
  const int64_t end = frames_end + frames_ * num_slots_ * int64_t{sizeof(uint64_t)};
  const nlohmann::json tensors = {
      {"slots",
       {{"dtype", "F32"},
        {"shape", {frames_, num_slots_, slot_dim_}},
        {"data_offsets", {int64_t{0}, slots_end}}}},
      {"frame_ids",
       {{"dtype", "I64"}, {"shape", {frames_}}, {"data_offsets", {slots_end, frames_end}}}},
      {"temporal_ids",
       {{"dtype", "I64"}, {"shape", {frames_, num_slots_}}, {"data_offsets", {frames_end, end}}}}};
  std::string header = tensors.dump();
  header.resize(kHeaderBytes - sizeof(uint64_t), ' ');
  file_.seekp(0);
  Put(&file_, header.size());
  file_ << header;
  file_.close();
  return Written();
}

}  // namespace slotmatch
