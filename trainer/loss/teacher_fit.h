#pragma once

#include <string>
#include <vector>

#include "slotmatch/config/train.pb.h"

namespace slotmatch {

// Why the losses of a config cannot compare its model with this teacher, one sentence each: other
// slots, other tokens, a decoder that gives no tokens. Both models are valid.
std::vector<std::string> TeacherProblems(const config::TrainConfig& config,
                                         const config::ModelConfig& teacher);

}  // namespace slotmatch
