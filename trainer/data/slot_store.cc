#include "trainer/data/slot_store.h"

#include <fcntl.h>
#include <torch/torch.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "trainer/data/tfrecord.h"

namespace slotmatch {
namespace {

using Checksum = uint32_t;

absl::string_view BytesOf(const torch::Tensor& slots) {
  return {static_cast<const char*>(slots.data_ptr()), slots.nbytes()};
}

bool ReadAt(int fd, int64_t offset, void* bytes, size_t size) {
  ssize_t n;
  do {
    n = pread(fd, bytes, size, offset);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(size);
}

bool WriteAt(int fd, int64_t offset, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t n = pwrite(fd, bytes, size, offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes += n;
    offset += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

SlotStore::SlotStore(const FeatureStore* tokens, const SlotKind& kind, std::string cache_dir)
    : tokens_(tokens),
      kind_(kind),
      key_(absl::StrCat("slots|", kind.digest, "|", kind.clip_frames, "|", kind.num_slots, "|",
                        kind.slot_dim)),
      cache_dir_(std::move(cache_dir)) {}

torch::Tensor SlotStore::Find(const ClipPlace& clip) const {
  const int fd = open(Path(clip.video).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const absl::Cleanup close_fd = [fd] { close(fd); };
  Checksum checksum = 0;
  torch::Tensor slots = torch::empty({kind_.clip_frames, kind_.num_slots, kind_.slot_dim});
  const int64_t offset = Offset(clip);
  if (!ReadAt(fd, offset, &checksum, sizeof(checksum)) ||
      !ReadAt(fd, offset + static_cast<int64_t>(sizeof(checksum)), slots.data_ptr(),
              slots.nbytes())) {
    return {};
  }
  return MaskedCrc32c(BytesOf(slots)) == checksum ? slots : torch::Tensor();
}

absl::Status SlotStore::Keep(const ClipPlace& clip, const torch::Tensor& slots) const {
  TORCH_CHECK(slots.scalar_type() == torch::kFloat32 && slots.is_contiguous() &&
                  slots.sizes().vec() ==
                      (std::vector<int64_t>{kind_.clip_frames, kind_.num_slots, kind_.slot_dim}),
              "slots of a clip are not [T, K, S] float32 but ", slots.sizes());
  const Checksum checksum = MaskedCrc32c(BytesOf(slots));
  std::string record(reinterpret_cast<const char*>(&checksum), sizeof(checksum));
  absl::StrAppend(&record, BytesOf(slots));
  const std::string path = Path(clip.video);
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const absl::Cleanup close_fd = [fd] {
    if (fd >= 0) close(fd);
  };
  if (fd >= 0 && WriteAt(fd, Offset(clip), record.data(), record.size())) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
}

std::string SlotStore::Path(int64_t video) const {
  const std::string name = Sha256Hex(absl::StrCat(tokens_->cache_key(video), "|", key_));
  return (std::filesystem::path(cache_dir_) / (name + ".slots")).string();
}

int64_t SlotStore::Offset(const ClipPlace& clip) const {
  const int64_t floats = kind_.clip_frames * kind_.num_slots * kind_.slot_dim;
  const auto record = static_cast<int64_t>(sizeof(Checksum) + sizeof(float) * floats);
  return (2 * clip.start + (clip.flip ? 1 : 0)) * record;
}

}  // namespace slotmatch
