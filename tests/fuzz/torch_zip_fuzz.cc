#include "core/weights/torch_zip.h"
#include "tests/fuzz/read_archive.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  slotmatch::ReadAndTouch(&slotmatch::ReadTorchZip, data, size);
  return 0;
}
