#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/config/config.h"
#include "slotmatch/config/serve.pb.h"
#include "slotmatch/config/train.pb.h"

namespace {

// The first line as an override on top of the rest as a file. What is read must be printed as a
// text that reads as the same.
template <typename Message>
void Check(const std::string& override_text, const std::string& file) {
  Message message;
  if (!slotmatch::ParseConfigText(file, "file", &message).ok()) return;
  if (!slotmatch::ApplyOverride(override_text, &message).ok()) return;
  const std::string printed = slotmatch::ConfigText(message);
  Message again;
  if (!slotmatch::ParseConfigText(printed, "printed", &again).ok()) std::abort();
  if (slotmatch::ConfigText(again) != printed) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(text.find('\n'), text.size());
  const std::string rest = text.substr(std::min(line + 1, text.size()));
  Check<slotmatch::config::ServeConfig>(text.substr(0, line), rest);
  Check<slotmatch::config::TrainConfig>(text.substr(0, line), rest);
  return 0;
}
