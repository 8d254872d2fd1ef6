#include <cstdint>
#include <string>

#include "core/weights/manifest.h"
#include "core/weights/safetensors.h"
#include "tests/support/temp_dir.h"

// A manifest beside one part, w.safetensors, whose SHA-256 the corpus knows.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const slotmatch::TempDir& dir = *[] {
    auto* made = new slotmatch::TempDir();
    static const uint8_t kByte[1] = {7};
    const absl::Status written = slotmatch::WriteSafetensors(
        made->File("w.safetensors"), {{"a", {slotmatch::DType::kU8, {1}, kByte}}});
    if (!written.ok()) std::abort();
    return made;
  }();
  dir.Write("manifest.textproto", std::string(reinterpret_cast<const char*>(data), size));
  slotmatch::PartCache cache;
  static_cast<void>(slotmatch::OpenModelDirectory(dir.path(), &cache));
  return 0;
}
