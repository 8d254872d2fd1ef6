#include "trainer/dist/place.h"

#include <cstdlib>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace slotmatch {
namespace {

constexpr int kMaxPort = 65535;

absl::StatusOr<int> Number(const char* name, int low, int high) {
  const char* text = std::getenv(name);
  if (text == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("WORLD_SIZE is set but ", name, " is not; torchrun sets both"));
  }
  int value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < low || value > high) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " is '", text, "'; it has to be from ", low, " to ", high));
  }
  return value;
}

}  // namespace

absl::StatusOr<ProcessPlace> PlaceFromEnvironment() {
  ProcessPlace place;
  if (std::getenv("WORLD_SIZE") == nullptr) return place;
  SM_ASSIGN_OR_RETURN(place.size, Number("WORLD_SIZE", 1, std::numeric_limits<int>::max()));
  SM_ASSIGN_OR_RETURN(place.rank, Number("RANK", 0, place.size - 1));
  if (place.size == 1) return place;
  SM_ASSIGN_OR_RETURN(place.port, Number("MASTER_PORT", 1, kMaxPort));
  const char* address = std::getenv("MASTER_ADDR");
  if (address == nullptr || *address == '\0') {
    return absl::FailedPreconditionError("WORLD_SIZE is set but MASTER_ADDR is not");
  }
  place.address = address;
  if (std::getenv("LOCAL_RANK") != nullptr) {
    SM_ASSIGN_OR_RETURN(place.local_rank, Number("LOCAL_RANK", 0, place.size - 1));
  }
  if (std::getenv("LOCAL_WORLD_SIZE") != nullptr) {
    SM_ASSIGN_OR_RETURN(place.local_size, Number("LOCAL_WORLD_SIZE", 1, place.size));
  }
  const char* agent = std::getenv("TORCHELASTIC_USE_AGENT_STORE");
  place.store_is_up = agent != nullptr && std::string(agent) == "True";
  return place;
}

}  // namespace slotmatch
