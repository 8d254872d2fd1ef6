#include "core/weights/torch_legacy.h"
#include "tests/fuzz/read_archive.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  slotmatch::ReadAndTouch(&slotmatch::ReadTorchLegacy, data, size);
  return 0;
}
