#include "core/engine/state_packing.h"

#include <zlib.h>

#include <string>
#include <utility>

namespace slotmatch {
namespace {

constexpr size_t kLowBytes = 3;                 // of a number's four
constexpr size_t kMaxPlain = size_t{64} << 10;  // unpacked: no state is near it

}  // namespace

void PackSnapshot(state::SessionSnapshot* snapshot) {
  const std::string& slots = snapshot->slots();
  std::string low, plain;
  for (size_t i = 0; i + kLowBytes < slots.size(); i += kLowBytes + 1) {
    low.append(slots, i, kLowBytes);
    plain.push_back(slots[i + kLowBytes]);
  }
  plain += snapshot->track();
  uLongf size = compressBound(plain.size());
  std::string packed(size, '\0');
  // Fails only without memory or room.
  compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
            reinterpret_cast<const Bytef*>(plain.data()), plain.size(), Z_BEST_COMPRESSION);
  packed.resize(size);
  snapshot->set_slots_low(std::move(low));
  snapshot->set_packed(std::move(packed));
  snapshot->set_plain_size(static_cast<uint32_t>(plain.size()));
  snapshot->clear_slots();
  snapshot->clear_track();
}

absl::Status UnpackSnapshot(state::SessionSnapshot* snapshot) {
  const size_t count = snapshot->slots_low().size() / kLowBytes;
  uLongf size = snapshot->plain_size();
  if (size > kMaxPlain || size < count || snapshot->slots_low().size() % kLowBytes != 0 ||
      !snapshot->slots().empty() || !snapshot->track().empty()) {
    return absl::DataLossError("the sizes of the packed state contradict each other");
  }
  std::string plain(size, '\0');
  const int result = uncompress(reinterpret_cast<Bytef*>(plain.data()), &size,
                                reinterpret_cast<const Bytef*>(snapshot->packed().data()),
                                snapshot->packed().size());
  if (result != Z_OK || size != plain.size()) {
    return absl::DataLossError("the packed state cannot be unpacked");
  }
  std::string slots;
  slots.reserve(count * (kLowBytes + 1));
  for (size_t i = 0; i < count; ++i) {
    slots.append(snapshot->slots_low(), i * kLowBytes, kLowBytes);
    slots.push_back(plain[i]);
  }
  snapshot->set_slots(std::move(slots));
  snapshot->set_track(plain.substr(count));
  snapshot->clear_slots_low();
  snapshot->clear_packed();
  return absl::OkStatus();
}

}  // namespace slotmatch
